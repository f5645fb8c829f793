"""Samples that are there without any data set: for trying eval.py and the tools around it."""

import numpy as np

from dataset.drawn import background, continue_outside, figure
from dataset.picture import read_alpha, read_rgb
from utils.evaluation.composites import capture
from utils.evaluation.samples import Sample
from utils.evaluation.trimap import make_trimap
from utils.picture.sample_pair import SAMPLE_PHA, SAMPLE_SRC, read_sample_pair

CUTOUTS, FIGURES = 4, 4
MARGIN = 80  # pixels of the sample kept to the left of its subject, who touches the frame elsewhere


class DemonstrationSet:
    """The sample pair, its subject before drawn scenes, and drawn figures before drawn scenes.

    All but the first are made under the protocol "capture". The alpha of the first five is the sample's, that of the
    drawn figures exact. Names: sample, cutout_1 .., drawn_1 ..
    """

    def __init__(self, seed: int = 0):
        self.seed = seed
        self.names = ["sample"]
        self.names += [f"cutout_{i + 1}" for i in range(CUTOUTS)] + [f"drawn_{i + 1}" for i in range(FIGURES)]

    def __len__(self) -> int:
        return len(self.names)

    def name(self, index: int) -> str:
        return self.names[index]

    def __getitem__(self, index: int) -> Sample:
        name = self.names[index]
        if index == 0:
            pha, (src, bgr) = read_alpha(SAMPLE_PHA), read_sample_pair()
            return Sample(name, pha, src, bgr, trimap=make_trimap(pha))
        if name.startswith("cutout"):
            fgr, pha = cut_out()
        else:
            fgr, pha = figure(np.random.default_rng([self.seed, 0, index]), 480, 400)
        scene = background(np.random.default_rng([self.seed, 1, index]), *pha.shape)
        rng = np.random.RandomState([self.seed, index])
        src, bgr, pha, fgr, parameters = capture(fgr, pha, scene, rng)
        return Sample(name, pha, src, bgr, fgr, make_trimap(pha), parameters)


def cut_out() -> tuple[np.ndarray, np.ndarray]:
    """The sample's subject: fgr and pha. Where pha is not full, fgr goes on from where it is."""
    pha, src = read_alpha(SAMPLE_PHA), read_rgb(SAMPLE_SRC)
    left = max(0, np.flatnonzero(pha.any(axis=0))[0] - MARGIN)
    pha, src = pha[:, left:], src[:, left:]
    solid = (pha == 255).astype(np.float32)
    return np.where(solid[..., None] > 0, src, continue_outside(src / np.float32(255) * solid[..., None], solid)), pha
