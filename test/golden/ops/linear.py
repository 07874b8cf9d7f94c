import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import torch.nn.functional as F
from op_cases import Cases, randn

with Cases("linear") as cases:
    cases.add("rows", [randn(9, 32), randn(32, 13), randn(13)], lambda x, w, b: F.linear(x, w.T, b))
    cases.add("without bias", [randn(9, 32), randn(32, 13)], lambda x, w: F.linear(x, w.T))
    cases.add("of a sequence", [randn(2, 5, 6), randn(6, 3), randn(3)], lambda x, w, b: F.linear(x, w.T, b))
