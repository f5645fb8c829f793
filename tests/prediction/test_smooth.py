"""Averaging alpha along the motion: steadier, not worse, and without ghosts."""

import cv2
import numpy as np

from tests.background.test_align import room
from utils.evaluation.metric import dtssd, sad
from utils.prediction.smooth import Smoother
from utils.predictor import Matte

SIZE = (120, 160)


def matte(pha):
    values = pha.astype(np.float32) / 255
    return Matte(pha, None, lambda: values, lambda: values * 0 + 0.25, lambda: values * 0 + 1)


def moving_clip(count=10):
    """Sources, true alphas and flickering ones of a patterned disc that moves before a scene."""
    scene, pattern = room(*SIZE, 1), room(*SIZE, 2)
    rng = np.random.default_rng(0)
    sources, trues, flickering = [], [], []
    for number in range(count):
        shift = np.float32([[1, 0, 4 * number - 20], [0, 1, number]])
        true = np.zeros(SIZE, np.uint8)
        cv2.circle(true, (65, 60), 30, 255, -1, cv2.LINE_AA)
        true, subject = (cv2.warpAffine(x, shift, SIZE[::-1]) for x in (true, pattern))
        share = true[..., None] / 255
        noise = rng.normal(0, 1, (*SIZE, 3))
        sources.append(np.clip(subject * share + scene * (1 - share) + noise, 0, 255).astype(np.uint8))
        trues.append(true)
        holes = cv2.resize(rng.uniform(-1, 1, (12, 16)).astype(np.float32), SIZE[::-1]) * 120
        flickering.append(np.clip(true + np.where(cv2.blur(true, (9, 9)) > 60, holes, 0), 0, 255).astype(np.uint8))
    return sources, trues, flickering


def test_flicker_falls_and_error_does_not_rise():
    sources, trues, flickering = moving_clip()
    smoother = Smoother()
    smooth = [smoother(src, matte(pha)).pha for src, pha in zip(sources, flickering)]
    assert dtssd(smooth, trues) < 0.85 * dtssd(flickering, trues)
    error, before = (np.mean([sad(*pair) for pair in zip(x, trues)]) for x in (smooth, flickering))
    assert error < before


def test_right_alpha_of_a_moving_subject_is_not_blurred():
    sources, trues, _ = moving_clip()
    smoother = Smoother()
    smooth = [smoother(src, matte(pha)).pha for src, pha in zip(sources, trues)]
    still = [cv2.addWeighted(a, 0.3, b, 0.7, 0) for a, b in zip(trues[1:], trues)]  # without following the motion
    error = np.mean([sad(*pair) for pair in zip(smooth[1:], trues[1:])])
    assert error < 0.2 * np.mean([sad(*pair) for pair in zip(still, trues[1:])])


def test_cut_leaves_no_ghost():
    sources, _, flickering = moving_clip(2)
    smoother = Smoother()
    smoother(sources[0], matte(flickering[0]))
    other, pha = np.full((*SIZE, 3), 128, np.uint8), np.zeros(SIZE, np.uint8)
    other[::2] = 20
    assert smoother(other, matte(pha)).pha.max() <= 3


def test_first_frame_and_the_other_outputs_stay():
    sources, _, flickering = moving_clip(2)
    smoother = Smoother()
    first = smoother(sources[0], matte(flickering[0]))
    np.testing.assert_array_equal(first.pha, flickering[0])
    second = smoother(sources[1], matte(flickering[1]))
    assert (second.err == 64).all() and (second.ref == 255).all() and second.fgr is None
    np.testing.assert_allclose(second.pha_float * 255, second.pha, atol=0.51)


def test_tiny_pictures_pass_through():
    pha = np.full((8, 12), 77, np.uint8)
    smoother = Smoother()
    for _ in range(2):
        np.testing.assert_array_equal(smoother(np.zeros((8, 12, 3), np.uint8), matte(pha)).pha, pha)
