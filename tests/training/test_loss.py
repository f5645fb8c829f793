"""utils/training/loss.py against values and gradients of the PyTorch original's formulas (tests/data/losses.npz).

The file's inputs `in/*` are multiples of 1/256, kept as uint16; the terms were computed in float64. The Laplacian
values come from the first Paddle reproduction's formula.
"""

from pathlib import Path

import numpy as np
import paddle
import pytest

from utils.training.loss import laplacian_l1, original_loss, sobel

GOLDEN = np.load(Path(__file__).resolve().parents[1] / "data" / "losses.npz")
BASE = ["pha_l1", "pha_sobel_l1", "fgr_l1", "err_mse"]
# our names -> the recorded ones
REFINE = {
    "pha_l1": "pha_lg_l1",
    "pha_sm_l1": "pha_sm_l1",
    "pha_sobel_l1": "pha_lg_sobel_l1",
    "pha_sm_sobel_l1": "pha_sm_sobel_l1",
    "fgr_l1": "fgr_lg_l1",
    "fgr_sm_l1": "fgr_sm_l1",
    "err_mse": "err_mse",
}


def picture(name, gradient=False, dtype="float32"):
    value = GOLDEN[name]
    tensor = paddle.to_tensor((value.astype("float32") / 256).astype(dtype))
    tensor.stop_gradient = not gradient
    return tensor


def assert_gradient(tensor, name):
    expected = GOLDEN[name]
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(tensor.grad.numpy(), expected, rtol=0, atol=1e-8)


def refine_inputs(gradient=False):
    return {name: picture(f"in/pred_{name}", gradient) for name in ("pha", "fgr", "pha_sm", "fgr_sm", "err_sm")}


def test_base_terms_and_gradients_equal_the_original():
    out = {name: picture(f"in/pred_{name}", gradient=True) for name in ("pha", "fgr", "err")}
    terms = original_loss(out, picture("in/true_pha"), picture("in/true_fgr"), use_laplacian=False)
    assert list(terms) == [*BASE, "total"]
    for name in BASE:
        assert float(terms[name]) == pytest.approx(float(GOLDEN[f"base/term/{name}"]), abs=1e-6)
    assert float(terms["total"]) == pytest.approx(float(GOLDEN["base/total"]), abs=1e-6)
    terms["total"].backward()
    for name, tensor in out.items():
        assert_gradient(tensor, f"base/grad/pred_{name}")


def test_refine_terms_and_gradients_equal_the_original():
    inputs = refine_inputs(gradient=True)
    terms = original_loss(inputs, picture("in/true_pha"), picture("in/true_fgr"), use_laplacian=False)
    assert list(terms) == [*REFINE, "total"]
    for name, recorded in REFINE.items():
        assert float(terms[name]) == pytest.approx(float(GOLDEN[f"refine/term/{recorded}"]), abs=1e-6)
    assert float(terms["total"]) == pytest.approx(float(GOLDEN["refine/total"]), abs=1e-6)
    terms["total"].backward()
    for name, tensor in zip(["pha_lg", "fgr_lg", "pha_sm", "fgr_sm", "err_sm"], inputs.values()):
        assert_gradient(tensor, f"refine/grad/pred_{name}")


@pytest.mark.parametrize("case, folder", [("laplacian_64", "in"), ("laplacian_odd", "laplacian_odd/in")])
def test_laplacian_value_and_gradient_equal_the_pyramid_of_each_picture(case, folder):
    pred, true = picture(f"{folder}/pred_pha", gradient=True), picture(f"{folder}/true_pha")
    value = laplacian_l1(pred, true)
    assert float(value) == pytest.approx(float(GOLDEN[f"{case}/value"]), abs=1e-6)
    value.backward()
    assert_gradient(pred, f"{case}/grad/pred_pha")


def test_laplacian_is_part_of_the_total_unless_switched_off():
    inputs, truth = refine_inputs(), (picture("in/true_pha"), picture("in/true_fgr"))
    plain, full = original_loss(inputs, *truth, use_laplacian=False), original_loss(inputs, *truth)
    added = full["pha_laplacian"] + full["pha_sm_laplacian"]
    assert float(full["pha_laplacian"]) == pytest.approx(float(GOLDEN["laplacian_64/value"]), abs=1e-6)
    assert float(full["total"] - plain["total"]) == pytest.approx(float(added), abs=1e-6)


def test_small_pictures_have_a_laplacian_of_fewer_levels():
    pred = paddle.rand([2, 1, 7, 9])
    assert float(laplacian_l1(pred, paddle.zeros_like(pred))) > 0
    assert float(laplacian_l1(pred, pred)) == 0


def test_sobel_of_a_flat_picture_is_the_root_of_epsilon():
    np.testing.assert_allclose(sobel(paddle.full([1, 3, 5, 6], 0.5)).numpy(), 1e-3, rtol=1e-4)


def test_loss_is_float32_inside_autocast():
    half = {name: picture(f"in/pred_{name}").astype("bfloat16") for name in ("pha", "fgr", "err")}
    truth = picture("in/true_pha"), picture("in/true_fgr")
    with paddle.amp.auto_cast(level="O1", dtype="bfloat16"):
        terms = original_loss(half, *truth)
    plain = original_loss({name: x.astype("float32") for name, x in half.items()}, *truth)
    for name, term in terms.items():
        assert term.dtype == paddle.float32
        assert float(term) == float(plain[name])
