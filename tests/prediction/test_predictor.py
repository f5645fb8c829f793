"""The library call: presets, any size, the sample pair, devices."""

from pathlib import Path

import cv2
import numpy as np
import paddle
import pytest
from PIL import Image

from dataset.picture import PictureError, read_alpha, read_rgb
from model import MattingBase, MattingRefine
from utils import predictor
from utils.background.checks import match_size, scene_doubts
from utils.engine.presets import enlargement, preset
from utils.picture.foreground import clean_foreground
from utils.picture.last import Last
from utils.picture.levels import to_tensor, to_uint8
from utils.picture.write import write_picture
from utils.predictor import Matting, Refine
from utils.system.command_line import UsageError
from utils.system.notes import Note
from utils.weights.load import WeightsError, save_weights

IMAGES = Path(__file__).resolve().parents[2] / "image"
SAMPLE_ERROR = 0.00129  # mean absolute difference from the true alpha, recorded with the shipped weights


@pytest.fixture(scope="module")
def matting():
    return Matting(device="cpu")


def scene(height, width):
    """The half of the sample pair where the subject stands, at any size."""
    pair = (read_rgb(IMAGES / f"sample_{mark}.jpg")[:, 560:] for mark in ("src", "bgr"))
    return [cv2.resize(x, (width, height), interpolation=cv2.INTER_AREA) for x in pair]


def test_sample_pair_is_matted_as_recorded(matting):
    src, bgr = read_rgb(IMAGES / "sample_src.jpg"), read_rgb(IMAGES / "sample_bgr.jpg")
    true = read_alpha(IMAGES / "sample_pha_true.png") / 255
    matte = matting(src, bgr)
    error = float(np.abs(matte.pha_float - true).mean())
    print(f"mean absolute error of alpha on the sample pair: {error:.5f}")
    assert error == pytest.approx(SAMPLE_ERROR, rel=0.01)
    far = true == 0
    assert (matte.pha[far] == 0).mean() > 0.98 and (matte.pha[true == 1] == 255).mean() > 0.99
    opaque = true > 0.99
    assert np.abs(matte.fgr[opaque].astype(int) - src[opaque]).mean() < 5


@pytest.mark.parametrize(
    "error, said", [(RuntimeError("no such\ninstruction"), UsageError), (MemoryError(), MemoryError)]
)
def test_an_engine_that_fails_is_named_with_the_remedy(error, said, monkeypatch):
    def failing(*_):
        raise error

    failing.name, failing.backbone = "openvino", "mobilenetv2"
    monkeypatch.setattr(predictor, "open_engine", lambda *_: failing)
    with pytest.raises(said) as caught:
        Matting(device="cpu")(*scene(64, 64))
    if said is UsageError:
        assert str(caught.value) == "engine openvino failed: no such instruction; choose another by --engine"


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (31, 33), (64, 64), (7, 400), (601, 2), (101, 203)])
def test_any_size_comes_back_at_its_size(matting, size):
    matte = matting(*scene(*size))
    height, width = size
    assert matte.pha.shape == matte.err.shape == matte.ref.shape == matte.pha_float.shape == (height, width)
    assert matte.fgr.shape == (height, width, 3) and matte.com.shape == (height, width, 4)
    assert {x.dtype for x in (matte.pha, matte.fgr, matte.com, matte.err, matte.ref)} == {np.dtype("uint8")}


def test_padding_touches_only_the_frame(matting):
    """A size that is not divisible by 4 is padded and cropped, not squashed: the subject stays where it was."""
    src, bgr = scene(240, 240)
    whole, cut = matting(src, bgr), matting(src[:239, :237], bgr[:239, :237])
    assert np.abs(whole.pha[:239, :237].astype(int) - cut.pha).mean() < 4
    assert (cut.pha[130:200, 100:160] > 250).mean() > 0.95 and cut.pha[:90, :50].max() < 20


