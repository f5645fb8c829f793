"""The two programs and the gathers between them against the network itself, cell by cell."""

import numpy as np
import paddle
import pytest

from model import MattingRefine
from model.resize import bilinear
from tests.prediction.test_predictor import scene
from utils.engine.presets import Refine
from utils.engine.programs import CoarseProgram, TileProgram
from utils.engine.tiles import TiledMatting, choose_cells, enlarge_into, reduce_picture, windows, with_gaps
from utils.picture.levels import to_tensor, to_uint8
from utils.weights.load import DEFAULT_WEIGHTS, our_names, read_state

STATE = our_names(read_state(DEFAULT_WEIGHTS))


def network(scale, mode, pixels=8_000, threshold=0.1, kernel=3):
    """The shipped weights; with 1x1 kernels the refiner's stay random, times five so that they matter."""
    paddle.seed(0)
    model = MattingRefine("mobilenetv2", scale, mode, pixels, threshold, kernel)
    own = model.state_dict()
    state = {k: v for k, v in STATE.items() if tuple(own[k].shape) == v.shape}
    state.update({k: v.numpy() * 5 for k, v in own.items() if k not in state})
    model.set_state_dict(state)
    return model.eval() or model


def as_function(layer):
    def run(*arrays):
        with paddle.no_grad():
            outputs = layer(*[paddle.to_tensor(x) for x in arrays])
        return [x.numpy() for x in (outputs if isinstance(outputs, (list, tuple)) else [outputs])]

    return run


def tiled(model, n=4):
    return TiledMatting(
        as_function(CoarseProgram(model)), [as_function(TileProgram(model))], model.refiner.kernel_size, n=n, batch=16
    )


@pytest.mark.parametrize(
    "size, scale, mode, n, kernel",
    [
        ((180, 320), 1 / 4, "sampling", 4, 3),
        ((180, 320), 1 / 2, "thresholding", 4, 3),
        ((180, 320), 1 / 8, "full", 2, 3),
        ((180, 320), 0.375, "sampling", 8, 3),
        ((100, 148), 0.31, "full", 4, 3),
        ((52, 36), 1 / 2, "full", 4, 3),
        ((16, 400), 1 / 4, "full", 4, 3),
        ((4, 4), 1 / 2, "full", 4, 3),
        ((180, 320), 1 / 4, "full", 4, 1),
        ((100, 148), 0.31, "sampling", 4, 1),
    ],
)
def test_tiles_equal_the_network(size, scale, mode, n, kernel):
    src, bgr = scene(*size)
    model = network(scale, mode, kernel=kernel)
    with paddle.no_grad():
        pha, fgr, _, _, err, ref = model(*to_tensor(src, bgr))
    matte = tiled(model, n)(src, bgr, Refine(mode, 8_000, 0.1, scale))
    assert np.array_equal(matte.ref[::4, ::4], 255 * ref.numpy()[0, 0])
    assert np.abs(matte.pha_float - pha.numpy()[0, 0]).max() < 1e-4
    assert np.abs(matte.err - to_uint8(bilinear(err, size)).astype(int)).max() <= 1
    assert np.abs(matte.pha.astype(int) - to_uint8(pha)).max() <= 1
    seen = pha.numpy()[0, 0] > 0  # beyond alpha the foreground means nothing
    assert np.abs(matte.fgr.astype(int) - to_uint8(fgr))[seen].max() <= 1
    assert (matte.fgr != to_uint8(fgr))[seen].mean() < 1e-3


@pytest.mark.parametrize("size, coarse", [((48, 64), (12, 16)), ((48, 64), (24, 32)), ((100, 148), (31, 45))])
def test_reduced_picture_is_the_bilinear_one(size, coarse):
    picture = scene(*size)[0]
    true = bilinear(to_tensor(picture), coarse).numpy()[0].transpose(1, 2, 0)
    assert np.abs(reduce_picture(picture, *coarse) - true).max() < 1e-5


@pytest.mark.parametrize("size, coarse", [((48, 64), (12, 16)), ((100, 148), (31, 45)), ((1024, 2048), (7, 9))])
def test_strips_enlarge_as_the_whole(size, coarse):
    maps = np.random.default_rng(0).random((*coarse, 3), np.float32)
    out = np.empty((*size, 3), np.float32)

    def keep(strip, rows):
        out[rows] = strip

    enlarge_into(out, maps, keep)
    true = bilinear(paddle.to_tensor(maps.transpose(2, 0, 1)[None]), size).numpy()[0].transpose(1, 2, 0)
    assert np.abs(out - true).max() < 1e-5


def test_sampling_takes_the_largest_errors_and_no_zeros():
    err = np.zeros((10, 10), np.float32)
    err[2:4] = np.random.default_rng(0).random((2, 10))

    def chosen(*refine, **options):
        return choose_cells(err, Refine(*refine), 40, 40, **options)

    assert sorted(err[chosen("sampling", 5 * 16)]) == sorted(np.sort(err.ravel())[-5:])
    assert len(chosen("sampling", 1600)[0]) == 20
    assert len(chosen("sampling", 1600, prevent_oversampling=False)[0]) == 100
    assert len(chosen("sampling", 0)[0]) == 0
    assert len(chosen("thresholding", 0, 0.5)[0]) == (err > 0.5).sum()


def test_gaps_in_an_outline_are_refined_and_what_is_half_solid_beside_it():
    """The coarse network may be sure of a cell in the middle of an outline."""
    pha = np.tile(np.float32([0, 0, 0, 0.01, 0.5, 0.99, 1, 1, 1, 1]), (10, 1))
    pha[2, 4] = 1
    chosen = np.array([1, 3, 4, 5]), np.full(4, 4)
    gaps = set(zip(*with_gaps(chosen, pha, (40, 40)))) - set(zip(*chosen))
    assert gaps == {(2, 4), (0, 4), (6, 4)}


def test_windows_outside_an_array_are_refused():
    array = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    squares = windows(array.transpose(2, 0, 1), 3, 3)
    assert np.array_equal(squares[1, 2], array[1:4, 2:5].transpose(2, 0, 1))
    with pytest.raises(IndexError, match="out of bounds"):
        squares[np.array([2]), np.array([2])]


def test_nothing_selected_gives_the_coarse_matte():
    src, bgr = scene(96, 96)
    model = network(0.25, "sampling", pixels=0)
    matte = tiled(model)(src, bgr, Refine(pixels=0, scale=0.25), foreground=False)
    with paddle.no_grad():
        true = bilinear(model(*to_tensor(src, bgr))[2], (96, 96)).numpy()[0, 0]
    assert matte.fgr is None and not matte.ref.any()
    assert np.abs(matte.pha_float - true).max() < 1e-4
