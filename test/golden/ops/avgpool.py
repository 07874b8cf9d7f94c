import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import torch.nn.functional as F
from op_cases import Cases, nchw, nhwc, randn

with Cases("avgpool") as cases:
    cases.add("halves", [randn(2, 6, 8, 5)], lambda x: nhwc(F.avg_pool2d(nchw(x), 2)))
    cases.add("with a border", [randn(2, 7, 5, 3)], lambda x: nhwc(F.avg_pool2d(nchw(x), 3, 2, 1)))
    cases.add("windows apart", [randn(1, 11, 8, 4)], lambda x: nhwc(F.avg_pool2d(nchw(x), 2, 3, 1)))