def test_small_pictures_are_enlarged_first(matting):
    """At 320x180 the coarse network would see 160x90 only; enlarged, the error is three times smaller."""
    size = (320, 180)
    src, bgr = (
        cv2.resize(read_rgb(IMAGES / f"sample_{m}.jpg"), size, interpolation=cv2.INTER_AREA) for m in ("src", "bgr")
    )
    true = cv2.resize(read_alpha(IMAGES / "sample_pha_true.png"), size, interpolation=cv2.INTER_AREA) / 255
    enlarged, as_it_is = matting(src, bgr), Matting(refine=Refine(scale=0.5), device="cpu")(src, bgr)
    errors = [np.abs(matte.pha_float - true).mean() for matte in (enlarged, as_it_is)]
    print(f"mean absolute error of alpha at 320x180: {errors[0]:.4f} enlarged, {errors[1]:.4f} as it is")
    assert errors[0] < 0.5 * errors[1], errors
    assert np.abs(enlarged.pha / 255 - enlarged.pha_float).max() < 0.01
    assert enlarged.err.shape == enlarged.ref.shape == (180, 320)


def test_cut_out_has_the_clean_foreground_and_alpha(matting):
    src, bgr = scene(160, 160)
    matte = matting(src, bgr)
    seen, clean = matte.pha > 0, clean_foreground(matte.pha, src, bgr, correct=False)[0]
    assert np.array_equal(matte.com[..., 3], matte.pha)
    assert np.array_equal(matte.com[seen][:, :3], clean[seen])
    assert matte.com[~seen].max() == 0


@pytest.mark.parametrize("kernel", [3, 1])
def test_weights_decide_backbone_and_kernel(tmp_path, kernel):
    path = tmp_path / "net.pdparams"
    save_weights(MattingRefine("mobilenetv2", refine_kernel_size=kernel), path)
    own = Matting(path, device="cpu", engine="paddle")
    assert own.backbone == "mobilenetv2" and own._engine.model.refiner.kernel_size == kernel
    assert own(*scene(48, 64)).pha.shape == (48, 64)


def test_wrong_backbone_and_base_weights_are_named(tmp_path):
    with pytest.raises(WeightsError, match="mobilenetv2.*resnet50"):
        Matting(backbone="resnet50", device="cpu")
    path = tmp_path / "base.pdparams"
    save_weights(MattingBase("mobilenetv2"), path)
    with pytest.raises(WeightsError, match="base.pdparams.*refiner"):
        Matting(path, device="cpu")


@pytest.mark.parametrize(
    "options",
    [
        dict(scale=0.7),
        dict(mode="all"),
        dict(pixels=-1),
        dict(device="tpu"),
        dict(device="cpu:x"),
        dict(device="gpu:99"),
    ],
)
def test_bad_options_are_one_sentence(options):
    with pytest.raises(UsageError, match=str(next(iter(options.values())))[:4]) as error:
        (Matting if "device" in options else Refine)(**options)
    assert "\n" not in str(error.value)


def test_arrays_of_other_kinds_are_refused(matting):
    src, bgr = scene(32, 32)
    for wrong in (src.astype(np.float32), src.astype(int), src[..., :2], src[:0], src[None], src > 0, None, 7, [src]):
        with pytest.raises(TypeError, match="src must be a path, a Pillow picture, or an array of uint8") as error:
            matting(wrong, bgr)
        assert "\n" not in str(error.value)
    with pytest.raises(TypeError, match="bgr must be"):
        matting(src, np.float32(bgr / 255) * np.nan)
    with pytest.raises(PictureError, match="32x32 and 32x31"):
        matting(src, bgr[:31])
    with pytest.raises(PictureError, match="nowhere.png does not exist"):
        matting("nowhere.png", bgr)


def test_pictures_may_be_paths_pillow_pictures_and_arrays_of_any_depth(matting, tmp_path):
    src, bgr = scene(96, 96)
    write_picture(tmp_path / "src.png", src)
    true = matting(src, bgr).pha
    alpha = np.full((96, 96, 1), 255, np.uint8)
    for same in (
        tmp_path / "src.png",
        str(tmp_path / "src.png"),
        Image.fromarray(src),
        Image.fromarray(src).convert("RGBA"),
        src.astype(np.uint16) * 257,
        src / 255,
        np.float16(src / 255),
        np.dstack([src, alpha]),
        src[::-1, ::-1][::-1, ::-1],
    ):
        assert np.array_equal(matting(same, bgr).pha, true)
    grey = src[..., 1]
    true = matting(np.dstack([grey] * 3), bgr).pha
    for same in (grey, grey[..., None], Image.fromarray(grey), Image.fromarray(grey.astype(np.uint16) * 257)):
        assert np.array_equal(matting(same, bgr).pha, true)
    turned = Image.fromarray(np.rot90(src))
    turned.getexif()[0x0112] = 6  # as cameras write it: turn by 90 degrees to see it upright
    assert np.array_equal(matting(turned, bgr).pha, matting(src, bgr).pha)


