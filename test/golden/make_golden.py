"""Golden files from PyTorch: inputs, outputs, all gradients, running statistics, losses of ten steps.

Run it with a python3 that has torch (1.13 made the committed files): python3 test/golden/make_golden.py
Tensors keep PyTorch's names and layouts; the tests convert with src/interop/layout.ts.
"""
import json
import os
import struct

import torch
import torch.nn as nn
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
torch.set_num_threads(2)
torch.use_deterministic_algorithms(True)


def save(name, tensors, notes=None):
    """Writes a safetensors file: eight bytes of length, a JSON header, the data."""
    types = {torch.float32: "F32", torch.uint8: "U8", torch.int32: "I32", torch.int64: "I64"}
    header, chunks, at = {}, [], 0
    if notes:
        header["__metadata__"] = {k: json.dumps(v) for k, v in notes.items()}
    for key, tensor in tensors.items():
        tensor = tensor.detach().contiguous()
        data = tensor.numpy().tobytes()
        header[key] = {"dtype": types[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [at, at + len(data)]}
        chunks.append(data)
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(HERE, name + ".safetensors"), "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(chunks))


class Basic(nn.Module):
    expansion = 1

    def __init__(self, cin, planes, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = shortcut(cin, planes, stride)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + (self.downsample(x) if self.downsample else x))


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, cin, planes, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, 4 * planes, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * planes)
        self.downsample = shortcut(cin, 4 * planes, stride)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + (self.downsample(x) if self.downsample else x))


class Wrap(nn.Module):
    """Names a block's tensors block.*"""

    def __init__(self, block):
        super().__init__()
        self.block = block

    def forward(self, x):
        return self.block(x)


def shortcut(cin, cout, stride):
    if stride == 1 and cin == cout:
        return None
    return nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))


class PoseResNet(nn.Module):
    def __init__(self, block, blocks, width, filters, joints):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        cin = width
        for stage, count in enumerate(blocks):
            layers = []
            for i in range(count):
                planes = width * 2**stage
                layers.append(block(cin, planes, 2 if stage > 0 and i == 0 else 1))
                cin = planes * block.expansion
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))
        layers = []
        for planes in filters:
            layers += [nn.ConvTranspose2d(cin, planes, 4, 2, 1, bias=False), nn.BatchNorm2d(planes), nn.ReLU()]
            cin = planes
        self.deconv_layers = nn.Sequential(*layers)
        self.final_layer = nn.Conv2d(cin, joints, 1)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.final_layer(self.deconv_layers(x))


def scramble(module, generator):
    """Values away from the defaults, so that a forgotten gamma, beta or running average shows."""
    for name, p in module.named_parameters():
        with torch.no_grad():
            if p.dim() == 1:
                p.copy_(torch.rand(p.shape, generator=generator) * 0.8 + (0.6 if name.endswith("weight") else -0.4))
            else:
                fan = p[0].numel()
                p.copy_(torch.randn(p.shape, generator=generator) * (1.4 / fan) ** 0.5)
    for name, b in module.named_buffers():
        if b.is_floating_point():
            b.copy_(torch.rand(b.shape, generator=generator) * 0.5 + (0.5 if name.endswith("var") else -0.25))


def save_weights(name, module, prefix=""):
    """A .pth as repositories write it: the bare state_dict, or a training checkpoint with a wrapper's prefix before every name."""
    weights = {prefix + key: value for key, value in module.state_dict().items()}
    torch.save({"epoch": 1, "state_dict": weights} if prefix else module.state_dict(), os.path.join(HERE, "torch", name + ".pth"))


def state(module, prefix):
    return {prefix + k: v.clone() for k, v in module.state_dict().items()}


def gradients(module, prefix="grad."):
    return {prefix + k: p.grad.clone() for k, p in module.named_parameters()}


def heatmap_loss(prediction, target, weight):
    """Half the mean over all elements of (w p - w t)^2; weight is [n, j]."""
    w = weight[:, :, None, None]
    return 0.5 * ((prediction * w - target * w) ** 2).mean()


def golden_module(name, module, x, generator):
    scramble(module, generator)
    module.train()
    tensors = {"x": x.clone(), **state(module, "before.")}
    x = x.clone().requires_grad_()
    y = module(x)
    g = torch.randn(y.shape, generator=generator)
    y.backward(g)
    tensors |= {"y": y, "gy": g, "gx": x.grad, **gradients(module), **{k: v for k, v in state(module, "after.").items() if "running" in k or "num_batches" in k}}
    save(name, tensors)


