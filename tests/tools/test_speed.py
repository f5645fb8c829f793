"""The benchmarks: what predict.py prints is understood, contestants take turns, and the numbers fit together."""

import os
import re
import subprocess
import sys
from argparse import Namespace
from dataclasses import replace

import numpy as np
import pytest

from tests.drawn_data import make_data
from tools import benchmark
from tools.benchmark import Worker, prepare_weights, take_turns, worker
from utils.system.errors import UsageError


@pytest.mark.parametrize(("what", "several"), [("pairs", [1, 2]), ("frames", [2])])
def test_runs_of_predict_are_measured(what, several, monkeypatch, capsys):
    pytest.importorskip("av", reason="PyAV is not installed")
    monkeypatch.setitem(benchmark.SIZES, "small", (96, 160))
    flags = {"size": "small", "engine": "paddle", "precision": "float32"}
    counts = {"pairs": None, "frames": None, what: several}
    benchmark.measure_end_to_end(Namespace(**counts, **flags, output_types=["pha"]))
    said, number = capsys.readouterr().out, r"([\d.]+)"
    network = re.findall(
        rf"reading took {number} s, inference {number} s, cleaning {number} s, writing {number} s", said
    )
    stream = re.findall(rf"{what} in {number} s", said)
    wall = re.findall(rf"(\d+) {what}, small: {number} s with its start, peak {number} MiB", said)
    assert [int(count) for count, _, _ in wall] == several
    for (_, inference, *_), inside, (_, seconds, peak) in zip(network, stream, wall):
        assert 0 < float(inference) <= float(inside) + 0.1 < float(seconds) and 100 < float(peak) < 10_000
    assert len(network) == len(stream) == len(several)


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
    worker = Worker([*command, 0.25, 1000, tmp_path])
    seconds, memory = worker("foreground")
    assert 0 < seconds < 60 and 100 < memory < 10_000
    assert np.load(tmp_path / "alpha.npy").shape == (160, 192)
    worker.communicate()
    with pytest.raises(UsageError, match="ended early"):
        Worker([sys.executable, "-c", "pass"])


def test_the_loader_is_measured_with_each_recipe(tmp_path, capsys, monkeypatch):
    small = {name: replace(recipe, canvas=65, lowest=64) for name, recipe in benchmark.RECIPES.items()}
    monkeypatch.setattr(benchmark, "RECIPES", small)
    root = make_data(tmp_path / "data", ("videomatte240k",))
    benchmark.main(["data", "--data-root", str(root), "--samples", "2"])
    lines = re.findall(r"(\w+): ([\d.]+) ms a sample, ([\d.]+) samples/s", capsys.readouterr().out)
    assert [name for name, *_ in lines] == [*small]
    assert all(abs(float(ms) * float(rate) - 1000) < 50 for _, ms, rate in lines)


def test_what_the_originals_interpreter_lacks_is_one_line(tmp_path):
    np.savez(tmp_path / "pair.npz", src=np.zeros((8, 8, 3), np.uint8), bgr=np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "torch.py").write_text("import no_such_package")
    command = [
        sys.executable,
        worker.__file__,
        "original",
        "eager",
        "resnet50",
        "weights.npz",
        "0.25",
        "9",
        str(tmp_path),
    ]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "has no no_such_package" in done.stderr
