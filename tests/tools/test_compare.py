"""tools/compare.py."""

import numpy as np
import pytest

from dataset.picture import read_rgb
from tools import compare
from utils.evaluation.samples import StoredSet
from utils.picture.write import write_picture


@pytest.fixture
def benchmark(tmp_path):
    """Five discs, and the alphas of two programs: everything is foreground, and twice the truth."""
    rng = np.random.RandomState(2)
    y, x = np.mgrid[:80, :60]
    for index in range(5):
        pha = np.clip(255 * (12 + 3 * index - np.hypot(y - 40, x - 30)) / 6, 0, 255).astype(np.uint8)
        for part, picture in (("src", rng.randint(0, 256, (80, 60, 3))), ("bgr", np.zeros((80, 60, 3))), ("pha", pha)):
            write_picture(tmp_path / "set" / part / f"{index}.png", picture.astype(np.uint8))
        write_picture(tmp_path / "everything/pha" / f"{index}.png", np.full_like(pha, 255))
        write_picture(tmp_path / "harder/pha" / f"{index}.png", np.clip(2.0 * pha, 0, 255).astype(np.uint8))
    return tmp_path


def test_the_table_has_one_row_a_method_and_region_and_the_figure_all_side_by_side(benchmark, capsys):
    arguments = ["--data", f"{benchmark}/set", "--pred", f"guess={benchmark}/everything"]
    arguments += ["--pred", f"harder={benchmark}/harder", "--metrics", "sad", "mse"]
    outputs = ["--output", f"{benchmark}/table.md", "--figure", f"{benchmark}/figure.png"]
    assert compare.main([*arguments, *outputs]) == 0
    table = capsys.readouterr().out
    assert table == (benchmark / "table.md").read_text()
    samples = StoredSet(benchmark / "set")
    guess = np.mean([(255.0 - samples[i].pha).sum() / 255e3 for i in range(5)])
    rows = [row.split()[1::2] for row in table.splitlines()[2:]]
    assert [row[:3] for row in rows[2:]] == [["harder", "5", "all"], ["harder", "5", "unknown"]]
    assert rows[0][:4] == ["guess", "5", "all", f"{guess:.3f}"]
    figure = read_rgb(benchmark / "figure.png")
    assert figure.shape[0] > 4 * 256 and figure.shape[1] > 5 * 180  # four samples; src, bgr, truth, two methods


def test_a_missing_prediction_is_named_and_the_table_still_made(benchmark, capsys):
    (benchmark / "everything/pha/2.png").unlink()
    arguments = ["--data", f"{benchmark}/set", "--pred", f"guess={benchmark}/everything"]
    assert compare.main([*arguments, "--figure", f"{benchmark}/figure.png", "--names", "2"]) == 1
    captured = capsys.readouterr()
    assert captured.out.splitlines()[2].split()[1:4] == ["guess", "|", "4"]
    assert "guess: 2 failed" in captured.err


def test_wrong_use_is_one_line(benchmark, capsys):
    assert compare.main(["--data", f"{benchmark}/set", "--pred", f"a={benchmark}/nowhere"]) == 1
    assert "nowhere" in capsys.readouterr().err
    for wrong in ("a", "a=", f"a={benchmark}/harder a={benchmark}/everything"):
        flags = [text for name in wrong.split() for text in ("--pred", name)]
        assert compare.main(["--data", f"{benchmark}/set", *flags]) == 1
        assert "give NAME=FOLDER, each with a name of its own" in capsys.readouterr().err
    for flag, path, words in (("--figure", "a.gif", "no picture's suffix"), ("--output", benchmark, "is a folder")):
        assert compare.main(["--data", f"{benchmark}/set", "--pred", f"a={benchmark}/harder", flag, f"{path}"]) == 1
        said = capsys.readouterr()
        assert words in said.err and said.err.count("\n") == 1 and not said.out  # before anything is scored
