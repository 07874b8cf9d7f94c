"""MAT, npy and npz files as SciPy and NumPy write them (NumPy 1.24+, SciPy 1.10+), for test/data/{mat,npy}.test.ts.

Numbers are arange or fixed, so that the tests state them; run from anywhere: python3 test/golden/make_readers.py
"""
from pathlib import Path

import numpy as np
from scipy.io import savemat

HERE = Path(__file__).parent / "readers"


def cells(names):
    out = np.empty((1, len(names)), dtype=object)
    out[0] = names
    return out


def variables():
    return {
        "cube": np.arange(24, dtype=np.float64).reshape(2, 3, 4),
        "single": np.array([[0.5, -1.25]], dtype=np.float32),
        "bytes": np.array([[1, 2, 255]], dtype=np.uint8),
        "short": np.array([[-3], [300]], dtype=np.int16),
        "long": np.array([[2**40, -5]], dtype=np.int64),
        "flag": np.array([[True, False]]),
        "empty": np.zeros((0, 3)),
        "word": "rank",
        "accents": "Zürich",
        "names": cells(["rank", "rkne", "head"]),
        "mixed": cells([np.array([[7.0]]), "two", np.zeros((0, 0))]),
        "record": {"scale": 2.5, "part": "wrist", "inner": {"x": np.arange(3.0)}},
    }


def write_pckh():
    """MPII's gt_valid.mat of two persons, as distributed: joint x (x, y) x person, head boxes corner x (x, y) x person."""
    names = "rank rkne rhip lhip lkne lank pelv thor neck head rwri relb rsho lsho lelb lwri".split()
    positions = 100 + np.arange(64, dtype=np.float64).reshape(16, 2, 2)
    missing = np.zeros((16, 2))
    missing[0, 1] = 1
    boxes = np.array([[100.0, 100.0], [130.0, 140.0]])[:, :, None].repeat(2, axis=2)
    savemat(HERE / "gt_valid.mat", {
        "dataset_joints": cells(names), "jnt_missing": missing, "pos_gt_src": positions, "headboxes_src": boxes,
    })


def write_aic_truth():
    """AI Challenger's gt_validation.npy of two persons: the head of the second is not labelled."""
    names = "rsho relb rwri lsho lelb lwri rhip rkne rank lhip lkne lank head neck".split()
    labelled = np.ones((2, 14), dtype=bool)
    labelled[1, 12] = False
    np.save(HERE / "gt_validation.npy", {
        "dataset_joints": np.array(names), "jnt_missing": (~labelled).astype(np.float64), "jnt_labeled": labelled,
        "pos_gt_src": np.arange(56, dtype=np.float64).reshape(2, 14, 2), "headboxes_src": np.array([[[0.0, 0], [6, 8]], [[0, 0], [3, 4]]]),
    })


def main():
    HERE.mkdir(exist_ok=True)
    for name, compress in (("plain", False), ("compressed", True)):
        savemat(HERE / f"{name}.mat", variables(), do_compression=compress)
    write_pckh()
    for path in HERE.glob("*.mat"):  # the header's text holds the date
        data = bytearray(path.read_bytes())
        data[:116] = b"MATLAB 5.0 MAT-file".ljust(116)
        path.write_bytes(data)

    cube = np.arange(24).reshape(2, 3, 4)
    arrays = {
        "f2": cube.astype("<f2"), "f4": cube.astype("<f4"), "f8": cube.astype("<f8"), "big_f8": cube.astype(">f8"),
        "i1": (cube - 12).astype("i1"), "i2": (cube - 12).astype("<i2"), "i4": (cube - 12).astype("<i4"), "i8": (cube - 12).astype("<i8"),
        "u1": cube.astype("u1"), "u2": cube.astype("<u2"), "u4": cube.astype("<u4"), "big_u2": cube.astype(">u2"), "b1": cube % 3 == 0,
        "fortran": np.asfortranarray(cube.astype("<f4")), "scalar": np.float64(2.5), "text": np.array(["rank", "é", ""]),
        "halves": np.array([1, -2, 0.1, 65504, 6e-8, 0, np.inf, -np.inf, np.nan], dtype="<f2"),
    }
    np.savez(HERE / "stored.npz", **arrays)
    np.savez_compressed(HERE / "deflated.npz", **arrays)
    np.save(HERE / "object.npy", np.array({"a": 1}, dtype=object))
    write_aic_truth()


if __name__ == "__main__":
    main()
