"""Pictures of any size and shape through everything around the network, which is replaced by something that is quick.

`Echo` gives back what it is shown, so that a pixel which the padding, the cropping or the enlargement puts elsewhere
shows; it also checks what the real network demands.
"""

import math
from types import SimpleNamespace

import cv2
import numpy as np
import paddle
import pytest

from dataset.picture import PictureError
from model.resize import bilinear, nearest, scaled_size
from tests.properties import given, pictures, seeds, settings, sides, st
from utils.background.checks import match_size, scene_doubts
from utils.engine.choice import Dygraph
from utils.engine.presets import ENLARGED, SMALL, Refine, enlargement, preset
from utils.picture.blend import blend
from utils.picture.contact_sheet import contact_sheet, debug_picture
from utils.picture.foreground import clean_foreground
from utils.picture.levels import to_tensor, to_uint8
from utils.picture.resize import cover
from utils.prediction.target import PictureTarget
from utils.predictor import MULTIPLE, Matting

shapes = st.tuples(sides, sides)
flat, tall = st.tuples(st.integers(1, 4), st.integers(300, 2000)), st.tuples(st.just(700), st.integers(1, 9))
narrow = st.one_of(shapes, flat, tall)


class Echo:
    """In place of MattingRefine: alpha is the source's red, the foreground the background, the error alpha's half."""

    def __init__(self):
        self.backbone_scale, self.refiner, self.state_dict = None, SimpleNamespace(sample_pixels=None), dict

    def __call__(self, src, bgr):
        assert src.shape == bgr.shape and src.shape[2] % MULTIPLE == src.shape[3] % MULTIPLE == 0
        coarse = scaled_size(src, self.backbone_scale)
        assert min(coarse) >= 1 and 0 < self.backbone_scale <= 0.5 and self.refiner.sample_pixels >= 0
        pha = src[:, :1]
        return pha, bgr, None, None, bilinear(pha, coarse) / 2, pha[:, :, ::MULTIPLE, ::MULTIPLE].round()


def echo(**options):
    matting = Matting(device="cpu", engine="paddle", **options)
    matting._engine = Dygraph(Echo())
    return matting


@pytest.fixture(scope="module")
def mattings():
    return echo(), echo(refine=Refine(scale=0.5, pixels=800))


@settings(max_examples=60)
@given(shape=narrow, seed=seeds)
def test_results_have_the_pictures_size_and_every_pixel_its_place(mattings, shape, seed):
    rng = np.random.default_rng(seed)
    src, bgr = pictures(rng, *shape, 3), pictures(rng, *shape, 3)
    for matting in mattings:
        matte = matting(src, bgr)
        assert matte.pha.shape == matte.err.shape == matte.ref.shape == matte.pha_float.shape == shape
        assert matte.fgr.shape == (*shape, 3) and matte.com.shape == (*shape, 4)
        assert {x.dtype for x in (matte.pha, matte.fgr, matte.com, matte.err, matte.ref)} == {np.dtype("uint8")}
        np.testing.assert_array_equal(matte.com[..., 3], matte.pha)
        if matting.refine.scale or max(shape) >= SMALL:
            np.testing.assert_array_equal(matte.pha, src[..., 0])
            np.testing.assert_array_equal(matte.fgr, bgr)
            clean, _ = clean_foreground(matte.pha, src, bgr, correct=False)
            np.testing.assert_array_equal(matte.com[matte.pha > 0, :3], clean[matte.pha > 0])


