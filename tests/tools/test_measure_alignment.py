"""The measuring tool: its disturbances are what it says, and both commands end in a table and a file."""

import json

import cv2
import numpy as np
import pytest

from tests.background.test_align import pair, put_subject, room
from tools import measure_alignment
from tools.measure_alignment import MARGIN, disturb, main
from utils.picture.write import write_picture


def test_undisturbed_background_is_the_middle_of_the_wide_one():
    wide = room(200, 240, seed=41)
    np.testing.assert_array_equal(disturb(wide, 0, 0, np.random.RandomState(0)), wide[MARGIN:-MARGIN, MARGIN:-MARGIN])


def test_disturbed_background_moves_and_brightens():
    wide = cv2.GaussianBlur(room(200, 240, seed=42), (0, 0), 3) // 2
    still = wide[MARGIN:-MARGIN, MARGIN:-MARGIN].astype(int)
    near, far = (np.abs(disturb(wide, n, 0, np.random.RandomState(1)) - still).mean() for n in (1, 16))
    assert 0 < near < far / 4
    assert disturb(wide, 0, 20, np.random.RandomState(1)).mean() == pytest.approx(1.2 * still.mean(), rel=0.01)


def test_pairs_prints_a_row_each_and_keeps_the_numbers(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(measure_alignment, "REPEATS", 1)
    src, bgr, _ = pair(6, seed=43, noise=0)
    write_picture(tmp_path / "a_src.png", src)
    write_picture(tmp_path / "a_bgr.png", bgr)
    assert main(["pairs", str(tmp_path), "--json", str(tmp_path / "rows.json")]) == 0
    assert "| a | 480x360 |" in capsys.readouterr().out
    (row,) = json.loads((tmp_path / "rows.json").read_text())
    assert row["aligned"] < row["as taken"] / 3 and row["corner motion"] == pytest.approx(6, abs=0.5)


def test_people_prints_a_row_for_each_disturbance(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(measure_alignment, "MOTIONS", (4,))
    monkeypatch.setattr(measure_alignment, "EXPOSURES", ())
    scene = room(240, 200, seed=44)
    figure = put_subject(scene)
    for name, picture in (("fgr", figure), ("pha", ((figure != scene).any(axis=-1) * 255).astype(np.uint8))):
        write_picture(tmp_path / "people" / name / "one.png", picture)
    write_picture(tmp_path / "scenes" / "a.png", room(300, 300, seed=45))
    folders = ["--foregrounds", str(tmp_path / "people"), "--backgrounds", str(tmp_path / "scenes")]
    assert main(["people", *folders, "--count", "1", "--height", "160", "--json", str(tmp_path / "rows.json")]) == 0
    assert capsys.readouterr().out.count("\n| ") == 2
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [(row["motion"], row["exposure"]) for row in rows] == [(4, 0), (8, 10)]
    assert all(row["without"] >= 0 and row["samples"] == 1 for row in rows)
