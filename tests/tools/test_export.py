"""tools/export.py: what it writes gives the network's pictures, and what does not is not written."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

import tools.export
import utils.engine.export
from tests.app_server import BROWSER, DRIVER, ROOT, browsing, wait
from tools.export import main
from utils.engine.backends import missing_packages, open_programs, program_file
from utils.engine.export import NEEDS_OLD_FORMAT
from utils.picture.resize import fit
from utils.picture.sample_pair import read_sample_pair
from utils.predictor import Matting, Refine
from utils.system.files import sha256_file
from utils.weights.load import DEFAULT_WEIGHTS

ORT_WEB = "onnxruntime-web@1.30.0"
ORT_FILES = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")


@pytest.mark.parametrize("arguments", [["--model-type", "base"], ["--refine-sample-pixels", "8000"]])
def test_paddle_model_is_written_when_it_agrees(tmp_path, capsys, arguments):
    if NEEDS_OLD_FORMAT and "base" not in arguments:
        pytest.skip("this Paddle cannot trace the refining network")
    assert main(["--format", "paddle", *arguments, "--output", str(tmp_path / "net")]) == 0
    assert (tmp_path / "net.pdiparams").stat().st_size > 1e6
    assert capsys.readouterr().out.count("inference, ") == 6
    assert program_file(tmp_path / "net").exists()


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """An ONNX file of the shipped weights for pictures of any size; it refines 500 of their cells."""
    needs("onnxruntime")
    path = tmp_path_factory.mktemp("exported") / "matting.onnx"
    arguments = ["--format", "onnx", "--refine-sample-pixels", "8000", "--no-validate", "--opset", "16"]
    assert main([*arguments, "--output", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def matting():
    return Matting(refine=Refine(pixels=8000, scale=0.25), engine="paddle")


def needs(*engines):
    for package in (name for engine in engines for name in missing_packages(engine)):
        pytest.skip(f"{package} is not installed")


def pair(size, moved=0):
    """The sample pair, reduced to a size, the subject moved aside by some pixels."""
    return [np.roll(fit(picture, size), moved, axis=1) for picture in read_sample_pair()]


def test_onnx_file_tells_what_it_is_and_loads_without_a_word(exported, capfd):
    session = pytest.importorskip("onnxruntime").InferenceSession(str(exported))
    assert capfd.readouterr().err == ""
    assert [(x.name, x.shape) for x in session.get_inputs()] == [
        (name, ["batch", 3, "height", "width"]) for name in ("src", "bgr")
    ]
    assert [x.name for x in session.get_outputs()] == ["pha", "fgr", "pha_sm", "fgr_sm", "err_sm", "ref_sm"]
    assert session.get_outputs()[0].shape == ["batch", 1, "height", "width"]
    said = session.get_modelmeta().custom_metadata_map
    assert said["weights_sha256"] == sha256_file(DEFAULT_WEIGHTS) and said["model_backbone"] == "mobilenetv2"
    assert (said["backbone_scale"], said["refine_mode"], said["refine_sample_pixels"]) == ("0.25", "sampling", "8000")
    assert pytest.importorskip("onnx").load(exported).opset_import[0].version == 16


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_onnx_file_takes_any_size_and_batch(exported, matting, engine):
    needs(engine)
    program = open_programs(engine, exported.with_suffix(""))[0]
    for size in ((180, 300), (181, 302), (123, 402)):
        for batch in (1, 2):
            pairs = [pair(size, 17 * i) for i in range(batch)]
            pictures = [np.stack(x).transpose(0, 3, 1, 2).astype(np.float32) / 255 for x in zip(*pairs)]
            pha, fgr, *_ = program(*pictures)
            assert pha.shape == (batch, 1, *size) and fgr.shape == (batch, 3, *size)
            for found, (src, bgr) in zip(pha, pairs):
                assert np.abs(found[0] - matting(src, bgr, foreground=False).pha_float).max() < 1e-3


def test_pictures_of_two_sizes_are_refused_by_the_graph(exported):
    session = pytest.importorskip("onnxruntime").InferenceSession(str(exported))
    with pytest.raises(Exception, match="must match"):
        session.run(["pha"], {"src": np.zeros((1, 3, 96, 96), "f4"), "bgr": np.zeros((1, 3, 100, 96), "f4")})


def snippet(language):
    """The program in docs/export.md in a language."""
    text = (ROOT / "docs" / "export.md").read_text("utf-8")
    return re.search(rf"^```{language}\n(.*?)^```$", text, flags=re.M | re.S)[1]


@pytest.fixture
def beside(exported, tmp_path, matting):
    """A folder with the exported file and a small pair of pictures; and their alpha."""
    shutil.copy(exported, tmp_path / "matting.onnx")
    src, bgr = pair((122, 203))
    for name, picture in (("src", src), ("bgr", bgr)):
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
    return tmp_path, matting(src, bgr, foreground=False).pha_float


def test_documented_python_program_gives_the_alpha(beside, monkeypatch):
    pytest.importorskip("onnxruntime")
    folder, pha = beside
    monkeypatch.chdir(folder)
    exec(snippet("python"), {})
    assert np.abs(np.asarray(Image.open("pha.png"), np.float32) - pha * 255).max() < 0.5 + 255e-3


@pytest.fixture(scope="module")
def runtime(pytestconfig):
    """The folder of onnxruntime-web's files, fetched once by npm into pytest's cache."""
    folder = pytestconfig.cache.mkdir(ORT_WEB)
    if not list(folder.glob("package/dist/ort.wasm.min.mjs")):
        if not shutil.which("npm"):
            pytest.skip("npm is not installed")
        if subprocess.run(["npm", "pack", "--silent", ORT_WEB], cwd=folder, timeout=120).returncode:
            pytest.skip(f"npm cannot fetch {ORT_WEB}")
        (packed,) = folder.glob("*.tgz")
        with tarfile.open(packed) as archive:
            for name in ORT_FILES:
                archive.extract(f"package/dist/{name}", folder)
        packed.unlink()
    return folder / "package" / "dist"


@pytest.mark.skipif(not (BROWSER and DRIVER), reason="chromium and chromium-driver are not installed")
def test_network_runs_in_a_browser_alone(beside, runtime):
    pytest.importorskip("selenium")
    folder, pha = beside
    for name in ORT_FILES:
        shutil.copy(runtime / name, folder)
    (folder / "index.html").write_text(f'<script type="module">\n{snippet("js")}</script>')
    (folder / "browser").mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=folder)
    handler.log_message = None
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as files, browsing(folder / "browser") as driver:
        threading.Thread(target=files.serve_forever, daemon=True).start()
        driver.get(f"http://127.0.0.1:{files.server_port}/index.html")
        found = wait(driver, lambda d: d.execute_script("return window.pha && Array.from(window.pha.data)"))
        files.shutdown()
    assert np.abs(np.reshape(found, pha.shape) - pha).max() < 1e-3


def test_half_of_the_space_does_for_the_weights(tmp_path, capsys):
    needs("onnxruntime", "openvino")
    path = tmp_path / "net.onnx"
    arguments = ["--size", "182", "301", "--refine-mode", "full", "--storage", "float16"]
    assert main(["--format", "onnx", *arguments, "--output", str(path)]) == 0
    out = capsys.readouterr().out
    assert out.count("onnxruntime, ") == out.count("openvino, ") == 2
    assert path.stat().st_size < 12e6


def test_wrong_model_is_not_written(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        tools.export, "open_programs", lambda engine, path: [lambda src, bgr: [np.zeros_like(src[:, :1]), src]]
    )
    arguments = ["--format", "paddle", "--model-type", "base", "--size", "96", "96"]
    assert main([*arguments, "--output", str(tmp_path / "net")]) == 1
    assert "is not written" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_size_that_the_network_refuses_is_named(capsys):
    assert main(["--format", "onnx", "--size", "3", "96", "--output", "x.onnx"]) == 1
    assert "--size 3 96" in capsys.readouterr().err


def test_refining_network_of_any_size_is_refused_where_paddle_cannot_trace_it(capsys, monkeypatch):
    monkeypatch.setattr(utils.engine.export, "NEEDS_OLD_FORMAT", True)
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
