import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import torch
from op_cases import Cases, randn


def indices(*shape, below):
    return (randn(*shape).abs() * 1000).to(torch.int32) % below


with Cases("gather") as cases:
    cases.add("gather", [randn(3, 5, 7), indices(3, 9, 7, below=5)], lambda x, i: torch.gather(x, 1, i.long()))
    cases.add("indexSelect", [randn(3, 5, 7), indices(4, below=7)], lambda x, i: torch.index_select(x, 2, i.long()))
    cases.add("scatterAdd", [randn(3, 5), indices(6, 5, below=3), randn(6, 5, seed=1)], lambda b, i, v: b.scatter_add(0, i.long(), v))
