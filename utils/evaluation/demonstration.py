"""Samples that are there without any data set: for trying eval.py and the tools around it."""

import cv2
import numpy as np

from dataset.drawn import background, continue_outside, figure, noisy
from dataset.picture import read_alpha, read_rgb
from utils.evaluation.composites import CAPTURE, capture
from utils.evaluation.samples import Named, Sample
from utils.evaluation.trimap import make_trimap
from utils.picture.blend import blend
from utils.picture.sample_pair import SAMPLE_PHA, SAMPLE_SRC, read_sample_pair

MARGIN = 80  # pixels of the sample kept to the left of its subject, who touches the frame elsewhere


class DemonstrationSet(Named):
    """The sample pair, its subject before drawn scenes, and drawn figures before drawn scenes.

    All but the first are made under the protocol "capture". The alpha of the first five is the sample's, that of the
    drawn figures exact. Names: sample, cutout_1 .., drawn_1 ..
    """

    def __init__(self, seed: int = 0):
        self.seed = seed
        self.names = ["sample", *(f"{kind}_{number}" for kind in ("cutout", "drawn") for number in range(1, 5))]

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


def swaying_clip(scene: np.ndarray, seed: int, count: int) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
    """A drawn figure that sways before a scene, uint8 (H, W, 3): captured background, `count` frames and true alphas.

    Every frame, and the background, has a sensor's noise of its own, as strong as the middle of what the protocol
    "capture" draws.
    """
    rng, (height, width) = np.random.default_rng(seed), scene.shape[:2]
    fgr, pha = figure(rng, height * 9 // 10, height * 3 // 4)
    sway, speed = rng.uniform(0.04, 0.15) * width, rng.uniform(0.1, 0.25)
    sources, trues = [], []
    for number in range(count):
        turn = 0.06 * np.sin(1.3 * speed * number)
        right = (width - pha.shape[1]) / 2 + sway * np.sin(speed * number)
        down = height - pha.shape[0] + 0.01 * height * np.sin(2 * speed * number)
        matrix = np.array([[np.cos(turn), -np.sin(turn), right], [np.sin(turn), np.cos(turn), down]])
        moved = cv2.warpAffine(fgr, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
        true = cv2.warpAffine(pha, matrix, (width, height))
        sources.append(_sensed(blend(moved, true, scene), rng))
        trues.append(true)
    return _sensed(scene, rng), sources, trues


def _sensed(picture, rng):
    read, shot = (np.mean(CAPTURE[kind]) for kind in ("read_noise", "shot_noise"))
    return noisy(picture, rng, np.sqrt(read**2 + shot**2 * (picture / 255)))


def cut_out() -> tuple[np.ndarray, np.ndarray]:
    """The sample's subject: fgr and pha. Where pha is not full, fgr goes on from where it is."""
    pha, src = read_alpha(SAMPLE_PHA), read_rgb(SAMPLE_SRC)
    left = max(0, np.flatnonzero(pha.any(axis=0))[0] - MARGIN)
    pha, src = pha[:, left:], src[:, left:]
    solid = (pha == 255).astype(np.float32)
    return np.where(solid[..., None] > 0, src, continue_outside(src / np.float32(255) * solid[..., None], solid)), pha
