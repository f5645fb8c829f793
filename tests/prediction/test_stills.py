"""Results of photographs: in their own numbers, in every kind of file."""

import sys

import cv2
import numpy as np
import pytest
from PIL import Image

from dataset.colour import converted, linear
from dataset.picture import read_alpha, read_photo
from tests.picture_files import DATE, display_p3, shot
from utils.background.match import Correction
from utils.picture.write import STILLS, write_picture
from utils.prediction.loop import matte_all
from utils.prediction.options import parse
from utils.prediction.outputs import Output, around_subject
from utils.prediction.pairs import PairSource, PictureSink, plan
from utils.prediction.target import open_target
from utils.predictor import Matte
from utils.system.errors import UsageError

P3 = display_p3()
PART = slice(24, 72), slice(32, 96)  # where the subject stands
SUIT = 202, 116, 93


class Drawn:
    """Stands in for Matting: the subject is PART, softer at its ends."""

    def __call__(self, src, bgr, foreground=True):
        pha = np.zeros(src.shape[:2], np.float32)
        pha[PART] = 1
        pha = cv2.GaussianBlur(pha, (0, 0), 2)
        return Matte(np.rint(pha * 255).astype(np.uint8), src.copy(), lambda: pha, lambda: pha * 0, lambda: pha * 0)


def pair(folder, dtype=np.uint8):
    """Arrays of a photograph and its background, 96 x 128."""
    unit = 257 if dtype == np.uint16 else 1
    bgr = np.full((96, 128, 3), (90, 120, 140), dtype) * dtype(unit)
    src = bgr.copy()
    src[PART] = np.array(SUIT, dtype) * dtype(unit)
    return src, bgr


def matted(folder, src, bgr, types=("pha", "fgr", "com"), target=None, location=False, notes=None, **wanted):
    """The results of a pair of files, type -> path."""
    output = Output(folder / "out", types, target=target, **wanted)
    targets, _ = plan(src, bgr, output)
    tell = (notes if notes is not None else []).append
    source = PairSource(targets, Correction("off", "off"), False, location)
    target = open_target(target) if target else None
    matte_all(Drawn(), source, PictureSink(targets, target, tell, output.format or "png", output.crop), tell)
    return next(iter(targets.values()))


@pytest.mark.parametrize("output_format", ["png", "png16", "tiff", "tiff16", "webp"])
def test_a_phones_pair_comes_back_in_its_own_colours(tmp_path, output_format):
    """HEIC in Display P3, held upright: colours, profile, resolution and date are the photograph's."""
    pytest.importorskip("pillow_heif", reason="pillow-heif (requirements/pictures.txt)").register_heif_opener()
    if output_format == "tiff16":
        pytest.importorskip("tifffile", reason="tifffile (requirements/pictures.txt)")
    for name, picture in zip(("a", "bgr"), pair(tmp_path)):
        stored = Image.fromarray(np.ascontiguousarray(np.rot90(picture)))
        stored.save(tmp_path / f"{name}.heic", quality=-1, chroma=444, exif=shot(6), icc_profile=P3)
    source = read_photo(tmp_path / "a.heic")
    assert source.pixels.shape == (96, 128, 3)
    paths = matted(tmp_path, tmp_path / "a.heic", tmp_path / "bgr.heic", format=output_format)
    inside = read_alpha(paths["pha"]) == 255
    assert inside.mean() > 0.1
    for kind in ("fgr", "com"):
        photo = read_photo(paths[kind])
        assert np.abs(photo.pixels[inside] / (257 if "16" in output_format else 1) - SUIT).max() <= 2
        assert photo.profile == P3 and DATE.encode() in photo.exif
        assert output_format == "webp" or np.allclose(photo.dpi, 300, atol=0.01)
        with Image.open(paths[kind]) as image:
            exif = image.getexif()
            assert exif.get(0x0112, 1) == 1 and not exif.get_ifd(0x8825)
    colour = read_photo(paths["com"]).rgb[inside].astype(int)
    assert np.abs(colour - (216, 112, 87)).max() <= 3  # as anybody sees it


