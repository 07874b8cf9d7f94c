"""What pycocotools (2.0.8+), OpenCV and the benchmarks' rules in NumPy give for random cases: test/eval/golden_scores.test.ts.

Only the figures are kept. The cases come from the generator below, which test/eval/score_cases.ts repeats number by number:
persons without joints, crowds, zero areas, equal scores, duplicates, empty images, more than twenty detections.
"""
import contextlib
import io
import json
from pathlib import Path

import cv2
import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

HERE = Path(__file__).parent
CASES = 240
CROWD_SIGMAS = np.array([0.79, 0.79, 0.72, 0.72, 0.62, 0.62, 1.07, 1.07, 0.87, 0.87, 0.89, 0.89, 0.79, 0.79]) / 10
AIC_SIGMAS = np.array([0.01388152, 0.01515228, 0.01057665, 0.01417709, 0.01497891, 0.01402144, 0.03909642, 0.03686941,
                       0.01981803, 0.03843971, 0.03412318, 0.02415081, 0.01291456, 0.01236173])


class Draw:
    """A linear congruential generator; next(n) is in 0..n-1."""

    def __init__(self, seed):
        self.state = (seed * 2654435761 + 12345) % 2**32

    def next(self, n):
        self.state = (self.state * 1664525 + 1013904223) % 2**32
        return (self.state >> 8) % n


def make_case(seed, joints):
    draw = Draw(seed)
    images, persons, detections = [], [], []
    for image in range(1, 2 + draw.next(4)):
        images.append({"id": image, "width": 640, "height": 480, "file_name": f"{image}.jpg", "crowdIndex": draw.next(11) / 10})
        here = []
        for _ in range(draw.next(5)):
            x, y, size = draw.next(500), draw.next(350), 10 + draw.next(200)
            bare = draw.next(5) == 0
            keypoints = []
            for _ in range(joints):
                px, py, flag = x + draw.next(size), y + draw.next(size), draw.next(3)
                keypoints += [0, 0, 0] if bare or flag == 0 else [px, py, flag]
            area = 0 if draw.next(8) == 0 else size * size * (1 + draw.next(4)) / 8
            crowd = int(draw.next(6) == 0)
            here.append({"id": len(persons) + len(here) + 1, "image_id": image, "category_id": 1, "keypoints": keypoints,
                         "bbox": [x, y, size, size], "area": area, "iscrowd": crowd,
                         "num_keypoints": sum(flag > 0 for flag in keypoints[2::3])})
        persons += here
        many = draw.next(4) == 0
        for _ in range(draw.next(30) if many else draw.next(6)):
            if detections and detections[-1]["image_id"] == image and draw.next(6) == 0:
                detections.append(dict(detections[-1]))
                continue
            source = here[draw.next(len(here))] if here and draw.next(4) > 0 else None
            jitter = 1 + draw.next(30)
            x, y, size = draw.next(500), draw.next(350), 10 + draw.next(200)
            keypoints = []
            for j in range(joints):
                if source:
                    keypoints += [source["keypoints"][3 * j] + draw.next(jitter), source["keypoints"][3 * j + 1] + draw.next(jitter), 1]
                else:
                    keypoints += [x + draw.next(size), y + draw.next(size), 1]
            detections.append({"image_id": image, "category_id": 1, "keypoints": keypoints, "score": draw.next(10) / 10,
                               "bbox": [x, y, size, size]})
    if not detections:
        detections.append({"image_id": 1, "category_id": 1, "keypoints": [5, 5, 1] * joints, "score": 0.5, "bbox": [5, 5, 9, 9]})
    if seed % 3 > 0:
        for entry in detections:
            entry.pop("bbox", None)
    return images, persons, detections


def coco_eval(images, persons, detections, sigmas=None, ids=None):
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {"images": images, "annotations": [dict(p) for p in persons], "categories": [{"id": 1, "name": "person"}], "info": {}}
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes([dict(d) for d in detections]), "keypoints")
        if sigmas is not None:
            evaluation.params.kpt_oks_sigmas = sigmas
        if ids is not None:
            evaluation.params.imgIds = ids
        evaluation.evaluate()
        evaluation.accumulate()
        if ids is None:
            evaluation.summarize()
    return evaluation


def coco_case(seed):
    return [float(value) for value in coco_eval(*make_case(seed, 17)).stats]


def crowd_case(seed):
    images, persons, detections = make_case(seed, 14)
    for person in persons:
        person["area"] = 0.53 * person["bbox"][2] * person["bbox"][3]
    stats = coco_eval(images, persons, detections, CROWD_SIGMAS).stats
    out = [float(stats[i]) for i in (0, 1, 2, 5, 6, 7)]
    for inside in (lambda c: c < 0.2, lambda c: 0.2 <= c < 0.8, lambda c: c >= 0.8):
        ids = [image["id"] for image in images if inside(image["crowdIndex"])]
        precision = coco_eval(images, persons, detections, CROWD_SIGMAS, ids).eval["precision"] if ids else np.full((10, 101, 1, 3, 1), -1.0)
        out.append(round(float(np.mean(precision[:, :, :, 0, :])), 4))
    return out


