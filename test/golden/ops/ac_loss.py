import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import torch
from op_cases import Cases, randn


def pixels(p, g, exponent, raw=False, detach=False):
    """AC-Loss per pixel, all [n, h, w, joints]."""
    q = torch.where(g > 0, g, torch.ones_like(g)) ** exponent
    f = torch.where(g == 1, (1 - p).abs(), torch.where(g == 0, p.abs(), (q - p).abs() * q))
    d = (p - g).abs()
    if not raw:
        f, d = f.clamp(0, 1), d.clamp(0, 1)
    weight = f + (1 - f) * d
    return (weight.detach() if detach else weight) * (p - g) ** 2


g = torch.exp(-4 * randn(3, 7, 5, 4).abs())
g[randn(3, 7, 5, 4, seed=1) > 0.5] = 0
g[randn(3, 7, 5, 4, seed=2) > 1.5] = 1
p = g + 0.8 * randn(3, 7, 5, 4, seed=3)
mask = (randn(3, 7, 5) > -0.5).float()
weight = randn(3, 4).abs()
weight[:, 1] = 0
with Cases("ac_loss") as cases:
    for exponent in (0.01, 1):
        name = f" exponent {exponent}".replace(".", "_")
        cases.add("images" + name, [p, g], lambda a, b: pixels(a, b.detach(), exponent).mean((1, 2, 3)))
        cases.add("raw" + name, [p, g], lambda a, b: pixels(a, b.detach(), exponent, raw=True).mean((1, 2, 3)))
    cases.add("masked", [p, g, mask], lambda a, b, m: (pixels(a, b.detach(), 0.3) * m.detach()[..., None]).mean((1, 2, 3)))
    cases.add("detached", [p, g, mask], lambda a, b, m: (pixels(a, b.detach(), 0.3, detach=True) * m.detach()[..., None]).mean((1, 2, 3)))
    cases.add("top down", [p, g, weight], lambda a, b, w: (0.5 * pixels(a, b.detach(), 0.3) * w.detach()[:, None, None] ** 2).mean().reshape(1))
    cases.add("top down raw detached", [p, g, weight], lambda a, b, w: (0.5 * pixels(a, b.detach(), 0.3, True, True) * w.detach()[:, None, None] ** 2).mean((1, 2, 3)))
