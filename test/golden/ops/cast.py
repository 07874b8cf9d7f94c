import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import torch
from op_cases import Cases, randn

with Cases("cast") as cases:
    # Subnormal, ordinary and large values; the gradient is rounded on its way back too.
    cases.add("there and back", [randn(7, 5, 3) * 10 ** torch.linspace(-8, 4, 105).reshape(7, 5, 3)], lambda x: x.half().float())
