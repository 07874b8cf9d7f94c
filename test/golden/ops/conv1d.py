import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import torch.nn.functional as F
from op_cases import Cases, randn


def conv(**options):
    """x [n, l, c], weight [k, ci, co]."""
    return lambda x, w, b=None: F.conv1d(x.permute(0, 2, 1), w.permute(2, 1, 0), b, **options).permute(0, 2, 1)


with Cases("conv1d") as cases:
    cases.add("of length one", [randn(7, 1, 12), randn(1, 12, 5)], conv())
    cases.add("strided", [randn(2, 11, 3), randn(3, 3, 5), randn(5)], conv(stride=2, padding=1))
    cases.add("dilated", [randn(2, 13, 3), randn(3, 3, 4), randn(4)], conv(padding=3, dilation=3))
    cases.add("dilated and grouped", [randn(2, 14, 6), randn(3, 3, 4), randn(4)], conv(stride=2, padding=2, dilation=2, groups=2))
