"""Every output is followed by the running mean and variance after the pass. Groups are slices, one pass after the other."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import torch
import torch.nn.functional as F
from op_cases import Cases, randn


def batchnorm(training, groups):
    def function(x, gamma, beta, mean, variance):
        mean, variance = mean.detach().clone(), variance.detach().clone()
        parts = []
        for part in x.chunk(groups):
            channels_first = part.movedim(-1, 1)
            y = F.batch_norm(channels_first, mean, variance, gamma, beta, training, 0.1, 1e-5)
            parts.append(y.movedim(1, -1))
        return torch.cat([torch.cat(parts).reshape(-1), mean, variance])

    return function


with Cases("batchnorm") as cases:
    for shape, name in (((9, 5), "1d"), ((4, 7, 5), "1d of lines"), ((4, 3, 2, 5), "2d")):
        inputs = [2 * randn(*shape) + 3, randn(5, seed=1), randn(5, seed=2), randn(5, seed=3), randn(5, seed=4).exp()]
        cases.add(name, inputs, batchnorm(True, 1))
        cases.add(name + " frozen", inputs, batchnorm(False, 1))
        if name != "1d of lines":
            cases.add(name + " in groups", inputs, batchnorm(True, 3 if name == "1d" else 2))
