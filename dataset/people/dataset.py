"""Composites of people as two real photographs show them: the recipe of the weights that come with this project.

A scene, people in it, and two photographs, with them and without: shadows, displacement, exposure, lens, sensor, files.
"""

import math

import cv2
import numpy as np

from ..augmentation import LEVELS, NORMAL, about, affine, blobs, by_table, tone, warp
from ..composite import CompositeDataset, draw_batch, read_sound
from .subject import Person, make_subject, place, place_part

SECOND_CHANCE, EMPTY_CHANCE, DIM_CHANCE = 0.12, 0.03, 0.12
CLOSE_CHANCE = 0.5
SMALL, ENLARGED = (650, 850), (1.25, 2.0)  # pixels that a close-up's whole picture is high, by how much it is enlarged
TRIES = 4  # places for a person, before another is taken
WALL_CHANCE, PATTERN_CHANCE, UNSHARP_CHANCE = 0.12, 0.22, 0.25
PATTERNS = ("lattice", "lattice", "slats", "bricks", "branches", "branches", "leaves", "writing")
FACTOR = 2  # patterns are drawn so many times as large, and averaged
LETTERS = list("ABCDEFGHKLMNOPRSTUWabcdefghiklmnoprstuwyz0123456789   .,-")
MARGIN = 32  # pixels that the scene is larger than the frame on each side, so that the second shot can be displaced
DISPLACEMENTS, CHANCES = (0.0, 0.001, 0.003, 0.012, 0.045), (0.33, 0.3, 0.27, 0.06, 0.04)  # shares of the long side
SOFT_CHANCE, CAST_CHANCE, UNEVEN_CHANCE, PARALLAX_CHANCE, EXPOSURE_CHANCE = 0.35, 0.2, 0.4, 0.07, 0.8
BLUR_CHANCE, NOISE_CHANCE, SHARPEN_CHANCE, VIDEO_CHANCE, JPEG_CHANCE = 0.25, 0.85, 0.25, 0.1, 0.5


class PeopleDataset(CompositeDataset):
    """Composites of people with backgrounds, both drawn anew each time; arguments and items as of CompositeDataset."""

    def _compose(self, of_batch, rng, i, skipped):
        size = wanted = draw_batch(of_batch, self.recipe).size
        whole, zoom = None, 1
        if rng.random() < CLOSE_CHANCE:  # a part of a small picture, which is enlarged before it is matted
            enlarged, whole = rng.uniform(*ENLARGED), rng.uniform(*SMALL)
            size = tuple(math.ceil(n / enlarged) for n in size)
            zoom = max(1, whole / size[0])
        picture = read_sound(self.backgrounds, rng.integers(len(self.backgrounds)), rng, skipped)
        scene = make_background(rng, picture, (size[0] + 2 * MARGIN, size[1] + 2 * MARGIN), zoom)
        back = np.ascontiguousarray(scene[MARGIN : MARGIN + size[0], MARGIN : MARGIN + size[1]])
        fgr, pha = self._subject(rng, i, back, skipped, whole)
        if rng.random() < SECOND_CHANCE:
            other = rng.integers(len(self.foregrounds))
            fgr, pha = over(*self._subject(rng, other, back, skipped, whole), fgr, pha)
        if rng.random() < EMPTY_CHANCE:
            pha = np.zeros_like(pha)
        dim = rng.uniform(0.35, 0.8) if rng.random() < DIM_CHANCE else 1.0
        fgr = fgr * np.float32(dim)
        src = shaded(rng, back, pha) * np.float32(dim)
        src += (fgr - src) * pha[..., None]
        bgr = exposed(rng, displaced(rng, scene, size), dim)
        src, bgr, pha = shoot(rng, src, bgr, pha)
        fgr, pha = (np.rint(np.clip(x, 0, 1) * np.float32(255)).astype(np.uint8) for x in (fgr, pha))
        if not whole:
            return src, bgr, pha, fgr
        return tuple(cv2.resize(x, wanted[::-1], interpolation=cv2.INTER_CUBIC) for x in (src, bgr, pha, fgr))

    def _subject(self, rng, i, back, skipped, whole, others=5):
        """Person i, or one of so many `others`, the last of whom is taken as she comes; `whole`: see `place_part`."""
        person = Person(*read_sound(self.foregrounds, i, rng, skipped))
        size, picky = back.shape[:2], others > 0
        for _ in range(TRIES):
            if whole and picky:
                matrix = place_part(rng, person, size, whole)
            else:
                matrix = place(rng, person, size, picky)
            if matrix is not None:
                return make_subject(rng, person, matrix, back)
        return self._subject(rng, rng.integers(len(self.foregrounds)), back, skipped, whole, others - 1)


