"""The empty scene from clips, against the true one."""

import cv2
import numpy as np
import pytest

from dataset.picture import Photo
from tests.background.test_align import room
from utils.background import estimate as clip_background
from utils.background.estimate import empty_scene, sample_frames, scene_behind
from utils.video.reader import Frame

SIZE = (120, 160)


class Clip:
    """Pictures in memory as a clip; counts how many were decoded."""

    def __init__(self, pictures):
        self.pictures, self.decoded = pictures, 0
        self.height, self.width = pictures[0].shape[:2]

    def __iter__(self):
        for number, picture in enumerate(self.pictures):
            yield Frame(number, number / 30, None, lambda _, picture=picture: self._count(picture))

    def _count(self, picture):
        self.decoded += 1
        return Photo(picture)


def figure(scene, x, colour=(60, 40, 150)):
    picture = scene.copy()
    cv2.ellipse(picture, (x, SIZE[0]), (26, 60), 0, 0, 360, colour, -1)
    cv2.circle(picture, (x, 48), 14, (205, 160, 140), -1)
    return picture


def noisy(pictures, sigma=3, seed=0):
    rng = np.random.default_rng(seed)
    return [np.clip(x + rng.normal(0, sigma, x.shape), 0, 255).astype(np.uint8) for x in pictures]


def distance(one, other):
    return np.abs(one.astype(int) - other).max(axis=-1)


def test_subject_that_walks_through_is_removed():
    scene = room(*SIZE, 3)
    clip = Clip(noisy([figure(scene, 6 * i - 30) for i in range(40)]))
    bgr, unsure = scene_behind(clip)
    assert (distance(bgr, scene) > 20).mean() < 0.002
    assert np.median(distance(bgr, scene)) <= 2  # of a noise of 3
    assert (unsure > 0).mean() < 0.01


def test_subject_that_rests_for_less_than_half_of_the_time_is_removed():
    scene = room(*SIZE, 4)
    clip = Clip(noisy([figure(scene, 80 if i < 18 else 200) for i in range(40)]))
    bgr, _ = scene_behind(clip)
    assert (distance(bgr, scene) > 20).mean() < 0.005


def test_what_the_subject_never_leaves_is_reported():
    scene = room(*SIZE, 5)
    pictures = []
    for i in range(40):  # a chest that breathes; what lies within never changes
        picture = scene.copy()
        cv2.ellipse(picture, (80, SIZE[0]), (30 + i % 5, 70 + i % 4), 0, 0, 360, (60, 40, 150), -1)
        pictures.append(picture)
    bgr, unsure = scene_behind(Clip(noisy(pictures)))
    chest = np.zeros(SIZE, np.uint8)
    cv2.ellipse(chest, (80, SIZE[0]), (28, 68), 0, 0, 360, 1, -1)
    assert unsure[chest > 0].mean() > 240
    assert (unsure[cv2.dilate(chest, np.ones((25, 25))) == 0] == 0).all()
    assert (distance(bgr, scene)[unsure == 0] > 20).mean() < 0.005
    assert (unsure > 0).mean() > 0.05


def test_subject_that_sways_on_the_spot_is_reported():
    scene = room(*SIZE, 9)
    clip = Clip(noisy([figure(scene, round(80 + 12 * np.sin(i / 5))) for i in range(40)]))
    bgr, unsure = scene_behind(clip)
    wrong = distance(bgr, scene) > 25
    assert wrong.mean() > 0.02  # the subject's middle, which nothing but the subject was ever seen at
    assert (wrong & (unsure == 0)).sum() < 0.3 * wrong.sum() and (unsure > 0).mean() > 0.05


def test_flickering_place_is_unsure():
    scene, rng = room(*SIZE, 6), np.random.default_rng(1)
    pictures = []
    for _ in range(40):  # a screen
        picture = scene.copy()
        picture[20:60, 20:60] = rng.integers(0, 255, 3)
        pictures.append(picture)
    _, unsure = scene_behind(Clip(noisy(pictures)))
    assert unsure[25:55, 25:55].mean() > 250 and (unsure > 0).mean() < 0.1


def test_empty_scene_is_the_median_with_less_noise():
    scene = room(*SIZE, 7)
    pictures = noisy([scene] * 20 + [figure(scene, 80)] * 4, sigma=6)
    bgr = empty_scene(Clip(pictures))
    assert distance(bgr, scene).mean() < 0.5 * distance(pictures[0], scene).mean()
    assert (distance(bgr, scene) > 20).mean() < 0.001


@pytest.mark.parametrize("length", [1, 5, 64, 65, 200, 1000])
def test_samples_are_few_and_spread_over_the_whole_clip(length):
    clip = Clip([np.full((2, 3, 3), i % 251, np.uint8) for i in range(length)])
    samples = sample_frames(clip)
    assert min(length, 32) <= len(samples) <= 64
    numbers = [number for number in range(0, length, max(1, -(-length // 64)))]
    assert clip.decoded <= 64 * (1 + np.log2(max(1, length / 64)))
    assert samples[0][0, 0, 0] == 0 and abs(len(samples) - len(numbers)) <= 32


def test_memory_of_the_samples_is_bounded(monkeypatch):
    monkeypatch.setattr(clip_background, "MEMORY", 20 * 120 * 160 * 3)
    assert len(sample_frames(Clip([np.zeros((*SIZE, 3), np.uint8)] * 200))) <= 20


def test_clip_of_one_frame():
    scene = room(*SIZE, 8)
    bgr, _ = scene_behind(Clip([scene]))
    np.testing.assert_array_equal(bgr, scene)
