"""Two photographs of one scene, with and without the person: shadows, displacement, exposure, lens, sensor, files."""

import math

import cv2
import numpy as np

from ..augmentation import LEVELS, NORMAL, blobs, by_table

MARGIN = 32  # pixels that the scene is larger than the frame on each side, so that the second shot can be displaced
DISPLACEMENTS, CHANCES = (0.0, 0.001, 0.003, 0.012, 0.045), (0.33, 0.3, 0.27, 0.06, 0.04)  # shares of the long side
SOFT_CHANCE, CAST_CHANCE, UNEVEN_CHANCE, PARALLAX_CHANCE, EXPOSURE_CHANCE = 0.35, 0.2, 0.4, 0.07, 0.8
BLUR_CHANCE, NOISE_CHANCE, SHARPEN_CHANCE, VIDEO_CHANCE, JPEG_CHANCE = 0.25, 0.85, 0.25, 0.1, 0.5


def shaded(rng, back, pha):
    """The scene with the person's soft and cast shadows and a slightly other light: uint8 -> float32 in 0..1."""
    height, width = pha.shape
    small = cv2.resize(pha, (max(1, width // 4), max(1, height // 4)), interpolation=cv2.INTER_AREA)
    shade = np.zeros_like(small)
    shape = np.array(small.shape[::-1])
    for kind, chance in (("soft", SOFT_CHANCE), ("cast", CAST_CHANCE)):
        if rng.random() >= chance:
            continue
        if kind == "soft":
            shift, stretch, lean = (0.12, 0.06), (rng.uniform(0.75, 1.3), rng.uniform(0.75, 1.3)), 0.0
            sigma = rng.uniform(width / 120, width / 30)
        else:
            shift, stretch, lean = (0.3, 0.06), (rng.uniform(0.8, 1.25), rng.uniform(0.5, 1.25)), rng.normal(0, 0.5)
            sigma = rng.uniform(0.5, width / 150 + 0.6)
        linear, middle = np.array([[stretch[0], lean], [0, stretch[1]]]), shape / 2
        matrix = np.column_stack([linear, middle - linear @ middle + rng.normal(0, shift) * middle])
        moved = cv2.GaussianBlur(cv2.warpAffine(small, matrix, shape.tolist()), (0, 0), sigma)
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
    middle = (np.array([width, height]) - 1) / 2
    to_scene, to_middle = np.eye(3), np.eye(3)
    to_scene[:2, 2], to_middle[:2, 2] = middle + MARGIN, -middle
    matrix = to_scene @ about_middle @ to_middle
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
    """Lens, sensor and compression, mostly alike in both shots: float32 (h, w, 3), whose memory is used, -> uint8.

    pha, float32 (h, w), comes back softer where a small video has lost detail.
    """
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
    """Add a sensor's noise of variance read^2 + (k read)^2 x, partly in blotches, partly shared with neighbours.

    Neighbours share noise by demosaicing; blotches of two pixels stand for noise reduction.
    """
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
