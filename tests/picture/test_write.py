"""What a written picture says of itself, in every format."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dataset.picture import Photo, read_photo
from tests.picture_files import DATE, display_p3, shot
from utils.picture import write
from utils.picture.write import write_picture
from utils.system.errors import UsageError

EXIF = shot()


def like(array):
    return Photo(array, profile=display_p3(), dpi=(300.0, 200.0), exif=EXIF)


@pytest.mark.parametrize(
    ("suffix", "dtype", "channels"),
    [(s, t, c) for s, t in (("png", "u1"), ("png", "u2"), ("tif", "u1"), ("tif", "u2"), ("webp", "u1")) for c in (3, 4)]
    + [("jpg", "u1", 3)],
)
def test_profile_resolution_and_date_are_written(tmp_path, suffix, dtype, channels):
    if suffix == "tif" and dtype == "u2":
        pytest.importorskip("tifffile", reason="tifffile (requirements/pictures.txt)")
    array = np.random.default_rng(1).integers(1, np.iinfo(dtype).max, (16, 24, channels), dtype)
    path = tmp_path / f"a.{suffix}"
    write_picture(path, array, like(array))
    photo = read_photo(path)
    if suffix != "jpg":
        np.testing.assert_array_equal(photo.pixels, array[..., :3])
        assert channels == 3 or np.abs(photo.alpha - array[..., 3] / (257 if dtype == "u2" else 1)).max() <= 0.5
    assert photo.profile == display_p3()
    with Image.open(path) as image:
        exif = image.getexif()
        assert exif[0x0132] == DATE and exif.get(0x0112, 1) == 1
    assert suffix == "webp" or np.allclose(photo.dpi, (300, 200), atol=0.01)


def test_a_grey_picture_gets_no_profile_of_colours(tmp_path):
    array = np.zeros((8, 8), np.uint8)
    for suffix in ("png", "tif", "jpg"):
        write_picture(tmp_path / f"a.{suffix}", array, like(array))
        with Image.open(tmp_path / f"a.{suffix}") as image:
            assert "icc_profile" not in image.info and image.getexif()[0x0132] == DATE


def test_exr_is_half_float_and_premultiplied(tmp_path):
    exr = pytest.importorskip("OpenEXR", reason="OpenEXR (requirements/pictures.txt)")
    array = np.random.default_rng(1).random((16, 24, 4)).astype(np.float32)
    array[0, 0, 0] = 1e9
    write_picture(tmp_path / "a.exr", array)
    pixels = exr.File(str(tmp_path / "a.exr")).channels()["RGBA"].pixels
    assert pixels.dtype == np.float16 and np.isfinite(pixels).all()
    np.testing.assert_allclose(pixels[1:, :, :3], array[1:, :, :3] * array[1:, :, 3:], atol=1e-3)
    np.testing.assert_allclose(pixels[..., 3], array[..., 3], atol=1e-3)


@pytest.mark.parametrize(("suffix", "dtype", "package"), [("exr", "f4", "OpenEXR"), ("tif", "u2", "tifffile")])
def test_a_missing_package_is_named_and_no_file_stays(tmp_path, monkeypatch, suffix, dtype, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UsageError, match=rf"{package}: pip install -r requirements/pictures.txt"):
        write_picture(tmp_path / f"a.{suffix}", np.zeros((4, 4, 3), dtype))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("suffix", "dtype"), [("exr", "u1"), ("png", "f4"), ("webp", "u2"), ("png", "f8")])
def test_what_a_format_cannot_hold_is_refused(tmp_path, suffix, dtype):
    with pytest.raises(ValueError, match=f"a.{suffix}"):
        write_picture(tmp_path / f"a.{suffix}", np.zeros((4, 4, 3), dtype))


@pytest.mark.parametrize(("suffix", "side"), [("jpg", 65_501), ("webp", 16_384)])
def test_what_is_too_long_for_a_format_is_refused_in_words(tmp_path, suffix, side):
    with pytest.raises(
        UsageError, match=rf"a.{suffix}: .{suffix} holds at most .* pixels a side: choose --output-format"
    ):
        write_picture(tmp_path / f"a.{suffix}", np.zeros((2, side, 3), np.uint8))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3), (5, 7, 4)])
@pytest.mark.parametrize("suffix", [".png", ".PNG", ".tif", ".webp"])
def test_lossless_formats_keep_every_value(tmp_path, shape, suffix):
    array = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    if len(shape) == 3 and shape[2] == 4 and suffix == ".webp":
        array[..., 3] |= 1  # WebP forgets the colours of fully transparent pixels
    path = tmp_path / ("bild_ä_图" + suffix)
    write_picture(path, array)
    with Image.open(path) as image:
        mode = {2: "L", 3: "RGB", 4: "RGBA"}[2 if array.squeeze().ndim == 2 else shape[2]]
        read = np.array(image.convert("RGB" if suffix == ".webp" and mode == "L" else mode))
    if read.ndim == 3 and mode == "L":
        read = read[..., 1]
        assert np.abs(read.astype(int) - array.squeeze()).max() <= 1
    else:
        np.testing.assert_array_equal(read, array.squeeze())
    assert os.listdir(tmp_path) == [path.name]


def test_16_bit_grey_is_kept(tmp_path):
    array = np.array([[0, 1, 65535], [256, 257, 40000]], np.uint16)
    write_picture(tmp_path / "a.png", array)
    with Image.open(tmp_path / "a.png") as image:
        np.testing.assert_array_equal(np.array(image), array)


def test_views_are_written_as_they_look(tmp_path):
    array = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)[::-1, :, ::-1]
    write_picture(tmp_path / "a.png", array)
    with Image.open(tmp_path / "a.png") as image:
        np.testing.assert_array_equal(np.array(image), array)


@pytest.mark.parametrize(
    ("name", "array", "words"),
    [
        ("a.gif", np.zeros((2, 2), np.uint8), "or one of .png"),
        ("a", np.zeros((2, 2), np.uint8), "or one of .png"),
        ("a.png", np.zeros((2, 2), np.float32), "float32"),
        ("a.png", np.zeros((3, 2, 2), np.uint8), r"\(3, 2, 2\)"),
        ("a.png", np.zeros((0, 2), np.uint8), r"\(0, 2\)"),
        ("a.jpg", np.zeros((2, 2, 4), np.uint8), "transparency"),
        ("a.jpg", np.zeros((2, 2), np.uint16), "16 bits"),
    ],
)
def test_what_a_file_cannot_hold_is_refused(tmp_path, name, array, words):
    with pytest.raises(ValueError, match=words):
        write_picture(tmp_path / name, array)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_failing_encoder_leaves_nothing(tmp_path, monkeypatch, suffix):
    def fail(path, *_data, **_options):
        with open(path, "wb") as file:
            file.write(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "open", fail)
    monkeypatch.setattr(Image.Image, "save", lambda self, path, **options: fail(path))
    with pytest.raises(OSError, match="space"):
        write_picture(tmp_path / f"a{suffix}", np.zeros((2, 2), np.uint8))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3), (5, 7, 4)])
def test_png_without_opencvs_choice_of_filters(tmp_path, monkeypatch, shape):
    array = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    for options in (write.FAST_PNG, write.FAST_PNG[:4]):
        monkeypatch.setattr(write, "FAST_PNG", options)
        write_picture(tmp_path / "a.png", array)
        with Image.open(tmp_path / "a.png") as image:
            np.testing.assert_array_equal(np.array(image), array)
