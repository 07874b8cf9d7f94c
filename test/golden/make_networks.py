"""Golden files of the networks beside PoseResNet: narrow ones, in training mode, with all gradients.

Run it with a python3 that has torch (1.13 made the committed files): python3 test/golden/make_networks.py [name ...]
Written from the networks' published layer tables; names and layouts are those of the public implementations.
"""
import copy
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

from make_golden import Basic, Bottleneck, PoseResNet, save, save_weights, scramble, state


def conv_bn(cin, cout, kernel, stride=1, relu=False):
    layers = [nn.Conv2d(cin, cout, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(cout)]
    return nn.Sequential(*layers, *([nn.ReLU()] if relu else []))


class Exchange(nn.Module):
    def __init__(self, block, blocks, channels, outputs):
        super().__init__()
        wide = [c * block.expansion for c in channels]
        self.branches = nn.ModuleList(
            nn.Sequential(*[block(w, c, 1) for _ in range(n)]) for n, c, w in zip(blocks, channels, wide)
        )
        self.fuse_layers = nn.ModuleList()
        for i in range(outputs):
            row = nn.ModuleList()
            for j in range(len(wide)):
                if j > i:
                    row.append(nn.Sequential(*conv_bn(wide[j], wide[i], 1), nn.Upsample(scale_factor=2 ** (j - i), mode="nearest")))
                elif j == i:
                    row.append(nn.Identity())
                else:
                    last = i - j - 1
                    row.append(nn.Sequential(*[conv_bn(wide[j], wide[i] if k == last else wide[j], 3, 2, k < last) for k in range(i - j)]))
            self.fuse_layers.append(row)

    def forward(self, xs):
        xs = [branch(x) for branch, x in zip(self.branches, xs)]
        return [F.relu(sum(f(x) for f, x in zip(row, xs))) for row in self.fuse_layers]


class HRNet(nn.Module):
    """The trunk; stages are (modules, block, blocks, channels)."""

    def __init__(self, stem, stages):
        super().__init__()
        self.conv1 = nn.Conv2d(3, stem, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.conv2 = nn.Conv2d(stem, stem, 3, 2, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(stem)
        self.layer1 = nn.Sequential(*[Bottleneck(stem if i == 0 else 4 * stem, stem, 1) for i in range(4)])
        before = [4 * stem]
        self.count = len(stages)
        for s, (modules, block, blocks, channels) in enumerate(stages):
            wide = [c * block.expansion for c in channels]
            transition = nn.ModuleList()
            for i, c in enumerate(wide):
                if i < len(before):
                    transition.append(nn.Identity() if before[i] == c else conv_bn(before[i], c, 3, 1, True))
                else:
                    n = i + 1 - len(before)
                    transition.append(nn.Sequential(*[conv_bn(before[-1], c if k == n - 1 else before[-1], 3, 2, True) for k in range(n)]))
            setattr(self, f"transition{s + 1}", transition)
            last = s == len(stages) - 1
            setattr(self, f"stage{s + 2}", nn.Sequential(
                *[Exchange(block, blocks, channels, 1 if last and m == modules - 1 else len(channels)) for m in range(modules)]
            ))
            before = wide
        self.channels = before[0]

    def features(self, x):
        x = F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))
        xs = [self.layer1(x)]
        for s in range(self.count):
            transition = getattr(self, f"transition{s + 1}")
            xs = [t(xs[i] if i < len(xs) else xs[-1]) for i, t in enumerate(transition)]
            xs = getattr(self, f"stage{s + 2}")(xs)
        return xs[0]


class PoseHRNet(HRNet):
    def __init__(self, stem, stages, joints, kernel=1):
        super().__init__(stem, stages)
        self.final_layer = nn.Conv2d(self.channels, joints, kernel, padding=kernel // 2)

    def forward(self, x):
        return [self.final_layer(self.features(x))]


class ConvBnRelu(nn.Module):
    def __init__(self, channels, kernel, groups=1):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, kernel, 1, kernel // 2, groups=groups)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))


class Refine(nn.Module):
    def __init__(self, channels):
        super().__init__()
        for part, kernel, groups in [("1", 3, 1), ("2_1", 1, 1), ("2_2", 1, 1), ("3_1", 1, 1), ("3_2", 9, channels)]:
            setattr(self, "conv_bn_relu_prm_" + part, ConvBnRelu(channels, kernel, groups))

    def forward(self, x):
        unit = lambda part: getattr(self, "conv_bn_relu_prm_" + part)
        a = unit("1")(x)
        g = unit("2_2")(unit("2_1")(F.adaptive_avg_pool2d(a, 1))).sigmoid()
        return a * (1 + g * unit("3_2")(unit("3_1")(a)).sigmoid())


class CaffeBottleneck(Bottleneck):
    def __init__(self, cin, planes, stride):
        super().__init__(cin, planes, stride)
        self.conv1.stride, self.conv2.stride = (stride, stride), (1, 1)


class RefinedPoseResNet(PoseResNet):
    """Strides in the first convolution of a bottleneck, and the refine module."""

    def __init__(self, blocks, width, filters, joints):
        super().__init__(CaffeBottleneck, blocks, width, filters, joints)
        final = self.final_layer
        del self.final_layer
        self.prm = Refine(filters[-1])
        self.final_layer = final

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        x = self.deconv_layers(self.layer4(self.layer3(self.layer2(self.layer1(x)))))
        return [self.final_layer(self.prm(x))]


class RefinedPoseHRNet(HRNet):
    def __init__(self, stem, stages, joints):
        super().__init__(stem, stages)
        self.prm = Refine(self.channels)
        self.final_layer = nn.Conv2d(self.channels, joints, 1)

    def forward(self, x):
        return [self.final_layer(self.prm(self.features(x)))]


class BnReluConv(nn.Module):
    def __init__(self, cin, cout, kernel, stride=1):
        super().__init__()
        self.bn = nn.BatchNorm2d(cin)
        self.conv = nn.Conv2d(cin, cout, kernel, stride, kernel // 2)

    def forward(self, x):
        return self.conv(F.relu(self.bn(x)))


class ConvBlock(nn.Module):
    def __init__(self, cin, cout):
        super().__init__()
        self.cbr1 = BnReluConv(cin, cout // 2, 1)
        self.cbr2 = BnReluConv(cout // 2, cout // 2, 3)
        self.cbr3 = BnReluConv(cout // 2, cout, 1)

    def forward(self, x):
        return self.cbr3(self.cbr2(self.cbr1(x)))


class Skip(nn.Module):
    def __init__(self, cin, cout):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, 1) if cin != cout else nn.Identity()

    def forward(self, x):
        return self.conv(x)


class Residual(nn.Module):
    def __init__(self, cin, cout):
        super().__init__()
        self.cb = ConvBlock(cin, cout)
        self.skip = Skip(cin, cout)

    def forward(self, x):
        return self.cb(x) + self.skip(x)


def residuals(channels, modules):
    return nn.Sequential(*[Residual(channels, channels) for _ in range(modules)])


class HourglassModule(nn.Module):
    def __init__(self, channels, modules, reductions):
        super().__init__()
        self.skip = residuals(channels, modules)
        self.afterpool = residuals(channels, modules)
        if reductions > 1:
            self.hg = HourglassModule(channels, modules, reductions - 1)
        else:
            self.num1res = residuals(channels, modules)
        self.lowres = residuals(channels, modules)

    def forward(self, x):
        y = self.afterpool(F.max_pool2d(x, 2))
        y = self.hg(y) if hasattr(self, "hg") else self.num1res(y)
        return self.skip(x) + F.interpolate(self.lowres(y), scale_factor=2, mode="nearest")


class Stacks(nn.Module):
    def __init__(self, stem, channels, stacks, modules, reductions, joints):
        super().__init__()
        self.start = BnReluConv(3, stem, 7, 2)
        self.res1 = Residual(stem, 2 * stem)
        self.res2 = Residual(2 * stem, 2 * stem)
        self.res3 = Residual(2 * stem, channels)
        every = lambda make: nn.ModuleList([make() for _ in range(stacks)])
        self.hourglass = every(lambda: HourglassModule(channels, modules, reductions))
        self.Residual = every(lambda: residuals(channels, modules))
        self.lin1 = every(lambda: BnReluConv(channels, channels, 1))
        self.chantojoints = every(lambda: nn.Conv2d(channels, joints, 1))
        self.lin2 = every(lambda: nn.Conv2d(channels, channels, 1))
        self.jointstochan = every(lambda: nn.Conv2d(joints, channels, 1))

    def forward(self, x):
        x = self.res3(self.res2(F.max_pool2d(self.res1(self.start(x)), 2)))
        outputs = []
        for i in range(len(self.hourglass)):
            a = self.lin1[i](self.Residual[i](self.hourglass[i](x)))
            outputs.append(self.chantojoints[i](a))
            x = x + self.lin2[i](a) + self.jointstochan[i](outputs[-1])
        return outputs


class Hourglass(nn.Module):
    def __init__(self, *facts):
        super().__init__()
        self.hourglass = Stacks(*facts)

    def forward(self, x):
        return self.hourglass(x)


class HigherHRNet(HRNet):
    """deconvs are (channels, blocks, concatenate); tags, per output, how many tag channels it has."""

    def __init__(self, stem, stages, joints, deconvs, tags):
        super().__init__(stem, stages)
        outputs = [joints + t for t in tags]
        widths = [self.channels] + [d[0] for d in deconvs]
        self.final_layers = nn.ModuleList(nn.Conv2d(c, o, 1) for c, o in zip(widths, outputs))
        self.concatenate = [d[2] for d in deconvs]
        self.deconv_layers = nn.ModuleList()
        for i, (channels, blocks, concatenate) in enumerate(deconvs):
            cin = widths[i] + (outputs[i] if concatenate else 0)
            first = nn.Sequential(nn.ConvTranspose2d(cin, channels, 4, 2, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU())
            self.deconv_layers.append(nn.Sequential(first, *[nn.Sequential(Basic(channels, channels, 1)) for _ in range(blocks)]))

    def forward(self, x):
        x = self.features(x)
        outputs = [self.final_layers[0](x)]
        for deconv, final, concatenate in zip(self.deconv_layers, self.final_layers[1:], self.concatenate):
            x = deconv(torch.cat([x, outputs[-1]], 1) if concatenate else x)
            outputs.append(final(x))
        return outputs


class RSGNet(HRNet):
    """Written as its layer table says, with the whole relation map and all word channels; names are ours."""

    def __init__(self, stem, stages, joints, limbs, size, words, up=2, sub_sample=False):
        super().__init__(stem, stages)
        c, (w, h) = self.channels, (size[0] // 4, size[1] // 4)
        point = lambda: nn.Conv2d(c, c, 1)
        double = lambda: nn.Sequential(nn.ConvTranspose2d(c, c, 4, 2, 1, bias=False), nn.BatchNorm2d(c), nn.ReLU())
        self.multi_layer = nn.Conv2d(c, joints, 1)
        self.visual = conv_bn(c, c, 3, 1, True)
        self.words = nn.Parameter(torch.randn(joints, words) * 0.37)
        self.word_map = nn.Linear(words, words, bias=False)
        self.word_norm = nn.BatchNorm1d(words)
        self.category = conv_bn(words, c, 3, 1, True)
        self.geometry = conv_bn(4, c, 1, 1, True)
        self.clues = nn.Sequential(conv_bn(3 * c, 3 * c, 3, 1, True), conv_bn(3 * c, c, 3, 1, True))
        self.relation = nn.Module()
        self.relation.values = point()
        if sub_sample:
            self.relation.deconv = double()
        self.relation.out = nn.Sequential(point(), nn.GroupNorm(8, c))
        self.predict = nn.ModuleDict({"0": conv_bn(2 * c, c, 3, 1, True), **({"deconv": double()} if up == 2 else {}), "1": conv_bn(c, c, 3, 1, True)})
        self.final_layer = nn.Conv2d(c, joints, 1)
        self.limb = nn.Module()
        self.limb.features = conv_bn(c, c, 3, 1, True)
        self.limb.matrix = nn.Parameter(torch.randn(len(limbs), joints))
        self.limb.linear1 = nn.Linear(c, c)
        self.limb.linear2 = nn.Linear(c, c)
        y, x = torch.meshgrid(torch.arange(h).float(), torch.arange(w).float(), indexing="ij")
        self.coordinates = torch.stack([x / w, y / h, x - w / 2, y - h / 2])[None]
        self.incidence = torch.zeros(len(limbs), joints)
        for i, ends in enumerate(limbs):
            self.incidence[i, list(ends)] = 1
        self.up, self.sub_sample = up, sub_sample

    def adjust(self):
        """Keeps the relation map away from 1, where its gradient vanishes."""
        with torch.no_grad():
            self.clues[1][1].weight.mul_(0.3)
            self.clues[1][1].bias.mul_(0.3)

    def larger(self, x):
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True) if self.up == 2 else x

    def forward(self, x):
        f = self.features(x)
        m = self.multi_layer(f)
        e = F.relu(self.word_norm(self.word_map(self.words)))
        y = self.category(torch.einsum("bkhw,kc->bchw", m, e))
        p = self.geometry(self.coordinates.to(x.dtype)).expand(len(x), -1, -1, -1)
        z = self.clues(torch.cat([self.visual(f), y, p], 1))
        s = F.max_pool2d(z, 2) if self.sub_sample else z
        flat = s.flatten(2)
        a = torch.sigmoid(flat.transpose(1, 2) @ flat)
        r = (a @ self.relation.values(s).flatten(2).transpose(1, 2)).transpose(1, 2).reshape(s.shape)
        if self.sub_sample:
            r = self.relation.deconv(r)
        q = self.predict["0"](torch.cat([self.relation.out(r), z], 1))
        if self.up == 2:
            q = self.predict["deconv"](q)
        j = self.final_layer(self.predict["1"](q))
        u = (self.limb.matrix * self.incidence.to(x.dtype)) @ self.final_layer.weight[:, :, 0, 0]
        kernels = self.limb.linear2(F.leaky_relu(self.limb.linear1(u), 0.02))
        b = torch.sigmoid(self.larger(F.conv2d(self.limb.features(z), kernels[:, :, None, None])))
        # A relation target that both sides can compute.
        t = torch.stack([(torch.arange(a.shape[1]) * (n + 1) % 7) / 7 for n in range(len(x))]).to(x.dtype)
        error = ((t[:, :, None] * t[:, None, :] - a) ** 2).mean((1, 2))
        return [self.larger(m), j, b, error[:, None, None, None]]


class PartGenerator(nn.Module):
    """A ResNet (of four basic blocks where nothing else is said) and the grouped head; outputs are the choices and the maps made of them."""

    def __init__(self, width, categories, hidden, block=Basic, blocks=(1, 1, 1, 1)):
        super().__init__()
        self.trunk = nn.Module()
        self.trunk.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.trunk.bn1 = nn.BatchNorm2d(width)
        cin = width
        for stage, count in enumerate(blocks):
            layers = []
            for i in range(count):
                layers.append(block(cin, width * 2**stage, 1 + (stage > 0 and i == 0)))
                cin = width * 2**stage * block.expansion
            setattr(self.trunk, f"layer{stage + 1}", nn.Sequential(*layers))
        grouped = nn.Conv2d(hidden * categories, 3 * categories, 1, groups=categories)
        self.fc_locs = nn.Sequential(nn.Conv2d(cin, hidden * categories, 1), nn.ReLU(), grouped, nn.Sigmoid())

    def forward(self, x):
        t = self.trunk
        x = F.max_pool2d(F.relu(t.bn1(t.conv1(x))), 3, 2, 1)
        x = t.layer4(t.layer3(t.layer2(t.layer1(x))))
        u = self.fc_locs(F.adaptive_avg_pool2d(x, 1)) - 0.5
        v = u.reshape(len(u), -1, 3)
        a = 3.1415926 * v[..., 0]
        theta = torch.stack([a.cos(), a.sin(), 2.4 * v[..., 1], -a.sin(), a.cos(), 2.4 * v[..., 2]], -1)
        return [u, theta.reshape(len(u), -1, 1, 1)]


def relu_margin(network, x):
    """How close any relu's input comes to zero, relative to the mean size: there a rounding error changes gradients by whole terms."""
    margins, relu = [], F.relu

    def watched(y, inplace=False):
        margins.append((y.abs().min() / y.abs().mean()).item())
        return relu(y, inplace)

    F.relu = watched
    try:
        with torch.no_grad():
            copy.deepcopy(network).train()(x)
    finally:
        F.relu = relu
    return min(margins)


def clear_noise(network, x, gys):
    """Zero for the gradient of a bias that a later batchnorm takes away again: all that f32 leaves of it is rounding error."""
    exact = copy.deepcopy(network).double()
    for p in exact.parameters():
        p.grad = None
    sum((y * gy.double()).sum() for y, gy in zip(exact(x.double()), gys)).backward()
    truth = dict(exact.named_parameters())
    for name, p in network.named_parameters():
        weight = truth.get(name.removesuffix("bias") + "weight")
        if name.endswith("bias") and p.grad is not None and weight is not None:
            if truth[name].grad.abs().max() < 1e-10 * weight.grad.abs().max():
                p.grad.zero_()


def draw(network, seed, x):
    g = torch.Generator().manual_seed(seed)
    scramble(network, g)
    if hasattr(network, "adjust"):
        network.adjust()
    return g, x(g)


def golden_network(name, network, seed, x, prefix=""):
    """Outputs, gradients of the sum of output_i * gy_i, running statistics of one training step; outputs in evaluation."""
    seed = max(range(seed, seed + 40), key=lambda s: relu_margin(network, draw(network, s, x)[1]))
    g, x = draw(network, seed, x)
    save_weights(name, network, prefix)
    tensors = {"x": x}
    network.train()
    ys = network(x)
    gys = [torch.randn(y.shape, generator=g) for y in ys]
    sum((y * gy).sum() for y, gy in zip(ys, gys)).backward()
    clear_noise(network, x, gys)
    for i, (y, gy) in enumerate(zip(ys, gys)):
        tensors |= {f"y.{i}": y, f"gy.{i}": gy}
    # A tensor that no output depends on has no gradient; zeros say that here.
    tensors |= {"grad." + k: torch.zeros_like(p) if p.grad is None else p.grad for k, p in network.named_parameters()}
    tensors |= {k: v for k, v in state(network, "after.").items() if "running" in k or "num_batches" in k}
    network.eval()
    with torch.no_grad():
        for i, y in enumerate(network(x)):
            tensors[f"y_eval.{i}"] = y
    save(name, tensors)
    print(name, sum(p.numel() for p in network.parameters()), [list(y.shape) for y in ys])


def images(batch, height, width):
    return lambda g: torch.randn(batch, 3, height, width, generator=g)


SMALL_HRNET = [(1, Basic, [2, 1], [4, 6]), (2, Basic, [1, 1, 2], [4, 6, 8]), (2, Basic, [1, 1, 1, 1], [4, 6, 8, 10])]


def hrnet():
    golden_network("hrnet", PoseHRNet(4, SMALL_HRNET, 5), 100, images(3, 64, 96))


def hrnet_bottleneck():
    """Bottlenecks in the branches, a stage that adds two branches at once, a 3x3 output convolution."""
    stages = [(1, Bottleneck, [1, 1, 1], [2, 3, 4]), (1, Bottleneck, [1, 1, 1, 1], [2, 3, 4, 2])]
    golden_network("hrnet_bottleneck", PoseHRNet(4, stages, 3, 3), 200, images(2, 64, 64))


def pose_resnet_refined():
    golden_network("pose_resnet_refined", RefinedPoseResNet([3, 4, 6, 3], 2, [4, 4, 4], 3), 1000, images(4, 96, 64))


def hrnet_refined():
    golden_network("hrnet_refined", RefinedPoseHRNet(4, NARROW_HRNET[:1], 3), 1100, images(4, 64, 48))


def hourglass():
    golden_network("hourglass", Hourglass(4, 12, 2, 1, 2, 5), 300, images(3, 64, 48), "module.")


def hourglass_modules():
    """Two residual units at every place, one stack."""
    golden_network("hourglass_modules", Hourglass(4, 8, 1, 2, 1, 3), 400, images(2, 40, 32))


NARROW_HRNET = [(1, Basic, [1, 1], [4, 6]), (1, Basic, [1, 1, 1], [4, 6, 8])]


def higher_hrnet():
    golden_network("higher_hrnet", HigherHRNet(4, NARROW_HRNET, 3, [(4, 2, True)], [3, 0]), 500, images(2, 64, 48), "1.")


def higher_hrnet_twice():
    """Two doublings, the second without concatenation, tags at two outputs."""
    golden_network("higher_hrnet_twice", HigherHRNet(4, NARROW_HRNET[:1], 3, [(4, 1, True), (6, 1, False)], [1, 1, 0]), 600, images(2, 32, 40))


def rsgnet():
    network = RSGNet(4, [(1, Basic, [1, 1], [8, 4])], 3, [(0, 1), (1, 2)], (40, 32), 12)
    golden_network("rsgnet", network, 700, images(2, 32, 40))


def rsgnet_half():
    """Relations of half the resolution, heatmaps of a quarter."""
    network = RSGNet(4, [(1, Basic, [1, 1], [8, 4])], 4, [(0, 1), (1, 2), (3, 0)], (32, 48), 6, 1, True)
    golden_network("rsgnet_half", network, 800, images(2, 48, 32))


def part_generator():
    golden_network("part_generator", PartGenerator(4, 5, 6), 900, images(4, 64, 48))


def main():
    cases = [hrnet, hrnet_bottleneck, hrnet_refined, pose_resnet_refined, hourglass, hourglass_modules, higher_hrnet, higher_hrnet_twice, rsgnet, rsgnet_half, part_generator]
    cases = {f.__name__: f for f in cases}
    for name in sys.argv[1:] or cases:
        cases[name]()


if __name__ == "__main__":
    main()
