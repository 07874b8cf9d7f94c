import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import torch.nn.functional as F
from op_cases import Cases, nchw, nhwc, oihw, randn


def conv(**options):
    return lambda x, w, b=None: nhwc(F.conv2d(nchw(x), oihw(w), b, **options))


with Cases("conv2d") as cases:
    cases.add("strided", [randn(2, 9, 7, 3), randn(3, 3, 3, 5), randn(5)], conv(stride=2, padding=1))
    cases.add("without bias", [randn(1, 5, 11, 4), randn(3, 2, 4, 3)], conv(stride=(1, 3), padding=(2, 0)))
    cases.add("dilated", [randn(2, 8, 9, 3), randn(3, 3, 3, 4), randn(4)], conv(padding=2, dilation=2))
    cases.add("dilated and strided", [randn(1, 12, 11, 3), randn(3, 4, 3, 5), randn(5)], conv(stride=(2, 3), padding=(3, 1), dilation=(3, 2)))
    cases.add("grouped", [randn(2, 7, 8, 6), randn(3, 3, 2, 9), randn(9)], conv(stride=2, padding=1, groups=3))
    cases.add("depthwise", [randn(2, 6, 7, 6), randn(3, 3, 1, 6), randn(6)], conv(padding=2, dilation=2, groups=6))
    cases.add("grouped 1x1", [randn(3, 1, 1, 40), randn(1, 1, 8, 15), randn(15)], conv(groups=5))