def test_the_place_is_kept_if_asked_for(tmp_path):
    src, bgr = (Image.fromarray(x) for x in pair(tmp_path))
    src.save(tmp_path / "a.png", exif=shot())
    bgr.save(tmp_path / "bgr.png")
    path = matted(tmp_path, tmp_path / "a.png", tmp_path / "bgr.png", ("com",), location=True)["com"]
    with Image.open(path) as image:
        assert image.getexif().get_ifd(0x8825)[1] == "N"


def test_sixteen_bits_come_from_the_source_and_the_float_alpha(tmp_path):
    src, bgr = pair(tmp_path, np.uint16)
    src[PART] += np.arange(64, dtype=np.uint16)[:, None]  # less than a level of eight bits
    for name, picture in (("a", src), ("bgr", bgr)):
        write_picture(tmp_path / f"{name}.png", picture)
    paths = matted(tmp_path, tmp_path / "a.png", tmp_path / "bgr.png", format="png16")
    pha = cv2.imread(str(paths["pha"]), cv2.IMREAD_UNCHANGED)
    com = cv2.cvtColor(cv2.imread(str(paths["com"]), cv2.IMREAD_UNCHANGED), cv2.COLOR_BGRA2RGBA)
    assert pha.dtype == com.dtype == np.uint16 and len(np.unique(pha % 257)) > 50
    np.testing.assert_array_equal(com[..., 3], pha)
    inside = np.rint(pha / 257) == 255
    np.testing.assert_array_equal(com[inside][:, :3], src[inside])
    assert not com[pha == 0].any()


def test_exr_is_linear_and_premultiplied(tmp_path):
    exr = pytest.importorskip("OpenEXR", reason="OpenEXR (requirements/pictures.txt)")
    src, bgr = pair(tmp_path)
    share = Drawn()(src, bgr).pha_float[..., None]
    src, bgr = (linear(np.rint(x).astype(np.uint8)) for x in (SUIT * share + bgr * (1 - share), bgr))
    src[40:50, 60:70] = 6.5  # a lamp
    for name, picture in (("a", src), ("bgr", bgr)):
        write_picture(tmp_path / f"{name}.exr", picture)
    paths = matted(tmp_path, tmp_path / "a.exr", tmp_path / "bgr.exr", format="exr")
    com = np.float32(exr.File(str(paths["com"])).channels()["RGBA"].pixels)
    pha = np.float32(exr.File(str(paths["pha"])).channels()["Y"].pixels)
    np.testing.assert_array_equal(com[..., 3], pha)
    assert abs(com[45, 65, 0] - 6.5) < 0.01
    soft = (pha > 0.2) & (pha < 0.8)
    expected = linear(np.uint8([[SUIT]]))[0, 0] * pha[soft][:, None]
    assert soft.any() and np.abs(com[soft][:, :3] - expected).max() < 0.08 and not com[pha == 0].any()
    wide = tmp_path / "p3.png"
    Image.fromarray(pair(tmp_path)[0]).save(wide, icc_profile=P3)
    path = matted(tmp_path, wide, tmp_path / "bgr.exr", ("fgr",), format="exr")["fgr"]
    middle = np.float32(exr.File(str(path)).channels()["RGB"].pixels)[48, 64]
    np.testing.assert_allclose(middle, linear(converted(np.uint8([[SUIT]]), P3))[0, 0], rtol=0.01)


