"""Golden file from OpenCV: 8-bit bilinear crops with a black border, as the training code of the source systems makes them.

Run it with a python3 that has cv2 and numpy (OpenCV 4.6 made the committed file): python3 test/golden/make_crop_warp.py
"""
import json
import os
import struct

import cv2
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
WIDTH, HEIGHT = 48, 64
# Centre, scale (200 px) and rotation of each crop: upright, turned, enlarged and shrunk, over borders, outside, flipped.
CROPS = [
    ((48.0, 35.0), 0.30, 0.0, False),
    ((48.5, 35.25), 0.27, 30.0, False),
    ((20.0, 60.0), 0.41, -47.3, False),
    ((90.0, 5.0), 0.05, 12.0, False),
    ((50.0, 30.0), 1.10, 171.0, False),
    ((48.0, 35.0), 0.24, 0.0, True),
    ((31.7, 44.1), 0.33, -22.5, True),
    ((300.0, 300.0), 0.30, 10.0, False),
]


def crop_map(center, scale, degrees):
    """Image px to crop px; HRNet's get_affine_transform in closed form."""
    k = WIDTH / (200 * scale)
    c, s = k * np.cos(np.deg2rad(degrees)), k * np.sin(np.deg2rad(degrees))
    x, y = center
    return np.array([[c, s, WIDTH / 2 - c * x - s * y], [-s, c, HEIGHT / 2 + s * x - c * y]])


def main():
    rng = np.random.default_rng(7)
    noise = rng.integers(0, 256, (71, 97, 3), dtype=np.uint8)
    rows, columns = np.mgrid[0:71, 0:97]
    smooth = np.stack([columns * 2.5, rows * 3.5, 255 - columns - rows], -1).clip(0, 255).astype(np.uint8)
    image = np.where((rows[..., None] // 9 + columns[..., None] // 11) % 2 == 0, noise, smooth)
    maps = np.stack([crop_map(center, scale, degrees) for center, scale, degrees, _ in CROPS])
    crops = np.stack([
        cv2.warpAffine(image[:, ::-1] if flip else image, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
        for matrix, (_, _, _, flip) in zip(maps, CROPS)
    ])
    flips = np.array([flip for *_, flip in CROPS], dtype=np.uint8)

    types = {"uint8": "U8", "float64": "F64"}
    header, chunks, at = {}, [], 0
    for name, array in {"maps": maps, "image": image, "crops": crops, "flips": flips}.items():
        data = np.ascontiguousarray(array).tobytes()
        header[name] = {"dtype": types[str(array.dtype)], "shape": list(array.shape), "data_offsets": [at, at + len(data)]}
        chunks.append(data)
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(HERE, "crop_warp.safetensors"), "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(chunks))


main()
