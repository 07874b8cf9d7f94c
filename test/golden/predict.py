"""PoseResNet-50 and HRNet-W32 at their published size on a photograph: weights as .pth and PyTorch's heatmaps.

Run: python3 test/golden/predict.py IMAGE X,Y,W,H [FOLDER], with a python3 that has torch and cv2. 250 MB go into FOLDER
(limber-predict in the folder for temporary files where absent); test/train/predict.test.ts compares `bun run predict` with them.
"""
import json
import os
import sys
import tempfile

import cv2
import numpy as np
import torch

import make_networks as n
from make_full import stages
from make_golden import MEAN, STD, Bottleneck, PoseResNet, scramble

WIDTH, HEIGHT = 192, 256


def crop(image, box):
    """The box grown to the input's aspect ratio and by a quarter, cut out by OpenCV as HRNet's data set does it."""
    x, y, w, h = box
    center = np.array([x + w / 2, y + h / 2], np.float32)
    wide = max(w, h * WIDTH / HEIGHT) * 1.25
    source = np.float32([center, center - [0, wide / 2], center - [wide / 2, wide / 2]])
    middle = np.float32([WIDTH / 2, HEIGHT / 2])
    target = np.float32([middle, middle - [0, WIDTH / 2], middle - [WIDTH / 2, WIDTH / 2]])
    return cv2.warpAffine(image, cv2.getAffineTransform(source, target), (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)


def settle(network, x):
    """Running statistics from the photograph itself, as training leaves them; drawn ones let features grow from layer to layer."""
    layers = [layer for layer in network.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    for layer in layers:
        layer.momentum = 1.0
    network.train()
    with torch.no_grad():
        network(torch.cat([x, x.flip(3)]))
    network.eval()


def main():
    path, box = os.path.abspath(sys.argv[1]), [float(part) for part in sys.argv[2].split(",")]
    folder = sys.argv[3] if len(sys.argv) > 3 else os.path.join(tempfile.gettempdir(), "limber-predict")
    os.makedirs(folder, exist_ok=True)
    bgr = crop(cv2.imread(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION), box)
    cases = {
        "pose_resnet50": (PoseResNet(Bottleneck, [3, 4, 6, 3], 64, [256] * 3, 17), bgr, ""),
        "hrnet_w32": (n.PoseHRNet(64, stages(32), 17), bgr[:, :, ::-1], "module."),
    }
    for name, (network, pixels, prefix) in cases.items():
        scramble(network, torch.Generator().manual_seed(4))
        x = (torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255 - MEAN) / STD
        settle(network, x)
        weights = {prefix + key: value for key, value in network.state_dict().items()}
        torch.save({"epoch": 210, "state_dict": weights} if prefix else weights, os.path.join(folder, name + ".pth"))
        with torch.no_grad():
            y = network(x)
        y = y[0] if isinstance(y, list) else y
        np.save(os.path.join(folder, name + ".npy"), y.permute(0, 2, 3, 1).contiguous().numpy())
        print(name, list(y.shape), y.abs().max().item())
    with open(os.path.join(folder, "request.json"), "w") as file:
        json.dump({"image": path, "box": sys.argv[2]}, file)


main()
