"""Drawn people, whose alpha is the exact share of each pixel that they cover, and drawn scenes, to try the software.

The same random generator gives the same picture. Where floats are worked on, colours are in 0..1.
"""

import cv2
import numpy as np

from .augmentation import affine

HAIR = (0.07, 0.06, 0.06), (0.25, 0.15, 0.09), (0.55, 0.38, 0.2), (0.5, 0.48, 0.46)
OVERSAMPLING = 3  # shapes are drawn this many times larger; alpha is the covered share of each block


def noisy(picture, rng, sigma):
    """A picture, uint8 or floats of 0..255, with normal noise of `sigma` levels (a number, or an array): uint8."""
    return np.clip(np.rint(picture + sigma * rng.standard_normal(picture.shape)), 0, 255).astype(np.uint8)


def figure(rng, height, width):
    """A person-like figure: fgr (height, width, 3) and pha (height, width), uint8; fgr is continued outside of pha."""
    canvas = Canvas(rng, height * OVERSAMPLING, width * OVERSAMPLING)
    draw_person(rng, canvas)
    # The colours are premultiplied: black outside of the mask.
    pha, colour = (cv2.resize(x, (width, height), interpolation=cv2.INTER_AREA) for x in (canvas.mask, canvas.colour))
    colour *= field(rng, height, width, 3, 0.82, 1.12)  # light
    if rng.random() < 0.4:  # a lens is not everywhere in focus
        sigma = rng.uniform(0.4, 1.3)
        pha, colour = (cv2.GaussianBlur(x, (0, 0), sigma) for x in (pha, colour))
    return continue_outside(colour, pha), np.rint(pha * 255).astype(np.uint8)


def continue_outside(colour, pha):
    """uint8 colours from premultiplied ones; where pha is 0, a smooth continuation of what is near."""
    fgr = colour / np.maximum(pha, 1e-6)[..., None]
    weights, total, share = 1.0, colour.copy(), pha.copy()
    for size in (5, 21, 81, 321):
        weights *= 1e-3
        total += weights * cv2.blur(cv2.blur(colour, (size, size)), (size, size))
        share += weights * cv2.blur(cv2.blur(pha, (size, size)), (size, size))
    smooth = total / np.maximum(share, 1e-30)[..., None]
    return np.rint(np.where(pha[..., None] > 1e-3, fgr, smooth).clip(0, 1) * 255).astype(np.uint8)


class Canvas:
    """Colours (h, w, 3) in 0..1 and a 0/1 mask; shapes are given in units of the head's half width."""

    def __init__(self, rng, height, width):
        self.colour = np.zeros((height, width, 3), np.float32)
        self.mask = np.zeros((height, width), np.float32)
        reach = rng.choice([0.2, 0.14, 0.09, 0.065])  # close-up, bust, half figure, whole figure
        self.unit = reach * width * rng.uniform(0.85, 1.1)
        self.turn = affine(np.deg2rad(rng.uniform(-6, 6)), 0.0, self.unit)
        self.origin = np.array([width * rng.uniform(0.42, 0.58), self.unit * rng.uniform(1.8, 2.8)])

    def pixels(self, points):
        return np.rint((np.asarray(points) @ self.turn.T + self.origin) * 16).astype(np.int32)

    def fill(self, points, texture):
        """Paint a closed polygon with a colour or a picture of the canvas' size."""
        outline = [self.pixels(points)]
        cv2.fillPoly(self.mask, outline, 1.0, shift=4)
        if np.ndim(texture) == 1:
            cv2.fillPoly(self.colour, outline, np.asarray(texture).tolist(), shift=4)
        else:
            area = cv2.fillPoly(np.zeros(self.mask.shape, np.uint8), outline, 1, shift=4)
            cv2.copyTo(texture, area, self.colour)


