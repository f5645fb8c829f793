"""tools/export.py: what it writes gives the network's pictures, and what does not is not written."""

import os
import sys

import numpy as np
import pytest

import tools.export
from tools.export import main
from utils.engine.backends import NEEDS_OLD_FORMAT, missing_packages


@pytest.mark.parametrize("arguments", [["--model-type", "base"], ["--refine-sample-pixels", "8000"]])
def test_paddle_model_is_written_when_it_agrees(tmp_path, capsys, arguments):
    if NEEDS_OLD_FORMAT and "base" not in arguments:
        pytest.skip("this Paddle cannot trace the refining network")
    assert main(["--format", "paddle", *arguments, "--output", str(tmp_path / "net")]) == 0
    assert (tmp_path / "net.pdiparams").stat().st_size > 1e6
    assert capsys.readouterr().out.count("inference, ") == 4


@pytest.mark.parametrize(
    "arguments", [["--refine-sample-pixels", "8000"], ["--refine-mode", "full", "--storage", "float16"]]
)
def test_onnx_agrees_in_both_engines(tmp_path, capsys, arguments):
    for engine in ("onnxruntime", "openvino"):
        for package in missing_packages(engine):
            pytest.skip(f"{package} is not installed")
    onnx = pytest.importorskip("onnx")
    path = tmp_path / "net.onnx"
    assert main(["--format", "onnx", "--size", "180", "300", *arguments, "--output", str(path)]) == 0
    out = capsys.readouterr().out
    assert out.count("onnxruntime, ") == out.count("openvino, ") == 2
    assert onnx.load(path).opset_import[0].version >= 17
    assert (path.stat().st_size < 12e6) == ("float16" in arguments)


def test_wrong_model_is_not_written(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        tools.export, "open_program", lambda engine, path: lambda src, bgr: [np.zeros_like(src[:, :1]), src]
    )
    arguments = ["--format", "paddle", "--model-type", "base", "--size", "96", "96"]
    assert main([*arguments, "--output", str(tmp_path / "net")]) == 1
    assert "is not written" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_size_that_the_network_refuses_is_named(capsys):
    assert main(["--format", "onnx", "--size", "101", "96", "--output", "x.onnx"]) == 1
    assert "--size 101 96" in capsys.readouterr().err


def test_refining_network_of_any_size_is_refused_where_paddle_cannot_trace_it(capsys, monkeypatch):
    monkeypatch.setattr(tools.export, "NEEDS_OLD_FORMAT", True)
    assert main(["--format", "paddle", "--output", "x"]) == 1
    assert "use Paddle 3.2.2" in capsys.readouterr().err


def test_conversion_installs_nothing(tmp_path, capsys, monkeypatch):
    """paddle2onnx's default optimizer runs pip for packages that it misses."""
    pytest.importorskip("paddle2onnx")
    monkeypatch.delenv("POLYGRAPHY_AUTOINSTALL_DEPS", raising=False)
    for package in [name for name in sys.modules if name.split(".")[0] == "polygraphy"]:
        monkeypatch.delitem(sys.modules, package)
    path = str(tmp_path / "net.onnx")
    assert (
        main(["--format", "onnx", "--model-type", "base", "--size", "96", "96", "--no-validate", "--output", path]) == 0
    )
    assert "POLYGRAPHY_AUTOINSTALL_DEPS" not in os.environ and "polygraphy" not in sys.modules
