"""Uploads are decoded by a process of its own, which has limits and may die, and nothing else does."""

import contextlib
import os
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import dataset.picture
import tools.web.decoder
from dataset.picture import read_rgb
from tests.app_server import SAMPLE
from tests.picture_files import write_raw
from tests.web import hostile
from tools.web.decoder import MEMORY, SECONDS, Decoder
from tools.web.words import Refused
from utils.picture.write import write_picture

KINDS = {"heic": "pillow_heif", "avif": "PIL", "jxl": "pillow_jxl", "exr": "OpenEXR", "dng": "rawpy", "tif": "PIL"}


@pytest.fixture(scope="module")
def decoder():
    decoder = Decoder(64, 16_000)
    yield decoder
    decoder.close()


def refused(decoder, path):
    with pytest.raises(Refused) as caught:
        decoder.read(path)
    return caught.value.note


def test_it_reads_what_the_reader_reads(decoder, tmp_path):
    rgb = read_rgb(SAMPLE["src"])[:300, :400]
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(rgb).save(tmp_path / "turned.jpg", exif=exif)
    Image.fromarray(rgb[..., 0].astype(np.uint16) * 257).save(tmp_path / "deep.png")
    Image.fromarray(rgb).save(tmp_path / "a.webp")
    for path in (SAMPLE["src"], *sorted(tmp_path.iterdir())):
        assert np.array_equal(decoder.read(path), read_rgb(path)), path


def test_floats_may_take_twice_the_memory(tmp_path, monkeypatch):
    pytest.importorskip("OpenEXR", reason="OpenEXR (requirements/pictures.txt)")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    pixels = []
    monkeypatch.setattr(tools.web.decoder, "limit_process", pixels.append)
    write_picture(tmp_path / "a.exr", np.zeros((20, 30, 3), np.float32))
    for path in (tmp_path / "a.exr", SAMPLE["src"]):
        answer, picture = tools.web.decoder.answered(str(path), 64, 16_000)
        assert picture.shape[:2] == answer["size"]
    assert pixels == [0, 2 * 20 * 30, 0, 720 * 1280]


def test_sizes_are_told_before_anything_is_decoded(decoder, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(hostile.png_of(9000, 8000, b""))
    error = refused(decoder, path)
    assert error.kind == "too_large" and (error.values["width"], error.values["height"]) == (9000, 8000)


@pytest.mark.parametrize("kind", ["tiff, tiles of 900 million", "tiff, tiles of 4 billion", "tiff, 60,000 samples"])
def test_a_small_file_takes_no_large_memory(tmp_path, kind):
    path = tmp_path / "a.tif"
    path.write_bytes(hostile.pictures(b"x" * 100)[kind][1])
    decoder = Decoder(64, 16_000)
    with contextlib.closing(decoder):
        decoder.read(SAMPLE["src"])
        before = peak(decoder)
        refused(decoder, path)
        if decoder._process is not None:
            assert peak(decoder) < before + MEMORY / 2**20
        assert decoder.read(SAMPLE["src"]).shape == (720, 1280, 3)


def peak(decoder):
    """MiB that the process has had in memory at most."""
    lines = Path(f"/proc/{decoder._process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def test_time_has_an_end(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(hostile.scans(30_000))
    decoder = Decoder(64, 16_000)
    with contextlib.closing(decoder):
        used = time.process_time()
        assert refused(decoder, path).kind == "too_costly"
        assert time.process_time() - used < SECONDS
        assert decoder.read(SAMPLE["src"]).shape == (720, 1280, 3)


def test_it_may_be_killed_and_starts_again(decoder):
    decoder.read(SAMPLE["src"])
    decoder._process.kill()
    decoder._process.wait()
    assert decoder.read(SAMPLE["src"]).shape == (720, 1280, 3)


def test_it_can_write_no_file(tmp_path):
    decoder = Decoder(64, 16_000)
    with contextlib.closing(decoder):
        decoder.read(SAMPLE["src"])
        limits = Path(f"/proc/{decoder._process.pid}/limits").read_text()
    assert any(line.startswith("Max file size") and line.split()[3:5] == ["0", "0"] for line in limits.splitlines())


def test_it_ends_with_the_page(tmp_path):
    decoder = Decoder(64, 16_000)
    decoder.read(SAMPLE["src"])
    process = decoder._process
    process.stdin.close()  # as it is when this process ends, however it does
    assert process.wait(10) == 0
    process.stdout.close()
    assert not os.path.exists(f"/proc/{process.pid}/exe")


def test_an_answer_that_cannot_be_is_none(decoder):
    decoder.read(SAMPLE["src"])
    smaller = Decoder(0.1, 100)
    smaller._process = decoder._process
    decoder._process.stdin.write(b'{"path": "%s", "megapixels": 64, "side": 16000}\n' % bytes(SAMPLE["src"]))
    assert refused(smaller, SAMPLE["src"]).kind == "too_costly"


def test_readers_in_threads_leave_the_filters_of_warnings_alone(monkeypatch):
    monkeypatch.setattr(warnings, "catch_warnings", lambda *a, **k: pytest.fail("filters are changed in a thread"))
    before = list(warnings.filters)
    threads = [threading.Thread(target=read_rgb, args=[SAMPLE["src"]]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before


def test_what_is_larger_than_the_limit_is_refused_without_a_warning(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(hostile.png_of(1100, 1000, b""))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10**6)
    with pytest.raises(dataset.picture.PictureError, match="more than 1 million pixels"):
        read_rgb(path)


def test_the_time_that_100_000_channels_take_is_limited(decoder, tmp_path):
    pytest.importorskip("OpenEXR", reason="OpenEXR (requirements/pictures.txt)")
    (tmp_path / "a.exr").write_bytes(hostile.exr_of(100_000))
    assert refused(decoder, tmp_path / "a.exr").kind == "too_costly"
    assert decoder.read(SAMPLE["src"]).shape == (720, 1280, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_it_reads_every_kind_as_predict_does(decoder, tmp_path, kind):
    package = pytest.importorskip(KINDS[kind], reason=f"{KINDS[kind]} (requirements/pictures.txt)")
    path, rgb = tmp_path / f"a.{kind}", read_rgb(SAMPLE["src"])[:120, :160]
    if kind == "exr":
        write_picture(path, (rgb / np.float32(255)) ** 2.2)
    elif kind == "dng":
        write_raw(path, np.random.default_rng(0).integers(0, 4096, (48, 64)).astype(np.uint16))
    else:
        if kind == "heic":
            package.register_heif_opener()
        Image.fromarray(rgb).save(path)
    read = decoder.read(path)
    assert np.array_equal(read, read_rgb(path))
    path.write_bytes(path.read_bytes()[:300])
    assert refused(decoder, path).kind in ("picture_damaged", "no_picture")