def draw_person(rng, canvas):
    """Draw a person, from behind to front: trousers, hair, shirt, arms, head with loose hairs."""
    shape = canvas.mask.shape
    skin = np.array([0.93, 0.74, 0.62]) * rng.uniform(0.38, 1.0) + rng.normal(0, 0.015, 3)
    skin_texture, shirt, trousers = plain(rng, shape, skin, 0.05), cloth(rng, shape), cloth(rng, shape)
    hair_colour = (np.array(HAIR[rng.integers(4)]) * rng.uniform(0.7, 1.3, 3)).clip(0.02, 1)
    hair_texture = plain(rng, shape, hair_colour, 0.25, grid=40)
    long_hair, volume = rng.random() < 0.5, rng.uniform(1.1, 1.45)

    if long_hair:  # falls behind the shoulders
        fall = rng.uniform(1.5, 3.5)
        left = [(-volume, -0.3), (-volume * 1.15, fall * 0.6), (-volume * 0.8, fall)]
        canvas.fill(smooth(left + [(-x, y) for x, y in left[::-1]]), hair_texture)
        strands(rng, canvas, hair_colour, [(side * volume * 0.95, y) for side in (-1, 1) for y in (0.5, 1.5)], 80, 1.0)

    hip, shoulder = rng.uniform(1.1, 1.5), rng.uniform(1.7, 2.3)
    for side in (-1, 1):
        knee = side * hip * 0.6 + rng.uniform(-0.3, 0.3)
        canvas.fill(limb([(side * hip * 0.55, 6), (knee, 9.3), (knee + side * 0.1, 12.5)], 0.62, 0.4), trousers)
    torso = [(-0.5, 1.35), (-shoulder, 1.9), (-hip * 1.05, 4.2), (-hip, 6.6), (hip, 6.6), (hip * 1.05, 4.2)]
    canvas.fill(smooth(torso + [(shoulder, 1.9), (0.5, 1.35)], 2), shirt)
    bare = rng.random() < 0.4
    for side in (-1, 1):
        down, bend = rng.uniform(-0.5, 1.5), rng.uniform(-2.2, 0.6)  # angles from straight down
        elbow = np.array([side * shoulder * 0.92, 2.25]) + 2.2 * np.array([side * np.sin(down), np.cos(down)])
        hand = elbow + 2.0 * np.array([side * np.sin(down + bend), np.cos(down + bend)])
        canvas.fill(limb([elbow, hand], 0.38, 0.26), skin_texture if bare else shirt)
        canvas.fill(limb([(side * shoulder * 0.88, 2.3), elbow], 0.5, 0.4), shirt)
        canvas.fill(hand + limb([(0, 0), (hand - elbow) * 0.2], 0.32, 0.2), skin_texture)
        for finger in np.linspace(-0.5, 0.5, 4):
            tip = hand + affine(finger, 0.0, 0.75) @ (hand - elbow) / 2.0
            canvas.fill(limb([hand, tip], 0.1, 0.07), skin_texture)

    canvas.fill(limb([(0, 0.6), (0, 1.75)], 0.5, 0.6), skin * 0.8)
    if long_hair or rng.random() < 0.7:
        canvas.fill(ellipse(0, -0.28, volume, volume * 0.98), hair_texture)
        rim = [(volume * np.cos(a), -0.28 + volume * np.sin(a)) for a in np.linspace(np.pi * 0.95, np.pi * 2.05, 25)]
        strands(rng, canvas, hair_colour, rim, int(rng.integers(60, 400)), rng.uniform(0.25, 0.8))
    canvas.fill(ellipse(0, 0.12, 0.84, 1.1), skin_texture)
    for side in (-1, 1):
        canvas.fill(ellipse(side * 0.34, -0.02, 0.13, 0.07), (0.12, 0.1, 0.1))
        canvas.fill(limb([(side * 0.18, -0.24), (side * 0.52, -0.26)], 0.05, 0.03), hair_colour)
    canvas.fill(ellipse(0, 0.62, 0.28, 0.08), skin * (0.8, 0.55, 0.55))
    canvas.fill(limb([(0.03, 0.05), (0.09, 0.36), (-0.08, 0.38)], 0.035, 0.05), skin * 0.85)


def strands(rng, canvas, colour, starts, count, length):
    """Loose hairs, a third of a pixel to a pixel wide, that start near the given points and fly outwards."""
    for _ in range(count):
        start = np.array(starts[rng.integers(len(starts))]) * rng.uniform(0.9, 1.0)
        out = affine(rng.normal(0, 0.6), 0.0, 1.0) @ start / max(np.hypot(*start), 1e-3)
        reach = length * rng.exponential(0.5)
        middle = start + out * reach * 0.5 + rng.normal(0, 0.12, 2) * length
        end = start + out * reach + np.array([rng.normal(0, 0.2), rng.uniform(0, 0.6)]) * length
        t = np.linspace(0, 1, 12)[:, None]
        curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * end
        line, shade = [canvas.pixels(curve)], (colour * rng.uniform(0.7, 1.5)).clip(0, 1).tolist()
        thickness = int(rng.choice([1, 1, 1, 2, 3]))
        cv2.polylines(canvas.mask, line, False, 1.0, thickness, shift=4)
        cv2.polylines(canvas.colour, line, False, shade, thickness, shift=4)


