"""Golden file from Pillow: RandAugment's and TrivialAugment's operations at several levels, as MultiAugs calls them.

Run it with a python3 that has Pillow and numpy (Pillow 9.4 made the committed file): python3 test/golden/make_colour_ops.py
"""
import json
import os
import struct

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

HERE = os.path.dirname(os.path.abspath(__file__))
WIDTH, HEIGHT = 20, 16
ENHANCERS = ("Color", "Contrast", "Brightness", "Sharpness")


def pictures():
    """Noise; a narrow range per channel; two flat colours with a spot; a dark one with few bright pixels."""
    rng = np.random.default_rng(11)
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    noise = rng.integers(0, 256, (HEIGHT, WIDTH, 3))
    narrow = np.stack([60 + 3 * columns, 201 - 2 * rows - columns, 97 + rng.integers(0, 83, (HEIGHT, WIDTH))], -1)
    flat = np.where(columns[..., None] < 8, [13, 140, 77], [13, 90, 201])
    flat[5:8, 11:13] = [13, 255, 0]
    dark = np.minimum(255, rng.exponential(24, (HEIGHT, WIDTH, 3)).astype(int))
    return np.stack([noise, narrow, flat, dark]).astype(np.uint8)


def solarize_add(image, v):
    added = np.clip(np.asarray(image).astype(int) + v, 0, 255).astype(np.uint8)
    return ImageOps.solarize(Image.fromarray(added), 128)


def cutout_abs(image, v, center):
    width, height = image.size
    x0, y0 = int(max(0, center[0] - v / 2)), int(max(0, center[1] - v / 2))
    image = image.copy()
    ImageDraw.Draw(image).rectangle((x0, y0, int(min(width, x0 + v)), int(min(height, y0 + v))), (125, 123, 114))
    return image


def enhanced(name, factor):
    return lambda image: getattr(ImageEnhance, name)(image).enhance(factor)


def cases():
    """Name and function; "rand" and "trivial" name the policy whose level follows, signs are appended."""
    yield "autoContrast", ImageOps.autocontrast
    yield "equalize", ImageOps.equalize
    yield "invert", ImageOps.invert
    for m in (0, 9, 20, 30):
        share = float(m) / 30
        yield f"rand.posterize.{m}", lambda image, v=share * 4: ImageOps.posterize(image, max(2, 6 - int(v)))
        yield f"rand.solarize.{m}", lambda image, v=share * 256: ImageOps.solarize(image, 256 - v)
        yield f"rand.solarizeAdd.{m}", lambda image, v=share * 110: solarize_add(image, v)
    for name in ENHANCERS:
        for m, sign in ((20, -1), (20, 1), (7, 1), (30, 1)):
            yield f"rand.{name.lower()}.{m}.{'+' if sign > 0 else '-'}", enhanced(name, 1 + sign * (float(m) / 30 * 0.9))
        for level in (0, 11, 29):
            yield f"trivial.{name.lower()}.{level}", enhanced(name, 0.1 + level * 1.8 / 30)
    for level in (0, 8, 30):
        yield f"trivial.posterize.{level}", lambda image, bits=8 - int(level * 4 / 30): ImageOps.posterize(image, bits)
        yield f"trivial.solarize.{level}", lambda image, at=256 - int(level * 256 / 30): ImageOps.solarize(image, at)
    for m, center in ((2, (7.3, 9.9)), (3, (1.2, 15.6)), (5, (19.4, 2.0)), (20, (12.0, 12.0))):
        yield f"cutoutAbs.{m}.{center[0]}.{center[1]}", lambda image, v=m / 30 * 80, at=center: cutout_abs(image, v, at)


def main():
    images = pictures()
    arrays = {"images": images}
    for name, function in cases():
        arrays[name] = np.stack([np.asarray(function(Image.fromarray(image))) for image in images])
    header, chunks, at = {}, [], 0
    for name, array in arrays.items():
        data = np.ascontiguousarray(array).tobytes()
        header[name] = {"dtype": "U8", "shape": list(array.shape), "data_offsets": [at, at + len(data)]}
        chunks.append(data)
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(HERE, "colour_ops.safetensors"), "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(chunks))


main()
