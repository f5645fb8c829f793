"""Odd pictures are read right or refused in one sentence."""

import os
import struct
import tracemalloc
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from dataset.picture import PictureError, find_pictures, read_alpha, read_photo, read_rgb

READERS = (read_rgb, read_photo, read_alpha)


@pytest.fixture
def rgb():
    return np.random.default_rng(1).integers(0, 256, (6, 9, 3), np.uint8)


@pytest.fixture
def grey():
    return np.random.default_rng(2).integers(0, 256, (6, 9), np.uint8)


def saved(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


def refused(reader, path, words):
    with pytest.raises(PictureError, match=words) as caught:
        reader(path)
    message = str(caught.value)
    assert str(path) in message and "\n" not in message and ": " in message
    return message


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, rgb, orientation):
    # How each value stores an upright picture, from the definition of the tag (row 0 / column 0 of the stored pixels).
    stored = {
        1: rgb,
        2: rgb[:, ::-1],
        3: rgb[::-1, ::-1],
        4: rgb[::-1],
        5: rgb.transpose(1, 0, 2),
        6: rgb.transpose(1, 0, 2)[::-1],
        7: rgb.transpose(1, 0, 2)[::-1, ::-1],
        8: rgb.transpose(1, 0, 2)[:, ::-1],
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / "a.png", np.ascontiguousarray(stored), exif=exif)
    np.testing.assert_array_equal(read_rgb(path), rgb)


def test_a_camera_jpeg_is_turned_as_opencv_turns_it(tmp_path):
    picture = np.zeros((32, 48, 3), np.uint8)
    picture[:16, :16] = (250, 20, 20)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = saved(tmp_path / f"{orientation}.jpg", picture, exif=exif, quality=98, subsampling=0)
        expected = cv2.imread(str(path))[..., ::-1]
        assert read_rgb(path).shape == expected.shape
        assert np.abs(read_rgb(path).astype(int) - expected).max() <= 6, orientation


def test_a_nonsense_orientation_is_ignored(tmp_path, rgb):
    exif = Image.Exif()
    exif[0x0112] = 77
    np.testing.assert_array_equal(read_rgb(saved(tmp_path / "a.png", rgb, exif=exif)), rgb)


def test_grey_and_grey_with_alpha(tmp_path, grey):
    path = saved(tmp_path / "l.png", grey)
    np.testing.assert_array_equal(read_rgb(path), np.repeat(grey[..., None], 3, 2))
    np.testing.assert_array_equal(read_alpha(path), grey)
    both = np.stack([grey, 255 - grey], 2)
    path = tmp_path / "la.png"
    Image.frombytes("LA", (9, 6), both.tobytes()).save(path)
    np.testing.assert_array_equal(read_rgb(path), np.repeat(grey[..., None], 3, 2))
    np.testing.assert_array_equal(read_photo(path).alpha, 255 - grey)


def test_the_colours_under_a_transparent_alpha_survive(tmp_path, rgb, grey):
    rgba = np.dstack([rgb, grey // 2])
    path = saved(tmp_path / "a.png", rgba)
    np.testing.assert_array_equal(read_rgb(path), rgb)
    np.testing.assert_array_equal(read_photo(path).alpha, grey // 2)


@pytest.mark.parametrize("transparency", [None, 3, bytes(range(8))])
def test_palettes(tmp_path, transparency):
    colours = np.random.default_rng(3).integers(0, 256, (8, 3), np.uint8)
    index = np.arange(48, dtype=np.uint8).reshape(6, 8) % 8
    image = Image.fromarray(index)
    image = image.convert("P")
    image.putpalette(colours.tobytes())
    path = tmp_path / "p.png"
    image.save(path, **({} if transparency is None else {"transparency": transparency}))
    with Image.open(path) as stored:
        assert stored.mode == "P"
    np.testing.assert_array_equal(read_rgb(path), colours[index])
    if transparency is None:
        assert read_photo(path).alpha is None
    else:
        alpha = np.full(8, 255, np.uint8)
        if transparency == 3:
            alpha[3] = 0
        else:
            alpha[:] = np.arange(8)
        np.testing.assert_array_equal(read_photo(path).alpha, alpha[index])


def test_16_bit_grey_is_rounded_to_8(tmp_path):
    values = np.array([[0, 128, 129, 257], [65535, 65406, 32768, 25700]], np.uint16)
    for name in ("a.png", "a.tif"):
        cv2.imwrite(str(tmp_path / name), values)
        np.testing.assert_array_equal(read_alpha(tmp_path / name), np.rint(values / 257.0).astype(np.uint8))
        np.testing.assert_array_equal(read_rgb(tmp_path / name)[..., 0], np.rint(values / 257.0).astype(np.uint8))


def test_16_bit_colour(tmp_path):
    values = np.random.default_rng(4).integers(0, 65536, (5, 6, 4), np.uint16)
    for name, channels in (("rgb.png", 3), ("rgb.tif", 3), ("rgba.png", 4)):
        picture = np.ascontiguousarray(values[..., :channels])
        cv2.imwrite(str(tmp_path / name), picture)
        read = read_rgb(tmp_path / name)
        assert read.dtype == np.uint8
        assert np.abs(read[..., ::-1] - picture[..., :3] / 257.0).max() <= 1.0


def test_a_file_larger_than_any_picture_is_not_read(tmp_path):
    path = saved(tmp_path / "a.png", np.zeros((4, 4), np.uint8))
    os.truncate(path, 5 << 30)  # takes no room on the disk
    refused(read_rgb, path, "more than 89 million pixels: give a smaller picture")


def test_grey_of_32_bit_is_refused(tmp_path):
    refused(read_rgb, saved(tmp_path / "i.tif", np.full((4, 4), 1 << 20, np.int32)), "8-bit or 16-bit")


def test_cmyk_jpeg(tmp_path):
    picture = np.zeros((16, 16, 3), np.uint8) + np.array([200, 40, 90], np.uint8)
    path = tmp_path / "cmyk.jpg"
    Image.fromarray(picture).convert("CMYK").save(path, quality=98)
    with Image.open(path) as image:
        assert image.mode == "CMYK"
    assert np.abs(read_rgb(path).astype(int) - picture).max() <= 4


def test_one_bit_pictures(tmp_path):
    bits = np.eye(9, dtype=bool)
    Image.fromarray(bits).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_alpha(tmp_path / "a.png"), bits * np.uint8(255))


def test_non_ascii_names(tmp_path, rgb):
    folder = tmp_path / "Ölbild 图片"
    folder.mkdir()
    path = saved(folder / "żółw 🐢.png", rgb)
    np.testing.assert_array_equal(read_rgb(path), rgb)
    np.testing.assert_array_equal(read_rgb(str(path)), rgb)
    assert find_pictures(folder) == [path]


def test_alpha_saved_as_equal_channels_is_taken_and_colour_is_not(tmp_path, rgb, grey):
    same = np.repeat(grey[..., None], 3, 2)
    np.testing.assert_array_equal(read_alpha(saved(tmp_path / "a.png", same)), grey)
    opaque = np.dstack([same, np.full_like(grey, 255)])
    np.testing.assert_array_equal(read_alpha(saved(tmp_path / "b.png", opaque)), grey)
    refused(read_alpha, saved(tmp_path / "c.png", rgb), "colour picture")
    refused(read_alpha, saved(tmp_path / "d.png", np.dstack([same, grey])), "transparent")


@pytest.mark.parametrize("reader", READERS)
def test_not_a_picture(tmp_path, reader):
    (tmp_path / "text.png").write_text("<html>not found</html>")
    refused(reader, tmp_path / "text.png", "not a picture")
    (tmp_path / "empty.jpg").write_bytes(b"")
    refused(reader, tmp_path / "empty.jpg", "empty")
    refused(reader, tmp_path / "missing.png", "does not exist")
    refused(reader, tmp_path, "is no file")
    os.mkfifo(tmp_path / "pipe.png")
    refused(reader, tmp_path / "pipe.png", "is no file")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".bmp", ".webp"])
