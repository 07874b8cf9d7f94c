import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import torch
import torch.nn.functional as F
from op_cases import Cases, randn

x, t = 2 * randn(3, 5, 7), 2 * randn(3, 5, 7, seed=1)
logits = torch.cat([5 * randn(2, 11), torch.tensor([[-20, -9, -3, -1, -1e-3, 0, 1e-3, 1, 7, 15, 20]])])
labels = torch.rand(3, 11, generator=torch.Generator().manual_seed(1))
weight = torch.rand(5, 1, generator=torch.Generator().manual_seed(2))
with Cases("pointwise_loss") as cases:
    for reduction in ("mean", "sum", "none"):
        cases.add("mse " + reduction, [x, t], lambda a, b: F.mse_loss(a, b, reduction=reduction))
        cases.add("l1 " + reduction, [x, t], lambda a, b: F.l1_loss(a, b, reduction=reduction))
        cases.add("smoothL1 " + reduction, [x, t], lambda a, b: F.smooth_l1_loss(a, b, reduction=reduction, beta=0.7))
        cases.add("bceWithLogits " + reduction, [logits, labels], lambda a, b: F.binary_cross_entropy_with_logits(a, b, reduction=reduction))
    cases.add("smoothL1 of beta 0", [x, t], lambda a, b: F.smooth_l1_loss(a, b, beta=0))
    cases.add("bceWithLogits weighted", [x[..., 0:1].repeat(1, 1, 7), torch.sigmoid(t), weight], lambda a, b, w: F.binary_cross_entropy_with_logits(a, b, weight=w.detach()))
    cases.add("bceWithLogits of 1", [logits], lambda a: F.binary_cross_entropy_with_logits(a, torch.ones_like(a)))
    cases.add("lsgan real", [x], lambda a: F.mse_loss(a, torch.ones_like(a)))
    cases.add("lsgan fake", [x], lambda a: F.mse_loss(a, torch.zeros_like(a)))
