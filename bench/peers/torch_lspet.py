"""The protocol of `bun run bench lspet` in PyTorch, written from the method's description and not from Limber's code.

Run it with a python3 that has torch, scipy and OpenCV:
    python3 bench/peers/torch_lspet.py DATA supervised|affine|jc|multi|dual SEED EPOCHS OUT.json [original]
DATA holds joints.mat and images/ of LSP Extended. Trains PoseResNet-18 of width 16 at 64x64 on 300 labelled persons and, but for
supervised, 1500 unlabelled ones; measures PCK@0.1 of the crop's side on images 1501-2000 every five epochs. `original` brings
back the oddities of MultiAugs: axes swapped in joint cut-occlusion, pseudo labels warped about a point 0.375 px off.
Every measurement has, beside the PCK, the mean peak over joints of the heatmaps of unlabelled images: `teacher_peak` as the
teacher saw them in that epoch (batch statistics, random crops), `peak` of images 301-1500 as the test has them; and
`pck_unlabelled`, the PCK there, which no training step sees.
"""
import json
import os
import sys
import time

import cv2
import numpy as np
import scipy.io
import torch
import torch.nn as nn
import torch.nn.functional as F

SIDE, STRIDE, SIGMA, JOINTS, BATCH = 64, 4, 1, 14, 32
MAP = SIDE // STRIDE
LABELLED, UNLABELLED, TEST = range(0, 300), range(0, 1500), range(1500, 2000)
SWAPPED = [5, 4, 3, 2, 1, 0, 11, 10, 9, 8, 7, 6, 12, 13]  # joints after a flip: right ankle is left ankle, ...
MEAN, STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
SCALE_SHARE, ROTATION_DEGREES, LOADER_ROTATED, VIEW_ROTATED = 0.25, 30, 0.6, 0.8
PATCH_SCALE, JITTER_PX, SMALLEST_PX, LARGEST_PX = SIDE / 256, 10, 10, 20  # px at a height of 256
CO_HOLES, CM_HOLES, JC_JOINTS, JO_JOINTS = 5, 2, 5, 2
VIEWS = {"supervised": [], "affine": [[]], "jc": [["JC"]], "multi": [["JO", "CO"], ["JC", "CM"]], "dual": [["JO", "CO"], ["JC", "CM"]]}


# Persons, crops, targets


