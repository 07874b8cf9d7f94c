"""Golden files of whole training steps: ten steps of PoseCons and PoseDual with PoseResNet-18 at 64x64, by this script's PyTorch.

python3 make_steps.py        a thin network: steps.safetensors and torch/steps_pair.pth, committed
python3 make_steps.py full   the published width: full/steps.safetensors and full/steps_pair.pth, for the slow suite

Images, joints and thetas are drawn by the generator of src/random.ts, of which this is a plain port, so that the files hold
weights, losses and gradients alone. Each method runs with and without the second affine; no other augmentation.
"""
import copy
import math
import os
import sys

import torch
import torch.nn.functional as F

import make_golden as golden

HERE = golden.HERE
SEED, STEPS, BATCH, SIDE, JOINTS, SIGMA = 21, 10, 4, 64, 17, 1
# Streams of src/random.ts, and of the test's own data.
VIEW_GEOMETRY, LABELLED, UNLABELLED = 5, 700, 701
M32 = 0xFFFFFFFF
# How far part_gates may move a bias; maxima that are too near, and patches that count as the same.
REACH, NEAR, SAME = 0.02, 1e-4, 1e-6


def pcg4d(x, y, z, w):
    x, y, z, w = ((v * 1664525 + 1013904223) & M32 for v in (x, y, z, w))
    for turn in range(2):
        x = (x + y * w) & M32
        y = (y + z * x) & M32
        z = (z + x * y) & M32
        w = (w + y * z) & M32
        if turn == 0:
            x, y, z, w = (v ^ (v >> 16) for v in (x, y, z, w))
    return x, y, z, w


class Random:
    def __init__(self, seed, stream, epoch, index):
        self.seed, self.index, self.block, self.words, self.spare = seed, index, 0, [], None
        self.lane = pcg4d(stream, epoch, 0x9E3779B9, seed >> 32)[3]

    def u32(self):
        if not self.words:
            self.words = list(pcg4d(self.seed, self.lane, self.index, self.block))
            self.block += 1
        return self.words.pop(0)

    def uniform(self):
        high = self.u32() >> 5
        return (high * 67108864 + (self.u32() >> 6)) / 9007199254740992

    def integer(self, low, high):
        return low + math.floor(self.uniform() * (high - low))

    def normal(self):
        if self.spare is not None:
            spare, self.spare = self.spare, None
            return spare
        radius = math.sqrt(-2 * math.log(1 - self.uniform()))
        angle = 2 * math.pi * self.uniform()
        self.spare = radius * math.sin(angle)
        return radius * math.cos(angle)


def clip(value, low, high):
    return min(max(value, low), high)


def theta(step, n):
    """The second affine: N(1, 0.25) in scale, with chance 0.8 N(0, 30) degrees."""
    random = Random(SEED, VIEW_GEOMETRY, 0, step * BATCH + n)
    s = clip(1 + 0.25 * random.normal(), 0.75, 1.25)
    r = math.radians(clip(30 * random.normal(), -60, 60)) if random.uniform() < 0.8 else 0.0
    return [[s * math.cos(r), s * math.sin(r), 0], [-s * math.sin(r), s * math.cos(r), 0]]


def thetas(step):
    return torch.tensor([theta(step, n) for n in range(BATCH)], dtype=torch.float64).float()


