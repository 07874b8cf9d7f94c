import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import torch
from op_cases import Cases, randn

with Cases("matmul") as cases:
    cases.add("plain", [randn(13, 17), randn(17, 11)], torch.matmul)
    cases.add("both transposed", [randn(17, 13), randn(11, 17)], lambda a, b: a.T @ b.T)
    cases.add("batched", [randn(2, 3, 5, 7), randn(2, 3, 7, 4)], torch.matmul)
    cases.add("batched transposed a", [randn(3, 7, 5), randn(3, 7, 4, seed=1)], lambda a, b: a.transpose(1, 2) @ b)
    cases.add("batched transposed b", [randn(3, 16, 3), randn(3, 16, 3, seed=1)], lambda a, b: a @ b.transpose(1, 2))
    cases.add("one a", [randn(16, 16), randn(5, 16, 6)], torch.matmul)
    cases.add("one b", [randn(5, 3, 8), randn(8, 7)], torch.matmul)
