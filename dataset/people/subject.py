"""The person before the scene: light and colours that suit it, or resemble it on purpose; motion and defocus."""

import cv2
import numpy as np

from ..augmentation import warp_foreground
from .hair import add_strands
from .light import blobs, by_table, lit, mix, tone

HAIR_CHANCE, GREY_CHANCE, CAMOUFLAGE_CHANCE, MOTION_CHANCE, UNSHARP_CHANCE = 0.5, 0.03, 0.35, 0.05, 0.1


def make_subject(rng, person, matrix, back):
    """A place.Person in the frame, where matrix (2, 3) puts her, before back, uint8 (h, w, 3).

    Returns fgr (h, w, 3) and pha (h, w): float32 in 0..1.
    """
    size = back.shape[:2]
    fgr, pha = warp_foreground(person.fgr, person.pha, matrix, size)
    if person.head and rng.random() < HAIR_CHANCE:
        x, y, width = person.head
        head = *(matrix @ (x, y, 1)), width * np.linalg.norm(matrix[:, 0])
        fgr, pha = add_strands(rng, fgr, pha, head)
    saturation = (0, 0) if rng.random() < GREY_CHANCE else (0.75, 1.25)
    fgr = suit(rng, tone(rng, fgr, (0.75, 1.1), (0.8, 1.12), saturation, 0.05), pha, back)
    fgr = lit(fgr, cv2.merge([np.exp(blobs(rng, size, 2) * rng.uniform(0, 0.5))] * 3))  # light from a side
    pha = pha * np.float32(1 / 255)
    if rng.random() < CAMOUFLAGE_CHANCE:
        fgr = camouflage(rng, fgr, pha, back)
    if rng.random() < MOTION_CHANCE:
        fgr, pha = _spread(fgr, pha, _motion(rng, max(3.0, max(size) / 60)))
    if rng.random() < UNSHARP_CHANCE:
        sigma = rng.uniform(0.6, 2.2)
        fgr, pha = _spread(fgr, pha, lambda picture: cv2.GaussianBlur(picture, (0, 0), sigma))
    return fgr, pha


def suit(rng, fgr, pha, back):
    """Brightness and tint partly those of the scene, as one light falls on both: uint8 -> float32 in 0..1."""
    own = np.array(cv2.mean(fgr, pha)[:3]) / 255
    scene = np.array(cv2.mean(back)[:3]) / 255
    light = ((scene.mean() + 0.15) / (own.mean() + 0.15)) ** rng.uniform(0, 0.5)
    tint = ((scene + 0.1) / (scene.mean() + 0.1)) ** rng.uniform(0, 0.35)
    return by_table(fgr, lambda levels: lit(levels, light * tint))


def camouflage(rng, fgr, pha, back):
    """Clothes or skin, what has the colour of one random spot, or all of her, in the colours behind her outline.

    Such places, low in contrast, are where mattes lose limbs. The colour moves by 30 to 100 %; texture partly stays.
    """
    height, width = pha.shape
    step = max(4, min(16, min(height, width) // 24))
    small = max(1, width // step), max(1, height // step)

    def reduced(picture):
        return cv2.resize(picture, small, interpolation=cv2.INTER_AREA)

    def wide(picture):
        return cv2.GaussianBlur(picture, (0, 0), 3)

    solid = reduced(pha)[..., None] + np.float32(1e-4)
    colour = reduced(fgr * pha[..., None]) / solid
    behind = reduced(back).astype(np.float32) / 255
    chance = np.cumsum(solid.ravel().astype(np.float64) ** 2 + 1e-6)
    spot = colour.reshape(-1, 3)[np.searchsorted(chance, rng.random() * chance[-1])]
    far = cv2.GaussianBlur(fgr, (0, 0), 1) if max(height, width) < 400 else cv2.blur(fgr, (5, 5))
    far = cv2.transform((far - spot) ** 2, np.ones((1, 3), np.float32))
    region = np.ones_like(pha) if rng.random() < 0.2 else np.clip(1.5 - 5 * np.sqrt(far), 0, 1).reshape(pha.shape)
    region = cv2.blur(region, (5, 5))
    band = reduced(region)[..., None] * solid * (1.02 - wide(solid)[..., None]) + np.float32(1e-6)  # by the outline
    item, other = ((x * band).sum((0, 1)) / band.sum() for x in (colour, behind))
    local = rng.uniform(0, 0.7) if rng.random() < 0.5 else 0.0  # else one colour for the whole garment
    nearby = wide(colour * solid) / np.maximum(wide(solid)[..., None], 1e-4)
    item, other = item + (nearby - item) * local, other + (wide(behind) - other) * local
    own, strength, texture = item, 1 - 0.7 * rng.random(), rng.uniform(0.4, 1.0)
    # fgr -> own + (other - own) * strength + (fgr - own) * texture: what is smooth is computed small
    moved = (own + (other - own) * strength - own * texture + rng.uniform(-0.035, 0.035)).astype(np.float32)
    moved = cv2.resize(moved, (width, height), interpolation=cv2.INTER_LINEAR)
    moved = np.clip(cv2.scaleAdd(fgr, texture, moved), 0, 1)
    return mix(fgr, moved, region)


def _motion(rng, longest, taps=9):
    length, angle = rng.uniform(2, longest), rng.uniform(0, 2 * np.pi)
    radius = int(np.ceil(length / 2))
    kernel = np.zeros((2 * radius + 1, 2 * radius + 1), np.float32)
    for at in np.linspace(-0.5, 0.5, taps) * length:
        kernel[radius + round(at * np.sin(angle)), radius + round(at * np.cos(angle))] += 1 / taps
    return lambda picture: cv2.filter2D(picture, -1, kernel, borderType=cv2.BORDER_REPLICATE)


def _spread(fgr, pha, blur):
    """Blur a layer: colours weighted by alpha; where nothing of it is, the colours stay."""
    joint = blur(pha)
    colours = blur(fgr * pha[..., None]) / np.maximum(joint, 1e-3)[..., None]
    return np.where(joint[..., None] > 0.004, np.minimum(colours, 1), fgr), joint
