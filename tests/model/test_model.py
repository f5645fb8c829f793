"""Layers and whole networks: statistics, traced programs, odd sizes."""

import numpy as np
import paddle
import pytest

from model import MattingBase, MattingRefine, layers
from model.layers import BatchNorm2D, Conv2D
from model.resize import bilinear, scaled_size
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


def outputs_and_gradients(monkeypatch, function, x, weights, on_cpu_path):
    """function(x) and the gradients of a weighted sum of it to x and the weights, on Paddle's or the second path."""
    with monkeypatch.context() as patch:
        taken = []
        decide = layers.trains_on_cpu
        patch.setattr(layers, "trains_on_cpu", lambda x: taken.append(decide(x)) or (taken[-1] and on_cpu_path))
        x = paddle.to_tensor(x, stop_gradient=False)
        y = function(x)
        factor = paddle.to_tensor(seeded.normal("factor", y.shape))
        gradients = paddle.grad([(y * factor).sum()], [x, *weights])
    assert any(taken)
    return [t.numpy() for t in (y, *gradients)]


@pytest.mark.parametrize("source, size", [((8, 5), (16, 10)), ((7, 9), (13, 18)), ((1, 1), (3, 4)), ((9, 12), (4, 12))])
def test_training_on_a_cpu_resizes_as_paddle_does(monkeypatch, source, size):
    x = seeded.normal(f"resized {source}", (2, 3, *source))
    mine, paddles = (outputs_and_gradients(monkeypatch, lambda x: bilinear(x, size), x, [], p) for p in (True, False))
    for a, b in zip(mine, paddles):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        dict(padding=1, groups=6),
        dict(padding=2, dilation=2, groups=6),
        dict(padding=1, groups=6, stride=2),
        dict(groups=6),
        dict(padding=1, bias=True),
        dict(bias=True),
    ],
)
def test_training_on_a_cpu_convolves_as_paddle_does(monkeypatch, options):
    layer = Conv2D(6, 6, 3, **options)
    x = seeded.normal("convolved", (2, 6, 9, 11))
    mine, paddles = (outputs_and_gradients(monkeypatch, layer, x, layer.parameters(), p) for p in (True, False))
    for a, b in zip(mine, paddles):
        np.testing.assert_allclose(a, b, atol=2e-5)


def test_training_on_a_cpu_splits_as_paddle_does(monkeypatch):
    x = seeded.normal("split", (2, 37, 5, 6)) + 0.5
    for part in range(4):  # the others are left without a gradient
        mine, paddles = (
            outputs_and_gradients(monkeypatch, lambda x, part=part: MattingBase._split(x)[part], x, [], p)
            for p in (True, False)
        )
        for a, b in zip(mine, paddles):
            np.testing.assert_array_equal(a, b)


def test_a_traced_program_and_a_prediction_take_paddles_path():
    x = paddle.ones([1, 6, 4, 4])
    assert not layers.trains_on_cpu(x)
    x.stop_gradient = False
    assert layers.trains_on_cpu(x) == (paddle.get_device() == "cpu")
    assert not layers.trains_on_cpu(x.astype("float64"))
    paddle.enable_static()
    try:
        with paddle.static.program_guard(paddle.static.Program()):
            assert not layers.trains_on_cpu(paddle.static.data("x", [1, 6, 4, 4]))
    finally:
        paddle.disable_static()


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
