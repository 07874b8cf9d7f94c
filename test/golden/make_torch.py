"""PyTorch files of every container, with what they hold as safetensors beside them.

Run it with a python3 that has torch (1.13 made the committed files): python3 test/golden/make_torch.py
"""
import argparse
import collections
import io
import json
import os
import pickle
import struct
import tarfile

import numpy as np
import torch
import torch.nn as nn

import make_golden
from make_golden import HERE as GOLDEN

HERE = os.path.join(GOLDEN, "torch")
torch.manual_seed(7)


def save_safetensors(name, tensors):
    types = {
        torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
        torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
    }
    header, chunks, at = {}, [], 0
    for key, tensor in tensors.items():
        tensor = tensor.detach().contiguous()
        raw = tensor.view(torch.int16) if tensor.dtype == torch.bfloat16 else tensor
        data = raw.numpy().tobytes()
        header[key] = {"dtype": types[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [at, at + len(data)]}
        chunks.append(data)
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(HERE, name + ".safetensors"), "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(chunks))


def path(name):
    return os.path.join(HERE, name)


def all_types():
    """Every type, views of all kinds, shared storages, scalars, nothing."""
    base = torch.randn(6, 8)
    out = collections.OrderedDict()
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        out[str(dtype)[6:]] = torch.randn(3, 5).to(dtype)
    for dtype in (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8):
        low, high = (0, 256) if dtype == torch.uint8 else (-100, 100)
        out[str(dtype)[6:]] = torch.randint(low, high, (4, 3)).to(dtype)
    out["int64"][0, 0] = 2**53 + 1
    out["bool"] = torch.tensor([[True, False], [False, True]])
    out["whole"] = base
    out["transposed"] = base.t()
    out["offset"] = base[2:5, 3:]
    out["stepped"] = base[::2, ::3]
    out["expanded"] = base[0].expand(5, 8)
    out["half_transposed"] = out["float16"].t()
    out["channels_last"] = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    out["scalar"] = torch.tensor(-3.25)
    out["counter"] = torch.tensor(12345678901, dtype=torch.int64)
    out["empty"] = torch.empty(0, 3)
    out["empty_view"] = base[6:]
    out["parameter"] = nn.Parameter(torch.randn(2, 2))
    out["requires_grad"] = torch.randn(3, requires_grad=True)
    return out


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.final_layer = nn.Conv2d(4, 2, 1)


def training(net):
    """A full training checkpoint, as HRNet's repository writes it."""
    adam = torch.optim.Adam(net.parameters(), lr=1e-3)
    x = torch.randn(2, 3, 5, 5)
    net.final_layer(net.bn1(net.conv1(x))).square().mean().backward()
    adam.step()
    schedule = torch.optim.lr_scheduler.MultiStepLR(adam, [170, 200], 0.1)
    state = collections.OrderedDict(("module." + key, value) for key, value in net.state_dict().items())
    return {
        "epoch": 210,
        "model": ("pose", "full name"),
        "state_dict": state,
        "best_state_dict": net.state_dict(),
        "perf": np.float64(0.744),
        "best_epoch": np.int64(-7),
        "optimizer": adam.state_dict(),
        "schedule": schedule.state_dict(),
        "args": argparse.Namespace(cfg="a.yaml", gpus=[0, 1]),
        "size": torch.Size([3, 4]),
        "dtype": torch.float16,
        "long": -(2**40),
        "longer": 2**70,
        "array": np.arange(6).reshape(2, 3),
        "nothing": None,
        "set": {1, 2},
    }


def save_tar(name, tensors):
    """The container of the first PyTorch releases, which no release of today writes; torch.load still reads it."""
    storages, views, rows, keys = [], io.BytesIO(), [], {}
    bytes_of = {}
    for i, (key, tensor) in enumerate(tensors.items()):
        tensor_key, storage = 1000 + i, tensor.storage()
        pointer = storage.data_ptr()
        if pointer not in bytes_of:
            bytes_of[pointer] = 1 + len(storages)
            storages.append((bytes_of[pointer], getattr(torch, tensor.type()[6:].replace("Tensor", "Storage")), storage))
        rows.append((tensor_key, bytes_of[pointer], tensor))
        keys[key] = tensor_key
    out = io.BytesIO()
    pickle.dump(len(storages), out, protocol=2)
    for key, kind, storage in storages:
        pickle.dump((key, "cpu", kind), out, protocol=2)
        data = torch.tensor([], dtype=storage.dtype).set_(storage, 0, (storage.size(),), (1,)).numpy().tobytes()
        out.write(struct.pack("<q", storage.size()) + data)
    pickle.dump([(900, storages[0][0], 2, 4)], out, protocol=2)  # 900 is an alias of a part of the first storage
    view_row = torch.tensor([], dtype=storages[0][2].dtype).set_(storages[0][2], 2, (2, 2), (2, 1))
    made = io.BytesIO()
    pickle.dump(len(rows) + 1, made, protocol=2)
    for tensor_key, storage_key, tensor in rows:
        pickle.dump((tensor_key, storage_key, torch.FloatTensor), made, protocol=2)
        made.write(struct.pack("<ii", tensor.dim(), 0))
        made.write(struct.pack("<%dq" % tensor.dim(), *tensor.size()) + struct.pack("<%dq" % tensor.dim(), *tensor.stride()))
        made.write(struct.pack("<q", tensor.storage_offset()))
    pickle.dump((2000, 900, torch.FloatTensor), made, protocol=2)
    made.write(struct.pack("<ii", 2, 0) + struct.pack("<2q", 2, 2) + struct.pack("<2q", 2, 1) + struct.pack("<q", 0))

    class Handle:
        def __init__(self, key):
            self.key = key

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            return value.key if isinstance(value, Handle) else None

    tree = io.BytesIO()
    state = collections.OrderedDict((key, Handle(tensor_key)) for key, tensor_key in keys.items())
    state["view"] = Handle(2000)
    Pickler(tree, protocol=2).dump(state)
    info = io.BytesIO()
    pickle.dump({"protocol_version": 1000, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}, info, protocol=2)
    with tarfile.open(path(name), "w", format=tarfile.PAX_FORMAT) as archive:
        for member, content in (("sys_info", info), ("pickle", tree), ("tensors", made), ("storages", out)):
            header = tarfile.TarInfo(member)
            header.size = content.tell()
            content.seek(0)
            archive.addfile(header, content)
    expected = collections.OrderedDict(tensors)
    expected["view"] = view_row
    found = torch.load(path(name))
    assert list(found) == list(expected)
    for key, tensor in expected.items():
        assert torch.equal(found[key], tensor), key
    return expected


class Evil:
    def __reduce__(self):
        return os.system, ("touch limber-was-here",)


def networks():
    """A small PoseResNet in the wrappings of the repositories, with images and heatmaps."""
    net = make_golden.PoseResNet(make_golden.Basic, [1, 1, 1, 1], 4, [8, 8, 8], 17)
    make_golden.scramble(net, torch.Generator().manual_seed(7))
    net.eval()
    x = torch.randn(2, 3, 32, 32)
    state = net.state_dict()
    torch.save({"epoch": 3, "state_dict": collections.OrderedDict(("module." + k, v) for k, v in state.items())}, path("pose_resnet10.pth.tar"), _use_new_zipfile_serialization=False)
    pair = collections.OrderedDict(("resnet." + k.replace("final_layer", "final_layer_1"), v) for k, v in state.items())
    pair.update(("resnet2." + k.replace("final_layer", "final_layer_1"), v + 1) for k, v in state.items())
    torch.save(pair, path("pose_dual10.pth"))
    save_safetensors("pose_resnet10", {"x": x, "y": net(x), **state})


def round_trip():
    """written.pth is what `bun run convert types.pth written.pth` makes; PyTorch must read it as types.pth and writes it again."""
    wanted = torch.load(path("types.pth"))
    for weights_only in (False, True):
        found = torch.load(path("written.pth"), weights_only=weights_only)
        assert list(found) == list(wanted)
        for key, tensor in wanted.items():
            assert found[key].dtype == tensor.dtype and torch.equal(found[key], tensor), key
    torch.save(found, path("returned.pth"))


if __name__ == "__main__":
    os.makedirs(HERE, exist_ok=True)
    types = all_types()
    save_safetensors("types", types)
    torch.save(types, path("types.pth"))
    torch.save(types, path("types_legacy.pth"), _use_new_zipfile_serialization=False)
    net = Net()
    whole = training(net)
    torch.save(whole, path("training.pth.tar"))
    torch.save(whole, path("training_legacy.pth.tar"), _use_new_zipfile_serialization=False)
    save_safetensors("training", net.state_dict())
    base = torch.randn(4, 3)
    old = save_tar("tar.pth", collections.OrderedDict(first=base, turned=base.t(), counts=torch.arange(5), half=torch.randn(3).half()))
    save_safetensors("tar", old)
    torch.save({"state_dict": Evil()}, path("evil.pth"))
    torch.save({"state_dict": Evil()}, path("evil_legacy.pth"), _use_new_zipfile_serialization=False)
    torch.save(net, path("module.pth"))
    torch.jit.save(torch.jit.script(nn.ReLU()), path("script.pth"))
    networks()
    round_trip()
