"""What PoseAug's networks and losses ask of the library, put together from single ops."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import torch
from op_cases import Cases, randn

PARENTS = [0, 0, 1, 2, 0, 4, 5, 0, 7, 8, 8, 10, 11, 8, 13, 14]
CHILDREN = list(range(16))[1:]
PAIRS = [(i, j) for i in range(6) for j in range(6) if abs(i - j) <= 1]


def bones(pose):
    return pose[:, CHILDREN] - pose[:, [PARENTS[c] for c in CHILDREN]]


def kcs(pose):
    """Cosines between all bones: unit bones times their transpose."""
    b = bones(pose)
    unit = b / torch.linalg.vector_norm(b, dim=2, keepdim=True)
    return unit @ unit.transpose(1, 2)


def lengths(pose):
    return torch.linalg.vector_norm(bones(pose), dim=2, keepdim=True)


def graph_contraction(g, a):
    """Sum over k, v of g[b, k, c, v] A[k, v, w]."""
    return torch.einsum("bkcv,kvw->bcw", g, a)


def semantic_adjacency(parameters, x):
    """Softmax over the rows of a matrix that is minus infinity but for learned entries, times features."""
    rows, columns = zip(*PAIRS)
    matrix = torch.full((6, 6), -9e15)
    matrix[list(rows), list(columns)] = parameters
    return torch.softmax(matrix, 1) @ x


def projection(pose, camera):
    """Clamped perspective division, focal lengths and centre."""
    xy = torch.clamp(pose[..., :2] / pose[..., 2:].abs().add(2.0), -1, 1)
    return camera[:, None, :2] * xy + camera[:, None, 2:]


def attention(theta, phi, g):
    return torch.softmax(theta.transpose(1, 2) @ phi, 2) @ g


def rotation(angle, pose):
    """Rotation about z by a learned angle per sample, and the squared third component kept in place."""
    c, s = torch.cos(angle)[:, None], torch.sin(angle)[:, None]
    x, y, z = pose.unbind(2)
    return torch.stack([c * x - s * y, s * x + c * y, z * z], 2)


with Cases("compositions") as cases:
    cases.add("cosines between bones", [randn(3, 16, 3)], kcs)
    cases.add("bone lengths", [randn(3, 16, 3)], lengths)
    cases.add("graph contraction", [randn(2, 3, 4, 5), randn(3, 5, 5)], graph_contraction)
    cases.add("semantic adjacency", [randn(len(PAIRS)), randn(2, 6, 4)], semantic_adjacency)
    cases.add("projection", [randn(3, 16, 3), randn(3, 4)], projection)
    cases.add("attention", [randn(2, 4, 7), randn(2, 4, 7, seed=1), randn(2, 7, 3)], attention)
    cases.add("rotation", [randn(3), randn(3, 5, 3)], rotation)
    cases.add("least squares discriminator", [randn(4, 1)], lambda x: ((x - 1) ** 2).mean())
