"""The loss of the recipe `people` against values and gradients that PyTorch gave for the same formulas.

tests/data/people_loss.npz: inputs `in/*` are multiples of 1/512, kept as int16; the rest was computed in float64,
without the Laplacian terms, which are those of tests/training/test_loss.py.
"""

from pathlib import Path

import numpy as np
import paddle
import pytest

from utils.training.loss import averaged_down, flat_margin, people_loss

GOLDEN = np.load(Path(__file__).resolve().parents[1] / "data" / "people_loss.npz")
PREDICTED = {"pha": "raw_pha", "fgr": "fgr", "pha_sm": "raw_pha_sm", "fgr_sm": "fgr_sm", "err_sm": "raw_err_sm"}
PARTS = {
    "fine": [f"pha_{name}" for name in ("l1", "sobel_l1", "square", "raw", "flat")],
    "coarse": [f"pha_sm_{name}" for name in ("l1", "sobel_l1", "square", "raw", "flat")],
    "colour": ["fgr", "fgr_sm"],
    "error": ["err_mse"],
}


def picture(name):
    tensor = paddle.to_tensor(GOLDEN[f"in/{name}"].astype("float32") / 512)
    tensor.stop_gradient = name.startswith("true")
    return tensor


def test_terms_and_gradients_equal_the_recorded_ones():
    predicted = {name: picture(recorded) for name, recorded in PREDICTED.items()}
    terms = people_loss(predicted, picture("true_pha"), picture("true_fgr"), use_laplacian=False)
    for part, names in PARTS.items():
        assert sum(float(terms[name]) for name in names) == pytest.approx(float(GOLDEN[f"part/{part}"]), abs=1e-5)
    assert float(terms["total"]) == pytest.approx(float(GOLDEN["total"]), abs=1e-5)
    assert set(terms) == {*sum(PARTS.values(), []), "total"}
    terms["total"].backward()
    for name, tensor in predicted.items():
        expected = GOLDEN[f"grad/{PREDICTED[name]}"]
        assert np.abs(expected).max() > 1e-4
        np.testing.assert_allclose(tensor.grad.numpy(), expected, rtol=0, atol=2e-8)


def test_the_laplacian_terms_are_added():
    predicted = {name: picture(recorded) for name, recorded in PREDICTED.items()}
    terms = people_loss(predicted, picture("true_pha"), picture("true_fgr"))
    assert float(terms["total"]) == pytest.approx(
        float(GOLDEN["total"]) + float(terms["pha_laplacian"]) + float(terms["pha_sm_laplacian"]), abs=1e-5
    )


def test_only_values_far_from_edges_are_asked_to_be_exact():
    true = np.zeros((1, 1, 24, 40), np.float32)
    true[..., 20:] = 1
    raw = paddle.to_tensor(true)
    missing = float(flat_margin(raw, paddle.to_tensor(true), 8))
    assert missing == pytest.approx(0.02 * (40 - 16) / 40, rel=1e-4)
    assert float(flat_margin(raw * 1.04 - 0.02, paddle.to_tensor(true), 8)) == pytest.approx(0, abs=1e-6)


def test_averaging_down_keeps_the_mean_and_a_flat_picture():
    x = paddle.rand([1, 2, 30, 41])
    small = averaged_down(x, [11, 13])
    assert small.shape == [1, 2, 11, 13]
    np.testing.assert_allclose(averaged_down(paddle.full([1, 1, 9, 9], 0.25), [4, 5]).numpy(), 0.25, rtol=1e-6)
    assert abs(float(small.mean() - x.mean())) < 0.02
