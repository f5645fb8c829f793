"""tools/make_lite_data.py, check_dataset.py, make_private_data.py, training_report.py and run.sh."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import predict
from dataset import drawn
from dataset.folders import SOURCES, ForegroundDataset
from dataset.picture import read_alpha, read_rgb
from tests.background.test_align import pair
from tests.drawn_data import disc, make_data, scene
from tools import check_dataset, make_lite_data, make_private_data, training_report
from utils.picture.sample_pair import read_sample_pair
from utils.picture.write import write_picture

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(make_lite_data, "COUNTS", {name: 1 for name in make_lite_data.COUNTS})
    monkeypatch.setattr(make_lite_data, "BACKGROUNDS", {name: 1 for name in make_lite_data.BACKGROUNDS})


# ----------------------------------------------------------------------------------------------------------- lite data
def test_lite_data_is_complete_and_the_same_for_a_seed(few, tmp_path):
    for name in ("one", "two"):
        make_lite_data.main(["--output", str(tmp_path / name), "--seed", "4", "--height", "96"])
    make_lite_data.main(["--output", str(tmp_path / "other"), "--seed", "5", "--height", "96"])
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*"))
    assert len(files) == 2 * (len(make_lite_data.COUNTS) - 1) + 1 + len(make_lite_data.BACKGROUNDS)
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
        assert (tmp_path / "one" / name).read_bytes() != (tmp_path / "other" / name).read_bytes()
    assert check_dataset.main(["--data-root", str(tmp_path / "one")]) == 0


def test_lite_alpha_is_the_covered_share_of_each_pixel():
    for seed in range(3):
        rng = np.random.default_rng(seed)
        fgr, pha = drawn.figure(rng, 192, 160)
        assert fgr.shape == (192, 160, 3) and pha.shape == (192, 160) and fgr.dtype == pha.dtype == np.uint8
        assert 0.05 < np.mean(pha == 255) < 0.8 and 0.1 < np.mean(pha == 0)
        soft = pha[(pha > 0) & (pha < 255)]
        assert len(np.unique(soft)) >= drawn.OVERSAMPLING**2 - 1  # ninths of a pixel, or blurred ones
        assert 0.003 < len(soft) / pha.size < 0.3


# -------------------------------------------------------------------------------------------------------------- checks
def test_check_names_everything_that_is_wrong(tmp_path, capsys):
    root = make_data(tmp_path / "data", ("private",), train=5)
    train = root / "private" / "train"
    (train / "fgr" / "00.jpg").write_bytes(b"\xff\xd8\xff broken")
    write_picture(train / "pha" / "01.png", np.zeros((10, 12), np.uint8))
    write_picture(train / "pha" / "02.png", scene(np.random.default_rng(0), 72, 64))
    write_picture(train / "pha" / "03.png", np.zeros((72, 64), np.uint8))
    (root / "private" / "valid" / "pha" / "00.png").unlink()
    assert check_dataset.main(["--data-root", str(root), "private"]) == 1
    out, err = capsys.readouterr()
    assert "private train: 5 pictures" in out and "soft" in out and err.count("error: private train: ") == 4
    for words in ("00.jpg", "01.png is 12x10", "02.png", "zero everywhere", "1 of 3 files in "):
        assert words in err


def test_check_writes_contact_sheets(tmp_path):
    root = make_data(tmp_path / "data", ("private",))
    assert check_dataset.main(["--data-root", str(root), "private", "--sheet", str(tmp_path / "sheets")]) == 0
    names = {path.name for path in (tmp_path / "sheets").iterdir()}
    assert names == {f"{name}_{split}.png" for name in ("private", "backgrounds") for split in ("train", "valid")}
    assert read_rgb(tmp_path / "sheets" / "private_train.png").std() > 20


# ------------------------------------------------------------------------------------------------------- private data
def test_private_data_is_made_in_the_layout_of_training(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for i in range(10):
        (fgr, pha), back = disc(rng, 64, 64), scene(rng, 64, 64)
        alpha = pha[..., None] / 255
        write_picture(tmp_path / "src" / f"{i}.png", (fgr * alpha + back * (1 - alpha)).astype(np.uint8))
        write_picture(tmp_path / "bgr" / f"{i}.png", back)
    arguments = ["--src", str(tmp_path / "src"), "--bgr", str(tmp_path / "bgr"), "--output", str(tmp_path / "private")]
    write_picture(tmp_path / "bgr" / "4.png", scene(rng, 60, 64))
    assert make_private_data.main([*arguments, "--device", "cpu"]) == 1  # one pair of unequal sizes is named
    assert "bgr/4.png is 64x60, " in capsys.readouterr().err
    assert len(ForegroundDataset(tmp_path / "private" / "train")) == 8
    assert len(ForegroundDataset(tmp_path / "private" / "valid")) == 1
    assert read_alpha(tmp_path / "private" / "train" / "pha" / "0.png").shape == (64, 64)
    (tmp_path / "bgr" / "7.png").unlink()
    assert make_private_data.main(arguments) == 1
    assert "7.png has no background" in capsys.readouterr().err


def test_private_data_is_what_predict_makes_of_the_pairs(tmp_path, capsys):
    """Of a hand-held one, and of the sample, in whose outline a gap is refined."""
    for name, pictures in (("held", pair(8, seed=31, gain=0.8, size=(288, 384))), ("sample", read_sample_pair())):
        for part, picture in zip(("src", "bgr"), pictures):
            write_picture(tmp_path / part / f"{name}.png", picture)
    pictures = ["--src", str(tmp_path / "src"), "--bgr", str(tmp_path / "bgr")]
    assert make_private_data.main([*pictures, "--output", str(tmp_path / "private")]) == 0
    assert "moved by up to 8." in capsys.readouterr().out
    assert predict.main([*pictures, "--output-dir", str(tmp_path / "out"), "--output-types", "pha"]) == 0
    for name in ("held.png", "sample.png"):
        made, predicted = (read_alpha(tmp_path / folder / "pha" / name) for folder in ("private/train", "out"))
        np.testing.assert_array_equal(made, predicted)


# -------------------------------------------------------------------------------------------------------------- report
def test_report_takes_the_best_validation_of_each_training(tmp_path, capsys):
    for name, sads in (("stage1", [9.0, 4.0, 5.0]), ("stage2", [4.5, 3.0])):
        (tmp_path / name).mkdir()
        rows = [
            {
                "validated_on": "photomatte85",
                "step": 10 * i,
                "sad_all": sad,
                "mse_all": 2 * sad,
                "sad_unknown": None,
                "mse_unknown": 1.0,
                "train_loss": 0.1,
            }
            for i, sad in enumerate(sads)
        ]
        (tmp_path / name / "valid.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    folders = [str(tmp_path / "stage1"), str(tmp_path / "stage2")]
    assert training_report.main(folders) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()[2:]]
    assert lines == [
        "| before training | photomatte85 | 0 | 9.000 | 18.000 | - | 1.000 |",
        "| stage1 | photomatte85 | 10 | 4.000 | 8.000 | - | 1.000 |",
        "| stage2 | photomatte85 | 10 | 3.000 | 6.000 | - | 1.000 |",
    ]
    assert training_report.main([str(tmp_path / "nothing")]) == 1


# -------------------------------------------------------------------------------------------------------------- run.sh
def test_run_names_missing_data_before_anything_starts(tmp_path):
    environment = {**os.environ, "PYTHON": sys.executable}
    command = ["sh", str(ROOT / "run.sh"), "--data-root", str(tmp_path), "--batch-size", "2"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 1
    for name in ("videomatte240k", "distinctions646", "private", "backgrounds"):
        assert str(tmp_path / SOURCES[name].folders[0]) in done.stderr and SOURCES[name].where in done.stderr
    assert list(tmp_path.iterdir()) == []
