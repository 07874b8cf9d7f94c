"""Golden files of the networks at their published size: samples of outputs, gradients and running statistics.

Weights and images follow from a hash of name and place (`numbers`), which test/models/full_size.test.ts computes too, so
the files hold samples alone. Run: python3 test/golden/make_full.py [name ...]
"""
import sys
import time

import numpy as np
import torch

import make_networks as n
from make_golden import Basic, Bottleneck, PoseResNet, save

SAMPLES = 32


def numbers(name, shape):
    """In [-1, 1): a mixed 32-bit hash of the place and FNV-1a of the name."""
    seed = 0x811C9DC5
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x01000193) & 0xFFFFFFFF
    h = np.arange(int(np.prod(shape)), dtype=np.uint32) * np.uint32(2654435761) + np.uint32(seed)
    h ^= h >> np.uint32(16)
    h *= np.uint32(2246822519)
    h ^= h >> np.uint32(13)
    h *= np.uint32(3266489917)
    h ^= h >> np.uint32(16)
    return torch.from_numpy(h.astype(np.float64) / 2**31 - 1).reshape(shape)


def fill(network):
    """Batchnorms shift by more than six deviations, so that no relu's input comes near 0: at this size there are so many of
    them that rounding turns some on or off, and PyTorch's own gradients in f32 and f64 then differ by a fifth."""
    parameters = dict(network.named_parameters())
    with torch.no_grad():
        for name, p in parameters.items():
            u = numbers(name, p.shape)
            if p.dim() == 1:
                normalises = parameters[name.removesuffix("bias").removesuffix("weight") + "weight"].dim() == 1
                p.copy_((0.4 + 0.1 * u if name.endswith("weight") else 3 + 0.4 * u) if normalises else 0.4 * u)
            else:
                p.copy_(u * (4.2 / p[0].numel()) ** 0.5)
        for name, b in network.named_buffers():
            if b.is_floating_point():
                b.copy_(0.25 * numbers(name, b.shape) + (0.75 if name.endswith("var") else 0))


def samples(tensor):
    """Every (size / SAMPLES)-th element, then the largest absolute value."""
    flat = tensor.detach().flatten()
    places = torch.arange(min(SAMPLES, len(flat))) * len(flat) // min(SAMPLES, len(flat))
    return torch.cat([flat[places], flat.abs().max()[None]])


def full(name, network, height, width, batch=2):
    start = time.time()
    fill(network)
    x = (1.7 * numbers("x", (batch, 3, height, width))).float()
    outputs = lambda: ys if isinstance(ys := network(x), list) else [ys]
    network.train()
    ys = outputs()
    sum((y * numbers(f"gy.{i}", y.shape).float()).sum() for i, y in enumerate(ys)).backward()
    tensors = {f"y.{i}": samples(y) for i, y in enumerate(ys)}
    tensors |= {"grad." + k: samples(torch.zeros_like(p) if p.grad is None else p.grad) for k, p in network.named_parameters()}
    tensors |= {"after." + k: samples(b) for k, b in network.named_buffers() if b.is_floating_point()}
    network.eval()
    with torch.no_grad():
        tensors |= {f"y_eval.{i}": samples(y) for i, y in enumerate(outputs())}
    save("full/" + name, tensors)
    print(name, sum(p.numel() for p in network.parameters()), [list(y.shape) for y in ys], f"{time.time() - start:.1f} s")


def stages(c):
    return [(m, Basic, [4] * b, [c * 2**i for i in range(b)]) for m, b in [(1, 2), (4, 3), (3, 4)]]


def ring(joints):
    """As many limbs as joints."""
    return [(i, (i + 1) % joints) for i in range(joints)]


CASES = {
    "pose_resnet18": lambda: (PoseResNet(Basic, [2, 2, 2, 2], 64, [256] * 3, 24), 128, 96),
    "pose_resnet34": lambda: (PoseResNet(Basic, [3, 4, 6, 3], 64, [256] * 3, 16), 128, 96),
    "pose_resnet152": lambda: (PoseResNet(Bottleneck, [3, 8, 36, 3], 64, [256] * 3, 14), 128, 96),
    "pose_resnet101": lambda: (PoseResNet(Bottleneck, [3, 4, 23, 3], 64, [256] * 3, 17), 128, 96),
    "pose_resnet50": lambda: (PoseResNet(Bottleneck, [3, 4, 6, 3], 64, [256] * 3, 17), 256, 192),
    "hrnet_w32": lambda: (n.PoseHRNet(64, stages(32), 17), 256, 192),
    "hrnet_w48": lambda: (n.PoseHRNet(64, stages(48), 17), 128, 96),
    "hourglass2": lambda: (n.Hourglass(64, 256, 2, 1, 4, 16), 256, 256),
    "hourglass8": lambda: (n.Hourglass(64, 256, 8, 1, 4, 16), 128, 128),
    "higher_hrnet_w32": lambda: (n.HigherHRNet(64, stages(32), 17, [(32, 4, True)], [17, 0]), 128, 128),
    "higher_hrnet_w48": lambda: (n.HigherHRNet(64, stages(48), 14, [(48, 4, True)], [14, 0]), 128, 128),
    "rsgnet_w32": lambda: (n.RSGNet(64, stages(32), 14, ring(14), (96, 128), 600), 128, 96),
    "rsgnet_w48": lambda: (n.RSGNet(64, stages(48), 17, ring(17), (96, 128), 600), 128, 96),
    "part_generator18": lambda: (n.PartGenerator(64, 25, 128, Basic, [2, 2, 2, 2]), 256, 192),
    "part_generator50": lambda: (n.PartGenerator(64, 25, 128, Bottleneck, [3, 4, 6, 3]), 256, 192),
}


if __name__ == "__main__":
    for case in sys.argv[1:] or CASES:
        full(case, *CASES[case]())