def test_truncated_files(tmp_path, suffix):
    picture = np.random.default_rng(5).integers(0, 256, (64, 64, 3), np.uint8)
    path = saved(tmp_path / f"a{suffix}", picture)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    refused(read_rgb, path, "is damaged|not a picture")


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


@pytest.mark.parametrize("side", [10_000, 50_000, 2**31 - 1])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path, side):
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    path = tmp_path / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))))
    refused(read_rgb, path, "million pixels")


def test_a_length_beyond_the_file_takes_no_memory(tmp_path):
    """Python makes room for as many bytes as are asked for before it finds that there are fewer."""
    picture = np.zeros((17, 23), np.uint8)
    whole = saved(tmp_path / "a.png", picture).read_bytes()
    at = whole.index(b"IDAT")
    path = tmp_path / "b.png"
    path.write_bytes(whole[: at - 4] + b"\xff\xff\xff\xff" + whole[at:])
    tracemalloc.start()
    try:
        np.testing.assert_array_equal(read_alpha(path), picture)  # the pixels are all there
        assert tracemalloc.get_traced_memory()[1] < 1 << 24
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", ["EPS", "GIF", "PPM", "TGA"])
def test_other_formats_are_not_even_tried(tmp_path, kind):
    """Pillow would start Ghostscript for an EPS file, whatever its name."""
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "a.bin", kind)
    path = (tmp_path / "a.bin").rename(tmp_path / "a.png")
    refused(read_rgb, path, "not a picture that can be read")


def test_flipped_bytes_never_escape_as_another_error(tmp_path):
    random = np.random.default_rng(6)
    picture = random.integers(0, 256, (24, 24, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    for suffix in (".png", ".jpg", ".tif", ".webp"):
        whole = np.frombuffer(saved(tmp_path / f"a{suffix}", picture, exif=exif).read_bytes(), np.uint8)
        for _ in range(60):
            broken = whole.copy()
            broken[random.integers(0, len(broken), 3)] = random.integers(0, 256, 3)
            (tmp_path / f"b{suffix}").write_bytes(broken.tobytes())
            try:
                assert read_rgb(tmp_path / f"b{suffix}").shape[2] == 3
            except PictureError as error:
                assert "\n" not in str(error)


def test_find_pictures_is_recursive_sorted_and_skips_what_is_hidden(tmp_path):
    for name in ("b.PNG", "a/z.jpg", "a/y.TIFF", "c.txt", ".hidden.png", ".cache/x.png", "a/._y.jpg", "d.webp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "loop").symlink_to(tmp_path)
    other = tmp_path / "elsewhere"
    other.mkdir()
    (other / "q.bmp").write_bytes(b"")
    assert [str(path.relative_to(tmp_path)) for path in find_pictures(tmp_path)] == [
        "a/y.TIFF",
        "a/z.jpg",
        "b.PNG",
        "d.webp",
        "elsewhere/q.bmp",
    ]


def test_find_pictures_wants_a_folder(tmp_path):
    refused(find_pictures, tmp_path / "missing", "does not exist")
    (tmp_path / "a.png").write_bytes(b"")
    refused(find_pictures, tmp_path / "a.png", "not a folder")
    assert find_pictures(tmp_path) == [tmp_path / "a.png"]
