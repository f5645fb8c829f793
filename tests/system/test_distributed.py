"""Training by two processes on this machine's processor (gloo): the gradients and the logs are those of one."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests import distributed_gradients
from tests.drawn_data import make_data

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("distributed")
    make_data(folder / "data", ("private",))
    return folder


def flags(folder):
    return [
        *("--dataset-name", "private", "--data-root", str(folder / "data"), "--model-name", "run"),
        *("--model-backbone", "mobilenetv2", "--model-refine-sample-pixels", "1024", "--batch-size", "4"),
        *("--crop-size", "32", "64", "--valid-size", "64", "--valid-samples", "3", "--num-workers", "0"),
        *("--epoch-end", "1", "--log-train-loss-interval", "1", "--device", "cpu"),
        *("--checkpoint-dir", str(folder / "checkpoint"), "--log-dir", str(folder / "log")),
    ]


def launch_two(folder, *command):
    launcher = ["-m", "paddle.distributed.launch", "--nproc_per_node", "2", "--log_dir", str(folder / "out")]
    done = subprocess.run([sys.executable, *launcher, *command], capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_two_processes_have_the_gradients_of_one_with_the_joint_batch(folder):
    launch_two(folder, "tests/distributed_gradients.py", str(folder / "2.npz"), *flags(folder))
    distributed_gradients.main(str(folder / "1.npz"), flags(folder))
    one, two = (np.load(folder / f"{processes}.npz") for processes in (1, 2))
    assert one.files == two.files and len(one.files) == 193
    for name in one.files:
        difference = np.linalg.norm(one[name] - two[name]) / np.linalg.norm(one[name])
        assert difference < 1e-5, name


def test_two_processes_train_and_the_first_logs(folder):
    launch_two(folder, "train.py", *flags(folder))
    text = (folder / "log" / "run" / "log.txt").read_text()
    assert "on 2 x cpu" in text
    assert re.findall(r"step (\d)/2 loss", text) == ["1", "2"]
    rows = [json.loads(line) for line in (folder / "log" / "run" / "valid.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [0, 2] and rows[1]["failures"] == 0
    assert sorted(path.name for path in (folder / "checkpoint" / "run").iterdir()) == ["best.pdparams", "last.pdparams"]
