"""What PyTorch keeps for the backward pass of the steps that `bun run bench memory` plans.

Run it with a python3 that has torch (1.13 made the committed file): python3 bench/peers/torch_saved.py
Sums the storages of all tensors that autograd saves in one training forward pass with its loss, each storage once,
parameters and running statistics left out. Relus work in place, as torchvision's do. Writes torch_saved.json beside it.
"""
import json
import os
import sys

import torch
import torch.nn as nn

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "test", "golden"))
import make_golden as golden  # noqa: E402

JOINTS = 17


class InPlace:
    """torch.nn.functional with a relu that overwrites its input."""

    def __getattr__(self, name):
        return getattr(torch.nn.functional, name)

    @staticmethod
    def relu(x):
        return torch.nn.functional.relu(x, inplace=True)


golden.F = InPlace()


def network(block, blocks, width=64, filters=(256, 256, 256)):
    model = golden.PoseResNet(block, blocks, width, list(filters), JOINTS)
    if len(blocks) == 3:
        model.layer4 = nn.Identity()  # PoseResNet-8 has three stages
    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = True
    return model.train()


def saved_bytes(model, size, batch, semi):
    width, height = size
    own = {t.storage().data_ptr() for t in (*model.parameters(), *model.buffers())}
    storages = {}

    def pack(tensor):
        storage = tensor.storage()
        if storage.data_ptr() not in own:
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    def loss_of():
        maps = model(torch.randn(batch, 3, height, width))
        return golden.heatmap_loss(maps, torch.rand_like(maps), torch.ones(batch, JOINTS))

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = loss_of()
        if semi:  # the teacher runs without gradient and keeps nothing
            loss = loss + loss_of()
    # The graph of `loss` holds everything that was counted, so no address was counted for two tensors.
    assert loss.requires_grad
    return sum(storages.values())


QUICKSTART = {"block": golden.Basic, "blocks": [1, 1, 1], "width": 16, "filters": (32, 32)}
RESNET18 = {"block": golden.Basic, "blocks": [2, 2, 2, 2]}
RESNET50 = {"block": golden.Bottleneck, "blocks": [3, 4, 6, 3]}
STEPS = [
    ("quickstart supervised", QUICKSTART, (48, 64), 16, False),
    ("quickstart PoseCons", QUICKSTART, (48, 64), 16, True),
    ("PoseResNet-18 supervised", RESNET18, (192, 256), 8, False),
    ("PoseResNet-50 supervised", RESNET50, (192, 256), 8, False),
    ("PoseResNet-18 PoseCons", RESNET18, (192, 256), 8, True),
]


def main():
    steps = {}
    for name, facts, size, batch, semi in STEPS:
        steps[name] = saved_bytes(network(**facts), size, batch, semi)
        print(f"{name:28} {steps[name] / 2**20:8.1f} MiB")
    text = json.dumps({"torch": torch.__version__, "savedBytes": steps}, indent=2)
    path = os.path.join(HERE, "torch_saved.json")
    with open(path + ".part", "w") as file:
        file.write(text + "\n")
    os.replace(path + ".part", path)


if __name__ == "__main__":
    main()
