"""What must hold for any two alphas of any size: metrics, trimaps and composites."""

import numpy as np
import pytest

from tests.properties import given, pictures, seeds, settings, sides, st
from utils.evaluation import metric
from utils.evaluation.metric import RULES, make_trimap
from utils.picture.blend import blend

SYMMETRIC = (metric.sad, metric.mse, metric.mad, metric.grad, metric.conn)
small = st.integers(1, 40)


@st.composite
def alphas(draw, count=2):
    """uint8 alphas of one size: blocks of full, empty and soft places, or noise."""
    height, width, block = draw(sides), draw(small), draw(st.integers(1, 9))
    rng = np.random.default_rng(draw(seeds))

    def one():
        if block == 1:
            return pictures(rng, height, width)
        levels = rng.choice([0, 255, 255, 38, 128, 217], (-(-height // block), -(-width // block)))
        return np.kron(levels, np.ones((block, block))).astype(np.uint8)[:height, :width]

    return [one() for _ in range(count)]


@given(alphas(1))
def test_equal_alphas_have_no_error(pair):
    assert [function(pair[0], pair[0]) for function in SYMMETRIC] == [0] * 5
    assert [function(pair[0], pair[0] / 255) for function in SYMMETRIC] == pytest.approx([0] * 5, abs=1e-9)
    trimap = make_trimap(pair[0])
    assert [function(pair[0], pair[0], trimap) for function in SYMMETRIC] == [0] * 5
    assert metric.dtssd(pair * 3, pair * 3) == 0


@given(alphas())
def test_errors_are_positive_and_the_same_both_ways(pair):
    pred, true = pair
    for function in SYMMETRIC:
        assert function(pred, true) == pytest.approx(function(true, pred), rel=1e-12)
        assert function(pred, true) >= 0
    assert (metric.sad(pred, true) == 0) is bool((pred == true).all())


@given(alphas())
def test_errors_do_not_depend_on_how_a_picture_is_turned(pair):
    for function in SYMMETRIC[:4]:  # conn takes the first of equally large regions
        expected = function(*pair)
        for turn in (np.flipud, np.fliplr, np.transpose):
            assert function(*map(turn, pair)) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(alphas(), st.integers(2, 5))
def test_more_of_the_same_adds_to_sums_and_leaves_means(pair, count):
    tiled = [np.tile(alpha, (count, 1)) for alpha in pair]
    assert metric.sad(*tiled) == pytest.approx(count * metric.sad(*pair))
    for function in (metric.mse, metric.mad):
        assert function(*tiled) == pytest.approx(function(*pair))


@given(alphas())
def test_mad_and_mse_follow_from_the_differences(pair):
    pred, true = pair
    difference = np.abs(pred.astype(float) - true) / 255
    assert metric.sad(pred, true) == pytest.approx(difference.sum() / 1000)
    assert metric.mad(pred, true) == pytest.approx(difference.mean() * 1000)
    assert metric.mse(pred, true) == pytest.approx((difference**2).mean() * 1000)
    assert metric.mse(pred, true) <= metric.mad(pred, true) * (1 + 1e-9)
    assert metric.conn(pred, true) <= pred.size / 1000


@given(alphas())
def test_a_trimap_that_leaves_everything_unknown_changes_nothing(pair):
    pred, true = pair
    unknown = np.full(pred.shape, metric.UNKNOWN, np.uint8)
    for function in SYMMETRIC:
        assert function(pred, true, unknown) == pytest.approx(function(pred, true), rel=1e-9)


@given(alphas(3))
def test_the_parts_of_a_picture_add_up(pictures_):
    pred, true, mask = pictures_
    inside = np.where(mask > 127, metric.UNKNOWN, 0).astype(np.uint8)
    outside = np.where(mask > 127, 255, metric.UNKNOWN).astype(np.uint8)
    for function in (metric.sad, metric.grad, metric.conn):
        parts = function(pred, true, inside) + function(pred, true, outside)
        assert parts == pytest.approx(function(pred, true), rel=1e-9, abs=1e-12)


@given(alphas(), st.floats(0.05, 1), st.floats(0, 0.9))
def test_grad_sees_no_change_of_contrast(pair, contrast, offset):
    """Each alpha is stretched to 0..1 first."""
    pred, true = pair[0] / 255, pair[1] / 255
    flatter = np.clip(true * contrast * (1 - offset) + offset, 0, 1)
    assert metric.grad(pred, flatter) == pytest.approx(metric.grad(pred, true), rel=1e-6, abs=1e-12)


@given(alphas(), seeds)
def test_foreground_error_is_that_of_the_places_with_alpha(pair, seed):
    true_pha, _ = pair
    rng = np.random.default_rng(seed)
    pred, true = (pictures(rng, *true_pha.shape, 3) for _ in range(2))
    squares = np.square((pred.astype(float) - true) / 255)[true_pha > 0]
    assert metric.fgr_mse(pred, true, true_pha) == pytest.approx(squares.sum() / pred.size * 1000)
    changed = np.where((true_pha > 0)[..., None], pred, 255 - pred)
    assert metric.fgr_mse(changed, true, true_pha) == pytest.approx(metric.fgr_mse(pred, true, true_pha))


@given(alphas(4), st.integers(2, 6))
def test_flicker_is_the_same_backwards_and_not_less_for_repeated_frames(frames, count):
    preds, trues = frames[:2] * count, frames[2:] * count
    value = metric.dtssd(preds, trues)
    assert value == pytest.approx(metric.dtssd(preds[::-1], trues[::-1]))
    assert value == pytest.approx(metric.dtssd(frames[:2], frames[2:]))


# ------------------------------------------------------------------------------------------------------------- trimaps
@settings(max_examples=30)
@given(alphas(1), st.sampled_from(RULES))
def test_known_pixels_are_what_they_are_called(pair, rule):
    pha = pair[0]
    trimap = make_trimap(pha, rule)
    assert trimap.shape == pha.shape and trimap.dtype == np.uint8 and set(np.unique(trimap)) <= {0, 128, 255}
    soft = (pha > 0.06 * 255) & (pha < 0.96 * 255)
    assert (trimap[soft] == metric.UNKNOWN).all()
    assert (pha[trimap == 255] > 127).all() and (pha[trimap == 0] < 128).all()
    for turn in (np.flipud, np.fliplr, np.transpose):
        np.testing.assert_array_equal(make_trimap(turn(pha), rule), turn(trimap))


@given(alphas(1))
def test_a_full_or_empty_alpha_turned_round_has_the_same_unknown_band_by_the_reference(pair):
    """The rule counts every value that is not pure; black and white take each other's place."""
    trimap, turned = make_trimap(pair[0], "reference"), make_trimap(255 - pair[0], "reference")
    np.testing.assert_array_equal(trimap == metric.UNKNOWN, turned == metric.UNKNOWN)
    np.testing.assert_array_equal(trimap == 255, turned == 0)


# ---------------------------------------------------------------------------------------------------------- composites
@given(alphas(1), seeds)
def test_a_composite_lies_between_its_two_pictures(pair, seed):
    pha = pair[0]
    rng = np.random.default_rng(seed)
    fgr, bgr = (pictures(rng, *pha.shape, 3) for _ in range(2))
    com = blend(fgr, pha, bgr)
    assert com.dtype == np.uint8
    assert (com >= np.minimum(fgr, bgr)).all() and (com <= np.maximum(fgr, bgr)).all()
    np.testing.assert_array_equal(com[pha == 255], fgr[pha == 255])
    np.testing.assert_array_equal(com[pha == 0], bgr[pha == 0])
    np.testing.assert_array_equal(blend(fgr, pha, fgr), fgr)
    exact = (fgr * (pha / 255)[..., None]) + bgr * (1 - pha / 255)[..., None]
    assert np.abs(com - exact).max() <= 0.5 + 1e-9
