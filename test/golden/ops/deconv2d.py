import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import torch.nn.functional as F
from op_cases import Cases, nchw, nhwc, randn


def deconv(**options):
    """Weights [kh, kw, ci, co] to PyTorch's [ci, co, kh, kw]."""
    return lambda x, w, b=None: nhwc(F.conv_transpose2d(nchw(x), w.permute(2, 3, 0, 1), b, **options))


with Cases("deconv2d") as cases:
    cases.add("doubling", [randn(2, 4, 3, 5), randn(4, 4, 5, 6), randn(6)], deconv(stride=2, padding=1))
    cases.add("output padding", [randn(1, 4, 3, 4), randn(3, 4, 4, 3), randn(3)], deconv(stride=(2, 3), padding=(1, 0), output_padding=(1, 2)))
    cases.add("kernel below the stride", [randn(2, 3, 4, 3), randn(2, 1, 3, 4), randn(4)], deconv(stride=3, output_padding=(0, 1)))
    cases.add("without bias", [randn(2, 5, 6, 3), randn(3, 5, 3, 4)], deconv(padding=(2, 1)))
