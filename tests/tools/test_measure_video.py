"""The tools that measure videos, on small ones."""

import numpy as np
import pytest

pytest.importorskip("av", reason="PyAV (requirements/video.txt)")

from tools import measure_video
from tools.measure_video import beep_times, flash_times, flashes, make_clip


def test_clip_beeps_when_it_flashes(tmp_path, monkeypatch):
    monkeypatch.setattr(measure_video, "FLASH_EVERY", 12)
    make_clip(tmp_path, 40, 144)
    assert [number for number in range(40) if flashes(number)] == [6, 18, 30]
    expected = np.array([6, 18, 30]) / float(measure_video.RATE)
    np.testing.assert_allclose(flash_times(tmp_path / "clip.mp4"), expected, atol=1e-3)
    np.testing.assert_allclose(beep_times(tmp_path / "clip.mp4"), expected, atol=2e-3)
