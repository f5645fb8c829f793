"""The scene behind a person: a photograph, a plain wall, thin patterns before it; uint8 (h, w, 3)."""

import math

import cv2
import numpy as np

from ..augmentation import about, affine, blobs, tone, warp

WALL_CHANCE, PATTERN_CHANCE, UNSHARP_CHANCE = 0.12, 0.22, 0.25
PATTERNS = ("lattice", "lattice", "slats", "bricks", "branches", "branches", "leaves", "writing")
FACTOR = 2  # patterns are drawn so many times as large, and averaged
LETTERS = list("ABCDEFGHKLMNOPRSTUWabcdefghiklmnoprstuwyz0123456789   .,-")


def make_background(rng, picture, size):
    """A frame of `size` (height, width) from a photograph (H, W, 3).

    It is cropped, mirrored and enlarged up to 1.8 times; at times a wall in its colours takes its place, a lattice,
    slats, bricks, branches, leaves or writing are drawn on it, or it is out of focus.
    """
    height, width = picture.shape[:2]
    fit = max(size[0] / height, size[1] / width) * (1 + 0.8 * rng.random() ** 1.5)
    linear = affine(rng.normal(0, 0.03), 0.0, fit)
    if rng.random() < 0.5:
        linear[0] *= -1
    room = np.maximum([width * fit - size[1], height * fit - size[0]], 0) / 2
    target = np.array(size[::-1]) / 2 + rng.uniform(-1, 1, 2) * room
    back = warp(picture, about(linear, (width / 2, height / 2), target), size, cv2.BORDER_REFLECT_101)
    if rng.random() < WALL_CHANCE:  # plain, in the picture's colours, with a little grain
        cells = cv2.resize(back, (4, 3), interpolation=cv2.INTER_AREA)
        mean = cells.mean((0, 1))
        cells = mean + (cells - mean) * rng.uniform(0.1, 0.7)
        plain = cv2.resize(cells.astype(np.float32), size[::-1], interpolation=cv2.INTER_CUBIC)
        grain = rng.standard_normal(size, np.float32)
        grain = cv2.GaussianBlur(grain, (0, 0), rng.uniform(0.8, 3)) * (255 * rng.uniform(0, 0.05))
        back = np.clip(plain + grain[..., None], 0, 255).astype(np.uint8)
    if rng.random() < PATTERN_CHANCE:  # partly transparent, over a part of it, and partly in the picture's light
        drawn, back = pattern(rng, size).astype(np.float32), back.astype(np.float32)
        where = np.clip(blobs(rng, size, 2) * 6 + rng.uniform(-1, 5), 0, 1) * rng.uniform(0.25, 1)
        light = 0.5 + back.mean(2, keepdims=True) * (0.9 / 255)
        back += (drawn[..., :3] * light - drawn[..., 3:] * back * (1 / 255)) * where[..., None]
        back = np.clip(back, 0, 255).astype(np.uint8)
    if rng.random() < UNSHARP_CHANCE:
        sigma = math.exp(rng.uniform(math.log(0.7), math.log(max(1.0, max(size) / 150))))
        back = cv2.GaussianBlur(back, (0, 0), sigma)
    return tone(rng, back, (0.8, 1.2), (0.85, 1.15), (0.8, 1.2), 0.04)


def pattern(rng, size):
    """One of PATTERNS as premultiplied RGBA, uint8 (height, width, 4)."""
    height, width = (side * FACTOR for side in size)
    canvas = np.zeros((height, width, 4), np.uint8)
    colour = np.clip(rng.integers(0, 256) + rng.normal(0, 18, 3), 0, 255)
    kind, zoom = rng.choice(PATTERNS), FACTOR * math.exp(rng.uniform(-0.7, 0.5))
    draw = {"bricks": _bricks, "branches": _branches, "leaves": _leaves, "writing": _writing}.get(kind, _bars)

    def shade(low=1, high=1):
        return (*np.minimum(colour * rng.uniform(low, high), 255).tolist(), 255)

    draw(rng, canvas, zoom, shade, kind)
    return cv2.resize(canvas, size[::-1], interpolation=cv2.INTER_AREA)


def _bars(rng, canvas, zoom, shade, kind):
    height, width = canvas.shape[:2]
    turn = rng.uniform(0, math.pi) if kind == "slats" else rng.normal(0, 0.15) + (0.8 if rng.random() < 0.4 else 0)
    step, thick = rng.uniform(7, 48) * zoom, rng.uniform(1, 5) * zoom
    thick, reach, value = max(1, int(min(thick, step * 0.6))), max(height, width), shade()
    for angle in [turn] if kind == "slats" else [turn, turn + math.pi / 2]:
        along = np.array([math.cos(angle), math.sin(angle)])
        across = np.array([-along[1], along[0]])
        for offset in np.arange(-reach, reach, step):
            middle = np.array([width, height]) / 2 + across * offset
            cv2.line(canvas, _point(middle - along * reach), _point(middle + along * reach), value, thick)


def _bricks(rng, canvas, zoom, shade, _):
    height, width = canvas.shape[:2]
    wide, high, gap = (max(1, int(rng.uniform(*limits) * zoom)) for limits in ((24, 70), (10, 26), (0.8, 2.5)))
    for row, y in enumerate(range(0, height, high)):
        for x in range(-(row % 2) * wide // 2, width, wide):
            cv2.rectangle(canvas, (x + gap, y + gap), (x + wide - gap, y + high - gap), shade(0.75, 1.2), -1)


def _branches(rng, canvas, zoom, shade, _):
    height, width = canvas.shape[:2]
    value = shade()

    def grow(start, angle, length, thick, depth):
        end = start + length * np.array([math.cos(angle), math.sin(angle)])
        cv2.line(canvas, _point(start), _point(end), value, max(1, int(thick)))
        for _ in range(int(rng.integers(2, 4)) if depth > 1 and length > 8 else 0):
            root = start + (end - start) * rng.uniform(0.5, 1)
            grow(root, angle + rng.normal(0, 0.55), length * rng.uniform(0.55, 0.85), thick * 0.66, depth - 1)

    for _ in range(int(rng.integers(6, 18))):
        length = max(height, width) * rng.uniform(0.12, 0.3)
        root = rng.uniform(0, 1, 2) * (width, height)
        grow(root, rng.uniform(0, 6.3), length, rng.uniform(2, 7) * zoom, int(rng.integers(4, 6)))


def _leaves(rng, canvas, zoom, shade, _):
    height, width = canvas.shape[:2]
    for _ in range(int(rng.integers(150, 700))):
        long = rng.uniform(2, 9) * zoom
        axes = max(1, int(long)), max(1, int(long * rng.uniform(0.2, 0.6)))
        middle = _point(rng.uniform(0, 1, 2) * (width, height))
        cv2.ellipse(canvas, middle, axes, rng.uniform(0, 180), 0, 360, shade(0.5, 1.5), -1)


def _writing(rng, canvas, zoom, shade, _):
    height, width = canvas.shape[:2]
    y, value = 0, shade()
    while y < height:
        scale = rng.uniform(0.35, 2.2) * zoom
        text = "".join(rng.choice(LETTERS, int(rng.integers(8, 60))))
        y += int(30 * scale)
        start, face = (int(rng.uniform(-0.1, 0.3) * width), y), int(rng.integers(8))
        cv2.putText(canvas, text, start, face, scale, value, max(1, int(scale * rng.uniform(0.8, 2.2))))


def _point(position):
    return int(position[0]), int(position[1])