def read_persons(folder):
    """Images in RGB with their joints [14, 2], visibility [14], and the square round the visible joints, its side times 1.25."""
    joints = scipy.io.loadmat(os.path.join(folder, "joints.mat"))["joints"].transpose(2, 0, 1)
    persons = []
    for index in range(TEST.stop):
        image = cv2.imread(os.path.join(folder, "images", f"im{index + 1:05}.jpg"), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        points, visible = joints[index, :, :2], joints[index, :, 2] > 0
        low, high = points[visible].min(0), points[visible].max(0)
        persons.append((cv2.cvtColor(image, cv2.COLOR_BGR2RGB), points, visible, (low + high) / 2, (high - low).max() * 1.25))
    return persons


def draw_geometry(random):
    """Scale, rotation in radians and flip of a random crop."""
    scale = np.clip(random.normal(1, SCALE_SHARE), 1 - SCALE_SHARE, 1 + SCALE_SHARE)
    rotation = np.clip(random.normal(0, ROTATION_DEGREES), -2 * ROTATION_DEGREES, 2 * ROTATION_DEGREES)
    return scale, np.radians(rotation) if random.random() < LOADER_ROTATED else 0, random.random() < 0.5


def crop(person, geometry=(1, 0, False)):
    """Normalised image [3, 64, 64], joints in its pixels [14, 2], visibility [14]."""
    image, points, visible, centre, side = person
    scale, rotation, flip = geometry
    if flip:
        last = image.shape[1] - 1
        image, centre = np.ascontiguousarray(image[:, ::-1]), np.array([last - centre[0], centre[1]])
        points, visible = np.stack([last - points[:, 0], points[:, 1]], 1)[SWAPPED], visible[SWAPPED]
    cos, sin = np.cos(rotation), np.sin(rotation)
    linear = SIDE / (side * scale) * np.array([[cos, sin], [-sin, cos]])
    affine = np.column_stack([linear, SIDE / 2 - linear @ centre])
    pixels = cv2.warpAffine(image, affine, (SIDE, SIDE), flags=cv2.INTER_LINEAR).astype(np.float32) / 255
    return ((pixels - MEAN) / STD).transpose(2, 0, 1), points @ linear.T + affine[:, 2], visible


def target_of(points, visible):
    """Gaussians of peak 1 in windows of 3 sigma round trunc(joint / 4 + 0.5), and the weights: 0 where hidden or the window is outside."""
    maps, weight = np.zeros((JOINTS, MAP, MAP), np.float32), visible.astype(np.float32)
    grid, reach = np.arange(MAP), 3 * SIGMA
    for joint in np.flatnonzero(visible):
        x, y = np.trunc(points[joint] / STRIDE + 0.5)
        if x - reach >= MAP or y - reach >= MAP or x + reach + 1 < 0 or y + reach + 1 < 0:
            weight[joint] = 0
            continue
        row, column = (np.where(abs(grid - at) <= reach, np.exp(-((grid - at) ** 2) / (2 * SIGMA**2)), 0) for at in (y, x))
        maps[joint] = np.outer(row, column)
    return maps, weight


def labelled_batch(persons, random):
    images, targets, weights = [], [], []
    for person in persons:
        image, points, visible = crop(person, draw_geometry(random))
        target, weight = target_of(points, visible)
        images.append(image), targets.append(target), weights.append(weight)
    return tuple(torch.from_numpy(np.stack(part)) for part in (images, targets, weights))


def images_of(persons, random=None):
    return torch.from_numpy(np.stack([crop(person, draw_geometry(random) if random else (1, 0, False))[0] for person in persons]))


# The network


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
        self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)) if stride != 1 else nn.Identity()

    def forward(self, x):
        return F.relu(self.downsample(x) + self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


def pose_resnet18(width=16, filters=64):
    layers = [nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    inputs = width
    for stage in range(4):
        outputs = width * 2**stage
        layers += [Block(inputs, outputs, 1 if stage == 0 else 2), Block(outputs, outputs, 1)]
        inputs = outputs
    for _ in range(3):
        layers += [nn.ConvTranspose2d(inputs, filters, 4, 2, 1, bias=False), nn.BatchNorm2d(filters), nn.ReLU()]
        inputs = filters
    return nn.Sequential(*layers, nn.Conv2d(inputs, JOINTS, 1))


# Hard views. All patches in whole px; x is joint component 0 unless said otherwise


def half_sizes(shape, random):
    return np.rint(random.integers(SMALLEST_PX, LARGEST_PX, shape) * PATCH_SCALE).astype(int)


def jittered(joints, random):
    return np.trunc(joints + random.normal(0, JITTER_PX * PATCH_SCALE, joints.shape)).astype(int)


def boxes_at(centres, limit, random):
    """First and end pixel [..., 2, 2] of random boxes about centres [..., 2], each (x, y), within 0 and the limit."""
    half = half_sizes(centres.shape, random)
    return np.clip(np.stack([centres - half, centres + half], -2), 0, limit)


def cutout(x, joints, random):
    for image, boxes in zip(x, boxes_at(random.integers(0, SIDE, (len(x), CO_HOLES, 2)), SIDE, random)):
        for (x0, y0), (x1, y1) in boxes:
            image[:, y0:y1, x0:x1] = 0


def cutmix(x, joints, random):
    others = x[torch.from_numpy(random.permutation(len(x)))]  # a copy, taken before anything is pasted
    for image, other, boxes in zip(x, others, boxes_at(random.integers(0, SIDE, (len(x), CM_HOLES, 2)), SIDE, random)):
        for (x0, y0), (x1, y1) in boxes:
            image[:, y0:y1, x0:x1] = other[:, y0:y1, x0:x1]


def joint_cutout(x, joints, random):
    for image, boxes in zip(x, boxes_at(jittered(joints, random), SIDE, random)):
        for (x0, y0), (x1, y1) in boxes[random.integers(0, JOINTS, JC_JOINTS)]:
            image[:, y0:y1, x0:x1] = 0


def joint_cut_occlusion(x, joints, random, swap_axes=False):
    snapshot, centres = x.clone(), jittered(joints[..., ::-1] if swap_axes else joints, random)
    boxes = boxes_at(centres, SIDE - 1, random)
    for n, image in enumerate(x):
        other = random.integers(0, len(x))
        for joint, from_joint in zip(random.integers(0, JOINTS, JO_JOINTS), random.integers(0, JOINTS, JO_JOINTS)):
            source = boxes[other, from_joint].copy()
            reach = abs(source - centres[other, from_joint])
            target = np.clip(np.stack([centres[n, joint] - reach[0], centres[n, joint] + reach[1]]), 0, SIDE - 1)
            if (target[0] >= target[1]).any():
                continue
            excess = (source[1] - source[0]) - (target[1] - target[0])
            source[0] += np.where(target[0] == 0, excess, 0)
            source[1] -= np.where(target[1] == SIDE - 1, excess, 0)
            (x0, y0), (x1, y1), (u0, v0), (u1, v1) = *target, *source
            fits = (source >= 0).all() and (source <= SIDE).all() and (source[0] < source[1]).all() and (source[1] - source[0] == target[1] - target[0]).all()
            image[:, y0:y1, x0:x1] = snapshot[other, :, v0:v1, u0:u1] if fits else 0


def hard_views(x, maps, chains, random, original):
    """A copy of the images for each chain of augmentations, at the joints where the heatmaps are highest."""
    best = maps.flatten(2).argmax(2).numpy()
    joints = np.stack([best % MAP, best // MAP], -1) * STRIDE
    steps = {"CO": cutout, "CM": cutmix, "JC": joint_cutout, "JO": lambda *of: joint_cut_occlusion(*of, swap_axes=original)}
    views = []
    for chain in chains:
        view = x.clone()
        for name in chain:
            steps[name](view, joints, random)
        views.append(view)
    return views


def draw_theta(count, random):
    """Output to input in normalised coordinates, [count, 2, 3]."""
    theta = np.zeros((count, 2, 3))
    for own in theta:
        scale = np.clip(random.normal(1, SCALE_SHARE), 1 - SCALE_SHARE, 1 + SCALE_SHARE)
        rotation = np.clip(random.normal(0, ROTATION_DEGREES), -2 * ROTATION_DEGREES, 2 * ROTATION_DEGREES)
        rotation = np.radians(rotation) if random.random() < VIEW_ROTATED else 0
        own[:, :2] = scale * np.array([[np.cos(rotation), np.sin(rotation)], [-np.sin(rotation), np.cos(rotation)]])
    return torch.from_numpy(theta)


def warp_images(x, theta):
    return F.grid_sample(x, F.affine_grid(theta, x.shape, align_corners=False).float(), align_corners=False)


def warp_maps(maps, theta, original):
    """Heatmap pixel u is image position 4 u, as in the targets; to the original warp it is 4 u + 1.5."""
    if original:
        return warp_images(maps, theta)
    at = (2 * STRIDE * torch.arange(MAP, dtype=torch.float64) + 1) / SIDE - 1  # normalised position in the image
    y, x = torch.meshgrid(at, at, indexing="ij")
    into = torch.stack([x, y], -1).flatten(0, 1) @ theta[:, :, :2].transpose(1, 2)  # [N, 256, 2], the image's normalised coordinates
    pixel = ((into + 1) * SIDE - 1) / 2 / STRIDE
    return F.grid_sample(maps, ((2 * pixel + 1) / MAP - 1).view(-1, MAP, MAP, 2).float(), align_corners=False)


# Training


def loss_of(maps, target, weight):
    """Half the mean over all elements."""
    weight = weight[:, :, None, None]
    return 0.5 * ((weight * maps - weight * target) ** 2).mean()


def losses(networks, method, labelled, unlabelled, random, original):
    """The loss of a step and the mean peak of the teachers' heatmaps. Every pass is in training mode and moves the running statistics."""
    images, target, weight = labelled
    total = sum(loss_of(network(images), target, weight) for network in networks) / len(networks)
    if method == "supervised":
        return total, None
    with torch.no_grad():
        taught = [network(unlabelled) for network in networks]
        theta = draw_theta(len(unlabelled), random)
        labels = [warp_maps(maps, theta, original) for maps in taught]
        other = len(networks) - 1  # two networks learn from each other, one from itself
        views = [[warp_images(view, theta) for view in hard_views(unlabelled, taught[n ^ other], VIEWS[method], random, original)] for n in range(len(networks))]
    ones = torch.ones(len(unlabelled), JOINTS)
    for n, network in enumerate(networks):
        for view in views[n]:
            total = total + loss_of(network(view), labels[n ^ other], ones)
    return total, torch.stack(taught).flatten(3).max(3).values.mean().item()


def decode(maps):
    """Highest pixels, a quarter towards the higher neighbour: [N, 14, 2]."""
    points = np.zeros(maps.shape[:2] + (2,))
    for n, j in np.ndindex(*maps.shape[:2]):
        own = maps[n, j]
        y, x = np.unravel_index(own.argmax(), own.shape)
        if own[y, x] <= 0:
            continue
        points[n, j] = x, y
        if 1 < x < MAP - 1 and 1 < y < MAP - 1:
            points[n, j] += 0.25 * np.sign([own[y, x + 1] - own[y, x - 1], own[y + 1, x] - own[y - 1, x]])
    return points


@torch.no_grad()
def evaluate(network, persons):
    """PCK@0.1 of the crop's side over visible joints, in percent, and the mean peak."""
    network.eval()
    right = counted = peak = 0
    for start in range(0, len(persons), BATCH):
        own = persons[start : start + BATCH]
        maps = network(images_of(own)).numpy()
        points = decode(maps) * STRIDE / SIDE  # shares of the crop's side
        for at, (_, truth, visible, centre, side) in zip(points, own):
            far = np.linalg.norm(at - ((truth - centre) / side + 0.5), axis=1)
            right, counted = right + (far[visible] <= 0.1).sum(), counted + visible.sum()
        peak += maps.max((2, 3)).mean(1).sum()
    network.train()
    return 100 * float(right) / int(counted), float(peak) / len(persons)


def main(folder, method, seed, epochs, out, parity="corrected"):
    seed, epochs, original = int(seed), int(epochs), parity == "original"
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    persons = read_persons(folder)
    test, unseen = [persons[n] for n in TEST], [persons[n] for n in range(LABELLED.stop, UNLABELLED.stop)]
    networks = nn.ModuleList(pose_resnet18() for _ in range(2 if method == "dual" else 1)).train()
    adam = torch.optim.Adam(networks.parameters(), 1e-3)
    schedule = torch.optim.lr_scheduler.MultiStepLR(adam, [epochs * 2 // 3, epochs * 5 // 6])
    result = {"method": method, "seed": seed, "epochs": epochs, "parity": parity, "torch": torch.__version__, "curve": []}
    cpu = time.process_time()
    for epoch in range(1, epochs + 1):
        order, pairs, peaks, sums = random.permutation(len(UNLABELLED)), random.integers(0, len(LABELLED), len(UNLABELLED)), [], []
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            labelled = labelled_batch([persons[pairs[n]] for n in chosen], random)
            unlabelled = None if method == "supervised" else images_of([persons[n] for n in chosen], random)
            loss, peak = losses(networks, method, labelled, unlabelled, random, original)
            adam.zero_grad()
            loss.backward()
            adam.step()
            sums.append(loss.item()), peaks.append(peak)
        schedule.step()
        if epoch % 5 == 0 or epoch == epochs:
            scores, unlabelled_scores = (np.mean([evaluate(network, of) for network in networks], 0) for of in (test, unseen))
            row = {"epoch": epoch, "pck": scores[0], "loss": float(np.mean(sums)), "pck_unlabelled": unlabelled_scores[0], "peak": unlabelled_scores[1]}
            row["teacher_peak"] = None if method == "supervised" else float(np.mean(peaks))
            result["curve"].append({key: value if value is None else round(value, 6) for key, value in row.items()})
            print(method, seed, row, f"{(time.process_time() - cpu) / epoch:.1f} CPU s per epoch", flush=True)
    result["final"], result["cpu_seconds"] = result["curve"][-1]["pck"], round(time.process_time() - cpu)
    with open(out, "w") as file:
        json.dump(result, file, indent=2)


if __name__ == "__main__":
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    cv2.setNumThreads(1)
    main(*sys.argv[1:])