def over(fgr, pha, fgr_behind, pha_behind):
    """One person before another: colours not multiplied by alpha, and alpha, of both together."""
    behind = pha_behind * (1 - pha)
    joint = pha + behind
    mixed = (fgr * pha[..., None] + fgr_behind * behind[..., None]) / np.maximum(joint, 1e-3)[..., None]
    return np.where(joint[..., None] > 0.002, mixed, fgr_behind), joint


def make_background(rng, picture, size, zoom=1):
    """A frame of `size` (height, width), uint8, from a photograph; at times a wall, with a pattern, or out of focus.

    zoom: how many times the photograph is at least as large as the frame, 1 or more.
    """
    height, width = picture.shape[:2]
    fit = zoom * max(size[0] / height, size[1] / width) * (1 + 0.8 * rng.random() ** 1.5 / zoom)
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
        grain = cv2.GaussianBlur(rng.standard_normal(size, np.float32), (0, 0), rng.uniform(0.8, 3))
        back = np.clip(plain + grain[..., None] * (255 * rng.uniform(0, 0.05)), 0, 255).astype(np.uint8)
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
    canvas = np.zeros((size[0] * FACTOR, size[1] * FACTOR, 4), np.uint8)
    colour = np.clip(rng.integers(0, 256) + rng.normal(0, 18, 3), 0, 255)
    kind, zoom = rng.choice(PATTERNS), FACTOR * math.exp(rng.uniform(-0.7, 0.5))
    draw = {"bricks": _bricks, "branches": _branches, "leaves": _leaves, "writing": _writing}.get(kind, _bars)

    def shade(low=1, high=1):
        return (*np.minimum(colour * rng.uniform(low, high), 255).tolist(), 255)

    draw(rng, canvas, np.array(canvas.shape[1::-1]), zoom, shade, kind)
    return cv2.resize(canvas, size[::-1], interpolation=cv2.INTER_AREA)


def _bars(rng, canvas, size, zoom, shade, kind):
    turn = rng.uniform(0, math.pi) if kind == "slats" else rng.normal(0, 0.15) + (0.8 if rng.random() < 0.4 else 0)
    step, thick = rng.uniform(7, 48) * zoom, rng.uniform(1, 5) * zoom
    thick, reach, value = max(1, int(min(thick, step * 0.6))), max(size), shade()
    for angle in [turn] if kind == "slats" else [turn, turn + math.pi / 2]:
        along = np.array([math.cos(angle), math.sin(angle)])
        across = np.array([-along[1], along[0]])
        for offset in np.arange(-reach, reach, step):
            middle = size / 2 + across * offset
            ends = np.array([middle - along * reach, middle + along * reach]).astype(int)
            cv2.line(canvas, *ends, value, thick)


