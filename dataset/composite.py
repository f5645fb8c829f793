"""Random composites of foregrounds and backgrounds: what the network is trained on.

The numbers are those of the PyTorch original's training scripts, which change whole batches on the GPU; here each
sample is made by the reader's processes, and what the original draws once for a batch comes from a generator that all
samples of the batch seed alike.
"""

from dataclasses import dataclass
from types import SimpleNamespace

import cv2
import numpy as np
from paddle.io import Dataset

from . import augmentation as change
from .picture import PictureError

SHADOW_CHANCE, NOISE_CHANCE, JITTER_CHANCE, MOVE_CHANCE = 0.3, 0.4, 0.8, 0.3
ATTEMPTS = 20  # sound pictures to look for in place of a damaged one


@dataclass(frozen=True)
class Recipe:
    """Sizes that differ between recipes: crops have sides lowest..canvas-1, rounded down to `multiple`."""

    canvas: int
    lowest: int
    multiple: int
    scale: tuple = None  # of the foreground relative to covering the canvas


RECIPES = {
    "base": Recipe(canvas=512, lowest=256, multiple=1, scale=(0.4, 1.0)),
    "refine": Recipe(canvas=2048, lowest=1024, multiple=4, scale=(0.3, 1.0)),
    "people": Recipe(canvas=545, lowest=352, multiple=4),  # places its people itself, see dataset.people
}


