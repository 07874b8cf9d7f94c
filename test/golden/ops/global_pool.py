import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import torch
import torch.nn.functional as F
from op_cases import Cases, nchw, nhwc, randn

with Cases("global_pool") as cases:
    cases.add("mean", [randn(2, 7, 5, 6)], lambda x: nhwc(F.adaptive_avg_pool2d(nchw(x), 1)))
    cases.add("maximum", [randn(2, 7, 5, 6)], lambda x: nhwc(F.adaptive_max_pool2d(nchw(x), 1)))
    cases.add("maximum of ties", [torch.round(randn(3, 5, 4, 7))], lambda x: nhwc(F.adaptive_max_pool2d(nchw(x), 1)))
