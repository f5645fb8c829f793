"""Clips in eval.py: how they lie on disk, and the numbers of another program for the same frames."""

import csv
import json

import numpy as np
import pytest

import eval as door
from dataset.picture import PictureError
from tools import make_composites
from utils.evaluation.samples import PredictionFolder, StoredSet, share
from utils.evaluation.score import CLIP_METRICS, evaluate
from utils.picture.write import write_picture

# Means of evaluation/evaluate_lr.py of RobustVideoMatting (commit 17d1774) for `frames` of seeds 1 and 2, OpenCV 5.
RECORDED = {
    "mad": 17.873966217041016,
    "mse": 1.2008527517318726,
    "grad": 0.008026426658034325,
    "conn": 0.014680393040180206,
    "dtssd": 2.677026093006134,
}
RECORDED_FRAMES = [2.777909755706787, 2.679884910583496, 5.810551166534424]  # dtSSD of the first clip


def frames(seed, count=4):
    """Predicted and true alphas of a disc that walks, uint8 (48, 64): integers, the same on every machine."""
    rng = np.random.RandomState(seed)
    y, x = np.mgrid[:48, :64]
    preds, trues = [], []
    for number in range(count):
        distance = np.hypot(y - 24 - 2 * number, x - 26 - 3 * number)
        trues.append(np.clip(255 * (16 - distance) / 6, 0, 255).astype(np.uint8))
        pred = trues[-1].astype(int) * rng.randint(200, 256) // 255 + rng.randint(0, 20, (48, 64)) * (distance < 22)
        preds.append(np.clip(pred, 0, 255).astype(np.uint8))
    return preds, trues


@pytest.fixture
def clips(tmp_path):
    """Two clips, one in a sub-folder, with one background each, and predictions in the same layout."""
    for seed, clip in ((1, "one"), (2, "deep/two")):
        for number, (pred, true) in enumerate(zip(*frames(seed))):
            write_picture(tmp_path / "clips" / clip / f"pha/{number:04d}.png", true)
            write_picture(tmp_path / "clips" / clip / f"src/{number:04d}.png", np.dstack([true] * 3))
            write_picture(tmp_path / "pred" / clip / f"pha/{number:04d}.png", pred)
        write_picture(tmp_path / "clips" / clip / "bgr/empty.png", np.zeros((48, 64, 3), np.uint8))
    return tmp_path


def test_the_numbers_are_those_of_robust_video_matting(clips, capsys):
    arguments = ["--data-path", f"{clips}/clips", "--pred", f"{clips}/pred", "--region", "all"]
    files = ["--output", f"{clips}/report.json", "--per-image", f"{clips}/rows.csv"]
    assert door.main([*arguments, *files]) == 0
    said = capsys.readouterr().out
    assert "2 clips" in said and "8 of 8 pictures scored" in said
    means = json.loads((clips / "report.json").read_text())["means"]
    assert list(means) == [f"{name}_all" for name in CLIP_METRICS]
    for name in ("mad", "mse", "grad", "conn"):
        assert means[f"{name}_all"] == pytest.approx(RECORDED[name], rel=1e-5)
    assert means["dtssd_all"] == pytest.approx(RECORDED["dtssd"] * 4 / 3, rel=1e-5)  # first frames are not counted as 0
    with open(clips / "rows.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["name"].startswith("one/")]
    assert rows[0]["dtssd_all"] == "" and [row["name"] for row in rows][-1] == "one/0003"
    assert [float(row["dtssd_all"]) for row in rows[1:]] == pytest.approx(RECORDED_FRAMES, rel=1e-5)


def test_a_frame_that_fails_breaks_the_clip_and_no_clip_runs_into_the_next(clips):
    (clips / "pred/one/pha/0002.png").unlink()
    samples = StoredSet(clips / "clips")
    report = evaluate(PredictionFolder(clips / "pred", samples), samples, ["dtssd"], ["all"], num_workers=2)
    numbers = {row["name"]: row["dtssd_all"] for row in report.rows}
    assert [failure["name"] for failure in report.failures] == ["one/0002"]
    without = [name for name, value in numbers.items() if value is None]
    assert without == ["deep/two/0000", "one/0000", "one/0003"]
    assert share(samples, 0, 2) == [0, 1, 2, 3] and share(samples, 1, 2) == [4, 5, 6, 7]


def test_one_background_serves_a_clip_as_the_very_same_array(clips):
    samples = StoredSet(clips / "clips")
    assert samples[0].bgr is samples[1].bgr and samples[0].clip == "deep/two"
    (clips / "clips/one/src/0001.png").rename(clips / "clips/one/src/1.png")
    with pytest.raises(
        PictureError, match="lacks 1 of 8, first one/0001, in src/; it holds 1 files of other names, first one/1"
    ):
        StoredSet(clips / "clips")


def test_clips_of_drawn_figures_are_made_for_it(tmp_path):
    write_picture(tmp_path / "rooms/a.png", np.random.RandomState(0).randint(0, 256, (90, 120, 3)).astype(np.uint8))
    arguments = ["--clips", "2", "--frames", "3", "--height", "72", "--backgrounds", f"{tmp_path}/rooms"]
    assert make_composites.main([*arguments, "--output", f"{tmp_path}/clips"]) == 0
    samples = StoredSet(tmp_path / "clips")
    assert len(samples) == 6 and samples.names[5] == "clip_2/0002" and samples[0].src.shape == (72, 128, 3)
    assert 0.02 < samples[0].pha.mean() / 255 < 0.8 and (samples[0].pha != samples[1].pha).any()
    far = samples[0].pha == 0  # where only the two photographs' noise differs
    assert 0.3 < np.abs(samples[0].src[far].astype(int) - samples[0].bgr[far]).mean() < 8
