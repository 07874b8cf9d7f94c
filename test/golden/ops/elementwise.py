import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import torch
import torch.nn.functional as F
from op_cases import Cases, randn

x = randn(3, 5, 7)
positive = x.abs() + 0.5
UNARY = {
    "neg": (x, torch.neg),
    "sqrt": (positive, torch.sqrt),
    "rsqrt": (positive, torch.rsqrt),
    "square": (x, torch.square),
    "exp": (x, torch.exp),
    "log": (positive, torch.log),
    "abs": (x, torch.abs),
    "sin": (x, torch.sin),
    "cos": (x, torch.cos),
    "tanh": (x, torch.tanh),
    "sigmoid": (x, torch.sigmoid),
    "relu": (x, torch.relu),
    "leakyRelu": (x, lambda v: F.leaky_relu(v, 0.2)),
    "softplus": (x, F.softplus),
    "clamp": (x, lambda v: torch.clamp(v, -0.5, 0.25)),
}
a, b = randn(4, 1, 3), randn(5, 1, seed=1)
BINARY = {
    "add": (a, b, torch.add),
    "sub": (a, b, torch.sub),
    "mul": (a, b, torch.mul),
    "div": (a, b.abs() + 0.5, torch.div),
    "pow": (a.abs() + 0.5, b, torch.pow),
    "minimum": (a, b, torch.minimum),
    "maximum": (a, b, torch.maximum),
}

with Cases("elementwise") as cases:
    for name, (value, function) in UNARY.items():
        cases.add(name, [value], function)
    for name, (left, right, function) in BINARY.items():
        cases.add(name, [left, right], function)
    cases.add("where", [randn(3, 1), randn(3, 5), randn(5)], lambda c, p, q: torch.where(c > 0, p, q))
