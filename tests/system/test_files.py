"""Files appear whole or not at all."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from utils.picture.write import write_picture
from utils.system import files
from utils.system.files import atomic_path, real_path, sha256_file, write_json, write_text


def test_atomic_path_renames_on_success_and_makes_the_folder(tmp_path):
    target = tmp_path / "new" / "deep" / "a.txt"
    with atomic_path(target) as temporary:
        assert temporary.parent == target.parent and temporary.suffix == ".txt"
        temporary.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"
    assert os.listdir(target.parent) == ["a.txt"]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, MemoryError])
def test_after_a_failure_the_old_file_stands_and_nothing_else(tmp_path, failure):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(failure), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise failure
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's /dev/full")
def test_a_full_disk_names_the_file_that_the_user_knows(tmp_path):
    target = tmp_path / "a.txt"
    with pytest.raises(OSError, match="No space left") as caught, atomic_path(target) as temporary:
        temporary.symlink_to("/dev/full")
        temporary.write_bytes(b"x")
    assert caught.value.filename == str(target) and os.listdir(tmp_path) == []


def test_atomic_path_refuses_a_folder(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder"), atomic_path(tmp_path):
        raise AssertionError("the block must not start")
    assert os.listdir(tmp_path) == []


def test_atomic_path_takes_the_longest_name(tmp_path):
    target = tmp_path / ("n" * 251 + ".txt")
    write_text(target, "x")
    assert target.read_text() == "x"


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
        ("a.gif", np.zeros((2, 2), np.uint8), "unknown picture suffix"),
        ("a", np.zeros((2, 2), np.uint8), "unknown picture suffix"),
        ("a.png", np.zeros((2, 2), np.float32), "not float32"),
        ("a.png", np.zeros((2, 2, 3), np.uint16), "not uint16"),
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

    monkeypatch.setattr(Path, "write_bytes", fail)
    monkeypatch.setattr(Image.Image, "save", lambda self, path, **options: fail(path))
    with pytest.raises(OSError, match="space"):
        write_picture(tmp_path / f"a{suffix}", np.zeros((2, 2), np.uint8))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3), (5, 7, 4)])
def test_png_without_opencvs_choice_of_filters(tmp_path, monkeypatch, shape):
    array = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    for options in (files.FAST_PNG, []):
        monkeypatch.setattr(files, "FAST_PNG", options)
        write_picture(tmp_path / "a.png", array)
        with Image.open(tmp_path / "a.png") as image:
            np.testing.assert_array_equal(np.array(image), array)


def test_real_path_follows_links_of_folders_and_files(tmp_path):
    (tmp_path / "true").mkdir()
    (tmp_path / "true" / "a").touch()
    (tmp_path / "link").symlink_to(tmp_path / "true")
    (tmp_path / "true" / "b").symlink_to("a")
    known = {}
    for name, expected in (("true/a", "a"), ("link/a", "a"), ("link/b", "a"), ("link/../true/new", "new")):
        assert real_path(tmp_path / name, known) == os.path.realpath(tmp_path / "true" / expected)
        assert real_path(tmp_path / name) == real_path(tmp_path / name, known)


def test_an_error_names_the_wanted_file_not_the_temporary_one(tmp_path):
    with pytest.raises(PermissionError) as caught, atomic_path(tmp_path / "a.txt") as temporary:
        raise PermissionError(13, "Permission denied", str(temporary))
    assert caught.value.filename == str(tmp_path / "a.txt")


def test_json_refuses_nan_and_writes_utf_8(tmp_path):
    write_json(tmp_path / "a.json", {"é": 1})
    assert (tmp_path / "a.json").read_bytes() == '{\n  "é": 1\n}\n'.encode()
    with pytest.raises(ValueError):
        write_json(tmp_path / "b.json", float("nan"))
    assert os.listdir(tmp_path) == ["a.json"]


def test_sha256_of_a_file(tmp_path):
    data = os.urandom((1 << 20) + 3)
    (tmp_path / "a").write_bytes(data)
    assert sha256_file(tmp_path / "a") == hashlib.sha256(data).hexdigest()
