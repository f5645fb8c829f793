"""The homography between two shots: found as exactly as the pictures allow, and refused where it cannot be."""

import cv2
import numpy as np
import pytest

from utils.background.align import (
    Alignment,
    covered,
    estimate_alignment,
    motion_of,
    rescaled,
    subject_mask,
    warp,
)
from utils.background.exposure import Exposure
from utils.system.notes import Note

SIZE = (360, 480)


def corners_of(shape):
    """Corners of a picture of (H, W), clockwise from the top left."""
    height, width = shape
    return np.array([(0, 0), (width - 1, 0), (width - 1, height - 1), (0, height - 1)], np.float64)


def project(matrix, points):
    """Where the homography takes points, (N, 2)."""
    return cv2.perspectiveTransform(points[None], matrix)[0]


def room(height, width, seed=0):
    """A drawn scene with large and small structure: uint8 (H, W, 3)."""
    rng = np.random.RandomState(seed)
    scene = np.zeros((height, width, 3), np.float32)
    for cells, weight in ((4, 70), (12, 30), (40, 15)):
        coarse = rng.uniform(-1, 1, (cells, cells, 3)).astype(np.float32)
        scene += weight * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    scene = np.clip(scene + 120, 0, 255).astype(np.uint8)
    for _ in range(60):
        corner = rng.randint(0, width), rng.randint(0, height)
        far = corner[0] + rng.randint(5, width // 8), corner[1] + rng.randint(5, height // 8)
        cv2.rectangle(scene, corner, far, [int(x) for x in rng.randint(20, 235, 3)], -1)
    return scene


def put_subject(scene, shift=0):
    """A figure of one colour with a pattern over about a fifth of the scene."""
    height, width = scene.shape[:2]
    src = scene.copy()
    middle = width // 2 + shift
    cv2.ellipse(src, (middle, height), (width // 5, height // 2), 0, 0, 360, (60, 40, 150), -1)
    cv2.circle(src, (middle, height * 2 // 5), height // 7, (205, 160, 140), -1)
    for y in range(height * 2 // 3, height, 12):
        cv2.line(src, (middle - width // 8, y), (middle + width // 8, y), (230, 220, 60), 2)
    return src


def pair(pixels, seed=0, noise=2.0, gain=1.0, size=SIZE):
    """src, bgr and the homography between them: every corner moves by `pixels`; nothing is missing at the rims."""
    height, width = size
    margin = 40
    wide = room(height + 2 * margin, width + 2 * margin, seed)
    rng = np.random.RandomState(seed)
    angles = rng.uniform(0, 2 * np.pi, 4)
    corners = corners_of(size)
    moved = corners + pixels * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    truth = cv2.getPerspectiveTransform(corners.astype(np.float32), moved.astype(np.float32))
    from_wide = np.array([[1, 0, margin], [0, 1, margin], [0, 0, 1]]) @ np.linalg.inv(truth)
    src = put_subject(wide[margin:-margin, margin:-margin])
    bgr = warp(wide, from_wide, size)
    add = lambda x, k: np.clip(x * k + rng.normal(0, noise, x.shape), 0, 255).astype(np.uint8)  # noqa: E731
    return add(src, 1), add(bgr, gain), truth


def error(found, truth, size=SIZE):
    """Largest distance in pixels between where two homographies take the picture's corners and middle."""
    points = np.concatenate([corners_of(size), [[size[1] / 2, size[0] / 2]]])
    return np.linalg.norm(project(found, points) - project(truth, points), axis=1).max()


@pytest.mark.parametrize("pixels", [2, 8, 32])
def test_known_homography_is_found_to_a_tenth_of_a_pixel(pixels):
    src, bgr, truth = pair(pixels, seed=pixels)
    alignment = estimate_alignment(src, bgr)
    assert not alignment.given_up
    assert error(alignment.matrix, truth) < 0.1
    assert alignment.after < alignment.before / 2
    assert alignment.inliers <= alignment.matches
    assert abs(alignment.motion - pixels) < 0.5


def test_exposure_does_not_hide_the_motion():
    src, bgr, truth = pair(8, seed=1, gain=0.75)
    alignment = estimate_alignment(src, bgr)
    assert not alignment.given_up and error(alignment.matrix, truth) < 0.15
    assert alignment.light.gain[0] == pytest.approx(1 / 0.75, abs=0.05)


def test_aligned_background_equals_the_source_outside_the_subject():
    src, bgr, _ = pair(16, seed=3, noise=0)
    alignment = estimate_alignment(src, bgr)
    ground = cv2.absdiff(put_subject(src), src).max(axis=-1) == 0
    ground[SIZE[0] // 4 :, SIZE[1] // 4 : -SIZE[1] // 4] = False
    before = np.abs(src.astype(int) - bgr)[ground].mean()
    after = np.abs(src.astype(int) - alignment.apply(bgr, src))[ground].mean()
    assert after < before / 5


@pytest.mark.parametrize("pixels", [0, 0.3])
def test_camera_that_stood_still_costs_only_a_look(pixels, monkeypatch):
    src, bgr, _ = pair(pixels, seed=4)
    monkeypatch.setattr("utils.background.align._matches", lambda *_: pytest.fail("features were looked for"))
    alignment = estimate_alignment(src, bgr)
    assert alignment.matrix is None and alignment.notes == []
    assert alignment.apply(bgr, src) is bgr


def test_homography_mode_tries_but_keeps_a_background_that_fits():
    src, bgr, _ = pair(0, seed=5)
    alignment = estimate_alignment(src, bgr, "homography")
    assert alignment.matrix is None and alignment.given_up and alignment.inliers > 20


def test_off():
    src, bgr, _ = pair(8, seed=6)
    assert estimate_alignment(src, bgr, "off").apply(bgr, src) is bgr


def test_flat_background_is_left_alone():
    bgr = np.full((*SIZE, 3), (80, 200, 90), np.uint8)
    noisy = np.clip(bgr + np.random.RandomState(0).normal(0, 1, bgr.shape), 0, 255).astype(np.uint8)
    alignment = estimate_alignment(put_subject(bgr), noisy)
    assert alignment.matrix is None and not alignment.given_up


def test_other_scene_is_refused():
    alignment = estimate_alignment(put_subject(room(*SIZE, seed=7)), room(*SIZE, seed=8))
    assert alignment.matrix is None and alignment.notes[0] == Note("not_aligned")


def test_picture_of_a_few_pixels_is_left_alone():
    tiny = np.zeros((8, 8, 3), np.uint8)
    assert estimate_alignment(tiny, tiny).apply(tiny, tiny) is tiny


def test_border_is_filled_from_the_source_but_not_with_the_subject():
    bgr = room(*SIZE, seed=9)
    src = put_subject(bgr)
    up = np.array([[1, 0, 0], [0, 1, 20], [0, 0, 1.0]])  # the lowest 20 rows of the source are not in the background
    alignment = Alignment(up, motion=20.0, uncovered=20 / SIZE[0])
    src = warp(src, up, SIZE)
    rng = np.random.RandomState(0)
    src[-20:] = rng.randint(0, 256, (20, SIZE[1], 3))  # what only the source knows
    laid = alignment.apply(bgr, src)
    np.testing.assert_array_equal(laid[-18:, :40], src[-18:, :40])
    middle = slice(SIZE[1] // 2 - 20, SIZE[1] // 2 + 20)
    np.testing.assert_array_equal(laid[-18:, middle], np.repeat(laid[-21:-20, middle], 18, axis=0))
    assert not np.array_equal(laid[-18:, middle], src[-18:, middle])


def test_source_in_the_border_keeps_its_own_exposure():
    src, bgr = room(*SIZE, seed=10), room(*SIZE, seed=10) // 2
    right = np.array([[1, 0, 30], [0, 1, 0], [0, 0, 1.0]])
    src = warp(src, right, SIZE)
    alignment = Alignment(right, motion=30.0, uncovered=30 / SIZE[1], light=Exposure((2.0,) * 3))
    laid = alignment.apply(bgr, src)
    np.testing.assert_array_equal(laid[:, -28:], src[:, -28:])
    assert np.abs(laid.astype(int) - src)[:, :-32].mean() < 2


@pytest.mark.parametrize(
    ("matrix", "possible"),
    [
        ([[1, 0, 200], [0, 1, 0], [0, 0, 1]], False),
        ([[1.28, 0, -67], [0, 1.28, -50], [0, 0, 1]], False),
        ([[-1, 0, 479], [0, 1, 0], [0, 0, 1]], False),
        ([[1, 0, 0], [0, 1, 0], [-0.004, 0, 1]], False),
        ([[1, 0, 0], [0, 1, 0], [-1 / 479, 0, 1]], False),
        ([[1, 0, 0], [0, 1, 0], [np.nan, 0, 1]], False),
        ([[1.1, 0, 0], [0.0, 1.02, 0], [0.0003, 0, 1]], True),
        (np.eye(3), True),
    ],
)
def test_movements_that_no_hand_makes_are_refused(matrix, possible):
    assert (motion_of(np.array(matrix, float), SIZE) is not None) == possible


def test_homography_of_larger_pictures_moves_pixel_centres_along():
    matrix = np.array([[1.02, 0.01, 3], [-0.01, 0.98, -2], [1e-4, 0, 1]])
    points = np.array([[10.0, 20.0], [200.0, 100.0]])
    larger = project(rescaled(matrix, 3), points * 3 + 1)  # the centre of the 3x3 pixels that one becomes
    np.testing.assert_allclose(larger, project(matrix, points) * 3 + 1)


def test_cover_of_a_shift():
    shown = covered(np.array([[1, 0, 5], [0, 1, 0], [0, 0, 1.0]]), (10, 20))
    assert shown[:, :15].all() and not shown[:, 15:].any()


def test_subject_mask_covers_the_subject_and_little_else():
    bgr = room(*SIZE, seed=11)
    src = put_subject(bgr)
    subject = (src != bgr).any(axis=-1)
    mask = subject_mask(src, np.roll(bgr, 1, axis=1))  # a pixel aside
    assert mask[subject].mean() > 0.97
    assert mask[~subject].mean() < 0.15