def field(rng, height, width, grid, low, high):
    """Smooth random field (height, width, 1) within about low..high, from a grid of `grid` random values a side."""
    coarse = rng.uniform(low, high, (grid + 1, grid + 1)).astype(np.float32)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)[..., None]


def plain(rng, shape, colour, roughness, grid=24):
    """One colour, lighter and darker in places, (h, w, 3) in 0..1."""
    height, width = (n // 3 for n in shape)
    mixed = np.asarray(colour, np.float32) * field(rng, height, width, grid, 1 - roughness, 1 + roughness)
    return cv2.resize(mixed.clip(0, 1), shape[::-1], interpolation=cv2.INTER_LINEAR)


def cloth(rng, shape):
    """Plain, striped, checked or speckled cloth with folds, (h, w, 3) in 0..1."""
    (height, width), one, two = (n // 2 for n in shape), muted(rng), muted(rng)
    y, x = np.mgrid[:height, :width].astype(np.float32) + 30 * field(rng, height, width, 4, -0.5, 0.5)[..., 0]
    period = rng.uniform(6, 30)
    across, along = (np.sin(at * 2 * np.pi / period) for at in (x, y))
    kind, pattern = rng.integers(5), np.zeros((height, width))
    if kind == 1:
        pattern = along > 0.3
    elif kind == 2:
        pattern = 0.5 * (across > 0) + 0.5 * (along > 0)
    elif kind == 3:
        pattern = field(rng, height, width, 60, 0, 1)[..., 0] > 0.6
    mixed = one + (two - one) * pattern.astype(np.float32)[..., None]
    mixed *= field(rng, height, width, 7, 0.7, 1.15) * field(rng, height, width, 90, 0.94, 1.06)
    return cv2.resize(mixed.clip(0, 1), shape[::-1], interpolation=cv2.INTER_LINEAR)


def muted(rng, low=0.05, high=0.95):
    """A colour, more often greyish than bright, as in most photographs."""
    colour = rng.uniform(low, high, 3)
    return (colour.mean() + (colour - colour.mean()) * rng.beta(1.2, 2)).astype(np.float32)


def ellipse(x, y, rx, ry):
    """Outline of an ellipse, (60, 2)."""
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    return np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], 1)


def smooth(points, rounds=3):
    """Closed polygon with its corners cut (Chaikin)."""
    points = np.asarray(points, float)
    for _ in range(rounds):
        following = np.roll(points, -1, 0)
        points = np.stack([0.75 * points + 0.25 * following, 0.25 * points + 0.75 * following], 1).reshape(-1, 2)
    return points


def limb(joints, start, end):
    """Outline of a rounded tapering tube through the joints."""
    direction = np.gradient(np.asarray(joints, float), axis=0)
    direction /= np.maximum(np.hypot(*direction.T), 1e-6)[:, None]
    normal = direction[:, ::-1] * [-1, 1] * np.linspace(start, end, len(joints))[:, None]
    head, tail = joints[0] - direction[0] * start, joints[-1] + direction[-1] * end
    return smooth(np.vstack([head, joints + normal, tail, (joints - normal)[::-1]]))


def background(rng, height, width):
    """A room, a landscape or lights at night, as a camera would see it: (height, width, 3) uint8."""
    scene = (room, landscape, lights)[rng.choice(3, p=[0.5, 0.3, 0.2])](rng, height, width)
    if rng.random() < 0.5:
        scene = cv2.GaussianBlur(scene, (0, 0), rng.uniform(0.5, 3))
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    scene = scene * (1 - rng.uniform(0, 0.3) * (x**2 + y**2) / 2)[..., None]
    scene = scene * rng.uniform(0.9, 1.1, 3) + rng.normal(0, rng.uniform(0.002, 0.015), scene.shape)
    return np.rint(scene.clip(0, 1) * 255).astype(np.uint8)


