"""Golden files of single ops: a file per op, a few cases each, with the gradient of every input.

A script names cases; every tensor is written in Limber's layout (images [n, h, w, c], convolution weights
[kh, kw, ci, co]), and the function permutes inside, so that PyTorch's gradients arrive in that layout too:

    with Cases("softmax") as cases:
        cases.add("last axis", [randn(3, 5)], lambda x: torch.softmax(x, 1))

Run all of them with python3 test/golden/ops/<op>.py (torch 1.13 made the committed files).
"""
import hashlib
import json
import os
import struct

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
torch.set_num_threads(2)
torch.use_deterministic_algorithms(True)


def save_tensors(path, tensors):
    """Writes a safetensors file: eight bytes of length, a JSON header, the data."""
    types = {torch.float32: "F32", torch.int32: "I32"}
    header, chunks, at = {}, [], 0
    for key, tensor in tensors.items():
        tensor = tensor.detach().contiguous()
        data = tensor.numpy().tobytes()
        header[key] = {"dtype": types[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [at, at + len(data)]}
        chunks.append(data)
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(chunks))


def randn(*shape, seed=0):
    """Normal values that depend on shape and seed only."""
    digest = hashlib.sha256(repr((shape, seed)).encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:4], "little"))
    return torch.randn(shape, generator=generator)


def nchw(x):
    return x.permute(0, 3, 1, 2)


def nhwc(x):
    return x.permute(0, 2, 3, 1)


def oihw(w):
    """[kh, kw, ci, co] to PyTorch's [co, ci, kh, kw]."""
    return w.permute(3, 2, 0, 1)


class Cases:
    """Collects the cases of one op and writes test/golden/ops/<op>.safetensors."""

    def __init__(self, op):
        self.op, self.tensors = op, {}

    def __enter__(self):
        return self

    def __exit__(self, failure, *_):
        if failure is None:
            save_tensors(os.path.join(HERE, "ops", self.op + ".safetensors"), self.tensors)

    def add(self, name, inputs, function):
        """Float inputs get gradients, int32 ones are indices. Names must not hold a full stop."""
        leaves = [x.clone().requires_grad_(x.dtype == torch.float32) for x in inputs]
        output = function(*leaves)
        upstream = randn(*output.shape, seed=len(self.tensors) + 1)
        output.backward(upstream)
        for i, leaf in enumerate(leaves):
            self.tensors[f"{name}.input{i}"] = inputs[i]
            if leaf.dtype == torch.float32 and leaf.grad is not None:
                self.tensors[f"{name}.gradient{i}"] = leaf.grad
        self.tensors[f"{name}.output"] = output
        self.tensors[f"{name}.upstream"] = upstream