@settings(max_examples=30)
@given(shape=narrow, seed=seeds)
def test_a_picture_that_is_enlarged_and_reduced_again_stays_where_it_was(mattings, shape, seed):
    """Compared with a smooth picture, which the two resizes can hardly change."""
    y, x = (np.linspace(0, math.pi, n)[:, None] if n > 1 else np.array([[1.0]]) for n in shape)
    wave = 127 + 100 * np.sin(y + seed % 7) * np.cos(x.T / 2)
    src = np.repeat(np.rint(wave).astype(np.uint8)[..., None], 3, axis=2)
    matte = mattings[0](src, src)
    smooth = min(shape) > 12 or max(shape) >= SMALL
    assert np.abs(matte.pha.astype(int) - src[..., 0]).max() <= (12 if smooth else 255)
    assert np.abs(matte.pha_float * 255 - matte.pha).max() <= 1.01
    if min(shape) > 12:
        assert np.abs(matte.err.astype(int) - matte.pha // 2).mean() < 6


@given(st.integers(1, 20_000), st.integers(1, 20_000))
def test_presets_suit_any_size(height, width):
    scale, pixels = preset(height, width)
    assert 1 / 8 <= scale <= 1 / 2 and pixels >= 80_000
    assert (scale, pixels) == preset(width, height)
    if min(height, width) >= 128:  # the encoder halves four times
        assert min(height, width) * scale >= 16 - 1e-9
    factor = enlargement(height, width)
    assert factor == enlargement(width, height) and 1 <= factor <= 2.5
    assert factor == 1 if max(height, width) >= SMALL else max(height, width) * factor <= ENLARGED + 1e-9


@given(shapes, shapes, seeds)
def test_a_background_is_brought_to_the_sources_size_or_refused(size, bgr_size, seed):
    rng = np.random.default_rng(seed)
    src, bgr = pictures(rng, *size, 3), pictures(rng, *bgr_size, 3)
    if size == bgr_size:
        assert match_size(src, bgr) == (bgr, [])
    elif abs(bgr_size[1] * size[0] / (bgr_size[0] * size[1]) - 1) > 0.011:
        with pytest.raises(PictureError, match=f"{bgr_size[1]}x{bgr_size[0]}.*{size[1]}x{size[0]}"):
            match_size(src, bgr)
    elif abs(bgr_size[1] * size[0] / (bgr_size[0] * size[1]) - 1) < 0.009:
        assert match_size(src, bgr)[0].shape == src.shape


@given(shapes, st.integers(2, 5), seeds)
def test_a_background_of_the_same_shape_is_always_taken(size, factor, seed):
    src = pictures(np.random.default_rng(seed), *size, 3)
    larger, notes = match_size(src, src.repeat(factor, 0).repeat(factor, 1))
    assert larger.shape == src.shape and notes[0].kind == "resized"
    assert np.abs(larger.astype(int) - src).max() <= 1


@given(narrow, seeds)
def test_any_pair_can_be_looked_at(size, seed):
    rng = np.random.default_rng(seed)
    src, bgr, pha = pictures(rng, *size, 3), pictures(rng, *size, 3), pictures(rng, *size)
    assert [note.kind for note in scene_doubts(src, bgr)] == ["other_scene"] or min(size) < 40
    assert scene_doubts(src, src)[0].kind == "same_scene"
    debug = debug_picture(src, bgr, pha)
    assert debug.dtype == np.uint8 and debug.ndim == 3
    sheet = contact_sheet([[src, None, pha]], ["a"], ["x", "y", "z"], height=16)
    assert sheet.ndim == 3 and sheet.shape[2] == 3


# --------------------------------------------------------------------------------------------------- other backgrounds
@given(narrow, shapes, seeds)
def test_a_picture_covers_any_size_evenly(size, own, seed):
    picture = pictures(np.random.default_rng(seed), *own, 3)
    covering = cover(picture, *size)
    assert covering.shape == (*size, 3) and covering.dtype == np.uint8 and covering.flags.c_contiguous
    assert (cover(np.full_like(picture, 90), *size) == 90).all()
    assert PictureTarget(picture).frame(0, *size).shape == (*size, 3)
    if own == size:
        np.testing.assert_array_equal(covering, picture)


@given(narrow, seeds)
def test_a_composite_is_exact_at_both_ends_at_any_size(size, seed):
    rng = np.random.default_rng(seed)
    fgr, bgr, pha = pictures(rng, *size, 3), pictures(rng, *size, 3), rng.choice([0, 90, 255], size).astype(np.uint8)
    com = blend(fgr, pha, bgr)
    np.testing.assert_array_equal(com[pha == 255], fgr[pha == 255])
    np.testing.assert_array_equal(com[pha == 0], bgr[pha == 0])


# ------------------------------------------------------------------------------------------------- tensors and resizes
@given(narrow, st.sampled_from([None, 1, 3, 6]), seeds)
def test_pixels_survive_the_way_to_a_tensor_at_any_size(size, channels, seed):
    picture = pictures(np.random.default_rng(seed), *size, *([channels] if channels else []))
    tensor = to_tensor(picture)
    assert tensor.shape == [1, channels or 1, *size] and 0 <= float(tensor.min()) and float(tensor.max()) <= 1
    np.testing.assert_array_equal(to_uint8(tensor), picture[..., 0] if channels == 1 else picture)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(2, 60), st.integers(2, 60), seeds)
def test_resizes_have_half_pixel_centres(height, width, new_height, new_width, seed):
    """To a single row or column Paddle takes the first pixel, where PyTorch takes the middle: left out."""
    x = np.random.default_rng(seed).random((2, 1, height, width), np.float32)
    size = new_height, new_width
    found = bilinear(paddle.to_tensor(x), size).numpy()[1, 0]
    true = cv2.resize(x[1, 0], size[::-1], interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(found, true.reshape(size), atol=1e-5)
    doubled = nearest(paddle.to_tensor(x), (2 * height, 2 * width)).numpy()
    np.testing.assert_array_equal(doubled, x.repeat(2, 2).repeat(2, 3))


@given(st.integers(1, 4000), st.integers(1, 4000), st.floats(0.01, 0.5))
def test_the_coarse_size_is_rounded_down(height, width, scale):
    size = scaled_size(paddle.empty([0, 1, height, width]), scale)
    assert size == (math.floor(height * scale), math.floor(width * scale))
