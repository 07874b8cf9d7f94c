import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import torch
from op_cases import Cases, randn

with Cases("relu") as cases:
    cases.add("ragged", [randn(3, 5, 7)], torch.relu)
