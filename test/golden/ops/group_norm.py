import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import torch
import torch.nn.functional as F
from op_cases import Cases, nchw, nhwc, randn


def layer_norm(x, gamma, beta):
    return F.layer_norm(x, gamma.shape, gamma, beta)


def group_norm(groups):
    def function(x, gamma, beta):
        if x.dim() == 2:
            return F.group_norm(x, groups, gamma, beta)
        return nhwc(F.group_norm(nchw(x), groups, gamma, beta))

    return function


images = 2 * randn(3, 4, 5, 6) + 1
affine = [randn(6, seed=1), randn(6, seed=2)]
with Cases("group_norm") as cases:
    cases.add("layerNorm over channels", [images, *affine], layer_norm)
    cases.add("layerNorm over pixels and channels", [images, randn(4, 5, 6, seed=3), randn(4, 5, 6, seed=4)], layer_norm)
    cases.add("layerNorm of rows", [randn(7, 6), *affine], layer_norm)
    cases.add("groupNorm of images", [images, *affine], group_norm(3))
    cases.add("groupNorm of rows", [randn(7, 6), *affine], group_norm(2))
    cases.add("groupNorm in one group", [images, *affine], group_norm(1))
    cases.add("groupNorm by channel", [images, *affine], group_norm(6))
