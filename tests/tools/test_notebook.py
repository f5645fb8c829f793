"""tools/quickstart.ipynb: runs from top to bottom in a copy of the repository, and is stored without its outputs."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from dataset.picture import read_alpha, read_photo

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "tools" / "quickstart.ipynb"

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")


def text_of(cell):
    return "".join(output.get("text", "") for output in cell.outputs)


def test_it_is_valid_and_stored_without_outputs():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code and not any(cell.outputs or cell.execution_count for cell in code)


def test_every_cell_runs(tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    for name in ("model", "utils", "dataset", "image", "tools"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("predict.py", "eval.py"):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # what it would install is here
    notebook = nbformat.read(tmp_path / "tools" / NOTEBOOK.name, as_version=4)
    nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path / "tools"}}
    ).execute()
    cells = {cell.id: cell for cell in notebook.cells}
    assert "everything is there" in text_of(cells["install"])
    pha = read_alpha(tmp_path / "output" / "sample" / "sample_pha.png")
    true = read_alpha(tmp_path / "image" / "sample_pha_true.png")
    assert np.abs(pha.astype(float) - true).mean() / 255 < 0.01
    assert read_photo(tmp_path / "output" / "own" / "cut_out.png").alpha.shape == (720, 1280)
    for name in ("sample-shown", "own"):
        assert any("image/png" in output.get("data", {}) for output in cells[name].outputs), name
    assert "8 frames" in text_of(cells["video"]) and "video/mp4;base64" in str(cells["video-shown"].outputs)
    assert "9 of 9 pictures scored" in text_of(cells["evaluate"])
