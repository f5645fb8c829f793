"""Pictures brought to another size: the one place where uint8 pictures are reduced, fitted and padded.

Pictures are (H, W) or (H, W, C) arrays; `size` is (height, width). Tensors are resized as the network does it
(model/resize.py); benchmark sets, whose pixels are the same on every machine, do it by Pillow.
"""

import cv2
import numpy as np


def fit(picture, size):
    """Resize to (height, width): by averages over areas where there are fewer pixels then, else cubic."""
    fewer = size[0] * size[1] < picture.shape[0] * picture.shape[1]
    return cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA if fewer else cv2.INTER_CUBIC)


def reduced(picture, long_side, step=1):
    """The picture, every `step`th row of it, at most `long_side` pixels long; itself if it is no longer than that."""
    factor = long_side / max(picture.shape[:2])
    return picture if factor >= 1 else fit(picture[::step], tuple(max(1, round(n * factor)) for n in picture.shape[:2]))


def glance(picture, long_side):
    """As `reduced`, at next to no cost: of much larger pictures only some rows are read."""
    return reduced(picture, long_side, max(1, max(picture.shape[:2]) // (2 * long_side)))


def padded_to_multiples(picture, step):
    """Repeat the last row and column until height and width are divisible by `step`; itself if they are."""
    below, right = (-n % step for n in picture.shape[:2])
    return cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_REPLICATE) if below or right else picture


def cover(picture, height, width):
    """The picture, uint8 (h, w, 3), scaled to cover height x width, its middle: uint8 (height, width, 3)."""
    if picture.shape[:2] == (height, width):
        return picture
    scale = max(height / picture.shape[0], width / picture.shape[1])
    size = max(height, round(picture.shape[0] * scale)), max(width, round(picture.shape[1] * scale))
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    return np.ascontiguousarray(fit(picture, size)[top : top + height, left : left + width])
