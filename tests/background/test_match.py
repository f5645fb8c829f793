"""Alignment and exposure together, what is said of them, and the warnings that come after the matte."""

import numpy as np
import pytest

from tests.background.test_align import SIZE, pair, put_subject, room
from utils.background.checks import ground_doubts
from utils.background.match import match_background
from utils.picture.contact_sheet import debug_picture
from utils.system.notes import say


def alpha(scene):
    return np.where((put_subject(scene) != scene).any(axis=-1), 255, 0).astype(np.uint8)


def kinds(match):
    return [note.kind for note in match.notes]


def test_moved_and_darker_background_is_brought_back():
    src, bgr, _ = pair(8, seed=21, gain=0.85)
    matched, match = match_background(src, bgr)
    before, after = (np.median(np.abs(src.astype(int) - x)) for x in (bgr, matched))
    assert after < before / 3
    assert kinds(match) == [
        "aligned",
        "filled",
        "alignment_figures",
        "exposed",
        "exposure_figures",
    ]


def test_what_fits_is_returned_untouched_and_silently():
    src, bgr, _ = pair(0, seed=22)
    matched, match = match_background(src, bgr)
    assert matched is bgr and match.notes == []


def test_both_can_be_switched_off():
    src, bgr, _ = pair(8, seed=23, gain=0.85)
    matched, match = match_background(src, bgr, "off", "off")
    assert matched is bgr and match.notes == []
    aligned, match = match_background(src, bgr, "auto", "off")
    assert match.light.gain == (1.0,) * 3 and kinds(match) == [
        "aligned",
        "filled",
        "alignment_figures",
    ]


def test_attempt_that_was_given_up_is_told():
    src = put_subject(room(*SIZE, seed=24))
    _, match = match_background(src, room(*SIZE, seed=25))
    assert match.notes[0].kind == "not_aligned" and "one place" in say(match.notes[0])


def test_background_that_was_left_displaced_is_warned_of():
    src, bgr, _ = pair(16, seed=26, noise=0)
    pha = alpha(room(*SIZE, seed=26))
    (doubt,) = ground_doubts(src, bgr, pha)
    assert doubt.kind == "other_ground" and "--align" in say(doubt)
    matched, _ = match_background(src, bgr)
    assert ground_doubts(src, matched, pha) == []


@pytest.mark.parametrize(("light", "warned"), [(1.0, False), (0.95, False), (0.75, True), (0.5, True)])
def test_shadow_beside_the_subject_is_warned_of(light, warned):
    bgr = np.full((*SIZE, 3), (200, 195, 180), np.uint8)
    src = bgr.copy()
    src[100:250, 40:130] = src[100:250, 40:130] * light
    notes = ground_doubts(put_subject(src), bgr, alpha(bgr))
    assert [note.kind for note in notes] == ["shadow"] * warned


def test_coloured_object_is_no_shadow():
    bgr = np.full((*SIZE, 3), (200, 195, 180), np.uint8)
    src = bgr.copy()
    src[100:250, 40:130] = (90, 160, 120)
    assert ground_doubts(put_subject(src), bgr, alpha(bgr)) == []


def test_alpha_without_background_gives_no_warning():
    scene = room(*SIZE, seed=27)
    assert ground_doubts(scene, scene[::-1], np.full(SIZE, 255, np.uint8)) == []


@pytest.mark.parametrize("size", [(60, 80), (1200, 1000)])
def test_debug_picture_shows_four_parts(size):
    src, bgr, pha = np.full((*size, 3), 100, np.uint8), np.full((*size, 3), 90, np.uint8), np.zeros(size, np.uint8)
    pha[:, : size[1] // 2] = 255
    picture = debug_picture(src, bgr, pha)
    height, width = (side // 2 for side in picture.shape[:2])
    assert max(width - 9, height - 29) <= 960 and picture.dtype == np.uint8
    middles = [
        picture[y + height // 2 + 14, x + width // 4].tolist() for y in (0, height) for x in (0, width)
    ]  # each part's own left half
    assert middles == [[100] * 3, [90] * 3, [40] * 3, [255] * 3]