def pck_case(seed):
    """HRNet's mpii.evaluate and ASDA's lspetmpii.evaluate: [mpii joints..., mean, curve 10, 11, 20, lsp mean, curve 11]."""
    draw = Draw(seed)
    count = 1 + draw.next(6)
    truth, found = np.zeros((count, 16, 2)), np.zeros((count, 16, 2))
    missing, boxes = np.zeros((count, 16)), np.zeros((count, 2, 2))
    for n in range(count):
        side = 10 + draw.next(60)
        boxes[n] = [[50, 60], [50 + side, 60 + draw.next(60)]]
        for j in range(16):
            missing[n, j] = draw.next(6) == 0
            truth[n, j] = [draw.next(600), draw.next(400)]
            found[n, j] = truth[n, j] + [draw.next(side) - side / 2, draw.next(side) - side / 2]
    missing[0] = 0

    def scores(length, visible, threshold):
        error = np.linalg.norm(found - truth, axis=2) / length[:, None]
        total = visible.sum(axis=0)
        joints = 100 * ((error <= threshold) * visible).sum(axis=0) / total
        curve = np.array([100 * ((error <= t) * visible).sum(axis=0) / total for t in np.arange(0, 0.51, 0.01)])
        kept = [j for j in range(16) if j not in (6, 7)]
        weight = total[kept] / total[kept].sum()
        return joints, (joints[kept] * weight).sum(), (curve[:, kept] * weight).sum(axis=1)

    diagonal = np.linalg.norm(boxes[:, 1] - boxes[:, 0], axis=1)
    joints, mean, curve = scores(0.6 * diagonal, 1 - missing, 0.5)
    _, lsp, lsp_curve = scores(diagonal, np.ones_like(missing), 0.2)
    return [*joints.tolist(), mean, curve[10], curve[11], curve[20], lsp, lsp_curve[11]]


def aic_case(seed):
    """AI Challenger's keypoint_eval.py; visible joints are those flagged 2 in COCO's form."""
    images, persons, detections = make_case(seed, 14)
    best, total = [], 0
    for image in images:
        people = [p for p in persons if p["image_id"] == image["id"]]
        found = [d for d in detections if d["image_id"] == image["id"]]
        oks = np.zeros((len(people), max(1, len(found))))
        for i, person in enumerate(people):
            area = person["bbox"][2] * person["bbox"][3]
            g = np.reshape(person["keypoints"], (14, 3)).astype(float)
            seen = g[:, 2] == 2
            for k, detection in enumerate(found):
                d = np.reshape(detection["keypoints"], (14, 3))
                squares = ((d[:, :2] - g[:, :2]) ** 2).sum(axis=1)
                values = np.exp(-squares / (2 * (2 * AIC_SIGMAS) ** 2 * (area + 1)))
                oks[i, k] = values[seen].mean() if seen.any() else 0
        best += oks.max(axis=1).tolist()
        total += max(len(people), len(found))
    thresholds = np.linspace(0.5, 0.95, 10)
    return float(np.mean([np.sum(np.array(best) > t) / max(total, 1) for t in thresholds]))


def numpy_blur(heat):
    # OpenCV's 11 taps; its border rule never matters, because the map is padded with zeros by 5 first.
    taps = np.exp(-np.arange(-5, 6) ** 2 / 8)
    taps /= taps.sum()
    return np.apply_along_axis(np.convolve, 0, np.apply_along_axis(np.convolve, 1, heat, taps, "same"), taps, "same")


def opencv_blur(heat):
    """gaussian_blur of the published code, which computes in f32."""
    padded = np.zeros((heat.shape[0] + 10, heat.shape[1] + 10), dtype=np.float32)
    padded[5:-5, 5:-5] = heat
    return cv2.GaussianBlur(padded, (11, 11), 0)[5:-5, 5:-5].astype(np.float64)


def dark_case(seed, blur):
    """MultiAugs' get_final_preds with POST_TYPE dark, in heatmap px, on two bumps in a 24 x 18 map."""
    height, width = 24, 18
    draw = Draw(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    bumps = [(draw.next(1800) / 100, draw.next(2400) / 100, amplitude / 100) for amplitude in (40 + draw.next(60), draw.next(40))]
    heat = sum(a * np.exp(-((x - mx) ** 2 + (y - my) ** 2) / 8) for mx, my, a in bumps).astype(np.float32)
    peak = int(heat.argmax())
    px, py = peak % width, peak // width
    smooth = blur(heat)
    h = np.log(np.maximum(smooth * (heat.max() / smooth.max()), 1e-10))
    if 1 < px < width - 2 and 1 < py < height - 2:
        gradient = 0.5 * np.array([h[py, px + 1] - h[py, px - 1], h[py + 1, px] - h[py - 1, px]])
        xx = 0.25 * (h[py, px + 2] - 2 * h[py, px] + h[py, px - 2])
        yy = 0.25 * (h[py + 2, px] - 2 * h[py, px] + h[py - 2, px])
        xy = 0.25 * (h[py + 1, px + 1] - h[py - 1, px + 1] - h[py + 1, px - 1] + h[py - 1, px - 1])
        if xx * yy - xy * xy != 0:
            offset = -np.linalg.inv(np.array([[xx, xy], [xy, yy]])) @ gradient
            return [float(px + offset[0]), float(py + offset[1])]
    return [float(px), float(py)]


def main():
    cases = {
        "coco": [coco_case(seed) for seed in range(CASES)],
        "crowdpose": [crowd_case(seed) for seed in range(CASES)],
        "pck": [pck_case(seed) for seed in range(CASES)],
        "aic": [aic_case(seed) for seed in range(CASES)],
        "dark": [dark_case(seed, numpy_blur) for seed in range(60)],
        "dark_opencv": [dark_case(seed, opencv_blur) for seed in range(60)],
    }
    (HERE / "scores.json").write_text(json.dumps(cases, separators=(",", ":")).replace("],", "],\n"))


if __name__ == "__main__":
    main()