def room(rng, height, width):
    """A wall with pictures, windows and shelves, and a floor of boards: (height, width, 3) in 0..1."""
    horizon = int(height * rng.uniform(0.6, 0.85))
    scene = surface(rng, height, width, muted(rng, 0.4, 0.95))
    floor = surface(rng, height, width, muted(rng, 0.2, 0.7))
    depth = np.maximum(np.arange(height)[:, None] - horizon + height * 0.3, 1)  # of the floor, which begins at 0.3
    boards = (np.mgrid[:height, :width][1] - width / 2) / depth
    floor *= (0.8 + 0.2 * (np.sin(boards * rng.uniform(8, 30)) > -0.8))[..., None]
    scene[horizon:] = floor[horizon:]
    scene[horizon - 5 : horizon] = rng.uniform(0.6, 0.95)
    for _ in range(rng.integers(2, 9)):  # pictures, windows, shelves
        w, h = rng.integers(width // 12, width // 3), rng.integers(height // 12, height // 3)
        x, y = rng.integers(-w // 2, width - w // 2), rng.integers(-h // 2, horizon)
        frame, bottom = int(rng.integers(2, 8)), min(y + h, height)
        cv2.rectangle(scene, (int(x), int(y)), (int(x + w), int(bottom)), muted(rng).tolist(), -1)
        inner = scene[max(y + frame, 0) : max(bottom - frame, 0), max(x + frame, 0) : max(x + w - frame, 0)]
        if inner.shape[0] > 4 and inner.shape[1] > 4:
            content = landscape if rng.random() < 0.4 else books if rng.random() < 0.6 else surface
            inner[:] = content(rng, *inner.shape[:2])
    return scene * field(rng, height, width, 3, 0.65, 1.15)


def books(rng, height, width):
    """A shelf full of books: (height, width, 3) in 0..1."""
    scene, x = np.full((height, width, 3), 0.15, np.float32), 0
    while x < width:
        w = int(rng.integers(3, 11))
        scene[int(height * rng.uniform(0, 0.3)) :, x : x + w - 1] = muted(rng)
        x += w
    return scene


def surface(rng, height, width, colour=None):
    """A rough surface of one colour, a muted one if none is given: (height, width, 3) in 0..1."""
    scene = np.asarray(muted(rng) if colour is None else colour, np.float32)
    for grid in (4, 12, 36, 100):
        scene = scene * field(rng, height, width, grid, 0.93, 1.07)
    return scene


def landscape(rng, height, width):
    """Sky, clouds, and hills or houses in layers: (height, width, 3) in 0..1."""
    up = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    scene = (1 - up) * rng.uniform([0.3, 0.5, 0.7], [0.6, 0.75, 1.0]) + up * rng.uniform(0.7, 1.0, 3)
    clouds = sum(field(rng, height, width, 3 * 2**i, 0, 1) / 2**i for i in range(4)) / 1.9
    scene = np.broadcast_to(scene, (height, width, 3)) + 0.5 * np.clip(clouds - 0.55, 0, 1)
    for layer in range(rng.integers(2, 5)):  # hills or houses, darker and greener towards the viewer
        base = height * (0.4 + 0.17 * layer + rng.uniform(-0.08, 0.08))
        if rng.random() < 0.4:
            tops = np.repeat(rng.uniform(-0.25, 0.05, width // 12 + 1), 12)[:width] * height
        else:
            waves = (np.linspace(0, rng.uniform(2, 6) * 2**i, width) + rng.uniform(0, 6) for i in range(6))
            tops = sum(np.sin(wave) / 2**i for i, wave in enumerate(waves)) * height * 0.04
        colour = rng.uniform([0.1, 0.15, 0.05], [0.4, 0.4, 0.3]) * (1.3 - 0.2 * layer)
        leaves = surface(rng, height, width, colour) * field(rng, height, width, max(height // 3, 2), 0.6, 1.4)
        scene = np.where((np.arange(height)[:, None] > base + tops)[..., None], leaves, scene)
    return np.ascontiguousarray(scene, np.float32).clip(0, 1)


def lights(rng, height, width):
    """Dark street with discs of light that are out of focus."""
    scene = surface(rng, height, width, rng.uniform(0.03, 0.25, 3)) * field(rng, height, width, 4, 0.4, 2)
    for _ in range(rng.integers(20, 90)):
        radius = int(rng.uniform(0.01, 0.06) * height) + 1
        disc = np.zeros((2 * radius + 3,) * 2, np.float32)
        disc = cv2.blur(cv2.circle(disc, (radius + 1,) * 2, radius, 1.0, -1), (3, 3))
        x = int(np.clip(rng.uniform(0, width), 0, width - len(disc)))
        y = int(np.clip(rng.normal(0.5, 0.2) * height, 0, height - len(disc)))
        colour = rng.uniform([0.3, 0.2, 0.05], [0.9, 0.7, 0.6]) * rng.uniform(0.3, 0.9)
        scene[y : y + len(disc), x : x + len(disc)] += disc[..., None] * colour
    return scene.clip(0, 1)