def test_a_background_is_prepared_once_unless_it_changes():
    calls, bgr = [], scene(240, 320)[1]
    last = Last(lambda array, size: calls.append(size) or array.mean())
    assert last(bgr, 1) == last(bgr, 1) == bgr.mean() and calls == [1]
    last(bgr.copy(), 1), last(bgr, 1), last(bgr, 2)
    assert calls == [1, 1, 1, 2]
    bgr[:] = 255 - bgr
    assert last(bgr, 2) == bgr.mean() and calls == [1, 1, 1, 2, 2]
    huge = np.broadcast_to(bgr[:1], (1 << 20, *bgr.shape[1:]))
    last(huge, 3), last(huge, 3)
    assert calls == [1, 1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize("engine", ["inference", "paddle"])
def test_a_background_that_was_overwritten_is_seen(engine):
    src, bgr = scene(90, 120)
    mine = Matting(device="cpu", engine=engine)
    buffer = bgr.copy()
    first = mine(src, buffer).pha
    buffer[:] = src
    assert not np.array_equal(mine(src, buffer).pha, first)
    buffer[:] = bgr
    assert np.array_equal(mine(src, buffer).pha, first)


@pytest.mark.parametrize(
    "size, expected",
    [
        ((1080, 1920), (1 / 4, 80_000)),
        ((1920, 1080), (1 / 4, 80_000)),
        ((2160, 3840), (1 / 8, 320_000)),
        ((720, 1280), (3 / 8, 80_000)),
        ((768, 1152), (1 / 2, 80_000)),
        ((480, 640), (1 / 2, 80_000)),
        ((4000, 6000), (1 / 8, 925_920)),
        ((20, 4000), (1 / 2, 80_000)),
    ],
)
def test_presets_are_the_papers_at_hd_and_4k(size, expected):
    scale, pixels = preset(*size)
    assert (scale, pixels) == (pytest.approx(expected[0]), pytest.approx(expected[1], abs=16))


@pytest.mark.parametrize("size, factor", [((360, 1152), 1), ((768, 512), 1.75), ((288, 352), 2.5), ((500, 600), 2.24)])
def test_enlargement_brings_small_pictures_to_1344(size, factor):
    assert enlargement(*size) == pytest.approx(factor, abs=0.001)


def test_options_override_the_preset(matting):
    src, bgr = scene(240, 320)
    few = Matting(refine=Refine(pixels=160, scale=0.25), device="cpu")(src, bgr)
    assert (few.ref > 0).sum() <= 160
    assert (matting(src, bgr).ref > 0).sum() > 160
    with pytest.raises(UsageError, match="--backbone-scale 0.001 leaves nothing of a picture of 320x240"):
        Matting(refine=Refine(scale=0.001), device="cpu")(src, bgr)


def test_pixels_survive_the_way_to_a_tensor_and_back():
    every = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(to_uint8(to_tensor(every)), every)
    colour = np.stack([every, every[::-1], every.T], axis=-1)
    tensors = to_tensor(colour, every)
    assert tensors[0].shape == [1, 3, 16, 16] and tensors[0].dtype == paddle.float32
    assert np.array_equal(to_uint8(tensors[0]), colour)
    assert list(to_uint8(np.float32([[-0.1, 0.5, 127.6 / 255, 1.2]]))[0]) == [0, 128, 128, 255]


def test_background_of_another_size_is_resized_only_if_the_shape_agrees():
    src, bgr = scene(160, 160)
    same, notes = match_size(src, bgr)
    assert same is bgr and notes == []
    larger, notes = match_size(src, bgr.repeat(2, axis=0).repeat(2, axis=1))
    assert np.array_equal(larger, bgr) and notes == [Note("resized", src="160x160", bgr="320x320")]
    with pytest.raises(PictureError, match="160x100.*160x160"):
        match_size(src, bgr[:100])


def test_doubts_about_a_scene():
    src, bgr = scene(240, 320)
    assert scene_doubts(src, bgr) == []
    assert scene_doubts(bgr, bgr) == [Note("same_scene", share=0.0)]
    other = np.random.default_rng(1).integers(0, 256, (8, 8, 3)).astype(np.uint8).repeat(30, axis=0).repeat(40, axis=1)
    assert scene_doubts(src, other)[0].kind == "other_scene"
