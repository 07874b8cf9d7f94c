"""What `bun run bench data` stands beside: OpenCV's decoding and warping, pycocotools' evaluation.

Called by it as   python3 data_peer.py crops FOLDER REPEATS ROUNDS   and   python3 data_peer.py score TRUTH RESULTS
Prints one JSON object. Needs opencv-python for the first, pycocotools for the second.
"""
import contextlib
import io
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor


def crops(folder, repeats, rounds):
    """Images a second, decoded and warped to 192x256 by as many threads as there are cores; the best of several rounds of all files repeated."""
    import cv2
    import numpy as np

    cv2.setNumThreads(1)
    paths = sorted(os.path.join(folder, name) for name in os.listdir(folder)) * repeats
    map_ = np.array([[0.4, 0, -32], [0, 0.4, 32]])

    def one(path):
        return cv2.warpAffine(cv2.imread(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION), map_, (192, 256), flags=cv2.INTER_LINEAR)

    best = 0
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for _ in range(rounds):
            started = time.perf_counter()
            for _ in pool.map(one, paths):
                pass
            best = max(best, len(paths) / (time.perf_counter() - started))
    return {"imagesPerSecond": best, "version": cv2.__version__}


def score(truth_file, results_file):
    """Seconds of evaluate and accumulate, without reading the files; the ten figures."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(truth_file)
        found = truth.loadRes(results_file)
        started = time.perf_counter()
        evaluation = COCOeval(truth, found, "keypoints")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        seconds = time.perf_counter() - started
    return {"seconds": seconds, "figures": [float(value) for value in evaluation.stats]}


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    print(json.dumps(crops(arguments[0], int(arguments[1]), int(arguments[2])) if command == "crops" else score(*arguments)))
