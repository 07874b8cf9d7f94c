import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import torch
import torch.nn.functional as F
from op_cases import Cases, nchw, nhwc, randn

with Cases("maxpool") as cases:
    cases.add("of ResNet", [randn(2, 9, 7, 5)], lambda x: nhwc(F.max_pool2d(nchw(x), 3, 2, 1)))
    cases.add("halves", [randn(2, 6, 8, 5)], lambda x: nhwc(F.max_pool2d(nchw(x), 2)))
    # Few different values: most windows have several maxima.
    cases.add("ties", [torch.round(randn(2, 9, 8, 4))], lambda x: nhwc(F.max_pool2d(nchw(x), 3, 1, 1)))