def sample(stream, step, n):
    """8x8 blocks of colour, joints and which of them are visible."""
    random = Random(SEED, stream, step % 2, n)
    blocks = torch.tensor([random.integer(0, 256) for _ in range(8 * 8 * 3)], dtype=torch.float32).reshape(8, 8, 3)
    pixels = blocks.repeat_interleave(SIDE // 8, 0).repeat_interleave(SIDE // 8, 1).permute(2, 0, 1)
    joints = [[SIDE * random.uniform(), SIDE * random.uniform()] for _ in range(JOINTS)]
    visible = [1.0 if random.uniform() < 0.8 else 0.0 for _ in range(JOINTS)]
    return (pixels / 255 - golden.MEAN[0]) / golden.STD[0], joints, visible


def target_of(joints, visible):
    """Gaussians of peak 1 in a window of 3 sigma around trunc(joint / 4 + 0.5)."""
    maps, weight, side, reach = torch.zeros(JOINTS, SIDE // 4, SIDE // 4), torch.tensor(visible), SIDE // 4, 3 * SIGMA
    for j, (x, y) in enumerate(joints):
        mu_x, mu_y = int(x / 4 + 0.5), int(y / 4 + 0.5)
        if mu_x - reach >= side or mu_y - reach >= side or mu_x + reach + 1 < 0 or mu_y + reach + 1 < 0:
            weight[j] = 0
        elif visible[j] > 0.5:
            for v in range(max(0, mu_y - reach), min(side, mu_y + reach + 1)):
                for u in range(max(0, mu_x - reach), min(side, mu_x + reach + 1)):
                    maps[j, v, u] = math.exp(-((u - mu_x) ** 2 + (v - mu_y) ** 2) / (2 * SIGMA**2))
    return maps, weight


def batch_of(step):
    labelled = [sample(LABELLED, step, n) for n in range(BATCH)]
    unlabelled = [sample(UNLABELLED, step, n) for n in range(BATCH)]
    targets = [target_of(joints, visible) for _, joints, visible in labelled]
    stack = lambda parts: torch.stack(list(parts))  # noqa: E731
    return stack(x for x, _, _ in labelled), stack(t for t, _ in targets), stack(w for _, w in targets), stack(x for x, _, _ in unlabelled)


def network(width, filters):
    return golden.PoseResNet(golden.Basic, [2, 2, 2, 2], width, filters, JOINTS)


def train(networks, warped, learning_rate):
    """Ten steps in the networks' precision; every network's supervised loss counts by half in a pair, every consistency term whole."""
    optimiser = torch.optim.Adam([p for own in networks for p in own.parameters()], lr=learning_rate)
    kind = next(networks[0].parameters()).dtype
    tensors, losses = {}, []
    ones = torch.ones(BATCH, JOINTS, dtype=kind)
    for step in range(STEPS):
        labelled, target, weight, unlabelled = (values.to(kind) for values in batch_of(step))
        loss_pose = sum(golden.heatmap_loss(own(labelled), target, weight) for own in networks) / len(networks)
        with torch.no_grad():
            taught = [own(unlabelled) for own in networks]
            hard = golden.warp(unlabelled, thetas(step)) if warped else unlabelled
            pseudo = [golden.warp(t, thetas(step)) if warped else t for t in taught]
        # Of a pair each network learns from the other.
        loss_cons = sum(golden.heatmap_loss(own(hard), label, ones) for own, label in zip(networks, pseudo[::-1]))
        optimiser.zero_grad()
        (loss_pose + loss_cons).backward()
        if step == 0:
            for n, own in enumerate(networks):
                tensors |= golden.gradients(own, f"grad.{n}.")
        optimiser.step()
        losses.append([loss_pose.item(), loss_cons.item()])
    tensors["losses"] = torch.tensor(losses, dtype=kind)
    for n, own in enumerate(networks):
        tensors |= {f"after.{n}.{key}": value.clone() for key, value in own.state_dict().items() if key.startswith("bn1.running") or key.startswith("layer4.1.bn2.running")}
    return tensors


def departure(single, double):
    """How far f32 is from f64: the largest relative difference of a loss, and of a gradient's or a statistic's element by the largest of its tensor."""
    losses = max(abs(a / b - 1) for a, b in zip(single["losses"].flatten().tolist(), double["losses"].flatten().tolist()) if b > 0)
    largest = lambda kind: max((((single[key] - value).abs().max() / value.abs().max()).item() for key, value in double.items() if key.startswith(kind)), default=0.0)  # noqa: E731
    return [losses, largest("grad."), largest("after.")]


def first_images():
    """What the first step's passes see, a batch each."""
    labelled, _, _, unlabelled = batch_of(0)
    return [labelled, golden.warp(unlabelled, thetas(0)), unlabelled]


def windows(maps, outside):
    """The windows of the max pool: [n, c, 9, windows]."""
    return F.unfold(F.pad(maps, (1, 1, 1, 1), value=outside), 3, stride=2).unflatten(1, (maps.shape[1], 9))


def part_maxima(network, generator):
    """Draws kernels of the first convolution anew until no window of the max pool has two maxima within NEAR, of different patches.

    A gradient passes to the one or the other by rounding; one window is 3 % of a kernel's gradient.
    """
    weight, bn = network.conv1.weight.data, network.bn1
    torn = list(range(len(weight)))
    while torn:
        again = set()
        for x in first_images():
            patches = F.unfold(x, 7, stride=2, padding=3).transpose(1, 2)
            maps = F.conv2d(x.double(), weight[torn].double(), stride=2, padding=3)
            with torch.no_grad():
                maps = F.batch_norm(maps, None, None, bn.weight[torn].double(), bn.bias[torn].double(), training=True)
            values, where = windows(maps, -math.inf), windows(torch.arange(patches.shape[1]).reshape(1, 1, *maps.shape[2:]).double(), -1.0).long()[0, 0]
            most, at = values.max(2)
            n, c, k, window = ((values > most[:, :, None] - NEAR) & (most[:, :, None] > -REACH)).nonzero().T
            apart = (patches[n, where[k, window]] - patches[n, where[at[n, c, window], window]]).abs().amax(1)
            again |= {torn[i] for i in c[apart > SAME].tolist()}
        torn = sorted(again)
        for c in torn:
            weight[c] = torch.randn(weight[c].shape, generator=generator) * (1.4 / weight[c].numel()) ** 0.5
        print(len(torn), "kernels drawn again", flush=True)


def part_gates(network):
    """Moves the biases before relus, by REACH at most, to where the first step's inputs leave the widest gap around 0.

    A network of the published width has millions of them, so some lie within f32's error of 0 and open or close a gate by rounding;
    in the last stage, of 2x2 maps, one gate is 1 % of a gradient.
    """
    exact = copy.deepcopy(network).double().train()
    norms = iter([m for name, m in exact.named_modules() if isinstance(m, torch.nn.BatchNorm2d) and "downsample" not in name])
    relu, batch_norm, margins = F.relu, F.batch_norm, []

    def parted(x, inplace=False):
        values = x.transpose(0, 1).flatten(1).clamp(-REACH, REACH)
        edges = torch.full((len(values), 1), REACH, dtype=x.dtype)
        values = torch.cat([-edges, values, edges], 1).sort(1).values
        width, at = values.diff(dim=1).max(1, keepdim=True)
        centre = (values.gather(1, at) + width / 2).flatten()
        next(norms).bias -= centre
        margins.append(width.min().item() / 2)
        return relu(x - centre[:, None, None])

    # All passes at once, each with statistics of its own.
    images = first_images()
    F.relu, F.batch_norm = parted, lambda x, *rest: torch.cat([batch_norm(part, *rest) for part in x.chunk(len(images))])
    try:
        with torch.no_grad():
            exact(torch.cat(images).double())
    finally:
        F.relu, F.batch_norm = relu, batch_norm
    for own, from_exact in zip(network.parameters(), exact.parameters()):
        own.data.copy_(from_exact.data)
    print(f"inputs of relus are {min(margins):.1e} and more from 0", flush=True)


def main(full):
    width, filters, folder, learning_rate = (64, [256, 256, 256], "full", 1e-5) if full else (4, [8, 8, 8], "", golden.LEARNING_RATE)
    generator = torch.Generator().manual_seed(77)
    pair = [network(width, filters), network(width, filters)]
    for own in pair:
        golden.scramble(own, generator)
        for key, b in own.named_buffers():
            if b.is_floating_point():
                b.fill_(1.0 if key.endswith("var") else 0.0)
        if full:
            part_maxima(own, generator)
            part_gates(own)
    # As PoseDual names its tensors.
    state = {f"resnet{n or ''}.{key.replace('final_layer.', 'final_layer_1.')}": value for n, own in ((0, pair[0]), (2, pair[1])) for key, value in own.state_dict().items()}
    torch.save(state, os.path.join(HERE, "full" if full else "torch", "steps_pair.pth"))
    start = [{key: value.clone() for key, value in own.state_dict().items()} for own in pair]
    tensors = {}
    for count, method in ((1, "pose_cons"), (2, "pose_dual")):
        for warped in (False, True):
            name, runs = f"{method}{'.warped' if warped else ''}", []
            for kind in (torch.float32, torch.float64):
                for own, values in zip(pair[:count], start):
                    own.to(kind).train().load_state_dict(values)
                runs.append(train(pair[:count], warped, learning_rate))
            tensors |= {f"{name}.{key}": value for key, value in runs[0].items()}
            tensors[f"{name}.departure"] = torch.tensor(departure(*runs))
            print(name, runs[0]["losses"].tolist(), "f32 from f64: losses %.1e, gradients %.1e, statistics %.1e" % tuple(departure(*runs)), flush=True)
    golden.save(os.path.join(folder, "steps"), tensors)


if __name__ == "__main__":
    main(sys.argv[1:] == ["full"])
