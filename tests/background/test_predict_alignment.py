"""predict.py on pairs whose background does not fit: the flags, what is printed, the debug picture."""

import numpy as np
import pytest

import predict
from dataset.picture import read_rgb
from tests.background.test_align import pair, put_subject, room
from utils.picture.write import write_picture

SMALL = (192, 256)


@pytest.fixture
def moved(tmp_path):
    """one_src.png and one_bgr.png, whose camera moved by eight pixels and exposed less."""
    src, bgr, _ = pair(8, seed=31, gain=0.8, size=(288, 384))
    write_picture(tmp_path / "one_src.png", src)
    write_picture(tmp_path / "one_bgr.png", bgr)
    return tmp_path


def run(folder, *arguments):
    files = ["--src", folder / "one_src.png", "--bgr", folder / "one_bgr.png", "--output-dir", folder / "out"]
    return predict.main([str(a) for a in [*files, "--engine", "paddle", *arguments]])


def test_background_is_corrected_and_said_so(moved, capsys):
    assert run(moved, "--output-types", "pha", "debug") == 0
    printed = capsys.readouterr().out
    assert "moved by up to 8." in printed and "the light had changed" in printed and "residual" not in printed
    assert "--align" not in printed  # no warning is left
    debug = read_rgb(moved / "out" / "one_debug.png")
    assert debug.shape == (2 * (288 + 26) + 6, 2 * 390 + 6, 3)
    source, background, difference = debug[20:308, 6:390], debug[20:308, 396:780], debug[334:622, 6:390]
    assert np.median(np.abs(source.astype(int) - background)) <= 4
    assert np.median(difference) <= 16
    np.testing.assert_array_equal(debug[334:622, 396:780, 0], read_rgb(moved / "out" / "one_pha.png")[..., 0])


def test_off_leaves_the_background_and_warns_with_the_remedy(moved, capsys):
    assert run(moved, "--align", "off", "--match-exposure", "off", "--output-types", "debug") == 0
    printed, warned = capsys.readouterr()
    assert "aligned" not in printed and "light" not in printed
    assert warned.startswith("warning: ") and "--align" in warned
    background = read_rgb(moved / "out" / "one_debug.png")[20:308, 396:780]
    np.testing.assert_array_equal(background, read_rgb(moved / "one_bgr.png"))


def test_pair_that_fits_is_matted_without_a_word(tmp_path, capsys):
    bgr = room(*SMALL, seed=32)
    write_picture(tmp_path / "one_src.png", put_subject(bgr))
    write_picture(tmp_path / "one_bgr.png", bgr)
    assert run(tmp_path, "--output-types", "pha") == 0
    printed = capsys.readouterr().out
    assert "background" not in printed.split("\n", 1)[1] and "light" not in printed
    corrected = read_rgb(tmp_path / "out" / "one_pha.png")
    assert run(tmp_path, "--output-types", "pha", "--align", "off", "--match-exposure", "off") == 0
    np.testing.assert_array_equal(corrected, read_rgb(tmp_path / "out" / "one_pha.png"))


def test_demanded_homography_tells_why_it_was_not_used(tmp_path, capsys):
    src, bgr, _ = pair(0, seed=33, size=(288, 384))
    write_picture(tmp_path / "one_src.png", src)
    write_picture(tmp_path / "one_bgr.png", bgr)
    assert run(tmp_path, "--align", "homography", "--output-types", "pha") == 0
    assert "could not align the background: no movement" in capsys.readouterr().err


def test_unknown_mode_is_refused(moved, capsys):
    assert run(moved, "--align", "affine") == 1
    assert "--align" in capsys.readouterr().err
