"""Metrics against the original Octave scripts (tests/data/metrics.*) and against cases worked out by hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from utils.evaluation import metric
from utils.evaluation.metric import make_trimap

DATA = Path(__file__).resolve().parents[1] / "data"
RECORDED = json.loads((DATA / "metrics.json").read_text())
# Recorded name -> function and what a recorded number is multiplied by to get the unit that papers print.
RECORDED_UNITS = {"SAD": ("sad", 1), "MSE": ("mse", 1000), "Grad": ("grad", 1e-3), "Conn": ("conn", 1e-3)}
ALPHA_METRICS = [metric.sad, metric.mse, metric.mad, metric.grad, metric.conn]


@pytest.fixture(scope="module")
def arrays():
    with np.load(DATA / "metrics.npz") as recorded:
        return dict(recorded)


def soft_disc(height=48, width=64, radius=14):
    y, x = np.mgrid[:height, :width]
    distance = np.hypot(y - height / 2, x - width / 2)
    return (np.clip((radius - distance) / 6 + 0.5, 0, 1) * 255).round().astype(np.uint8)


@pytest.mark.parametrize("name", RECORDED_UNITS)
@pytest.mark.parametrize("setting", ["with_trimap", "without_trimap"])
@pytest.mark.parametrize("case", RECORDED)
def test_alpha_metrics_equal_the_original_scripts(arrays, case, setting, name):
    function, unit = RECORDED_UNITS[name]
    trimap = arrays[f"{case}/trimap"] if setting == "with_trimap" else None
    value = getattr(metric, function)(arrays[f"{case}/pred"], arrays[f"{case}/true"], trimap)
    assert value == pytest.approx(RECORDED[case][setting][name] * unit, rel=1e-5, abs=1e-12)


@pytest.mark.parametrize("setting", ["with_trimap", "without_trimap"])
@pytest.mark.parametrize("case", [case for case in RECORDED if case.endswith("96x96")])
def test_foreground_mse_equals_the_original_script(arrays, case, setting):
    pred, true, pha = (arrays[f"{case}/{part}"] for part in ("pred_fgr", "true_fgr", "true"))
    trimap = arrays[f"{case}/trimap"] if setting == "with_trimap" else None
    expected = RECORDED[case][setting]["fg_MSE"] * 1000
    assert metric.fgr_mse(pred, true, pha, trimap) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("case", RECORDED)
def test_reference_protocol_equals_the_earlier_reproduction(arrays, case):
    pred, true = arrays[f"{case}/pred"], arrays[f"{case}/true"]
    expected = RECORDED[case]["reference"]
    trimap = make_trimap(true, rule="reference")
    assert np.count_nonzero(trimap == 128) == expected["unknown_pixels"]
    assert metric.reference_sad(pred, true, trimap) == pytest.approx(expected["SAD"], rel=1e-6)
    assert metric.reference_mse(pred, true, trimap) == pytest.approx(expected["MSE"], rel=1e-6)


def test_black_against_white_is_every_pixel_wrong():
    zeros, ones = np.zeros((20, 30), np.uint8), np.full((20, 30), 255, np.uint8)
    assert metric.sad(zeros, ones) == pytest.approx(0.6)
    assert metric.mse(zeros, ones) == pytest.approx(1000)
    assert metric.mad(zeros, ones) == pytest.approx(1000)
    # Flat pictures have no gradient, however far apart they are.
    assert metric.grad(zeros, ones) == 0
    # No pixel is opaque in both, so every level stays 0: phi is 1 - 0 on black and 1 - 1 on white.
    assert metric.conn(zeros, ones) == pytest.approx(0.6)


@pytest.mark.parametrize("value", [0, 255])
def test_equal_flat_alphas_have_no_error(value):
    alpha = np.full((20, 30), value, np.uint8)
    assert [function(alpha, alpha) for function in ALPHA_METRICS] == [0] * 5


def test_one_wrong_pixel_counts_once():
    true = np.full((10, 40), 255, np.uint8)
    pred = true.copy()
    pred[4, 7] = 51  # off by 0.8
    assert metric.sad(pred, true) == pytest.approx(0.8e-3)
    assert metric.mse(pred, true) == pytest.approx(0.64 / 400 * 1000)
    assert metric.mad(pred, true) == pytest.approx(0.8 / 400 * 1000)
    # It belongs to the region up to level 0.2: phi is 1 (pred, d = 0) against 1 - 0.8 (true).
    assert metric.conn(pred, true) == pytest.approx(0.8e-3)
    # The wrong pixel stretches pred to 1 (elsewhere) and 0 (there): the filters see a unit impulse, so the squares sum
    # to the squared norm of both kernels, which is 1 each.
    assert metric.grad(pred, true) == pytest.approx(2e-3, rel=1e-2)


def test_connectivity_forgives_less_than_its_tolerance():
    true = np.full((10, 10), 255, np.uint8)
    pred = true.copy()
    pred[0, 0] = 230  # 0.902: level 0.9, so d is 0.002 for pred and 0.1 for true
    assert metric.conn(pred, true) == 0
    pred[0, 0] = 229  # 0.898: level 0.8, so d is 0.098 for pred and 0.2 for true
    assert metric.conn(pred, true) == pytest.approx(0.2e-3, rel=1e-5)


def test_connectivity_counts_a_distance_of_exactly_its_tolerance():
    true = np.zeros((4, 5), np.float32)
    pred = true.copy()
    pred[1, 2] = 0.15
    assert metric.conn(pred, true) == pytest.approx(0.15e-3)
    pred[1, 2] = 0.149
    assert metric.conn(pred, true) == 0


def test_connectivity_does_not_join_across_a_corner():
    pred = np.zeros((6, 6), np.float32)
    pred[:3, :4] = 1
    pred[3:5, 4:6] = 1  # touches the other block at a corner only
    # The smaller block's level is 0 in both alphas, so a truth that is half there differs by phi's half.
    true = pred.copy()
    true[3:5, 4:6] = 0.5
    assert metric.conn(pred, true) == pytest.approx(4 * 0.5e-3)


def test_of_equal_regions_in_one_column_the_upper_one_is_taken():
    pred = np.zeros((9, 7), np.float32)
    pred[1:3, 2:4] = pred[5:7, 2:4] = 1
    true = pred.copy()
    true[5:7, 2:4] = 0.55
    # Apart from the region: level 0, phi differs by the alphas' difference. In it, its level would be 0.5, and by 0.5.
    assert metric.conn(pred, true) == pytest.approx(4 * 0.45e-3)


def test_only_unknown_pixels_count():
    true = soft_disc()
    pred = 255 - true
    trimap = np.zeros(true.shape, np.uint8)
    assert [function(pred, true, trimap) for function in ALPHA_METRICS] == [0] * 5
    trimap[3, 5] = 128
    difference = abs(int(pred[3, 5]) - int(true[3, 5])) / 255
    assert metric.sad(pred, true, trimap) == pytest.approx(difference / 1000)
    assert metric.mse(pred, true, trimap) == pytest.approx(difference**2 * 1000)
    trimap[3, 5] = 255
    assert metric.sad(pred, true, trimap) == 0


def test_foreground_counts_only_where_the_true_alpha_is_not_zero():
    true = np.zeros((2, 5, 3), np.uint8)
    pred = true.copy()
    pred[0, 0, 1] = 255
    pred[1, 1, 0] = 51
    pha = np.zeros((2, 5), np.uint8)
    pha[1, 1] = 1
    assert metric.fgr_mse(pred, true, pha) == pytest.approx(0.04 / 30 * 1000)
    pha[0, 0] = 1
    assert metric.fgr_mse(pred, true, pha) == pytest.approx(1.04 / 30 * 1000)


def test_flicker_is_the_change_of_the_error():
    still = np.zeros((4, 5, 5), np.float32)
    assert metric.dtssd(still + np.float32(0.25), still) == 0
    flicker = still.copy()
    flicker[1:3] = 0.5  # changes by 0.5, 0, -0.5
    assert metric.dtssd(flicker, still) == pytest.approx(100 * (0.5 + 0 + 0.5) / 3)
    one_pixel = still.copy()
    one_pixel[1, 0, 0] = 1  # sqrt(1 / 25) twice
    assert metric.dtssd(one_pixel, still) == pytest.approx(100 * (0.2 + 0.2 + 0) / 3)
    assert metric.dtssd(iter(flicker), iter(flicker)) == 0


@pytest.mark.parametrize("function", ALPHA_METRICS)
def test_floats_and_bytes_give_the_same_number(function):
    true, pred = soft_disc(), soft_disc(radius=12)
    expected = function(pred, true)
    assert expected > 0
    assert function((pred / 255).astype(np.float32), true) == pytest.approx(expected, rel=1e-5)
    assert function(pred / 255, (true / 255).astype(np.float32)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("function", ALPHA_METRICS)
def test_inputs_stay_unchanged(function):
    true, pred = soft_disc(), soft_disc(radius=12)
    trimap = make_trimap(true)
    for array in (true, pred, trimap):
        array.setflags(write=False)
    copies = [array.copy() for array in (pred, true, trimap)]
    function(pred, true, trimap)
    for array, copy in zip((pred, true, trimap), copies):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize(
    "pred, true, words",
    [
        (np.zeros((4, 5), np.uint8), np.zeros((5, 4), np.uint8), "sizes must agree"),
        (np.zeros((4, 5), np.int32), np.zeros((4, 5), np.uint8), "uint8 or floating"),
        (np.zeros((4, 5), bool), np.zeros((4, 5), np.uint8), "uint8 or floating"),
        (np.full((4, 5), 1.5), np.zeros((4, 5)), "0..1"),
        (np.full((4, 5), -0.5), np.zeros((4, 5)), "0..1"),
        (np.full((4, 5), np.nan), np.zeros((4, 5)), "0..1"),
        (np.zeros((4, 5, 3), np.uint8), np.zeros((4, 5, 3), np.uint8), r"\(H, W\)"),
    ],
)
@pytest.mark.parametrize("function", ALPHA_METRICS)
def test_wrong_inputs_are_refused(function, pred, true, words):
    with pytest.raises(ValueError, match=words):
        function(pred, true)


def test_wrong_trimaps_and_sequences_are_refused():
    alpha = np.zeros((4, 5), np.uint8)
    with pytest.raises(ValueError, match="trimap must be uint8"):
        metric.sad(alpha, alpha, alpha.astype(bool))
    with pytest.raises(ValueError, match="trimap must be uint8"):
        metric.sad(alpha, alpha, alpha.T)
    with pytest.raises(ValueError, match="sizes must agree"):
        metric.dtssd([alpha, alpha], [alpha])
    with pytest.raises(ValueError, match="at least two"):
        metric.dtssd([alpha], [alpha])
    with pytest.raises(ValueError, match="shapes"):
        metric.dtssd([alpha, alpha.T], [alpha, alpha.T])
