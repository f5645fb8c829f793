"""The tools that measure videos, on small ones."""

import re

import numpy as np
import pytest

pytest.importorskip("av", reason="PyAV (requirements/video.txt)")

from tests.background.test_align import room
from tools import measure_video
from tools.measure_video import beep_times, flash_times, flashes, make_clip
from utils.picture.write import write_picture


def test_clip_beeps_when_it_flashes(tmp_path, monkeypatch):
    monkeypatch.setattr(measure_video, "FLASH_EVERY", 12)
    make_clip(tmp_path, 40, 144)
    assert [number for number in range(40) if flashes(number)] == [6, 18, 30]
    expected = np.array([6, 18, 30]) / float(measure_video.RATE)
    np.testing.assert_allclose(flash_times(tmp_path / "clip.mp4"), expected, atol=1e-3)
    np.testing.assert_allclose(beep_times(tmp_path / "clip.mp4"), expected, atol=2e-3)


def test_swaying_figure_is_scored_with_and_without_smoothing(tmp_path, capsys):
    write_picture(tmp_path / "scene.png", room(180, 320, 3))
    flags = ["--backgrounds", str(tmp_path), "--clips", "1", "--frames", "3", "--height", "144"]
    assert measure_video.main(["steadiness", *flags, "--engine", "paddle"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    plain, smooth, plain_sad, smooth_sad = map(float, re.findall(r"\d+\.\d+", last))
    assert plain != smooth and 0 < smooth_sad < 2 * plain_sad
