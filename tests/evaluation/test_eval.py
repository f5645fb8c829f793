"""eval.py as a user calls it."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import eval as door
import predict
from dataset.picture import read_alpha, read_rgb
from tools import compare
from utils.evaluation import metric
from utils.evaluation.composites import Composites, DemonstrationSet
from utils.evaluation.metric import make_trimap
from utils.picture.write import write_picture
from utils.prediction import loop
from utils.predictor import Matte

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def people(tmp_path):
    """Four small foregrounds and a background, the benchmark set made of them, and dimmed alphas as predictions."""
    rng = np.random.RandomState(1)
    y, x = np.mgrid[:64, :48]
    for index, name in enumerate("abcd"):
        pha = np.clip(255 * (15 + index - np.hypot(y - 32, x - 24)) / 4, 0, 255).astype(np.uint8)
        write_picture(tmp_path / "people/fgr" / f"{name}.png", rng.randint(0, 256, (64, 48, 3)).astype(np.uint8))
        write_picture(tmp_path / "people/pha" / f"{name}.png", pha)
        write_picture(tmp_path / "pred" / f"{name}.png", pha - pha // (8 - index))
    write_picture(tmp_path / "rooms/room.png", rng.randint(0, 256, (64, 48, 3)).astype(np.uint8))
    samples = Composites(tmp_path / "people", tmp_path / "rooms", "paper-like")
    for index in range(4):
        for part in ("src", "bgr", "pha", "fgr"):
            write_picture(tmp_path / "set" / part / f"{'abcd'[index]}.png", getattr(samples[index], part))
    return tmp_path


def score(people, *extra):
    return door.main(["--data-path", f"{people}/set", "--pred", f"{people}/pred", *map(str, extra)])


def test_bare_call_scores_the_demonstration_set_and_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert door.main(["--metrics", "sad"]) == 0
    said = capsys.readouterr().out
    assert "download PhotoMatte85" in said and "DEMONSTRATION SET" in said and "9 of 9 pictures scored" in said
    assert float(said.split("| all ")[1].split()[1]) == pytest.approx(1.174, abs=0.01)  # of the shipped weights


def test_bare_call_takes_photomatte85_where_the_predecessor_had_it(people, monkeypatch, capsys):
    monkeypatch.chdir(people)
    (people / "data/backgrounds").mkdir(parents=True)
    (people / "people").rename(people / "data/test85")
    (people / "rooms").rename(people / "data/backgrounds/valid")
    assert door.main(["--metrics", "sad", "--num-workers", "0"]) == 0
    said = capsys.readouterr().out
    assert "test85" in said and "4 of 4 pictures scored" in said and "DEMONSTRATION" not in said


def test_predictions_on_disk_give_the_metrics_of_the_files(people, capsys):
    report, rows = people / "out/report.json", people / "out/rows.csv"
    assert score(people, "--output", report, "--per-image", rows) == 0
    written = json.loads(report.read_text())
    pairs = [(read_alpha(people / f"pred/{n}.png"), read_alpha(people / f"set/pha/{n}.png")) for n in "abcd"]
    expected = np.mean([metric.sad(pred, true) for pred, true in pairs])
    assert written["means"]["sad_all"] == pytest.approx(expected)
    assert written["scored"] == 4 and written["failed"] == [] and written["units"]["grad"] == "1000"
    with open(rows, newline="") as file:
        read = list(csv.DictReader(file))
    assert [row["name"] for row in read] == list("abcd")
    assert float(read[2]["conn_unknown"]) == metric.conn(*pairs[2], make_trimap(pairs[2][1]))
    assert f"{expected:.3f}" in capsys.readouterr().out


def test_missing_extra_wrong_sized_and_damaged_predictions_are_each_named(people, capsys):
    (people / "pred/a.png").unlink()
    write_picture(people / "pred/b.png", np.zeros((64, 44), np.uint8))
    (people / "pred/c.png").write_bytes((people / "pred/c.png").read_bytes()[:60])
    write_picture(people / "pred/else.png", np.zeros((64, 48), np.uint8))
    assert score(people, "--output", people / "report.json") == 1
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert any("failed: a:" in line and "missing" in line for line in lines)
    assert any("failed: b:" in line and "44x64" in line and "48x64" in line for line in lines)
    assert any("failed: c:" in line and "c.png" in line for line in lines)
    assert any(line.startswith("extra:") and "else.png" in line for line in lines)
    assert any("3 of 4 pictures failed" in line for line in lines)
    assert "1 of 4 pictures scored" in captured.out
    written = json.loads((people / "report.json").read_text())
    assert [failure["name"] for failure in written["failed"]] == ["a", "b", "c"] and len(written["extra"]) == 1


def test_reference_protocol_prints_the_predecessors_numbers(people, capsys):
    assert score(people, "--protocol", "reference", "--output", people / "report.json") == 0
    means = json.loads((people / "report.json").read_text())["means"]
    values = []
    for name in "abcd":
        pred, true = read_alpha(people / f"pred/{name}.png"), read_alpha(people / f"set/pha/{name}.png")
        values.append(metric.reference_mse(pred, true, make_trimap(true, rule="reference")))
    assert means["mse_unknown"] == pytest.approx(np.mean(values))
    assert set(means) == {"sad_unknown", "mse_unknown"}


def test_worst_pictures_are_saved(people):
    assert score(people, "--save-worst", 2, "--worst-file", people / "worst.png") == 0
    assert read_rgb(people / "worst.png").shape[0] > 2 * 256


def test_composites_on_the_way_equal_the_stored_set(people, capsys):
    arguments = ["--metrics", "sad", "--per-image"]
    assert door.main(["--data-path", f"{people}/set", *arguments, f"{people}/stored.csv"]) == 0
    foregrounds = ["--data-path", f"{people}/people", "--backgrounds", f"{people}/rooms"]
    assert door.main([*foregrounds, *arguments, f"{people}/made.csv", "--num-workers", "0"]) == 0
    assert (people / "stored.csv").read_text() == (people / "made.csv").read_text()


@pytest.mark.parametrize("mode", ["auto", "off"])
def test_the_score_is_that_of_the_files_that_predict_writes(tmp_path, capsys, mode):
    """Of a small picture, which is enlarged, whose background was photographed from aside and brighter."""
    sample = DemonstrationSet()[DemonstrationSet().names.index("drawn_1")]
    aside = cv2.add(np.roll(sample.bgr, 5, axis=1), np.full_like(sample.bgr, 25))
    for part, picture in (("src", sample.src), ("bgr", aside), ("pha", sample.pha)):
        write_picture(tmp_path / "set" / part / "drawn.png", picture)
    same = ["--engine", "paddle", "--align", mode, "--match-exposure", mode]
    islets = [["--keep-islets"], []] if mode == "off" else [[], ["--remove-islets"]]
    pair = ["--src", f"{tmp_path}/set/src", "--bgr", f"{tmp_path}/set/bgr", "--output-types", "pha"]
    assert predict.main([*pair, "--output-dir", f"{tmp_path}/written", *same, *islets[0]]) == 0
    written = ["--data", f"{tmp_path}/set", "--pred", f"files={tmp_path}/written", "--metrics", "sad"]
    assert compare.main([*written, "--output", f"{tmp_path}/table.md"]) == 0
    capsys.readouterr()
    arguments = ["--data-path", f"{tmp_path}/set", "--metrics", "sad", "--output", f"{tmp_path}/report.json", *same]
    assert door.main([*arguments, *islets[1]]) == 0
    done = "corrected" if mode == "auto" else "as it is"
    assert f"engine paddle; align {mode}, match exposure {mode}, alpha {done}" in capsys.readouterr().out
    means = json.loads((tmp_path / "report.json").read_text())["means"]
    rows = [row.split()[1::2] for row in (tmp_path / "table.md").read_text().splitlines()[2:]]
    assert rows == [["files", "1", region, f"{means[f'sad_{region}']:.3f}"] for region in ("all", "unknown")]
    assert (means["sad_all"] < 2) == (mode == "auto")  # so that the corrections are seen to matter


def test_predictions_of_other_names_are_told_once(people, capsys):
    for path in sorted((people / "pred").iterdir()):
        path.rename(path.with_name(f"{path.stem}_alpha.png"))
    assert score(people) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "none of 4 alphas, first a; it holds 4 files of other names, first a_alpha" in line


def test_weak_islets_are_removed_on_demand(people, monkeypatch, capsys):
    speck = np.zeros((64, 48), np.uint8)
    speck[:32], speck[56:60, 4:8] = 255, 30
    fake = {"backbone": "none", "weights": "none", "engine": "none"}
    fake["__call__"] = lambda *_: Matte(speck, None, lambda: speck / np.float32(255), None, None)
    monkeypatch.setattr(door, "matting_from", lambda args, tell: type("Fake", (), fake)())
    monkeypatch.setattr(loop, "clean_foreground", lambda pha, src, bgr, colours: (src, pha))
    sads = []
    for flags in ([], ["--remove-islets"]):
        arguments = ["--data-path", f"{people}/set", "--metrics", "sad", "--region", "all", *flags]
        assert door.main([*arguments, "--output", f"{people}/report.json"]) == 0
        sads.append(json.loads((people / "report.json").read_text())["means"]["sad_all"])
        assert f"alpha {'corrected' if flags else 'as it is'}" in capsys.readouterr().out
    assert sads[0] - sads[1] == pytest.approx(16 * 30 / 255 / 1000)


def test_the_foreground_is_cleaned_on_demand(people):
    """As in the files of predict.py, and nearer to the truth than the network's own."""
    scores = []
    for flags in ([], ["--clean-foreground"]):
        arguments = ["--data-path", f"{people}/set", "--metrics", "fgr_mse", "--region", "all", *flags]
        assert door.main([*arguments, "--output", f"{people}/report.json"]) == 0
        scores.append(json.loads((people / "report.json").read_text())["means"]["fgr_mse_all"])
    pair = ["--src", f"{people}/set/src", "--bgr", f"{people}/set/bgr", "--output-dir", f"{people}/written"]
    assert predict.main([*pair, "--align", "off", "--match-exposure", "off", "--keep-islets"]) == 0
    arguments = ["--pred", f"{people}/written", "--metrics", "fgr_mse", "--region", "all"]
    assert door.main(["--data-path", f"{people}/set", *arguments, "--output", f"{people}/report.json"]) == 0
    assert json.loads((people / "report.json").read_text())["means"]["fgr_mse_all"] == pytest.approx(scores[1])
    assert scores[1] != scores[0]


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--data-path", "nowhere", "--pred", "pred"], "nowhere"),
        (["--data-path", "set", "--pred", "nowhere"], "nowhere"),
        (["--data-path", "people"], "--backgrounds"),
        (["--data-path", "empty"], "empty is empty: put pictures into empty/fgr"),
        (["--data-path", "NOT_THERE"], "--data-path NOT_THERE does not exist"),
        (["--data-path", "set/pha/a.png"], "--data-path set/pha/a.png is not a folder"),
        (["--data-path", "set", "--pred", "pred", "--output", "set"], "--output: set is a folder"),
        (["--data-path", "set", "--pred", "pred", "--per-image", "set"], "--per-image: set is a folder"),
        (["--data-path", "set", "--pred", "pred", "--worst-file", "a.gif"], "a.gif has no picture's suffix"),
        (["--pred", "pred"], "--data-path"),
        (["--num-workers", "-1"], "--num-workers"),
        (["--data-path", "people", "--backgrounds", "rooms", "--height", "70"], "--height"),
        (["--protocol", "reference", "--metrics", "grad"], "reference"),
        (["--protocol", "reference", "--region", "all"], "--region"),
        (["--data-path", "set", "--model-path", "nowhere.pdparams"], "nowhere.pdparams"),
    ],
)
def test_wrong_use_is_one_line_and_an_exit_code(people, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(people)
    (people / "empty").mkdir()
    assert door.main(arguments) == 1
    error = capsys.readouterr().err.strip().splitlines()
    assert words in error[-1] and error[-1].startswith("error: ")


def test_two_processes_print_what_one_prints(people, monkeypatch, capsys):
    """Two CPU processes over gloo; rank 0's output is the launcher's."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    (people / "pred/c.png").unlink()  # a failure has to reach rank 0 as well
    arguments = ["--data-path", "set", "--pred", "pred", "--per-image"]
    launcher = ["-m", "paddle.distributed.launch", "--nproc_per_node", "2", "--log_dir", "logs"]
    command = [sys.executable, *launcher, str(ROOT / "eval.py"), *arguments, "two.csv"]
    done = subprocess.run(command, cwd=people, env=environment, capture_output=True, text=True, timeout=120)
    monkeypatch.chdir(people)
    assert door.main([*arguments, "one.csv"]) == 1 and done.returncode != 0  # because of the failure
    outputs = "".join(capsys.readouterr()), done.stdout + done.stderr
    assert (people / "one.csv").read_text() == (people / "two.csv").read_text()
    table = [[line for line in text.splitlines() if line.startswith("| prediction")] for text in outputs]
    assert table[0] == table[1][:2] and len(table[0]) == 2  # the launcher shows the log of a failed process once more
    assert all("3 of 4 pictures scored" in text and "failed: c:" in text for text in outputs)
