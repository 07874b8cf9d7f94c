"""The twin of a training step in PyTorch, as the original programs run one: eager, pass by pass, augmentations sample by sample.

Started by `bun run bench peers`. Reads a JSON line that describes the step, loads weights and batch from the safetensors file that
it names and answers; then every line "step" runs one, and is answered with its time and losses, and "settle" chooses threads.
What it leaves out, to its advantage: decoding, cropping and normalising images, rendering targets (the loader's work there),
the accuracy that the originals compute on the CPU in every step, and the loop over joints in their loss.
"""
import json
import math
import os
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "test", "golden"))
import make_golden as golden  # noqa: E402

torch.use_deterministic_algorithms(False)  # the golden files want it, a race does not
JITTER_PX, SMALLEST_PX, LARGEST_PX = 10, 10, 20
random = np.random.default_rng(1)


def load(path):
    """The tensors of a safetensors file."""
    types = {"F32": np.float32, "I64": np.int64, "U8": np.uint8}
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    header.pop("__metadata__", None)
    part = lambda facts: np.frombuffer(data, types[facts["dtype"]], math.prod(facts["shape"]), facts["data_offsets"][0])  # noqa: E731
    return {name: torch.from_numpy(part(facts).reshape(facts["shape"]).copy()) for name, facts in header.items()}


def targets_of(joints, heatmap, stride, sigma):
    """Gaussians of peak 1 in a window of 3 sigma around trunc(joint / stride + 0.5); joints whose window is outside count nothing."""
    width, height = heatmap
    count, channels = joints.shape[:2]
    maps, weight, reach = torch.zeros(count, channels, height, width), torch.ones(count, channels), 3 * sigma
    for n in range(count):
        for j in range(channels):
            x, y = (int(joints[n, j, k] / stride[k] + 0.5) for k in range(2))
            if x - reach >= width or y - reach >= height or x + reach + 1 < 0 or y + reach + 1 < 0:
                weight[n, j] = 0
                continue
            for v in range(max(0, y - reach), min(height, y + reach + 1)):
                for u in range(max(0, x - reach), min(width, x + reach + 1)):
                    maps[n, j, v, u] = math.exp(-((u - x) ** 2 + (v - y) ** 2) / (2 * sigma**2))
    return maps, weight


def boxes(centres, limits):
    """Random boxes about centres [..., 2], within 0 and the limits: x from, x to, y from, y to."""
    half = random.integers(SMALLEST_PX, LARGEST_PX, centres.shape)
    low, high = np.clip(centres - half, 0, limits), np.clip(centres + half, 0, limits)
    return np.stack([low[..., 0], high[..., 0], low[..., 1], high[..., 1]], -1)


def random_boxes(x, holes):
    """The originals take the height for the width."""
    count, _, height, width = x.shape
    return boxes(np.stack([random.integers(0, height, (count, holes)), random.integers(0, width, (count, holes))], -1), (height, width))


def cutout(x, _, holes):
    for n, own in enumerate(random_boxes(x, holes)):
        for a, b, c, d in own:
            x[n, :, c:d, a:b] = 0
    return x


def cutmix(x, _, holes):
    other = x.clone()[torch.from_numpy(random.permutation(len(x))).to(x.device)]
    for n, own in enumerate(random_boxes(x, holes)):
        for a, b, c, d in own:
            x[n, :, c:d, a:b] = other[n, :, c:d, a:b]
    return x


def jittered(joints):
    return (joints + random.normal(0, JITTER_PX, joints.shape)).astype(np.int64)


def joint_cutout(x, joints, holes):
    own = boxes(jittered(joints), (x.shape[2], x.shape[3]))
    for n in range(len(x)):
        for a, b, c, d in own[n, random.integers(0, joints.shape[1], holes)]:
            x[n, :, c:d, a:b] = 0
    return x


def joint_cut_occlusion(x, joints, patches):
    """Joints' axes swapped, as in the originals."""
    before = x.clone()
    limits = (x.shape[3] - 1, x.shape[2] - 1)
    centres = jittered(joints)[..., ::-1]
    sources = boxes(centres, limits)
    for n in range(len(x)):
        donor = random.integers(0, len(x))
        for to, of in zip(random.integers(0, joints.shape[1], patches), random.integers(0, joints.shape[1], patches)):
            (a, b, c, d), (u, v), (p, q) = sources[donor, of], centres[donor, of], centres[n, to]
            left, right, top, bottom = (int(value) for value in np.clip([p - abs(a - u), p + abs(b - u), q - abs(c - v), q + abs(d - v)], 0, [limits[0], limits[0], limits[1], limits[1]]))
            if right <= left or bottom <= top:
                continue
            over_x, over_y = (b - a) - (right - left), (d - c) - (bottom - top)
            if left == 0:
                a += max(over_x, 0)
            elif right == limits[0]:
                b -= max(over_x, 0)
            if top == 0:
                c += max(over_y, 0)
            elif bottom == limits[1]:
                d -= max(over_y, 0)
            fits = b - a == right - left and d - c == bottom - top
            x[n, :, top:bottom, left:right] = before[donor, :, c:d, a:b] if fits else 0
    return x


AUGMENTATIONS = {"joint_cutout": joint_cutout, "joint_cut_occlusion": joint_cut_occlusion, "cutout": cutout, "cutmix": cutmix}