def draw_batch(rng, recipe):
    """Draw what all samples of a batch of a Recipe have in common; its `size` is (height, width)."""
    sides = rng.integers(recipe.lowest, recipe.canvas, 2)
    size = tuple(int(n) // recipe.multiple * recipe.multiple for n in sides)
    return SimpleNamespace(
        size=size,
        shadow_strength=0.3 * rng.random(),
        shadow_linear=change.affine(*np.deg2rad(rng.uniform(-5, 5, 2)), rng.uniform(0.5, 1.5)),
        shadow_shift=rng.uniform(-0.2, 0.2, 2) * size[::-1],
        shadow_blur=int(rng.integers(20, 40)),
        noise_sigma=0.03 * rng.random(2),  # of src, of bgr
        jitter_order=int(rng.integers(2)),
        move_linear=change.affine(np.deg2rad(rng.uniform(-1, 1)), 0.0, 1.0),
        move_shift=rng.uniform(-0.01, 0.01, 2) * size[::-1],
    )


class CompositeDataset(Dataset):
    """Composites of a foreground with a background that is drawn anew each time.

    Args:
        foregrounds: data set of (fgr, pha), uint8 (H, W, 3) RGB and (H, W).
        backgrounds: data set of bgr, uint8 (H, W, 3) RGB.
        recipe: a Recipe.
        seed: int >= 0.

    The index is (epoch, step, i): composite of foreground i in step `step` of an epoch. The same index and seed give
    the same sample, whichever process reads it; samples with the same epoch and step have the same size.

    Items are (src, bgr, pha, fgr, skipped): uint8 (h, w, 3), (h, w, 3), (h, w, 1), (h, w, 3), and a list with the
    messages of damaged files in whose place another was read.
    """

    def __init__(self, foregrounds, backgrounds, recipe, seed=0):
        self.foregrounds, self.backgrounds, self.recipe, self.seed = foregrounds, backgrounds, recipe, seed

    def __len__(self):
        return len(self.foregrounds)

    def __getitem__(self, index):
        of_batch, rng = (np.random.default_rng([self.seed, *index[:length]]) for length in (2, 3))
        skipped = []
        src, bgr, pha, fgr = self._compose(of_batch, rng, index[2], skipped)
        return src, bgr, pha[..., None], fgr, skipped

    def _compose(self, of_batch, rng, i, skipped):
        batch = draw_batch(of_batch, self.recipe)
        fgr, pha = read_sound(self.foregrounds, i, rng, skipped)
        back = read_sound(self.backgrounds, rng.integers(len(self.backgrounds)), rng, skipped)
        fgr, pha = crop_foreground(rng, fgr, pha, batch.size, self.recipe)
        src, bgr = composite(rng, fgr, pha, crop_background(rng, back, batch.size, self.recipe), batch)
        return src, bgr, pha, fgr


def read_sound(dataset, index, rng, skipped):
    """Item `index`, or one drawn at random for each that cannot be read; messages are appended to `skipped`."""
    for _ in range(ATTEMPTS):
        try:
            return dataset[int(index)]
        except PictureError as error:
            skipped.append(str(error))
            index = rng.integers(len(dataset))
    raise PictureError(f"{ATTEMPTS} pictures in a row cannot be read, the last: {skipped[-1]}")


def crop_foreground(rng, fgr, pha, size, recipe):
    """Random crop of a foreground and its alpha, same map, flip, blur and sharpening; only colours get jitter."""
    matrix = change.draw_affine(rng, pha.shape, size, recipe.canvas, recipe.scale, flip=0.5)
    pair = change.warp_foreground(fgr, pha, matrix, size)
    fgr, pha = change.filtered(rng, pair, max(size) / recipe.canvas)
    return change.jitter(rng, fgr), pha


def crop_background(rng, back, size, recipe):
    """Random crop of a background; where the original would show black beyond its edge, it is mirrored."""
    matrix = change.draw_affine(rng, back.shape[:2], size, recipe.canvas, (1.0, 2.0), flip=0.5)
    back = change.warp(back, matrix, size, cv2.BORDER_REFLECT_101)
    return change.jitter(rng, *change.filtered(rng, [back], max(size) / recipe.canvas))


def composite(rng, fgr, pha, back, batch):
    """src and bgr, uint8 (h, w, 3): a foreground before a background, which differ as two photographs do.

    src may get the subject's shadow and noise; bgr noise of its own, other colours and a slight motion. fgr and back
    are uint8 (h, w, 3), pha (h, w); batch is of `draw_batch`.
    """
    src = bgr = back
    if rng.random() < SHADOW_CHANCE:
        src = cv2.subtract(src, cv2.merge([shadow(pha, batch)] * 3))
    weight = pha.astype(np.float32)
    src = cv2.blendLinear(fgr, src, weight, 255 - weight)
    if rng.random() < NOISE_CHANCE:
        src, bgr = change.add_noise(rng, src, batch.noise_sigma[0]), change.add_noise(rng, bgr, batch.noise_sigma[1])
    if rng.random() < JITTER_CHANCE:
        bgr = camera_jitter(rng, bgr, batch.jitter_order)
    if rng.random() < MOVE_CHANCE:
        middle = np.array(batch.size[::-1]) / 2
        matrix = change.about(batch.move_linear, middle, middle + batch.move_shift)
        bgr = change.warp(bgr, matrix, batch.size, cv2.BORDER_REFLECT_101)
    return src, bgr


def shadow(pha, batch, reduce=4):
    """What the subject's shadow, so blurred that less resolution suffices, takes from the background: uint8 (h, w)."""
    size = tuple(max(n // reduce, 1) for n in pha.shape)
    small = cv2.resize(pha, size[::-1], interpolation=cv2.INTER_AREA)
    middle = np.array(size[::-1]) / 2
    small = change.warp(small, change.about(batch.shadow_linear, middle, middle + batch.shadow_shift / reduce), size)
    small = change.box_blur(small, batch.shadow_blur / reduce)
    return cv2.resize(cv2.convertScaleAbs(small, alpha=batch.shadow_strength), pha.shape[::-1])


def camera_jitter(rng, picture, order):
    """ColorJitter(0.18, 0.18, 0.18, 0.1) as in kornia 0.4.1: brightness adds, contrast scales, the others in HSV."""
    brightness, (contrast, saturation) = rng.uniform(-0.18, 0.18) * 255, rng.uniform(0.82, 1.18, 2)
    turn = rng.uniform(-0.1, 0.1)
    offset = brightness * contrast if rng.random() < 0.5 else brightness
    table = np.rint(np.arange(256) * contrast + offset).clip(0, 255).astype(np.uint8)
    if order:
        return change.turn_hue(cv2.LUT(picture, table), turn, saturation)
    return cv2.LUT(change.turn_hue(picture, turn, saturation), table)


def collate(samples):
    """Stack samples: src, bgr, fgr (b, h, w, 3) and pha (b, h, w, 1), uint8, and one list of messages."""
    *pictures, skipped = zip(*samples)
    return (*map(np.stack, pictures), sum(skipped, []))
