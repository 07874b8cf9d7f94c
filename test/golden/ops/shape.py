import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import torch
import torch.nn.functional as F
from op_cases import Cases, randn

x, y = randn(3, 5, 7), randn(3, 2, 7)
with Cases("shape") as cases:
    cases.add("permute", [x], lambda v: v.permute(2, 0, 1))
    cases.add("slice", [x], lambda v: v[:, 1:4:2, -3:])
    cases.add("flip", [x], lambda v: torch.flip(v, (0, 2)))
    cases.add("pad", [x], lambda v: F.pad(v, (1, 1, 2, 0, 0, 1), value=0.5))
    cases.add("expand", [randn(3, 1)], lambda v: v.expand(4, 3, 5))
    cases.add("concat", [x, y], lambda a, b: torch.cat([a, b, a], 1))
    cases.add("stack", [x, randn(3, 5, 7, seed=1)], lambda a, b: torch.stack([a, b], -1))
    cases.add("reshape", [x], lambda v: v.reshape(7, 15))
