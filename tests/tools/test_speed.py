"""The benchmarks: what predict.py prints is understood, contestants take turns, and the numbers fit together."""

import sys
from argparse import Namespace

import numpy as np
import pytest

from tools.speed import contest, end_to_end
from tools.speed.contest import Worker, prepare_weights, take_turns
from utils.system.errors import UsageError


@pytest.mark.parametrize(("what", "several"), [("pairs", [1, 2]), ("frames", [2])])
def test_runs_of_predict_are_measured(what, several, monkeypatch, capsys):
    pytest.importorskip("av", reason="PyAV is not installed")
    monkeypatch.setitem(contest.SIZES, "small", (96, 160))
    flags = {"size": "small", "engine": "paddle", "precision": "float32", "refine_sample_pixels": 1000}
    counts = {"pairs": None, "frames": None, what: several}
    rows = end_to_end.measure_end_to_end(Namespace(**counts, **flags, output_types=["pha"]))
    assert [row["count"] for row in rows] == several
    for row in rows:
        assert 0 < row["network"] <= row["stream"] + 0.1 < row["wall"] and 100 < row["peak_mib"] < 10_000
    said = capsys.readouterr().out
    assert f"     2 {what}, small: " in said


def test_contestants_take_turns_and_the_first_rounds_do_not_count():
    order = []

    def contestant(name):
        order.append(name)
        return len(order), 0.5

    found = take_turns({name: lambda name=name: contestant(name) for name in "ab"}, 2, warm_up=1)
    rounds = ["".join(order[i : i + 2]) for i in (0, 2, 4)]
    assert {"".join(sorted(x)) for x in rounds} == {"ab"}
    np.testing.assert_array_equal(found["b"], [[3 + rounds[1].index("b"), 0.5], [5 + rounds[2].index("b"), 0.5]])


def test_our_worker_measures_frames_and_keeps_alpha(tmp_path):
    weights = prepare_weights("mobilenetv2", tmp_path)
    picture = np.random.default_rng(0).integers(0, 256, (160, 192, 3), np.uint8)
    np.savez(tmp_path / "pair.npz", src=picture, bgr=picture)
    command = [sys.executable, "-m", "tools.speed.worker", "paddle", "float32", "mobilenetv2", weights]
    worker = Worker([*command, 0.25, 1000, tmp_path / "pair.npz", tmp_path / "alpha.npy"])
    seconds, memory = worker("foreground")
    assert 0 < seconds < 60 and 100 < memory < 10_000
    assert np.load(tmp_path / "alpha.npy").shape == (160, 192)
    worker.close()
    with pytest.raises(UsageError, match="ended early"):
        Worker([sys.executable, "-c", "pass"])
