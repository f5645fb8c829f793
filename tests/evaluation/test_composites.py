"""Composites for benchmark sets, and tools/make_composites.py."""

import hashlib
import json

import numpy as np
import pytest
from PIL import Image

from dataset.picture import PictureError, read_alpha, read_rgb
from tools import make_composites
from utils.evaluation import composites as module
from utils.evaluation.composites import Composites, DemonstrationSet, pixels_sha256
from utils.evaluation.samples import PARTS, StoredSet
from utils.picture.blend import blend
from utils.picture.write import write_picture

# Pixels of one small sample of each protocol, from sources written as PNG: the same with NumPy 1.26 and 2.4, Pillow
# 10.1 and 13.0, OpenCV 4.11 and 5.0. Another value means that sets are no longer the same on every machine.
RECORDED = {
    "paper-like": "6d0f90ac36fc2b89",
    "capture": "e3c35ebadfe5fe0a",
    "reference": "3d9ed179b44285b6",
}


def smooth_picture(rng, height, width):
    coarse = rng.randint(0, 256, (height // 16 + 2, width // 16 + 2, 3)).astype(np.uint8)
    return coarse.repeat(16, axis=0).repeat(16, axis=1)[5 : 5 + height, 3 : 3 + width]


def disc(height, width):
    y, x = np.mgrid[:height, :width]
    squared = (y - height // 2) ** 2 + (x - width // 2) ** 2
    radius = min(height, width) // 3
    return (255 * np.clip(radius**2 - squared, 0, 10 * radius) // (10 * radius)).astype(np.uint8)


@pytest.fixture
def sources(tmp_path):
    """Three people as fgr and pha, two backgrounds."""
    rng = np.random.RandomState(7)
    for name, height, width in (("ann", 70, 51), ("bob", 64, 48), ("deep/cid", 90, 45)):
        write_picture(tmp_path / "people/fgr" / f"{name}.png", smooth_picture(rng, height, width))
        write_picture(tmp_path / "people/pha" / f"{name}.png", disc(height, width))
    for name in ("one", "two"):
        write_picture(tmp_path / "rooms" / f"{name}.png", smooth_picture(rng, 60, 80))
    return tmp_path


def test_blend_rounds_to_the_nearest_level():
    fgr, bgr = (np.full((1, 1, 3), value, np.uint8) for value in (200, 101))
    for pha in range(256):
        exact = (200 * pha + 101 * (255 - pha)) / 255
        assert abs(int(blend(fgr, np.array([[pha]], np.uint8), bgr)[0, 0, 0]) - exact) <= 0.5


def test_paper_like_keeps_the_foreground_and_shows_the_exact_background(sources):
    samples = Composites(sources / "people", sources / "rooms", "paper-like")
    assert samples.names == ["ann", "bob", "deep/cid"]
    sample = samples[0]
    assert sample.pha.shape == (68, 48)  # cut to multiples of 4
    np.testing.assert_array_equal(sample.pha, disc(70, 51)[:68, :48])
    np.testing.assert_array_equal(sample.fgr, read_rgb(sources / "people/fgr/ann.png")[:68, :48])
    np.testing.assert_array_equal(sample.src, blend(sample.fgr, sample.pha, sample.bgr))
    outside = sample.pha == 0
    np.testing.assert_array_equal(sample.src[outside], sample.bgr[outside])


def test_a_height_scales_the_frame_and_its_width_with_it(sources):
    sample = Composites(sources / "people", sources / "rooms", "paper-like", height=120)[2]
    assert sample.src.shape == sample.bgr.shape == sample.fgr.shape == (120, 60, 3)
    assert sample.pha.shape == sample.trimap.shape == (120, 60)


def test_capture_differs_from_the_exact_background_as_two_photographs_do(sources, monkeypatch):
    still = dict.fromkeys(module.CAPTURE, (0.0, 0.0)) | {
        "exposure": (1.0, 1.0),
        "white_balance": (1.0, 1.0),
    }
    still["shadow_softness"] = (0.05, 0.05)

    def sample(**changed):
        monkeypatch.setattr(module, "CAPTURE", still | changed)
        return Composites(sources / "people", sources / "rooms", "capture", height=120)[1]

    plain = sample()
    outside = plain.pha == 0
    np.testing.assert_array_equal(plain.src[outside], plain.bgr[outside])

    noisy = sample(read_noise=(3.0, 3.0))
    noise = (noisy.bgr.astype(int) - plain.bgr)[(plain.bgr > 20) & (plain.bgr < 235)]
    assert abs(noise.mean()) < 0.1 and 2.9 < noise.std() < 3.1
    own = (noisy.src.astype(int) - plain.src)[(plain.bgr > 20) & (plain.bgr < 235)]
    assert abs(np.corrcoef(noise, own)[0, 1]) < 0.05

    bright = sample(exposure=(1.05, 1.05))
    np.testing.assert_array_equal(bright.src, plain.src)
    np.testing.assert_array_equal(bright.bgr, np.minimum(np.rint(plain.bgr * 1.05), 255))

    moved = sample(shift=(1.0, 1.0))
    np.testing.assert_array_equal(moved.src, plain.src)
    np.testing.assert_array_equal(moved.bgr[:-1, :-1], plain.bgr[1:, 1:])

    shaded = sample(shadow=(0.3, 0.3), shadow_offset=(0.08, 0.08))
    np.testing.assert_array_equal(shaded.bgr, plain.bgr)
    np.testing.assert_array_equal(shaded.src[plain.pha == 255], plain.src[plain.pha == 255])
    assert (shaded.src <= plain.src).all()
    assert 0.68 < (shaded.src[outside].astype(float) / np.maximum(plain.src[outside], 1)).min() < 0.9

    for changed in (noisy, bright, moved, shaded):
        np.testing.assert_array_equal(changed.pha, plain.pha)
        np.testing.assert_array_equal(changed.fgr, plain.fgr)


def test_reference_shrinks_the_subject_in_a_square(sources):
    samples = Composites(sources / "people", sources / "rooms", "reference", height=256)
    for index in range(3):
        sample = samples[index]
        assert sample.src.shape == (256, 256, 3)
        drawn = sample.parameters["foreground_affine"]
        assert 0.55 <= drawn["scale"] <= 0.9 and 1 <= sample.parameters["background_affine"]["scale"] <= 1.2
        # Shear along x and rotation keep areas: alpha grows by the square of the scale.
        own = read_alpha(sources / "people/pha" / f"{sample.name}.png")
        cover = 256 / min(own.shape)
        if abs(drawn["shift"][0]) < 20 and abs(drawn["shift"][1]) < 20:  # not cut off at the frame
            assert sample.pha.sum() == pytest.approx(own.sum() * (cover * drawn["scale"]) ** 2, rel=0.02)
    # The predecessor pairs foreground i with background i, counted round.
    assert [samples[i].parameters["background"]["name"] for i in range(3)] == ["one.png", "two.png", "one.png"]


def test_the_integer_warp_equals_pillows_affine():
    picture = smooth_picture(np.random.RandomState(3), 90, 70)
    matrix = (a, b, c), (d, e, f) = (0.83, 0.11, 4.3), (-0.07, 0.91, -2.6)
    # Pillow counts from pixel corners: shift by half a pixel on both sides.
    corners = (a, b, c + 0.5 - 0.5 * (a + b), d, e, f + 0.5 - 0.5 * (d + e))
    expected = np.asarray(
        Image.fromarray(picture).transform((80, 100), Image.Transform.AFFINE, corners, Image.Resampling.BILINEAR)
    )
    found = module._warp(picture, matrix, 80, 100, rows_at_once=33)
    y, x = np.mgrid[:100, :80]
    at_x, at_y = a * x + b * y + c, d * x + e * y + f
    inside = (at_x > 1) & (at_x < 68) & (at_y > 1) & (at_y < 88)
    assert inside.sum() > 3000
    assert np.abs(found.astype(int) - expected)[inside].max() <= 2  # weights of 1/256 against floating ones
    assert (found[(at_x <= -1) | (at_y <= -1)] == 0).all()


@pytest.mark.parametrize("protocol", RECORDED)
def test_pixels_are_the_same_on_every_machine(sources, protocol):
    sample = Composites(sources / "people", sources / "rooms", protocol, seed=5, height=64)[0]
    digests = "".join(pixels_sha256(getattr(sample, part)) for part in PARTS)
    assert hashlib.sha256(digests.encode()).hexdigest()[:16] == RECORDED[protocol]


@pytest.mark.parametrize("protocol", RECORDED)
def test_samples_depend_on_the_seed_and_not_on_the_order_of_reading(sources, protocol):
    def digest(seed, index):
        return pixels_sha256(Composites(sources / "people", sources / "rooms", protocol, seed, 64)[index].src)

    samples = Composites(sources / "people", sources / "rooms", protocol, 1, 64)
    backwards = [pixels_sha256(samples[i].src) for i in (2, 1, 0)]
    assert backwards == [digest(1, i) for i in (2, 1, 0)]
    assert digest(2, 1) != digest(1, 1)


def test_rgba_pictures_are_foregrounds_too(sources):
    for name in ("ann", "bob"):
        rgb, pha = read_rgb(sources / f"people/fgr/{name}.png"), read_alpha(sources / f"people/pha/{name}.png")
        write_picture(sources / "cutouts" / f"{name}.png", np.dstack([rgb, pha]))
    for index in range(2):
        pair = Composites(sources / "people", sources / "rooms", "paper-like")[index]
        rgba = Composites(sources / "cutouts", sources / "rooms", "paper-like")[index]
        for part in PARTS:
            np.testing.assert_array_equal(getattr(pair, part), getattr(rgba, part))


def test_a_stored_set_gives_back_what_was_made(sources, capsys):
    arguments = ["--foregrounds", f"{sources}/people", "--backgrounds", f"{sources}/rooms", "--protocol", "capture"]
    assert make_composites.main([*arguments, "--output", f"{sources}/set", "--seed", "3"]) == 0
    made = Composites(sources / "people", sources / "rooms", "capture", seed=3)
    stored = StoredSet(sources / "set")
    assert stored.names == made.names
    for index in range(3):
        for part in PARTS:
            np.testing.assert_array_equal(getattr(stored[index], part), getattr(made[index], part))
    manifest = json.loads((sources / "set/manifest.json").read_text())
    assert (manifest["protocol"], manifest["seed"], manifest["count"]) == ("capture", 3, 3)
    first = manifest["samples"][0]
    assert first["background"]["name"] in ("one.png", "two.png") and set(module.CAPTURE) <= set(first)
    for name, sums in first["files"].items():
        read = read_alpha if name.startswith(("pha/", "trimap/")) else read_rgb
        assert sums["pixels_sha256"] == pixels_sha256(read(sources / "set" / name))
    assert len(first["files"]) == 5
    again = [*arguments, "--output", f"{sources}/again", "--seed", "3"]
    assert make_composites.main(again) == 0
    assert (sources / "set/manifest.json").read_bytes() == (sources / "again/manifest.json").read_bytes()


def test_a_damaged_source_is_named_and_the_rest_goes_on(sources, capsys):
    (sources / "people/fgr/bob.png").write_bytes(b"no picture")
    arguments = ["--foregrounds", f"{sources}/people", "--backgrounds", f"{sources}/rooms"]
    assert make_composites.main([*arguments, "--output", f"{sources}/set"]) == 1
    assert "bob" in capsys.readouterr().err
    assert StoredSet(sources / "set").names == ["ann", "deep/cid"]


def test_wrong_use_is_one_line_and_an_exit_code(sources, capsys):
    arguments = ["--foregrounds", f"{sources}/people", "--backgrounds", f"{sources}/rooms"]
    assert make_composites.main(["--output", f"{sources}/set"]) == 1
    assert "give --foregrounds" in capsys.readouterr().err
    for extra, words in (
        (["--output", f"{sources}/people"], "is not empty"),
        (["--output", f"{sources}/set", "--height", "70"], "multiple of 4"),
    ):
        assert make_composites.main([*arguments, *extra]) == 1
        error = capsys.readouterr().err
        assert words in error and error.count("\n") == 1
    (sources / "people/pha/bob.png").unlink()
    assert make_composites.main([*arguments, "--output", f"{sources}/set"]) == 1
    assert "bob" in capsys.readouterr().err
    assert not (sources / "set").exists()


def test_a_foreground_too_small_for_the_network_is_named(sources):
    for part, channels in (("fgr", (3,)), ("pha", ())):
        write_picture(sources / "tiny" / part / "a.png", np.zeros((3, 9, *channels), np.uint8))
    with pytest.raises(PictureError, match="a foreground of 9x3 is too small: give at least 4x4"):
        Composites(sources / "tiny", sources / "rooms", "paper-like")[0]


def test_two_foregrounds_of_one_name_are_refused(sources):
    for suffix in (".png", ".webp"):
        write_picture(sources / "cutouts" / f"a{suffix}", np.zeros((8, 8, 4), np.uint8))
    with pytest.raises(PictureError, match="two pictures named a"):
        Composites(sources / "cutouts", sources / "rooms", "paper-like")


def test_the_demonstration_set_can_be_stored(tmp_path):
    assert make_composites.main(["--demonstration", "--output", f"{tmp_path}/set"]) == 0
    stored, made = StoredSet(tmp_path / "set"), DemonstrationSet()
    assert len(stored) == len(made) == 9 and sorted(stored.names)[-1] == "sample"
    np.testing.assert_array_equal(stored[8].src, made[0].src)
    index = stored.names.index("drawn_2")
    np.testing.assert_array_equal(stored[index].pha, made[made.names.index("drawn_2")].pha)
    assert stored[index].fgr is None
