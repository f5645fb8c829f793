"""The sample pair is two noisy photographs of one scene with a true alpha."""

from pathlib import Path

import numpy as np
import pytest

from dataset.picture import read_alpha, read_rgb

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("sample_src.jpg", "sample_bgr.jpg", "sample_pha_true.png")


@pytest.fixture(scope="module")
def sample():
    src, bgr, pha = (ROOT / "image" / name for name in NAMES)
    return read_rgb(src).astype(np.float64), read_rgb(bgr).astype(np.float64), read_alpha(pha)


def test_sizes(sample):
    src, bgr, pha = sample
    assert src.shape == bgr.shape == (720, 1280, 3) and pha.shape == (720, 1280)
    assert all((ROOT / "image" / name).stat().st_size < 1_000_000 for name in NAMES)


def test_both_show_the_same_scene_with_other_noise_and_exposure(sample):
    src, bgr, pha = sample
    outside = pha == 0
    assert 0.5 < outside.mean() < 0.75
    assert np.abs(src - bgr)[outside].mean() < 3
    noise = (src - bgr)[outside]
    assert 0.7 < noise.std(axis=0).min() and noise.std(axis=0).max() < 4
    middle = outside & (bgr.min(axis=2) > 60) & (bgr.max(axis=2) < 220)
    assert 1.01 < bgr[middle].mean() / src[middle].mean() < 1.03
    assert np.corrcoef(src[outside].ravel(), bgr[outside].ravel())[0, 1] > 0.99


def test_the_subject_differs_from_the_scene_and_has_a_soft_edge(sample):
    src, bgr, pha = sample
    assert (np.abs(src - bgr).max(axis=2)[pha == 255] > 20).mean() > 0.85
    soft = (pha > 0) & (pha < 255)
    assert 0.003 < soft.mean() < 0.02
    assert soft[: pha.shape[0] // 3].sum() > 1000  # the hair
    assert (pha[-1] == 255).sum() > 500 and (pha[0] == 0).all()  # the frame cuts the subject at the bottom only
