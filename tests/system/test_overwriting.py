"""No program writes over what it reads: told in one line, before any work."""

import os
import shutil

import numpy as np
import pytest

import eval
import predict
from tools import compare, convert_weights, export, make_private_data
from utils.picture.write import write_picture
from utils.system.errors import UsageError
from utils.system.files import refuse_to_overwrite
from utils.training.options import parse_jobs
from utils.weights.load import DEFAULT_WEIGHTS


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A set of one pair, and weights; the programs run in this folder."""
    monkeypatch.chdir(tmp_path)
    for part in ("src", "bgr", "pha", "fgr"):
        picture = np.zeros((48, 64) if part == "pha" else (48, 64, 3), np.uint8)
        write_picture(tmp_path / "set" / part / "a.png", picture)
    (tmp_path / "set" / "mine.json").write_text("{}")
    shutil.copy(DEFAULT_WEIGHTS, "w.pdparams")
    os.symlink("w.pdparams", "w.onnx")
    shutil.copytree("set", "output/train")
    os.symlink(tmp_path / "set", "link")
    return tmp_path


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


PROGRAMS = [
    (predict, "--src set/src/a.png --bgr set/a_com.png --output-dir set"),
    (predict, "--src set/src --bgr set/bgr --output-dir . --output-types pha"),
    (eval, "--data-path set --pred set/pha --output set/mine.json"),
    (eval, "--data-path set --pred set/pha --per-image link/mine.json"),
    (eval, "--data-path set --save-worst 1 --worst-file set/src/a.png"),
    (eval, "--data-path set --model-path w.pdparams --output w.pdparams"),
    (compare, "--data set --pred a=set/pha --output set/mine.json"),
    (compare, "--data set --pred a=set/pha --figure link/bgr/a.png"),
    (export, "--model-path w.pdparams --output w.onnx"),
    (make_private_data, "--src output/train/fgr --bgr set/bgr --output output"),
    (convert_weights, "w.pdparams --output w.pdparams"),
]


@pytest.mark.parametrize("program, flags", PROGRAMS)
def test_no_program_writes_over_its_inputs(folder, capsys, program, flags):
    if "a_com" in flags:
        shutil.copy("set/bgr/a.png", "set/a_com.png")
    if "--output-dir ." in flags:
        os.symlink(folder / "set" / "src", "pha")
    before = contents(folder)
    assert program.main(flags.split()) == 1
    assert "is an input and would be overwritten: pass" in capsys.readouterr().err
    assert contents(folder) == before


def test_a_training_does_not_write_over_what_it_starts_from(folder):
    (folder / "checkpoints" / "new").mkdir(parents=True)
    shutil.copy("w.pdparams", "checkpoints/new/best.pdparams")
    flags = "--stage 1 --model-name new --checkpoint-dir checkpoints --pretrain checkpoints/new/best.pdparams"
    with pytest.raises(UsageError, match="is an input and would be overwritten: pass another --model-name"):
        parse_jobs(flags.split())


def test_new_files_in_folders_of_inputs_are_allowed(folder):
    refuse_to_overwrite([None], ["set/new.json", None, "elsewhere.json"], folders=["set", None])
