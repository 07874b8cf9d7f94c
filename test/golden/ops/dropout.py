"""PyTorch's generator cannot be had elsewhere: the masks come from the definition (pcg4d, JCGT 2020), in Python's integers."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import torch
from op_cases import Cases, randn

SEED, STREAM, EPOCH, INDEX = 7, 8, 3, 41


def pcg4d(*counter):
    x, y, z, w = ((word * 1664525 + 1013904223) % 2**32 for word in counter)
    for last in (False, True):
        x = (x + y * w) % 2**32
        y = (y + z * x) % 2**32
        z = (z + x * y) % 2**32
        w = (w + y * z) % 2**32
        if not last:
            x, y, z, w = (word ^ (word >> 16) for word in (x, y, z, w))
    return x, y, z, w


def mask(shape, site, p):
    lane = pcg4d(STREAM, EPOCH, site, 0)[3]
    count = torch.Size(shape).numel()
    words = [pcg4d(SEED, lane, INDEX, i // 4)[i % 4] for i in range(count)]
    return torch.tensor([float((word >> 8) / 2**24 >= p) for word in words]).reshape(shape)


with Cases("dropout") as cases:
    kept = mask((3, 5, 7), 5, 0.3)
    cases.add("elements", [randn(3, 5, 7)], lambda x: x * kept / (1 - 0.3))
    channels = mask((3, 1, 1, 6), 0, 0.5)
    cases.add("features", [randn(3, 4, 5, 6)], lambda x: x * channels / (1 - 0.5))
