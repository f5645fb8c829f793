"""Layers and whole networks: statistics, traced programs, odd sizes."""

import numpy as np
import paddle
import pytest

from model import MattingBase, MattingRefine
from model.layers import BatchNorm2D
from model.resize import scaled_size
from tests.parity import seeded
from tests.parity.measure import load, run


def test_batch_norm_keeps_the_unbiased_variance():
    x = paddle.to_tensor(seeded.normal("batch norm", (2, 3, 1, 1)) * 3 + 1)
    norm = BatchNorm2D(3)
    norm(x)
    variance = x.numpy().reshape(2, 3).var(axis=0, ddof=1)
    np.testing.assert_allclose(norm._variance.numpy(), 0.9 + 0.1 * variance, rtol=1e-5)
    np.testing.assert_allclose(norm._mean.numpy(), 0.1 * x.numpy().reshape(2, 3).mean(axis=0), rtol=1e-5)
    statistics = norm._variance.numpy()
    norm.eval()
    norm(x)
    np.testing.assert_array_equal(norm._variance.numpy(), statistics)


def test_batch_norm_refuses_a_single_value():
    with pytest.raises(ValueError, match="one value per channel"):
        BatchNorm2D(3)(paddle.ones([1, 3, 1, 1]))


def test_unknown_backbone_is_named():
    with pytest.raises(ValueError, match="vgg16"):
        MattingBase("vgg16")


@pytest.mark.parametrize("size", [(33, 47), (1, 1), (2, 31), (16, 16)])
def test_base_takes_any_size(size):
    model = load(MattingBase("mobilenetv2"))
    model.eval()
    pha, fgr, err, hid = run(model, *seeded.pair(f"any {size}", 1, *size))
    assert pha.shape[2:] == list(size) and fgr.shape[1] == 3 and hid.shape[1] == 32
    assert all(np.isfinite(x.numpy()).all() for x in (pha, fgr, err, hid))


def test_coarse_size_is_rounded_down():
    assert scaled_size(paddle.zeros([1, 3, 52, 84]), 0.3) == (15, 25)


@pytest.mark.parametrize("mode", ["sampling", "thresholding", "full"])
def test_traced_program_with_dynamic_shapes_equals_the_model(mode, tmp_path):
    model = load(MattingRefine("mobilenetv2", 0.25, mode, 3_200, 0.4))
    model.eval()
    spec = [paddle.static.InputSpec([None, 3, None, None], "float32", name) for name in ("src", "bgr")]
    traced = paddle.jit.to_static(model, input_spec=spec, full_graph=True)
    paddle.jit.save(traced, str(tmp_path / "net"))
    program = paddle.jit.load(str(tmp_path / "net"))
    program.eval()
    fresh = load(MattingRefine("mobilenetv2", 0.25, mode, 3_200, 0.4))
    fresh.eval()
    for batch, height, width in ((1, 64, 96), (2, 100, 52), (1, 32, 36)):
        pair = seeded.pair(f"traced {batch}", batch, height, width)
        for a, b in zip(run(program, *pair), run(fresh, *pair)):
            assert a.shape == b.shape
            np.testing.assert_allclose(a.numpy(), b.numpy(), atol=2e-5)


def test_traced_program_refines_nothing_where_nothing_is_marked(tmp_path):
    model = load(MattingRefine("mobilenetv2", 0.25, "thresholding", refine_threshold=2.0))
    model.eval()
    pair = seeded.pair("nothing", 1, 64, 96)
    expected = [x.numpy() for x in run(model, *pair)]
    spec = [paddle.static.InputSpec([None, 3, None, None], "float32", name) for name in ("src", "bgr")]
    paddle.jit.save(paddle.jit.to_static(model, input_spec=spec, full_graph=True), str(tmp_path / "net"))
    program = paddle.jit.load(str(tmp_path / "net"))
    program.eval()
    for a, b in zip(run(program, *pair), expected):
        np.testing.assert_allclose(a.numpy(), b, atol=2e-5)
