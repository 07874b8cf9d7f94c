import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import torch.nn.functional as F
from op_cases import Cases, nchw, nhwc, randn

with Cases("upsample") as cases:
    for factor in 2, 8:
        cases.add(f"nearest by {factor}", [randn(2, 3, 5, 4)], lambda x: nhwc(F.interpolate(nchw(x), scale_factor=factor, mode="nearest")))
    for name, shape, size in [
        ("by 2", (2, 5, 7, 4), (10, 14)),
        ("to primes", (2, 5, 7, 3), (13, 11)),
        ("smaller", (1, 11, 10, 3), (4, 3)),
        ("to one pixel", (2, 5, 4, 3), (1, 1)),
    ]:
        for aligned, suffix in (False, ""), (True, ", corners aligned"):
            cases.add(f"bilinear {name}{suffix}", [randn(*shape)], lambda x: nhwc(F.interpolate(nchw(x), size=size, mode="bilinear", align_corners=aligned)))
    cases.add("bilinear from one pixel", [randn(2, 1, 1, 3)], lambda x: nhwc(F.interpolate(nchw(x), size=(3, 4), mode="bilinear", align_corners=False)))
