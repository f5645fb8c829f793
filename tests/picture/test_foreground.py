"""The foreground's colours at the rim: the old background's light is gone, what is the subject's own stays."""

import cv2
import numpy as np
import pytest

from utils.picture import foreground
from utils.picture.blend import blend
from utils.picture.foreground import clean_foreground

ORANGE, GREEN = np.array([220.0, 120, 40]), np.array([20.0, 200, 40])


def mixture(subject, share, scene):
    """Alpha, source and background of a subject, with noise; and a network's foreground, which kept half the light."""
    rng = np.random.default_rng(0)
    src, bgr = (x + rng.normal(0, 1, share.shape) for x in (subject * share + scene * (1 - share), scene + 0 * share))
    spilled = subject * (1 + share) / 2 + scene * (1 - share) / 2
    return [np.rint(x).clip(0, 255).astype(np.uint8) for x in (spilled, 255 * share[..., 0], src, bgr)]


def disc():
    circle = cv2.circle(np.zeros((90, 120), np.float32), (60, 45), 25, 1, -1)
    return cv2.GaussianBlur(circle, (0, 0), 2)[..., None].repeat(3, 2)


def test_the_old_backgrounds_light_goes():
    spilled, pha, src, bgr = mixture(ORANGE, disc(), GREEN)
    fgr, _ = clean_foreground(pha, src, bgr, correct=False)
    grey = np.full(3, 128, np.uint8)
    wanted = blend(np.broadcast_to(ORANGE.astype(np.uint8), fgr.shape), pha, grey).astype(int)
    after, before = (int(np.abs(blend(x, pha, grey) - wanted).max()) for x in (fgr, spilled))
    assert after < 9 < 24 < before
    np.testing.assert_array_equal(fgr[pha == 255], src[pha == 255])


def test_alpha_that_is_too_large_lets_no_green_in():
    """As networks see hair: what is half transparent counts as nearly solid."""
    share = disc()
    _, _, src, bgr = mixture(np.array([90.0, 65, 45]), share, GREEN)
    pha = np.rint(255 * share[..., 0] ** 0.3).astype(np.uint8)
    com = blend(*clean_foreground(pha, src, bgr), np.full(3, 255, np.uint8)).astype(int)
    rim = (pha > 0) & (share[..., 0] < 1)
    green = com[..., 1] - com[..., [0, 2]].max(axis=-1) > 8
    assert green[rim].mean() < 0.02


@pytest.mark.parametrize("scene", [GREEN, np.array([0.0, 0, 255])])
def test_a_screen_that_shines_through_makes_hair_less_solid(scene):
    """Between strands that are solid to the network; what is left of their colour is theirs."""
    share = np.ones((60, 80, 3), np.float32)
    share[:, 50:] = 0
    share[10:50, 46:50:2] = 0.4
    _, true, src, bgr = mixture(np.array([90.0, 65, 45]), share, scene)
    pha = np.where(np.arange(80) < 50, 255, 0).astype(np.uint8) * np.ones((60, 1), np.uint8)
    fgr, found = clean_foreground(pha, src, bgr)
    gaps = share[..., 0] == np.float32(0.4)
    assert np.abs(found[gaps].astype(int) - true[gaps]).max() < 25 and np.abs(found.astype(int) - true)[~gaps].max() < 5
    assert np.abs(fgr[gaps] - (90.0, 65, 45)).max() < 25
    np.testing.assert_array_equal(clean_foreground(pha, src, bgr, correct=False)[1], pha)


def test_a_grey_wall_and_a_shadow_leave_alpha_alone():
    """Colours like the wall's prove nothing before a grey one; and a faint shadow before a screen is no subject."""
    pale = np.array([200.0, 205, 210])
    share = disc()
    _, pha, src, bgr = mixture(pale, share, np.full(3, 235.0))
    np.testing.assert_array_equal(clean_foreground(pha, src, bgr)[1], pha)
    _, pha, src, bgr = mixture(ORANGE, share, GREEN)
    src[:, :20], pha[:, :20] = np.rint(0.6 * GREEN), 20
    assert clean_foreground(pha, src, bgr)[1][:, :20].max() <= 20


