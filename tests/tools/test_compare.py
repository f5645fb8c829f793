"""tools/compare.py and tools/baselines.py."""

import numpy as np
import pytest

from dataset.picture import read_alpha, read_rgb
from tools import baselines, compare
from utils.evaluation.metric import sad
from utils.evaluation.samples import StoredSet
from utils.picture.write import write_picture


@pytest.fixture
def benchmark(tmp_path):
    """Five discs, brighter by 40 than the background they stand before, with a little noise."""
    rng = np.random.RandomState(2)
    y, x = np.mgrid[:80, :60]
    for index in range(5):
        pha = np.where(np.hypot(y - 40, x - 30) < 12 + 3 * index, 255, 0).astype(np.uint8)
        bgr = (100 + rng.randint(-1, 2, (80, 60, 3))).astype(np.uint8)
        src = np.where(pha[..., None] > 0, bgr + 40, bgr + rng.randint(-1, 2, bgr.shape)).astype(np.uint8)
        for part, picture in (("src", src), ("bgr", bgr), ("pha", pha)):
            write_picture(tmp_path / "set" / part / f"{index}.png", picture)
    return tmp_path


def run_baseline(benchmark, method):
    arguments = ["--data", f"{benchmark}/set", "--method", method, "--output", f"{benchmark}/{method}"]
    assert baselines.main(arguments) == 0
    return [read_alpha(benchmark / method / "pha" / f"{index}.png") for index in range(5)]


def test_everything_is_foreground_everywhere(benchmark):
    assert all((pha == 255).all() and pha.shape == (80, 60) for pha in run_baseline(benchmark, "everything"))
    np.testing.assert_array_equal(read_rgb(benchmark / "everything/fgr/3.png"), read_rgb(benchmark / "set/src/3.png"))


def test_the_difference_matte_finds_a_disc_and_its_threshold(benchmark, monkeypatch, capsys):
    samples = StoredSet(benchmark / "set")
    found = run_baseline(benchmark, "difference")
    said = capsys.readouterr().out
    best = float(said.split("best threshold ")[1].split()[0])
    errors = [sad(pha, samples[index].pha) for index, pha in enumerate(found)]
    assert f"mean SAD {np.mean(errors):.3f}" in said
    assert max(errors) < 0.12  # the blurred edge; the discs have up to 1,800 pixels
    for other in baselines.THRESHOLDS[:: len(baselines.THRESHOLDS) - 1]:
        monkeypatch.setattr(baselines, "THRESHOLDS", (other,))
        changed = run_baseline(benchmark, "difference")
        worse = np.mean([sad(pha, samples[index].pha) for index, pha in enumerate(changed)])
        assert worse > np.mean(errors) or other == best


def test_the_threshold_is_a_ramp():
    change = np.repeat(np.float32([4, 5, 7.5, 10, 12.5, 15, 16]), 49).reshape(7, 7, 7)
    alphas = [baselines.soften(picture, 10)[3, 3] for picture in change]
    assert alphas == [0, 0, 64, 128, 191, 255, 255]


def test_closed_form_matting_starts_from_the_difference(benchmark, monkeypatch):
    pytest.importorskip("pymatting")
    monkeypatch.setattr(baselines, "THRESHOLDS", (20,))
    samples = StoredSet(benchmark / "set")
    for index, pha in enumerate(run_baseline(benchmark, "closed-form")):
        assert sad(pha, samples[index].pha) < 0.1
    trimap = baselines.difference_trimap(samples[4].src, samples[4].bgr, 20)
    truth = samples[4].pha
    assert (truth[trimap == 255] == 255).all() and (truth[trimap == 0] == 0).all()
    assert 0 < (trimap == 128).mean() < 0.3


def test_the_table_has_one_row_a_method_and_the_figure_all_side_by_side(benchmark, capsys):
    run_baseline(benchmark, "everything")
    run_baseline(benchmark, "difference")
    capsys.readouterr()
    arguments = ["--data", f"{benchmark}/set", "--pred", f"guess={benchmark}/everything"]
    arguments += ["--pred", f"classical={benchmark}/difference", "--metrics", "sad", "mse"]
    outputs = ["--output", f"{benchmark}/table.md", "--figure", f"{benchmark}/figure.png"]
    assert compare.main([*arguments, *outputs]) == 0
    table = capsys.readouterr().out
    assert table == (benchmark / "table.md").read_text()
    samples = StoredSet(benchmark / "set")
    guess = np.mean([(samples[i].pha == 0).sum() / 1000 for i in range(5)])
    assert f"| guess | 5 | {guess:.3f} |" in table and "| classical | 5 |" in table
    figure = read_rgb(benchmark / "figure.png")
    assert figure.shape[0] > 4 * 256 and figure.shape[1] > 5 * 180  # four samples; src, bgr, truth, two methods


def test_a_missing_prediction_is_named_and_the_table_still_made(benchmark, capsys):
    run_baseline(benchmark, "everything")
    (benchmark / "everything/pha/2.png").unlink()
    arguments = ["--data", f"{benchmark}/set", "--pred", f"guess={benchmark}/everything"]
    assert compare.main([*arguments, "--figure", f"{benchmark}/figure.png", "--names", "2"]) == 1
    captured = capsys.readouterr()
    assert "| guess | 4 |" in captured.out and "guess: 2 failed" in captured.err


def test_wrong_use_is_one_line(benchmark, capsys):
    assert compare.main(["--data", f"{benchmark}/set", "--pred", f"a={benchmark}/nowhere"]) == 1
    assert "nowhere" in capsys.readouterr().err
    arguments = ["--method", "difference", "--output", f"{benchmark}/x"]
    assert baselines.main(["--data", f"{benchmark}/nowhere", *arguments]) == 1
    assert "nowhere" in capsys.readouterr().err
