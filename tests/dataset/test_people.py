"""The recipe `people`: the same sample from the same index, true alpha for strands, no straight cut through a body."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from dataset.composite import RECIPES, Recipe, collate, draw_batch
from dataset.people.dataset import (
    MARGIN,
    PATTERNS,
    PeopleDataset,
    displaced,
    exposed,
    make_background,
    noisy,
    over,
    pattern,
    shaded,
    shoot,
)
from dataset.people.subject import Person, add_strands, camouflage, find_head, make_subject, place, place_part
from dataset.picture import PictureError

DATA = Path(__file__).resolve().parents[1] / "data"
SMALL = Recipe(canvas=161, lowest=96, multiple=4)


def bust(height=240, width=200, cut=("bottom",)):
    """A round head on a trunk that the picture's lower edge (or others) cuts off: fgr, pha."""
    pha = np.zeros((height, width), np.uint8)
    cv2.ellipse(pha, (width // 2, height // 3), (width // 6, height // 5), 0, 0, 360, 255, -1, cv2.LINE_AA)
    low, left, right = (0 if side in cut else 20 for side in ("bottom", "left", "right"))
    cv2.rectangle(pha, (left, height // 2), (width - 1 - right, height - 1 - low), 255, -1)
    fgr = np.full((height, width, 3), (60, 90, 150), np.uint8)
    fgr[: height // 4] = (80, 40, 20)  # hair, of another colour than the face
    return fgr, pha


def room(height=150, width=210):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)


class Pictures(list):
    """A list as a data set; None in it cannot be read."""

    def __getitem__(self, index):
        item = super().__getitem__(index)
        if item is None:
            raise PictureError(f"picture {index} is damaged")
        return item


def dataset(people=None, seed=0):
    return PeopleDataset(
        Pictures(people or [bust(), bust(cut=("bottom", "left", "right"))]), Pictures([room()]), SMALL, seed
    )


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a[:4], b[:4]))


def test_the_same_index_gives_the_same_sample_and_another_epoch_step_or_seed_another():
    first = dataset()[0, 3, 1]
    assert same(first, dataset()[0, 3, 1])
    others = [dataset()[1, 3, 1], dataset()[0, 4, 1], dataset(seed=1)[0, 3, 1]]
    assert not any(first[0].shape == other[0].shape and same(first, other) for other in others)


def figures():
    """Mean and mean step from row to row of the four pictures of 60 samples, (60, 4, 2)."""
    samples = (dataset()[7, step, step % 2][:4] for step in range(60))
    return np.array([[(x.mean(), np.abs(np.diff(x.astype(int), axis=0)).mean()) for x in four] for four in samples])


def test_the_recipe_draws_what_was_recorded():
    """Who changes the recipe on purpose records it anew: np.savez("tests/data/people_samples.npz", figures())."""
    np.testing.assert_allclose(figures(), np.load(DATA / "people_samples.npz")["arr_0"], rtol=0.01, atol=0.05)


def test_samples_of_a_step_share_a_size_and_can_be_stacked():
    src, bgr, pha, fgr, skipped = collate([dataset()[0, step, i] for step in (5,) for i in (0, 1)])
    height, width = src.shape[1:3]
    assert src.shape == bgr.shape == fgr.shape == (2, height, width, 3) and pha.shape == (2, height, width, 1)
    assert all(x.dtype == np.uint8 for x in (src, bgr, pha, fgr)) and skipped == []


def test_sides_are_multiples_of_4_that_leave_every_remainder_of_16_at_the_coarse_scales():
    sides = {n for step in range(200) for n in draw_batch(np.random.default_rng(step), RECIPES["people"]).size}
    assert min(sides) >= 352 and max(sides) < 545 and all(n % 4 == 0 for n in sides)
    assert {n // 4 % 16 for n in sides} == set(range(16))


def test_damaged_pictures_are_replaced_and_named():
    data = dataset([bust(), None])
    assert "picture 1 is damaged" in data[0, 0, 1][4]


def test_every_kind_of_composite_is_valid():
    empty = 0
    for step in range(60):
        src, bgr, pha, fgr, _ = dataset()[0, step, step % 2]
        assert src.shape == bgr.shape == fgr.shape and pha.max() <= 255
        empty += not pha.any()
        if not pha.any():  # nobody there: what differs is light, noise and displacement
            assert np.abs(src.astype(int) - bgr).mean() < 60
    assert 0 <= empty < 12


def test_the_source_shows_the_foreground_where_alpha_is_full():
    differences = []
    for step in range(20):
        src, _, pha, fgr, _ = dataset()[2, step, 0]
        inside = cv2.erode((pha[..., 0] == 255).astype(np.uint8), np.ones((9, 9))) > 0
        if inside.sum() > 200:
            differences.append(abs(src[inside].astype(float).mean() - fgr[inside].mean()))
    assert len(differences) > 8 and np.mean(differences) < 6


# ------------------------------------------------------------------------------------------------------------- a place
def test_a_head_is_found_where_it_is_and_not_in_an_arm_or_an_empty_picture():
    _, pha = bust()
    x, y, width = find_head(pha)
    assert abs(x - 100) < 4 and abs(y - 32) < 4 and abs(width - 66) < 12
    assert find_head(np.zeros((240, 200), np.uint8)) is None
    raised = np.zeros((480, 300), np.uint8)
    raised[10:300, 148:152] = 255
    raised[200:470, 50:250] = 255
    assert find_head(raised) is None


@pytest.mark.parametrize("whole", [None, 300, 140])
@pytest.mark.parametrize("cut", [("bottom",), ("bottom", "left"), ("left", "right"), ("bottom", "left", "right")])
def test_a_side_where_the_source_cuts_the_body_lies_on_the_frames_side(cut, whole):
    person = Person(*bust(cut=cut))
    assert [side in cut for side in ("left", "top", "right", "bottom")] == list(person.cut)
    rng, size, placed = np.random.default_rng(1), (120, 150), 0
    for _ in range(200):
        matrix = place_part(rng, person, size, whole) if whole else place(rng, person, size)
        if matrix is None:
            continue
        placed += 1
        height, width = person.pha.shape
        flip = matrix[0, 0] < 0
        lines = {
            "left": (0, [(0, y) for y in (0, height)]),
            "right": (0, [(width, y) for y in (0, height)]),
            "bottom": (1, [(x, height) for x in (0, width)]),
        }
        for side in cut:
            axis, points = lines[side]
            at = [(matrix @ (*point, 1))[axis] for point in points]
            if axis == 0 and (side == "left") != flip:
                assert max(at) <= 1e-6
            else:
                assert min(at) >= size[1 - axis] - 1e-6
    assert placed > 60 or (whole == 140 and "right" in cut and not placed)  # 200 * 140 / 240 do not reach across 150


def test_a_part_of_a_picture_shows_her_outline_or_her_body_in_its_size_before_as_large_a_part_of_the_background():
    person, rng, seen = Person(*bust(cut=())), np.random.default_rng(3), []
    for _ in range(100):
        matrix = place_part(rng, person, (96, 128), 480)
        assert abs(np.linalg.det(matrix[:, :2])) == pytest.approx(4, rel=0.05)
        shown = cv2.warpAffine(person.pha, matrix.astype(np.float32), (128, 96))
        seen.append((shown.mean() / 255, ((shown > 30) & (shown < 225)).any()))
    assert 0.3 < np.mean(seen, 0)[0] < 0.8 and np.mean(seen, 0)[1] > 0.7
    ramp = np.repeat(np.linspace(0, 255, 400).astype(np.uint8)[None, :, None], 300, 0).repeat(3, 2)
    spans = {zoom: [] for zoom in (1, 4)}
    for zoom, span in spans.items():
        for seed in range(40):
            span.append(np.ptp(make_background(np.random.default_rng(seed), ramp, (75, 100), zoom)[..., 1].astype(int)))
    assert np.median(spans[4]) < 0.5 * np.median(spans[1])


def test_someone_too_small_for_the_frame_is_refused_unless_asked_to_be_taken():
    person, rng = Person(*bust(60, 50, ("left", "right"))), np.random.default_rng(0)
    assert all(place(rng, person, (600, 600)) is None for _ in range(20))
    assert all(place(rng, person, (600, 600), picky=False) is not None for _ in range(20))


# ---------------------------------------------------------------------------------------------------------------- hair
def strands(seed=0):
    fgr, pha = bust(480, 400)
    return fgr, pha, *add_strands(np.random.default_rng(seed), fgr, pha, find_head(pha))


def test_strands_are_soft_lie_behind_the_head_and_have_its_colour():
    drawn = 0
    for seed in range(8):
        before_fgr, before, fgr, pha = strands(seed)
        assert (pha >= before).all() and np.array_equal(fgr[before == 255], before_fgr[before == 255])
        new = (before == 0) & (pha > 100)
        drawn += int(new.sum())
        if new.any():
            red, _, blue = fgr[new].mean(0)
            assert red > blue
            assert ((pha > 8) & (pha < 200) & (before == 0)).any()
    assert drawn > 500


def test_a_bald_head_and_one_out_of_the_frame_stay_as_they_are():
    fgr, pha = bust(480, 400)
    plain = np.full_like(fgr, 150)
    for colours, head in ((plain, find_head(pha)), (fgr, (200.0, -900.0, 130.0))):
        assert add_strands(np.random.default_rng(0), colours, pha, head)[1] is pha


# ---------------------------------------------------------------------------------------------------- light and scene
def test_camouflage_brings_the_subject_near_the_background():
    fgr, pha = (x.astype(np.float32) / 255 for x in bust())
    back = np.full((240, 200, 3), 200, np.uint8)
    apart = np.abs(fgr - back / 255.0)[pha == 1].mean()
    nearer = [
        np.abs(camouflage(np.random.default_rng(i), fgr.copy(), pha, back) - back / 255.0)[pha == 1].mean()
        for i in range(10)
    ]
    assert np.mean(nearer) < 0.8 * apart


def test_a_subject_keeps_its_ranges():
    person, back = Person(*bust()), room(96, 128)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        fgr, pha = make_subject(rng, person, place(rng, person, (96, 128), picky=False), back)
        assert fgr.dtype == pha.dtype == np.float32 and fgr.shape == (96, 128, 3) and pha.shape == (96, 128)
        assert np.isfinite(fgr).all() and -0.01 <= fgr.min() and fgr.max() <= 1.01 and pha.max() <= 1.001


def test_of_two_people_the_first_stands_before_the_second():
    pha = np.float32([[1, 0.5, 0, 0]])
    fgr, other = np.full((1, 4, 3), 0.2, np.float32), np.full((1, 4, 3), 0.8, np.float32)
    mixed, joint = over(fgr, pha, other, np.float32([[1, 1, 1, 0]]))
    np.testing.assert_allclose(joint, [[1, 1, 1, 0]])
    np.testing.assert_allclose(mixed[0, :3, 0], [0.2, 0.5, 0.8], atol=1e-6)


@pytest.mark.parametrize("kind", sorted(set(PATTERNS)))
def test_patterns_are_premultiplied_and_thin(monkeypatch, kind):
    monkeypatch.setattr("dataset.people.dataset.PATTERNS", (kind,))
    drawn = pattern(np.random.default_rng(3), (90, 120))
    assert drawn.shape == (90, 120, 4) and drawn[..., 3].any()
    colour, alpha = drawn[..., :3].astype(int), drawn[..., 3:].astype(int)
    assert (colour <= alpha + 1).all()


def test_backgrounds_have_the_size_that_is_asked_for():
    for seed in range(12):
        back = make_background(np.random.default_rng(seed), room(), (101, 77))
        assert back.shape == (101, 77, 3) and back.dtype == np.uint8


# --------------------------------------------------------------------------------------------------------------- shots
def test_a_second_shot_that_is_not_moved_equals_the_frame_and_others_are_near_it():
    rng, smooth = np.random.default_rng(0), cv2.GaussianBlur(room(96 + 2 * MARGIN, 128 + 2 * MARGIN), (0, 0), 4)
    frame = smooth[MARGIN : MARGIN + 96, MARGIN : MARGIN + 128]
    differences = [np.abs(displaced(rng, smooth, (96, 128)).astype(int) - frame).mean() for _ in range(60)]
    assert 10 <= sum(d == 0 for d in differences) <= 50 and max(differences) < 25


def test_shadows_darken_and_an_exposure_keeps_black_and_range():
    back, pha = np.full((64, 80, 3), 200, np.uint8), np.zeros((64, 80), np.float32)
    pha[20:, 30:50] = 1
    means = [shaded(np.random.default_rng(i), back, pha).mean() for i in range(30)]
    assert min(means) < 200 / 255 - 0.01 and max(means) < 200 / 255 + 0.03
    shot = exposed(np.random.default_rng(1), back, dim=0.5)
    assert shot.dtype == np.float32 and 0.3 < shot.mean() < 0.5


def test_noise_has_the_strength_that_is_asked_for():
    shot = np.full((120, 160, 3), 0.5, np.float32)
    sigmas = [(noisy(np.random.default_rng(i), shot, 0.02) - shot).std() for i in range(10)]
    assert 0.006 < min(sigmas) and max(sigmas) < 0.045


def test_both_shots_are_bytes_of_the_same_camera():
    rng = np.random.default_rng(0)
    picture = cv2.GaussianBlur(room(320, 330), (0, 0), 6).astype(np.float32) / 255
    for _ in range(12):
        src, bgr, pha = shoot(rng, picture.copy(), picture.copy(), np.ones((320, 330), np.float32))
        assert src.dtype == bgr.dtype == np.uint8 and src.shape == bgr.shape == (320, 330, 3)
        assert np.abs(src.astype(float).mean() - bgr.mean()) < 2 and pha.min() > 0.999