def golden_network(name, network, generator, batch=4, side=64):
    scramble(network, generator)
    joints = network.final_layer.out_channels
    save_weights(name, network)
    x = torch.randn(batch, 3, side, side, generator=generator)
    target = torch.rand(batch, joints, side // 4, side // 4, generator=generator) ** 8
    weight = (torch.rand(batch, joints, generator=generator) > 0.2).float()
    network.train()
    y = network(x)
    loss = heatmap_loss(y, target, weight)
    loss.backward()
    tensors = {"x": x, "target": target, "weight": weight, "y": y, "loss": loss.reshape(1), **gradients(network)}
    tensors |= {k: v for k, v in state(network, "after.").items() if "running" in k or "num_batches" in k}
    network.eval()
    with torch.no_grad():
        tensors["y_eval"] = network(x)
    save(name, tensors)


def warp(x, theta):
    """affine_grid in double, cast to float, as the originals do."""
    grid = F.affine_grid(theta.double(), list(x.shape), align_corners=False).float().to(x.dtype)
    return F.grid_sample(x, grid, align_corners=False)


def random_theta(n, generator):
    s = (1 + 0.25 * torch.randn(n, generator=generator, dtype=torch.float64)).clamp(0.75, 1.25)
    r = (30 * torch.randn(n, generator=generator, dtype=torch.float64)).clamp(-60, 60) * 3.141592653589793 / 180
    zero = torch.zeros_like(s)
    return torch.stack([s * r.cos(), s * r.sin(), zero, -s * r.sin(), s * r.cos(), zero], 1).reshape(n, 2, 3)


# At 1e-3 these ten steps are chaotic: PyTorch in f32 and in f64 differ by up to 7e-3 there, by 2e-6 at 1e-4.
LEARNING_RATE = 1e-4
MEAN = torch.tensor([0.485, 0.456, 0.406])[None, :, None, None]
STD = torch.tensor([0.229, 0.224, 0.225])[None, :, None, None]


def golden_steps(name, semi, generator, steps=10, batch=4, side=64, joints=5):
    """Ten optimiser steps of a tiny network: PoseCons with given thetas and boxes, or supervised."""
    network = PoseResNet(Basic, [1, 1, 1, 1], 8, [16, 16, 16], joints)
    scramble(network, generator)
    for b_name, b in network.named_buffers():
        if b.is_floating_point():
            b.fill_(1.0 if b_name.endswith("var") else 0.0)
    tensors = state(network, "before.")
    optimiser = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    network.train()
    losses = []
    # Blocks of random colour, so that the images are no mere noise and the file stays small.
    images = torch.randint(0, 256, (2, 2 * batch, 3, 8, 8), generator=generator, dtype=torch.uint8)
    targets = torch.rand(2, batch, joints, side // 4, side // 4, generator=generator) ** 10
    weights = (torch.rand(2, batch, joints, generator=generator) > 0.2).float()
    thetas = random_theta(steps * batch, generator).reshape(steps, batch, 2, 3).float()
    corners = torch.randint(0, side - 24, (steps, batch, 3, 2), generator=generator, dtype=torch.int32)
    sizes = torch.randint(6, 24, (steps, batch, 3, 2), generator=generator, dtype=torch.int32)
    boxes = torch.cat([corners, corners + sizes], 3)
    for step in range(steps):
        pixels = images[step % 2].float().repeat_interleave(side // 8, 2).repeat_interleave(side // 8, 3)
        x = (pixels / 255 - MEAN) / STD
        labelled, unlabelled = x[:batch], x[batch:]
        loss_pose = heatmap_loss(network(labelled), targets[step % 2], weights[step % 2])
        loss_cons = torch.zeros(())
        if semi:
            with torch.no_grad():
                taught = network(unlabelled)
                hard = unlabelled.clone()
                for n in range(batch):
                    for x0, y0, x1, y1 in boxes[step, n].tolist():
                        hard[n, :, y0:y1, x0:x1] = 0
                hard = warp(hard, thetas[step])
                pseudo = warp(taught, thetas[step])
            loss_cons = heatmap_loss(network(hard), pseudo, torch.ones(batch, joints))
        optimiser.zero_grad()
        (loss_pose + loss_cons).backward()
        if step == 0:
            tensors |= gradients(network)
        optimiser.step()
        losses.append([loss_pose.item(), loss_cons.item()])
    tensors |= {"images": images, "targets": targets, "weights": weights, "losses": torch.tensor(losses), **state(network, "after.")}
    if semi:
        tensors |= {"thetas": thetas, "boxes": boxes}
    save(name, tensors)
    print(name, losses)


def main():
    g = torch.Generator().manual_seed(20)
    golden_module("residual_basic", Wrap(Basic(16, 24, 2)), torch.randn(3, 16, 9, 11, generator=g), g)
    golden_module("residual_bottleneck", Wrap(Bottleneck(12, 8, 1)), torch.randn(2, 12, 7, 6, generator=g), g)
    for k, p, op in [(4, 1, 0), (3, 1, 1), (2, 0, 0)]:
        golden_module(f"deconv_k{k}", nn.Sequential(nn.ConvTranspose2d(6, 10, k, 2, p, op, bias=False), nn.BatchNorm2d(10), nn.ReLU()), torch.randn(2, 6, 5, 7, generator=g), g)
    golden_network("pose_resnet10", PoseResNet(Basic, [1, 1, 1, 1], 8, [16, 16, 16], 17), g)
    golden_network("pose_resnet50", PoseResNet(Bottleneck, [3, 4, 6, 3], 4, [8, 8, 8], 5), g, batch=2)
    golden_steps("supervised_ten_losses", False, g)
    golden_steps("pose_cons_ten_losses", True, g)

    x = torch.randn(3, 2, 24, 18, generator=g)
    theta = random_theta(3, g).float()
    save("affine_warp", {"x": x, "theta": theta, "y": warp(x, theta)})

    tensors = {}
    for decay in (0.0, 0.01):
        p = torch.randn(70, generator=g).requires_grad_()
        tensors[f"p0.{decay}"] = p.detach().clone()
        optimiser = torch.optim.Adam([p], lr=0.01, weight_decay=decay)
        grads = torch.randn(5, 70, generator=g) * 0.3
        for step in range(5):
            p.grad = grads[step].clone()
            optimiser.step()
        tensors |= {f"g.{decay}": grads, f"p5.{decay}": p.detach().clone()}
    save("adam", tensors)


if __name__ == "__main__":
    main()