def draw_thetas(count):
    scale = np.clip(1 + 0.25 * random.standard_normal(count), 0.75, 1.25)
    angle = np.radians(np.clip(30 * random.standard_normal(count), -60, 60)) * (random.random(count) < 0.8)
    zero = np.zeros(count)
    rows = [scale * np.cos(angle), scale * np.sin(angle), zero, -scale * np.sin(angle), scale * np.cos(angle), zero]
    return torch.from_numpy(np.stack(rows, 1).reshape(count, 2, 3))


class Twin:
    """The step of a description, ready to run."""

    def __init__(self, facts):
        self.facts = facts
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if facts["precision"] != "fp32" and self.device.type == "cpu":
            sys.exit(f"{facts['precision']} needs a PyTorch with CUDA; {torch.__version__} finds none")
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = facts["precision"] != "fp32"
        torch.backends.cudnn.benchmark = True
        torch.set_num_threads(facts["threads"])
        self.amp = facts["precision"] == "amp"
        self.scaler = torch.cuda.amp.GradScaler(enabled=self.amp)
        self.format = torch.channels_last if self.amp else torch.contiguous_format
        tensors = load(facts["file"])
        network, size, heatmap = facts["network"], facts["size"], facts["heatmap"]
        self.networks = [self.network(network, prefix, tensors) for prefix in facts["prefixes"]]
        self.optimiser = torch.optim.Adam([p for own in self.networks for p in own.parameters()], lr=facts["learningRate"])
        pixels = tensors["pixels"].permute(0, 3, 1, 2).float() / 255
        self.images = ((pixels - golden.MEAN) / golden.STD).to(self.device, memory_format=self.format)
        target, weight = targets_of(tensors["joints"], heatmap, [size[k] / heatmap[k] for k in range(2)], facts["sigma"])
        self.target, self.weight = target.to(self.device), weight.to(self.device)
        self.ones = torch.ones_like(self.weight)
        self.stride = size[0] / heatmap[0]

    def network(self, facts, prefix, tensors):
        block = {"basic": golden.Basic, "bottleneck": golden.Bottleneck}[facts["block"]]
        own = golden.PoseResNet(block, facts["blocks"], facts["width"], facts["filters"], self.facts["joints"])
        if len(facts["blocks"]) == 3:
            own.layer4 = torch.nn.Identity()  # PoseResNet-8 has three stages
        own.load_state_dict({name: tensors[prefix + name] for name in own.state_dict()})
        return own.to(self.device, memory_format=self.format).train()

    def forward(self, own, x):
        with torch.autocast("cuda", torch.float16, enabled=self.amp):
            return own(x)

    def joints_of(self, maps):
        count, channels, _, width = maps.shape
        at = maps.flatten(2).argmax(2).cpu().numpy()
        return np.stack([at % width, at // width], -1) * self.stride

    def step(self):
        x, networks = self.images, self.networks
        loss_pose = sum(golden.heatmap_loss(self.forward(own, x).float(), self.target, self.weight) for own in networks) / len(networks)
        loss_cons = torch.zeros((), device=self.device)
        if self.facts["views"]:
            with torch.no_grad():
                taught = [self.forward(own, x).float() for own in networks]
                theta = draw_thetas(len(x)).to(self.device)
                pseudo = [golden.warp(t, theta) for t in taught]
            for own, maps, label in zip(networks, taught[::-1], pseudo[::-1]):
                joints = self.joints_of(maps)
                for chain in self.facts["views"]:
                    with torch.no_grad():
                        view = x.clone()
                        for name, count in chain:
                            view = AUGMENTATIONS[name](view, joints, count)
                        view = golden.warp(view, theta)
                    loss_cons = loss_cons + golden.heatmap_loss(self.forward(own, view).float(), label, self.ones)
        self.optimiser.zero_grad()
        self.scaler.scale(loss_pose + loss_cons).backward()
        self.scaler.step(self.optimiser)
        self.scaler.update()
        return loss_pose, loss_cons

    def timed(self):
        self.wait()
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()  # the first steps also try algorithms out
        started = time.perf_counter()
        loss_pose, loss_cons = self.step()
        self.wait()
        ms = 1000 * (time.perf_counter() - started)
        return {"ms": ms, "lossPose": loss_pose.item(), "lossCons": loss_cons.item(), "bytes": torch.cuda.max_memory_allocated() if self.device.type == "cuda" else None}

    def settle(self):
        """Keeps the number of threads that is faster: where other programs run, threads that wait for each other can cost most of the time."""
        times = {}
        for threads in sorted({1, len(os.sched_getaffinity(0))}):
            torch.set_num_threads(threads)
            times[threads] = min(self.timed()["ms"] for _ in range(2))
        threads = min(times, key=times.get)
        torch.set_num_threads(threads)
        return {"threads": threads}

    def wait(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def main():
    twin = Twin(json.loads(sys.stdin.readline()))
    name = torch.cuda.get_device_name() if twin.device.type == "cuda" else "CPU, oneDNN" if torch.backends.mkldnn.is_available() else "CPU"
    print(json.dumps({"torch": torch.__version__, "device": name}), flush=True)
    for line in sys.stdin:
        print(json.dumps(twin.settle() if line.strip() == "settle" else twin.timed()), flush=True)


if __name__ == "__main__":
    main()
