"""Gain and bias of each channel: found beside a subject, and left alone where they cannot be known."""

import numpy as np
import pytest

from tests.background.test_align import put_subject, room
from utils.background.exposure import BIASES, GAINS, Exposure, estimate_exposure
from utils.system.notes import say


def changed(picture, gain, bias=0.0):
    return np.rint(np.clip(picture / 255 * gain + bias, 0, 1) * 255).astype(np.uint8)


def dim(picture):
    """Leave head-room, so that a brighter copy is not clipped."""
    return (picture * 0.6 + 20).astype(np.uint8)


@pytest.mark.parametrize("gain", [0.7, 0.9, 1.1, 1.3])
def test_gain_of_each_channel_is_found_beside_a_subject(gain):
    bgr = dim(room(180, 240, seed=1))
    gains = gain * np.array([0.97, 1.0, 1.04])
    src = put_subject(changed(bgr, gains))
    exposure = estimate_exposure(src, bgr)
    assert not exposure.given_up
    middle = bgr.mean(axis=(0, 1)) / 255  # gain and bias may trade a little: what counts is where they send a level
    np.testing.assert_allclose(exposure.gain * middle + exposure.bias, gains * middle, atol=0.01)
    assert exposure.after < 0.01 < exposure.before
    difference = np.abs(exposure.apply(bgr).astype(int) - changed(bgr, gains))
    assert np.median(difference) <= 2


def test_bias_is_found():
    bgr = dim(room(180, 240, seed=2))
    exposure = estimate_exposure(put_subject(changed(bgr, 1.0, 0.06)), bgr)
    np.testing.assert_allclose(exposure.apply(bgr).mean(), changed(bgr, 1.0, 0.06).mean(), atol=1.5)


def test_equal_exposure_is_left_alone():
    bgr = dim(room(180, 240, seed=3))
    noisy = np.clip(put_subject(bgr) + np.random.RandomState(0).normal(0, 2, bgr.shape), 0, 255).astype(np.uint8)
    exposure = estimate_exposure(noisy, bgr)
    assert exposure.notes == [] and exposure.gain == (1.0,) * 3
    assert exposure.apply(bgr) is bgr


def test_flat_colour_gives_a_gain_without_bias():
    bgr = np.full((120, 160, 3), (60, 160, 70), np.uint8)
    exposure = estimate_exposure(put_subject(changed(bgr, 1.2)), bgr)
    np.testing.assert_allclose(exposure.gain, 1.2, atol=0.02)
    np.testing.assert_allclose(exposure.bias, 0, atol=0.01)


def test_subject_that_fills_most_of_the_picture_does_not_set_the_exposure_once_it_is_known_where_it_is():
    bgr = dim(room(180, 240, seed=4))
    src = changed(bgr, 1.2)
    subject = np.zeros(bgr.shape[:2], bool)
    subject[:, 50:] = True
    src[subject] = (90, 80, 75)
    exposure = estimate_exposure(src, bgr, subject)
    np.testing.assert_allclose(exposure.apply(bgr)[~subject].mean(), src[~subject].mean(), atol=2)


def test_other_scene_is_refused():
    exposure = estimate_exposure(room(180, 240, seed=5), room(180, 240, seed=6)[:, ::-1])
    assert exposure.gain == (1.0,) * 3 and exposure.notes[0].kind == "not_exposed"


def test_nothing_smooth_is_refused():
    noise = np.random.RandomState(0).randint(0, 256, (100, 100, 3)).astype(np.uint8)
    assert estimate_exposure(noise, noise).given_up


@pytest.mark.parametrize("gain", [GAINS[0] * 0.8, GAINS[1] * 1.1])
def test_more_than_a_camera_does_is_refused(gain):
    bgr = dim(room(180, 240, seed=7)) // (3 if gain > 1 else 1)
    exposure = estimate_exposure(changed(bgr, gain), bgr)
    assert exposure.given_up
    assert exposure.apply(bgr) is bgr


def test_levels_are_rounded_and_clipped():
    exposure = Exposure((1.5, 1.0, 0.5), (0.0, BIASES[1], 0.0))
    levels = exposure.apply(np.array([[[200, 250, 101]]], np.uint8))
    assert levels.tolist() == [[[255, 255, 50]]]  # 50.5 to even
    assert [note.kind for note in exposure.notes] == ["exposed", "exposure_figures"]
    assert say(exposure.notes[1]).startswith("gain +1.500 +1.000 +0.500")


def test_clipped_highlight_is_not_darkened_with_the_rest():
    """Where the background's sky is burnt out, the source's may be as bright: grey there looks like a subject."""
    ramp = np.arange(256, dtype=np.uint8).repeat(3).reshape(256, 1, 3)
    levels = Exposure((0.8,) * 3, (0.0,) * 3).apply(ramp)[:, 0, 0].astype(int)
    np.testing.assert_allclose(levels[:235], np.arange(235) * 0.8, atol=0.51)
    assert levels[255] == 255 and (np.diff(levels) >= 0).all()
