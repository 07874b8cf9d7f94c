import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import torch
from op_cases import Cases, randn

x = randn(3, 5, 7)
with Cases("reduce") as cases:
    cases.add("sum", [x], lambda v: v.sum((0, 2)))
    cases.add("mean", [x], lambda v: v.mean(1, keepdim=True))
    cases.add("min", [x], lambda v: v.amin((1, 2)))
    cases.add("max", [x], lambda v: v.amax(0))
    cases.add("variance", [x], lambda v: v.var((0, 1), unbiased=True))
    cases.add("logSumExp", [x], lambda v: torch.logsumexp(v, 2))
    cases.add("norm", [x], lambda v: torch.linalg.vector_norm(v, dim=2))
    cases.add("ties of max", [torch.tensor([[1.0, 4.0, 4.0], [2.0, 2.0, 2.0]])], lambda v: v.amax(1))
