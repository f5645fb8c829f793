"""Which of the two pictures is wrong: swapped, turned by a quarter, of another shape."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from dataset.picture import read_alpha, read_rgb
from tests.background.test_align import SIZE, put_subject, room
from utils.background.checks import Misfit, doubts, match_size
from utils.system.notes import Note

IMAGES = Path(__file__).resolve().parents[2] / "image"


def alpha(src, bgr):
    return np.uint8(cv2.absdiff(src, bgr).max(axis=-1) > 20) * 255


@pytest.fixture(scope="module")
def sample():
    return *(read_rgb(IMAGES / f"sample_{mark}.jpg") for mark in ("src", "bgr")), read_alpha(
        IMAGES / "sample_pha_true.png"
    )


def kinds(*pictures):
    return [note.kind for note in doubts(*pictures)]


def test_swapped_pictures_are_told_from_right_ones(sample):
    src, bgr, pha = sample
    assert kinds(bgr, src, pha) == ["swapped"] and "swapped" not in kinds(src, bgr, pha)


@pytest.mark.parametrize("seed", range(6))
def test_swapped_drawn_scenes_are_told_from_right_ones(seed):
    bgr = room(*SIZE, seed=seed)
    src = put_subject(bgr)
    assert kinds(bgr, src, alpha(src, bgr)) == ["swapped"] and kinds(src, bgr, alpha(src, bgr)) == []


def test_without_an_outline_nothing_is_swapped(sample):
    src, bgr, pha = sample
    for level in (0, 255):
        assert "swapped" not in kinds(src, bgr, np.full_like(pha, level))


def test_a_background_turned_by_a_quarter_is_named_as_such(sample):
    src, bgr, _ = sample
    with pytest.raises(Misfit, match="720x1280.*1280x720.*turned by 90 degrees") as error:
        match_size(src, np.rot90(bgr))
    assert error.value.note.kind == "turned"
    with pytest.raises(Misfit, match="uncropped") as error:
        match_size(src, bgr[:, :900])
    assert error.value.note == Note(
        "other_shape", src_name="the source", bgr_name="the background", src="1280x720", bgr="900x720"
    )
