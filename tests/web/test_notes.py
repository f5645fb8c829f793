"""What the page says of a result is Chinese on the Chinese page, whichever room wrote it."""

import re
import types

import numpy as np
import pytest

from tools.web.notes import PHRASES, in_language
from utils.background.align import Alignment, estimate_alignment
from utils.background.checks import background_warnings, match_size, scene_warnings
from utils.background.estimate import unsure_warning
from utils.background.exposure import Exposure, estimate_exposure
from utils.background.follow import ClipBackground
from utils.background.homography import implausible
from utils.background.match import Match

KEPT = {"HDR", "SDR", "BT", "aac", "opus", "clip"}  # names, which are not translated


def notes_of(alignment, exposure):
    return Match(alignment, exposure).notes


def every_note():
    """Notes and warnings as the rooms write them, of made-up pictures."""
    rng = np.random.default_rng(0)
    noise, other = rng.integers(0, 256, (2, 96, 128, 3), np.uint8)
    flat = np.full((96, 128, 3), 128, np.uint8)
    found = {"matches": 48, "inliers": 47, "before": 0.006, "after": 0.007}
    yield from notes_of(Alignment(**found, motion=3.4, uncovered=0.04), Exposure((1.1, 1, 1), (0, 0.1, 0), 0.05, 0.01))
    yield from notes_of(estimate_alignment(noise, other, "homography"), estimate_exposure(noise, other))
    agree = Exposure(reason="only 9% of the smooth ground agrees on one exposure")
    yield from notes_of(Alignment(**found, reason="too few matches agree"), agree)
    for matrix in (np.diag([-1.0, 1, 1]), np.array([[1, 0, 90], [0, 1, 0], [0, 0, 1.0]]), np.diag([2.0, 2, 1])):
        if problem := implausible(matrix, (96, 128)):
            yield problem
    yield match_size(flat, np.zeros((192, 256, 3), np.uint8))[1]
    yield from scene_warnings(flat, flat)
    yield from scene_warnings(np.zeros_like(flat), flat)
    yield from background_warnings(flat, np.uint8(flat * 0.5), np.zeros((96, 128), np.uint8))
    yield from background_warnings(shaded(flat), flat, np.zeros((96, 128), np.uint8))
    yield unsure_warning(np.full((96, 128), 255, np.uint8))
    clip = ClipBackground(types.SimpleNamespace(), flat)
    clip.frames, clip.moved, clip.anew, clip.lost, clip.exposed = 60, 59, 2, 1, 3
    yield from [*clip.notes, *clip.warnings]


def shaded(picture):
    picture = picture.copy()
    picture[60:, :60] = np.uint8(picture[60:, :60] * 0.8)
    return picture


@pytest.mark.parametrize("note", list(every_note()))
def test_notes_are_chinese(note):
    assert in_language(note, "en") == note
    words = set(re.findall(r"[A-Za-z]{2,}", in_language(note, "zh"))) - KEPT
    assert not words, in_language(note, "zh")


@pytest.mark.parametrize(("english", "chinese"), PHRASES)
def test_what_is_filled_in_stays(english, chinese):
    filled, number = english, 0
    while (match := re.search(r"\{\*?\}", filled)) is not None:
        number += 1
        filled = filled[: match.start()] + f"{number}0.5%" + filled[match.end() :]
    translated = in_language(filled, "zh")
    assert all(f"{i}0.5%" in translated for i in range(1, number + 1)), translated
    assert not set(re.findall(r"[A-Za-z]{2,}", translated)) - KEPT, translated


def test_lines_of_a_clip():
    line = "talk 640x360: 60 frames in 35.9 s (1.67 a second): reading took 0.2 s, the network 35.7 s, writing 1.2 s"
    assert in_language(line, "zh") == (
        "talk 640x360：60 帧，用时 35.9 秒（每秒 1.67 帧）：读取 0.2 秒，网络 35.7 秒，写出 1.2 秒"
    )
    line = "warning: talk: a shadow falls on 2.1% of the picture: parts of it may be cut out with the subject; move"
    assert in_language(line, "zh").startswith("警告：talk：")
