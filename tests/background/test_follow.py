"""The background over a clip: left alone while the camera stands, followed while it moves, kept where that fails."""

import cv2
import numpy as np
import pytest

from tests.background.test_align import corners_of, project, put_subject, room
from utils.background import match as video_alignment
from utils.background.align import Alignment
from utils.background.match import ClipBackground
from utils.system.notes import Note

SIZE = (270, 480)
MARGIN = 40


def view(wide, dx=0.0, dy=0.0, turn=0.0, gain=1.0, seed=0, shift=0):
    """A frame of a camera that has moved, and the homography to the unmoved one."""
    cos, sin = np.cos(turn), np.sin(turn)
    matrix = np.array([[cos, -sin, MARGIN + dx], [sin, cos, MARGIN + dy], [0, 0, 1]])
    seen = cv2.warpPerspective(wide, matrix, SIZE[::-1], flags=cv2.WARP_INVERSE_MAP | cv2.INTER_CUBIC)
    noise = np.random.default_rng(seed).normal(0, 2, seen.shape)
    src = np.clip(gain * put_subject(seen, shift) + noise, 0, 255).astype(np.uint8)
    return src, np.array([[1, 0, -MARGIN], [0, 1, -MARGIN], [0, 0, 1]]) @ matrix


@pytest.fixture(scope="module")
def wide():
    return room(SIZE[0] + 2 * MARGIN, SIZE[1] + 2 * MARGIN, 11)


def error(found, truth):
    corners = corners_of(SIZE)
    return np.abs(project(np.eye(3) if found is None else found, corners) - project(truth, corners)).max()


def test_fixed_camera_prepares_its_background_once(wide, monkeypatch):
    def forbidden(*_):
        raise AssertionError("nothing has moved")

    monkeypatch.setattr(video_alignment, "follow_alignment", forbidden)
    bgr = np.ascontiguousarray(wide[MARGIN:-MARGIN, MARGIN:-MARGIN])
    background = ClipBackground(bgr)
    for number in range(12):
        assert background(view(wide, seed=number, shift=5 * number)[0]) is bgr
    assert background.first.notes == background.notes == []


def test_hand_held_camera_is_followed(wide):
    bgr = np.ascontiguousarray(wide[MARGIN:-MARGIN, MARGIN:-MARGIN])
    background = ClipBackground(bgr)
    for number in range(8):
        src, truth = view(wide, 3 * np.sin(number), 2 * number, 0.002 * number, seed=number, shift=4 * number)
        laid = background(src)
        assert error(background.alignment.matrix, truth) < 0.5
        assert np.median(np.abs(laid[:60].astype(int) - src[:60])) <= 4
    assert background.moved >= 6 and background.lost == 0
    assert background.notes[0].kind == "followed"


def test_jump_is_estimated_anew(wide):
    bgr = np.ascontiguousarray(wide[MARGIN:-MARGIN, MARGIN:-MARGIN])
    background = ClipBackground(bgr)
    background(view(wide)[0])
    video_follow, video_alignment.follow_alignment = video_alignment.follow_alignment, lambda *_: Alignment()
    try:
        src, truth = view(wide, 15, -8)
        background(src)
    finally:
        video_alignment.follow_alignment = video_follow
    assert background.moved == 1 and error(background.alignment.matrix, truth) < 0.5


def test_lost_track_keeps_the_last_fit_and_does_not_search_in_every_frame(wide, monkeypatch):
    bgr = np.ascontiguousarray(wide[MARGIN:-MARGIN, MARGIN:-MARGIN])
    background, searched = ClipBackground(bgr), []
    first = background(view(wide)[0])
    search = video_alignment.estimate_alignment
    monkeypatch.setattr(video_alignment, "estimate_alignment", lambda *x: searched.append(0) or search(*x))
    other = room(*SIZE, 99)
    for number in range(20):
        assert background(cv2.add(other, number)) is first
    assert background.lost == 20 and 1 <= len(searched) <= 6
    assert background.notes[-1] == Note("lost", lost=20, frames=21)


def test_camera_that_moves_is_left_alone_on_demand(wide):
    bgr = np.ascontiguousarray(wide[MARGIN:-MARGIN, MARGIN:-MARGIN])
    background = ClipBackground(bgr, "off", "off")
    for number in range(4):
        assert background(view(wide, 4 * number)[0]) is bgr


def test_light_that_drifts_is_followed(wide):
    bgr = np.ascontiguousarray(wide[MARGIN:-MARGIN, MARGIN:-MARGIN])
    background = ClipBackground(bgr)
    changes, laid = 0, None
    for number in range(30):
        src = view(wide, gain=1 - 0.01 * number, seed=number)[0]
        before, laid = laid, background(src)
        changes += laid is not before
    assert background.exposed >= 2 and changes <= 5
    ground = np.median(laid[:60].astype(float)) / np.median(src[:60])
    assert abs(ground - 1) < 0.06
    assert Note("exposed_again", times=background.exposed, frames=background.frames) in background.notes
