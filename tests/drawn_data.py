"""A tiny data set for tests: discs with soft edges before coloured noise."""

import numpy as np

from utils.picture.write import write_picture


def disc(rng, height, width):
    """fgr (h, w, 3) and pha (h, w), uint8."""
    y, x = np.mgrid[:height, :width]
    centre, radius = rng.uniform(0.35, 0.65, 2) * (height, width), rng.uniform(0.2, 0.4) * min(height, width)
    distance = np.hypot(y - centre[0], x - centre[1])
    pha = np.rint(np.clip((radius - distance) / 4 + 0.5, 0, 1) * 255).astype(np.uint8)
    fgr = np.broadcast_to(rng.integers(0, 256, 3), (height, width, 3)) * np.linspace(0.6, 1, width)[None, :, None]
    return fgr.astype(np.uint8), pha


def scene(rng, height, width):
    coarse = rng.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3))
    return coarse.repeat(8, 0).repeat(8, 1)[:height, :width].astype(np.uint8)


def make_data(root, names=("videomatte240k", "private"), train=8, valid=3, size=(72, 64), seed=0):
    """Foregrounds and backgrounds in the layout of train.py; returns root."""
    rng = np.random.default_rng(seed)
    for name in names:
        for split, count in (("train", train), ("valid", valid)):
            for i in range(count):
                fgr, pha = disc(rng, *size)
                write_picture(root / name / split / "fgr" / f"{i:02d}.jpg", fgr)
                write_picture(root / name / split / "pha" / f"{i:02d}.png", pha)
    for split, count in (("train", train), ("valid", valid)):
        for i in range(count):
            write_picture(root / "backgrounds" / split / f"{i:02d}.jpg", scene(rng, *size))
    return root
