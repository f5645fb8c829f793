"""Composites of people as two real photographs show them: the recipe of the weights that come with this project.

Samples of it: who stands where before what, photographed twice.
"""

import numpy as np

from ..composite import CompositeDataset, frame_size, read_sound
from .scene import MARGIN, displaced, exposed, make_background, shaded, shoot
from .subject import Person, make_subject, place

SECOND_CHANCE, EMPTY_CHANCE, DIM_CHANCE = 0.12, 0.03, 0.12
TRIES = 4  # places for a person, before another is taken


class PeopleDataset(CompositeDataset):
    """Composites of people with backgrounds, both drawn anew each time; arguments and items as of CompositeDataset.

    The recipe's sides are multiples of 4, so that the coarse pictures, a quarter to a half of that, have sides of every
    remainder of the network's stride of 16.
    """

    def _compose(self, of_batch, rng, i, skipped):
        size = frame_size(of_batch, self.recipe)
        picture = read_sound(self.backgrounds, rng.integers(len(self.backgrounds)), rng, skipped)
        scene = make_background(rng, picture, (size[0] + 2 * MARGIN, size[1] + 2 * MARGIN))
        back = np.ascontiguousarray(scene[MARGIN : MARGIN + size[0], MARGIN : MARGIN + size[1]])
        fgr, pha = self._subject(rng, i, back, skipped)
        if rng.random() < SECOND_CHANCE:
            other = rng.integers(len(self.foregrounds))
            fgr, pha = over(*self._subject(rng, other, back, skipped), fgr, pha)
        if rng.random() < EMPTY_CHANCE:
            pha = np.zeros_like(pha)
        dim = rng.uniform(0.35, 0.8) if rng.random() < DIM_CHANCE else 1.0
        fgr = fgr * np.float32(dim)
        src = shaded(rng, back, pha) * np.float32(dim)
        src += (fgr - src) * pha[..., None]
        bgr = exposed(rng, displaced(rng, scene, size), dim)
        src, bgr, pha = shoot(rng, src, bgr, pha)
        fgr, pha = (np.rint(np.clip(x, 0, 1) * np.float32(255)).astype(np.uint8) for x in (fgr, pha))
        return src, bgr, pha, fgr

    def _subject(self, rng, i, back, skipped, others=5):
        """Person i, or one of so many `others`, the last of whom is taken as she comes."""
        person = Person.of(*read_sound(self.foregrounds, i, rng, skipped))
        for _ in range(TRIES):
            matrix = place(rng, person, back.shape[:2], picky=others > 0)
            if matrix is not None:
                return make_subject(rng, person, matrix, back)
        return self._subject(rng, rng.integers(len(self.foregrounds)), back, skipped, others - 1)


def over(fgr, pha, fgr_behind, pha_behind):
    """One person before another: colours not multiplied by alpha, and alpha, of both together."""
    behind = pha_behind * (1 - pha)
    joint = pha + behind
    mixed = (fgr * pha[..., None] + fgr_behind * behind[..., None]) / np.maximum(joint, 1e-3)[..., None]
    return np.where(joint[..., None] > 0.002, mixed, fgr_behind), joint
