"""Paddle is imported with this project's settings and without its remarks on them."""

import builtins
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PREPARE = "from utils.system.cpu import prepare; prepare(); "


def python(code, paths=(), **variables):
    """(stdout, stderr) of a Python program, with variables of its own."""
    left_out = ("OMP_NUM_THREADS", "PADDLE_LOCAL_SIZE", "PYTHONWARNINGS", "OPENCV_LOG_LEVEL")
    environ = {name: value for name, value in os.environ.items() if name not in left_out}
    environ |= {"PYTHONPATH": os.pathsep.join(map(str, (*paths, ROOT))), **variables}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, cwd=ROOT)
    return done.stdout, done.stderr


@pytest.mark.parametrize("variables", [{"OMP_NUM_THREADS": "2"}, {"PADDLE_LOCAL_SIZE": "1", "OMP_NUM_THREADS": "3"}])
def test_nothing_is_said_before_a_program_begins(variables):
    said, complained = python(PREPARE + "import os, paddle; print(os.environ['OMP_NUM_THREADS'])", **variables)
    assert (said.strip(), complained) == (variables["OMP_NUM_THREADS"], "")


@pytest.mark.parametrize("last", ["", "raise ImportError('libpaddle.so is damaged')"])
def test_whatever_else_an_import_of_paddle_says_is_passed_on(tmp_path, last):
    lines = ["WARNING: OMP_NUM_THREADS set to 8, not 1. ...", "PLEASE USE OMP_NUM_THREADS WISELY.", "out of memory", ""]
    code = "".join(f"print({line!r}, file=sys.stderr)\n" for line in lines)
    (tmp_path / "paddle.py").write_text(f"import sys\n{code}print()\nprint('driver is too old')\n{last}\n")
    said, complained = python(PREPARE + "import paddle; print('ready')", [tmp_path])
    assert said == "\ndriver is too old\n" + ("" if last else "ready\n")
    assert complained.startswith("out of memory\n\n") and ("libpaddle.so is damaged" in complained) == bool(last)


def test_opencv_adds_no_lines_to_an_error_of_ours():
    assert python(PREPARE + "import cv2; print(cv2.VideoCapture(99).isOpened())") == ("False\n", "")


def test_print_is_pythons_own_again():
    assert builtins.print.__module__ == "builtins"
