import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import torch
import torch.nn.functional as F
from op_cases import Cases, nchw, nhwc, randn

# Half of the samples beyond the image; and, at exact places, on the border where clamping begins.
grid = 1.2 * randn(2, 6, 5, 2)
edge = torch.tensor([[-1, -1], [1, 1], [-1, 0.3], [0.3, 1], [-7, 0.1], [0.1, 9], [3e9, -3e9], [-0.75, 0.75]]).reshape(1, 2, 4, 2)
with Cases("grid_sample") as cases:
    for padding in "zeros", "border":
        for aligned, suffix in (False, ""), (True, ", corners aligned"):
            sample = lambda x, g: nhwc(F.grid_sample(nchw(x), g, mode="bilinear", padding_mode=padding, align_corners=aligned))
            cases.add(f"{padding}{suffix}", [randn(2, 4, 7, 3), grid], sample)
            cases.add(f"edges, {padding}{suffix}", [randn(1, 4, 4, 2), edge], sample)
    # An affine map, composed: gradients to the image and to theta.
    theta = torch.tensor([[[0.9, -0.3, 0.1], [0.25, 1.1, -0.2]], [[1.3, 0.2, 0.0], [-0.1, 0.7, 0.3]]])
    cases.add("an affine map", [randn(2, 9, 8, 3), theta], lambda x, t: nhwc(F.grid_sample(nchw(x), F.affine_grid(t, (2, 3, 7, 6), align_corners=False), align_corners=False)))
