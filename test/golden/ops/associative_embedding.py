import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import torch
from op_cases import Cases, randn


def losses(tags, joints, kind):
    """Pull and push of each image, as HigherHRNet's loop over persons computes them: [2, n]."""
    pulls, pushes = [], []
    for own, persons in zip(tags.flatten(1), joints):
        groups = [own[places[places >= 0].long()] for places in persons]
        groups = [group for group in groups if len(group)]
        n = len(groups)
        if n == 0:
            pulls.append(own.sum() * 0)
            pushes.append(own.sum() * 0)
            continue
        means = torch.stack([group.mean() for group in groups])
        pulls.append(sum(((group - mean) ** 2).mean() for group, mean in zip(groups, means)) / n)
        difference = means[None] - means[:, None]
        pairs = torch.exp(-difference**2) if kind == "exp" else torch.relu(1 - difference.abs())
        pushes.append((pairs.sum() - n) / (n * (n - 1)) * 0.5 if n > 1 else own.sum() * 0)
    return torch.stack([torch.stack(pulls), torch.stack(pushes)])


tags = 0.8 * randn(4, 6, 5, 3)
generator = torch.Generator().manual_seed(5)
joints = torch.randint(0, 90, (4, 5, 3), generator=generator, dtype=torch.int32)
joints[torch.rand(4, 5, 3, generator=generator) < 0.3] = -1
joints[0, 2] = -1
joints[0, 4] = joints[0, 3]
joints[1, 1:] = -1
joints[2] = -1
with Cases("associative_embedding") as cases:
    for kind in ("exp", "max"):
        cases.add(kind, [tags, joints], lambda t, j: losses(t, j, kind))