def test_pale_clothes_before_a_white_wall_stay_pale():
    """Their alpha is too small, and they lie between the wall's colour and the darker inside's."""
    subject, share = np.full((80, 120, 3), (35.0, 35, 30)), np.zeros((80, 120, 3), np.float32)
    share[10:70, 10:110] = 1
    shirt = (slice(55, 70), slice(10, 110))
    subject[shirt] = (190, 220, 230)
    _, _, src, bgr = mixture(subject, share, np.full(3, 235.0))
    pha = np.uint8(255 * share[..., 0])
    pha[shirt] = 200
    fgr, _ = clean_foreground(pha, src, bgr)
    assert float(np.abs(fgr - subject)[shirt].mean()) < 30


def test_it_goes_on_smoothly_where_the_subject_ends():
    fgr, _ = clean_foreground(*mixture(ORANGE, disc(), GREEN)[1:])
    corner, step = float(np.abs(fgr - ORANGE)[:10, :10].mean()), int(np.abs(np.diff(fgr.astype(int), axis=0)).max())
    assert corner < 12 and step < 16


def test_strands_of_another_colour_survive():
    """Dark strands cross a light edge: a mean of solid colours around them would be light."""
    share = np.zeros((80, 80, 3), np.float32)
    share[:, :40] = 1
    subject = np.full((80, 80, 3), (225.0, 190, 160))
    for y in range(8, 80, 12):
        share[y : y + 3, 30:70], subject[y : y + 3, 30:70] = 0.7, (45.0, 30, 20)
    spilled, pha, src, bgr = mixture(subject, share, np.array([90.0, 140, 220]))
    fgr, _ = clean_foreground(pha, src, bgr)
    strands = (share[..., 0] > 0.6) & (share[..., 0] < 1)
    error = float(np.abs(fgr - subject)[strands].mean())
    assert error < 25 < float(np.abs(np.array([225.0, 190, 160]) - subject)[strands].mean())


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (7, 3), (64, 64), (65, 33)])
@pytest.mark.parametrize("alpha", [0, 1, 100, 255])
@pytest.mark.parametrize("large", [10**6, 0])
def test_any_size_and_flat_alpha(monkeypatch, size, alpha, large):
    monkeypatch.setattr(foreground, "LARGE", large)
    src, bgr = np.full((*size, 3), (200, 30, 30), np.uint8), np.full((*size, 3), (20, 60, 200), np.uint8)
    pha = np.full(size, alpha, np.uint8)
    fgr, _ = clean_foreground(pha, src, bgr)
    assert fgr.shape == src.shape and fgr.dtype == np.uint8 and fgr.flags.c_contiguous
    if alpha == 255:
        np.testing.assert_array_equal(fgr, src)


def test_noise_and_misfit_of_the_background_do_not_come_in():
    """A background that does not fit exactly is trusted less: the rim gets no texture of it."""
    rng = np.random.default_rng(1)
    spilled, pha, src, bgr = mixture(ORANGE, disc(), GREEN)
    other = (bgr + rng.normal(0, 25, bgr.shape)).clip(0, 255).astype(np.uint8)
    fgr, _ = clean_foreground(pha, src, other)
    rim = (pha > 25) & (pha < 230)
    error = float(np.abs(fgr - ORANGE)[rim].mean())
    assert error < 22


@pytest.mark.parametrize("large", [10**6, 0])
@pytest.mark.parametrize("place", [(0, 0, 50, 40), (30, 20, 90, 70), (61, 3, 62, 5), (100, 80, 150, 111), (0, 0, 0, 0)])
def test_alpha_alone_is_the_same(monkeypatch, large, place):
    monkeypatch.setattr(foreground, "LARGE", large)
    rng, (left, top, right, bottom) = np.random.default_rng(1), place
    src, bgr = rng.integers(0, 256, (2, 111, 150, 3), np.uint8)
    pha = np.zeros((111, 150), np.uint8)
    pha[top:bottom, left:right] = rng.choice([0, 30, 200, 255], (bottom - top, right - left))
    pha[top + 8 : max(bottom - 8, 0), left + 8 : max(right - 8, 0)] = 255
    none, alone = clean_foreground(pha, src, bgr, colours=False)
    assert none is None
    np.testing.assert_array_equal(alone, clean_foreground(pha, src, bgr)[1])