def _bricks(rng, canvas, size, zoom, shade, _):
    wide, high, gap = (max(1, int(rng.uniform(*limits) * zoom)) for limits in ((24, 70), (10, 26), (0.8, 2.5)))
    for row, y in enumerate(range(0, size[1], high)):
        for x in range(-(row % 2) * wide // 2, size[0], wide):
            cv2.rectangle(canvas, (x + gap, y + gap), (x + wide - gap, y + high - gap), shade(0.75, 1.2), -1)


def _branches(rng, canvas, size, zoom, shade, _):
    value = shade()

    def grow(start, angle, length, thick, depth):
        end = start + length * np.array([math.cos(angle), math.sin(angle)])
        cv2.line(canvas, start.astype(int), end.astype(int), value, max(1, int(thick)))
        for _ in range(int(rng.integers(2, 4)) if depth > 1 and length > 8 else 0):
            root = start + (end - start) * rng.uniform(0.5, 1)
            grow(root, angle + rng.normal(0, 0.55), length * rng.uniform(0.55, 0.85), thick * 0.66, depth - 1)

    for _ in range(int(rng.integers(6, 18))):
        length = max(size) * rng.uniform(0.12, 0.3)
        root = rng.uniform(0, 1, 2) * size
        grow(root, rng.uniform(0, 6.3), length, rng.uniform(2, 7) * zoom, int(rng.integers(4, 6)))


def _leaves(rng, canvas, size, zoom, shade, _):
    for _ in range(int(rng.integers(150, 700))):
        long = rng.uniform(2, 9) * zoom
        axes = max(1, int(long)), max(1, int(long * rng.uniform(0.2, 0.6)))
        middle = (rng.uniform(0, 1, 2) * size).astype(int)
        cv2.ellipse(canvas, middle, axes, rng.uniform(0, 180), 0, 360, shade(0.5, 1.5), -1)


def _writing(rng, canvas, size, zoom, shade, _):
    y, value = 0, shade()
    while y < size[1]:
        scale = rng.uniform(0.35, 2.2) * zoom
        text = "".join(rng.choice(LETTERS, int(rng.integers(8, 60))))
        y += int(30 * scale)
        start, face = (int(rng.uniform(-0.1, 0.3) * size[0]), y), int(rng.integers(8))
        cv2.putText(canvas, text, start, face, scale, value, max(1, int(scale * rng.uniform(0.8, 2.2))))


def shaded(rng, back, pha):
    """The scene with the person's soft and cast shadows and a slightly other light: uint8 -> float32 in 0..1."""
    height, width = pha.shape
    small = cv2.resize(pha, (max(1, width // 4), max(1, height // 4)), interpolation=cv2.INTER_AREA)
    shade, middle = np.zeros_like(small), np.array(small.shape[::-1]) / 2
    for kind, chance in (("soft", SOFT_CHANCE), ("cast", CAST_CHANCE)):
        if rng.random() >= chance:
            continue
        if kind == "soft":
            linear, aside = np.diag(rng.uniform(0.75, 1.3, 2)), 0.12
            sigma = rng.uniform(width / 120, width / 30)
        else:
            linear, aside = np.diag(rng.uniform([0.8, 0.5], 1.25)), 0.3
            linear[0, 1], sigma = rng.normal(0, 0.5), rng.uniform(0.5, width / 150 + 0.6)
        matrix = about(linear, middle, middle + rng.normal(0, [aside, 0.06]) * middle)
        moved = cv2.GaussianBlur(cv2.warpAffine(small, matrix, small.shape[::-1]), (0, 0), sigma)
        np.maximum(shade, moved * np.float32(rng.uniform(0.05, 0.45)), out=shade)
    dark = rng.uniform(0.85, 1, 3).astype(np.float32)
    light = 1 + blobs(rng, small.shape, 2) * (rng.uniform(0, 0.06) if rng.random() < UNEVEN_CHANCE else 0)
    factor = (1 - shade[..., None] * dark) * (light[..., None] * np.float32(1 / 255))
    return np.minimum(back * cv2.resize(factor, (width, height)), 1)


def displaced(rng, scene, size):
    """The second shot's frame, from a scene with MARGIN around it: unmoved, by a homography, or with parallax."""
    height, width = size
    side, share = max(size), rng.choice(DISPLACEMENTS, p=CHANCES) * rng.uniform(0.3, 1)
    parallax = rng.uniform(0.5, max(0.6, side / 130)) if rng.random() < PARALLAX_CHANCE else 0
    if not share and not parallax:
        return scene[MARGIN : MARGIN + height, MARGIN : MARGIN + width]
    zoom, turn = 0.5 * share * rng.uniform(-1, 1), 0.6 * share * rng.uniform(-1, 1)
    shift, tilt = rng.uniform(-1, 1, 2) * share * side, rng.uniform(-0.4, 0.4, 2) * share / side
    about_middle = np.array([[1 + zoom, -turn, shift[0]], [turn, 1 + zoom, shift[1]], [*tilt, 1]])
    x, y = (width - 1) / 2, (height - 1) / 2
    to_scene = [[1, 0, x + MARGIN], [0, 1, y + MARGIN], [0, 0, 1]]
    matrix = to_scene @ about_middle @ [[1, 0, -x], [0, 1, -y], [0, 0, 1]]
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    if not parallax:
        return cv2.warpPerspective(scene, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), 2).astype(np.float32)
    grid = cv2.perspectiveTransform(grid, matrix) + blobs(rng, size, 4, channels=2) * np.float32(parallax)
    return cv2.remap(scene, grid, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)


def exposed(rng, picture, dim=1.0):
    """Another exposure, white balance, gamma and stray light: uint8 -> float32 in 0..1; `dim`: of the whole room."""
    far = (3.0 if rng.random() < 0.1 else 1.0) * (rng.random() < EXPOSURE_CHANCE)
    gain = (1 + rng.uniform(-0.08, 0.08) * far) * (1 + rng.uniform(-0.03, 0.03, 3) * far)
    gamma = math.exp(rng.uniform(-0.06, 0.06) * far)
    lift = rng.uniform(0, 0.02) if rng.random() < 0.3 else 0.0
    return by_table(picture, lambda levels: np.clip(levels * dim * gain, 1e-4, 1) ** gamma * (1 - lift) + lift)


def shoot(rng, src, bgr, pha):
    """Lens, sensor and files, mostly alike in both shots: float32, whose memory is used, -> uint8; and softer pha."""
    height, width = pha.shape
    blur = _twice(rng, 0.3, lambda: rng.uniform(0.3, 1.1) * (rng.random() < BLUR_CHANCE))
    level = _twice(rng, 0.15, lambda: 0.002 * 15 ** rng.random() * (rng.random() < NOISE_CHANCE))
    sharp = _twice(rng, 0.1, lambda: rng.uniform(0.2, 1.0) * (rng.random() < SHARPEN_CHANCE))
    quality = _twice(rng, 0.2, lambda: rng.uniform(35, 96))
    lines = min(height, round(rng.uniform(240, 480))) if rng.random() < VIDEO_CHANCE and height > 300 else 0
    small, coarse, packed = (round(width * lines / height), lines), rng.uniform(25, 75), rng.random() < JPEG_CHANCE
    shots = []
    for i, shot in enumerate((src, bgr)):
        shot = cv2.GaussianBlur(shot, (0, 0), blur[i]) if blur[i] else shot
        shot = noisy(rng, shot, level[i]) if level[i] else shot
        if sharp[i]:
            shot = cv2.addWeighted(shot, 1 + sharp[i], cv2.GaussianBlur(shot, (0, 0), 1), -sharp[i], 0)
        shot = cv2.convertScaleAbs(cv2.max(shot, 0), alpha=255)
        if lines:
            shot = jpeg(cv2.resize(shot, small, interpolation=cv2.INTER_AREA), coarse)
            shot = cv2.resize(shot, (width, height), interpolation=cv2.INTER_CUBIC)
        shots.append(jpeg(shot, quality[i]) if packed else shot)
    if lines:
        pha = cv2.resize(cv2.resize(pha, small, interpolation=cv2.INTER_AREA), (width, height))
    return (*shots, pha)


def _twice(rng, change, draw):
    """A drawn value for both shots; with the chance `change` each has its own."""
    first = draw()
    return first, draw() if rng.random() < change else first


def noisy(rng, shot, read):
    """Add noise of variance read^2 + (k read)^2 x, partly in blotches (noise reduction) or shared (demosaicing)."""
    height, width = shot.shape[:2]
    shot_noise, coarse, spread = read * rng.uniform(0, 1.6), rng.uniform(0, 0.6), rng.uniform(0, 0.8)
    kernel = np.full((2, 2), spread / 2, np.float32)
    kernel[0, 0] += 1 - spread
    noise = cv2.filter2D(_normal(rng, (height, width, 3), 1 - coarse), -1, kernel)
    blotches = _normal(rng, ((height + 1) // 2, (width + 1) // 2, 3), 1.5 * coarse)
    noise += cv2.resize(blotches, (width, height))
    table = np.sqrt(read**2 + shot_noise**2 * LEVELS[:, 0]).astype(np.float32)
    noise *= cv2.LUT(cv2.convertScaleAbs(shot, alpha=255), table)
    return np.add(shot, noise, out=noise)


def _normal(rng, shape, sigma):
    """Normal noise by table look-up of random bytes, float32."""
    values = np.frombuffer(rng.bytes(int(np.prod(shape))), np.uint8).reshape(shape)
    return cv2.LUT(values, (NORMAL * sigma).astype(np.float32))


def jpeg(picture, quality):
    """A picture as a JPEG file of that quality shows it; colours at half the resolution."""
    return cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])[1], cv2.IMREAD_COLOR)
