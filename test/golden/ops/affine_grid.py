import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import torch.nn.functional as F
from op_cases import Cases, randn

with Cases("affine_grid") as cases:
    for name, (h, w) in ("onto 5x7", (5, 7)), ("onto one row", (1, 6)):
        for aligned, suffix in (False, ""), (True, ", corners aligned"):
            cases.add(f"{name}{suffix}", [randn(3, 2, 3)], lambda theta: F.affine_grid(theta, (3, 1, h, w), align_corners=aligned))