@pytest.mark.parametrize("output_format", [name for name in STILLS if name != "tiff16"])
def test_a_new_background_is_in_the_sources_numbers(tmp_path, output_format):
    if output_format == "exr":
        pytest.importorskip("OpenEXR", reason="OpenEXR (requirements/pictures.txt)")
    for name, picture in zip(("a", "bgr"), pair(tmp_path)):
        Image.fromarray(picture).save(tmp_path / f"{name}.png", icc_profile=P3)
    path = matted(
        tmp_path, tmp_path / "a.png", tmp_path / "bgr.png", ("com", "err", "debug"), "#d87057", format=output_format
    )
    photo = read_photo(path["com"])
    assert np.abs(photo.rgb[4, 4].astype(int) - (216, 112, 87)).max() <= 2
    assert np.abs(photo.rgb[48, 64].astype(int) - (216, 112, 87)).max() <= 3
    assert path["err"].exists() and path["debug"].exists()


def test_the_transparency_of_the_source_is_kept(tmp_path):
    src, bgr = pair(tmp_path)
    alpha = np.full(src.shape[:2], 255, np.uint8)
    alpha[:, 64:] = 0
    write_picture(tmp_path / "a.png", np.dstack([src, alpha]))
    write_picture(tmp_path / "bgr.png", bgr)
    notes = []
    paths = matted(tmp_path, tmp_path / "a.png", tmp_path / "bgr.png", notes=notes)
    pha = read_alpha(paths["pha"])
    assert pha[48, 50] == 255 and not pha[:, 64:].any() and "transparent" in [note.kind for note in notes]
    np.testing.assert_array_equal(read_photo(paths["com"]).alpha, pha)
    Image.fromarray(src).save(tmp_path / "b.webp", save_all=True, append_images=[Image.fromarray(bgr)])
    matted(tmp_path, tmp_path / "b.webp", tmp_path / "bgr.png", notes=notes)
    assert "first_frame" in [note.kind for note in notes]


def test_cropped_to_the_subject(tmp_path):
    for name, picture in zip(("a", "bgr"), pair(tmp_path)):
        write_picture(tmp_path / f"{name}.png", picture)
    paths = matted(tmp_path, tmp_path / "a.png", tmp_path / "bgr.png", crop=3)
    shape = read_alpha(paths["pha"]).shape
    assert read_photo(paths["com"]).alpha.shape == read_photo(paths["fgr"]).rgb.shape[:2] == shape
    assert 54 < shape[0] < 70 and 70 < shape[1] < 86
    pha = np.zeros((9, 9), np.uint8)
    assert pha[around_subject(pha, 2)].shape == (9, 9)
    pha[4, 0] = 200
    assert pha[around_subject(pha, 2)].shape == (5, 3)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--output-format", "jpg"], "--target-bgr, or choose png"),
        (["--output-format", "mp4"], "--output-format mp4 is for videos"),
        (["--output-format", "exr"], "OpenEXR: pip install -r requirements/pictures.txt"),
        (["--crop", "-1"], "--crop -1"),
        (["--src", "a.mp4", "--bgr", "b.png", "--output-format", "jpg"], "--target-bgr, or choose png"),
        (["--src", "a.mp4", "--bgr", "b.png", "--crop"], "--crop is for pictures"),
        (["--src", "a.mp4", "--bgr", "b.png", "--bgr-time", "0", "2"], "--bgr b.png is none"),
        (["--src", "a.mp4", "--bgr", "b.png", "--frame-rate", "25"], "--frame-rate is for a folder"),
        (["--src", "a.mp4", "--bgr", "auto", "--bgr-time", "0", "2"], "--bgr auto is none"),
    ],
)
def test_what_cannot_be_is_said_before_any_work(monkeypatch, flags, words):
    monkeypatch.setitem(sys.modules, "OpenEXR", None)
    with pytest.raises(UsageError, match=words):
        parse(flags, "")


def test_flags_of_pictures(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
    args = parse(["--output-format", "jpg", "--target-bgr", "red", "--crop", "--max-megapixels", "120"], "")
    assert args.output.format == "jpg" and args.output.crop == 32 and Image.MAX_IMAGE_PIXELS == 120_000_000
    assert parse(["--output-format", "jpg", "--output-types", "fgr"], "").output.crop is None
