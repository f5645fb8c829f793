"""Programs in 8 bits: close to float32, refused where they are not these weights', and made by tools/quantize.py."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

import utils.engine.choice
import utils.engine.int8
from dataset.drawn import noisy
from tests.prediction.test_predictor import scene
from tools import quantize
from utils.engine.backends import missing_packages, open_programs
from utils.engine.choice import Source, open_engine
from utils.engine.export import build
from utils.engine.int8 import FILES, MADE_OF, fastest_precision, int8_file, pack, unpack
from utils.picture.sample_pair import read_sample_pair
from utils.picture.write import write_picture
from utils.prediction.pairs import find_pairs
from utils.predictor import Matting
from utils.system.errors import UsageError
from utils.system.notes import say
from utils.weights.load import DEFAULT_WEIGHTS, WEIGHTS_FOLDER, weights_digest

SHIPPED = int8_file(DEFAULT_WEIGHTS)
IS_QUICK = utils.engine.int8._is_quick


@pytest.fixture(autouse=True)
def openvino(monkeypatch):
    for package in missing_packages("openvino"):
        pytest.skip(f"{package} is not installed")
    monkeypatch.setattr(utils.engine.int8, "_is_quick", lambda: True)


@pytest.fixture(scope="module")
def true():
    """Alpha of a small picture in float32."""
    return Matting(device="cpu")(*scene(64, 64)).pha_float


def test_clips_take_int8_only_where_everything_for_it_is_there(tmp_path, monkeypatch):
    assert fastest_precision(DEFAULT_WEIGHTS) == fastest_precision(DEFAULT_WEIGHTS, "openvino") == "int8"
    assert fastest_precision(tmp_path / "own.pdparams") == "float32"
    assert fastest_precision(DEFAULT_WEIGHTS, "paddle") == fastest_precision(DEFAULT_WEIGHTS, device="gpu") == "float32"
    monkeypatch.setattr(utils.engine.int8, "_is_quick", lambda: False)
    assert fastest_precision(DEFAULT_WEIGHTS) == "float32"
    monkeypatch.setattr(utils.engine.int8, "_is_quick", lambda: True)
    monkeypatch.setattr(utils.engine.int8, "missing_packages", lambda *names: ["openvino"])
    assert fastest_precision(DEFAULT_WEIGHTS) == "float32"


def test_the_shipped_programs_are_small_listed_and_close_to_float32():
    assert SHIPPED.stat().st_size < 6e6
    assert f"{weights_digest(SHIPPED)}  {SHIPPED.name}" in (WEIGHTS_FOLDER / "sha256.txt").read_text()
    src, bgr = read_sample_pair()
    told = []
    mine = Matting(precision="int8", device="cpu", tell=told.append)
    assert mine.engine == "openvino" and {note.kind for note in told} <= {"preparing"}
    matte, true = mine(src, bgr), Matting(engine="openvino", device="cpu")(src, bgr)
    difference = np.abs(matte.pha_float - true.pha_float)
    print(f"int8: alpha {difference.mean():.1e} from float32 on the average")
    assert 0 < difference.mean() < 1e-3 and (matte.ref != true.ref).mean() < 0.02
    solid = true.pha > 250
    assert np.abs(matte.fgr.astype(int) - true.fgr)[solid].mean() < 1.5


@pytest.mark.parametrize(
    "trouble, words",
    [
        ("missing", "net.int8.zip does not exist: make it with python -m tools.quantize"),
        ("foreign", "net.int8.zip is not of these weights and this version: make it"),
        ("cut", "net.int8.zip is damaged: make it"),
        ("other", "net.int8.zip is not of these weights and this version: make it"),
        ("wrong", "from the network's own"),
        ("processor", "this processor has no instructions for it"),
        ("package", "openvino not installed: pip install -r requirements/engines.txt"),
    ],
)
def test_where_int8_cannot_be_used_one_line_says_why_and_the_picture_is_right(
    trouble, words, tmp_path, monkeypatch, true
):
    weights = tmp_path / "net.pdparams"
    shutil.copy(DEFAULT_WEIGHTS, weights)
    file = int8_file(weights)
    if trouble != "missing":
        shutil.copy(SHIPPED, file)
    if trouble == "foreign":
        with zipfile.ZipFile(SHIPPED) as archive:
            archive.extractall(tmp_path / "parts")
        pack(tmp_path / "parts", "0" * 64, file)
    elif trouble == "cut":
        file.write_bytes(file.read_bytes()[:100_000])
    elif trouble == "other":
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr("../more.xml", "what nobody asked for")
    elif trouble == "wrong":
        monkeypatch.setitem(utils.engine.choice.LIMITS, "int8", {"alpha on the average": 1e-9})
    elif trouble == "processor":
        monkeypatch.setattr(utils.engine.int8, "_is_quick", lambda: False)
    elif trouble == "package":
        missing = utils.engine.choice.missing_packages
        monkeypatch.setattr(
            utils.engine.choice, "missing_packages", lambda name: ["openvino"] if name == "openvino" else missing(name)
        )
    src, bgr = scene(64, 64)
    told = []
    matte = Matting(weights, precision="int8", device="cpu", tell=told.append)(src, bgr)
    told = [note for note in told if note.kind != "preparing"]
    assert [note.kind for note in told] == ["engine_passed_over"] and words in say(told[0]), say(told[0])
    assert np.abs(matte.pha_float - true).max() < 1e-4


def test_int8_with_another_engine_is_refused():
    for options in (dict(engine="inference"), dict(engine="paddle"), dict(device="gpu")):
        with pytest.raises(UsageError, match="--precision int8 needs --engine auto or openvino, and --device cpu"):
            open_engine(DEFAULT_WEIGHTS, precision="int8", **options)


def test_packing_gives_the_same_bytes_and_content(tmp_path):
    for name in FILES:
        (tmp_path / name).write_text(name)
    for file in ("a.zip", "b.zip"):
        pack(tmp_path, "digest", tmp_path / file)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    (tmp_path / "to").mkdir()
    unpack(tmp_path / "a.zip", "digest", tmp_path / "to")
    assert all((tmp_path / "to" / name).read_text() == name for name in FILES)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert json.loads(archive.read(MADE_OF))["weights"] == "digest"


@pytest.mark.parametrize(
    "allowed, flags, quick",
    [
        ("", "fpu avx2 avx512_vnni", True),
        ("", "fpu avx2", False),
        ("AVX2", "fpu avx2 avx512_vnni", False),
        ("avx512_core_vnni", "fpu avx2 avx512_vnni", True),
    ],
)
def test_processors_are_told_apart(monkeypatch, allowed, flags, quick):
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", allowed)
    monkeypatch.setattr(Path, "read_text", lambda path, **_: f"flags\t\t: {flags}\n" * (str(path) == "/proc/cpuinfo"))
    assert IS_QUICK() is quick


def test_what_quantize_needs_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(quantize, "missing_packages", lambda *_: ["nncf"])
    assert quantize.main(["--src", str(tmp_path), "--bgr", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "error: nncf not installed: pip install -r requirements/engines.txt\n"


def test_quantize_makes_programs_that_compute_the_same(tmp_path, monkeypatch):
    pytest.importorskip("nncf")
    monkeypatch.setattr(quantize, "LONG_SIDES", (160, 128))
    rng = np.random.default_rng(0)
    for number in range(4):
        for part, picture in zip(("src", "bgr"), scene(96, 128)):
            write_picture(tmp_path / part / f"{number}.png", noisy(picture, rng, 2))
    model = Source(DEFAULT_WEIGHTS).network()
    build("openvino", model, tmp_path, bounded=True)
    inputs = quantize.record(tmp_path, 3, find_pairs(tmp_path / "src", tmp_path / "bgr"))
    assert len(inputs["coarse"]) == 5 and inputs["tiles"]
    quantize.quantize(tmp_path / "tiles", inputs["tiles"], tmp_path / "int8" / "tiles")
    given = inputs["tiles"][0]
    folders = tmp_path, tmp_path / "int8"
    true, mine = (open_programs("openvino", path / "tiles")[0](*given)[0][..., ::4].clip(0, 255) for path in folders)
    print(f"alpha of the tiles: {np.abs(true - mine).mean():.2f} levels on the average")
    assert 0 < np.abs(true - mine).mean() < 2
    assert (tmp_path / "int8" / "tiles.bin").stat().st_size < 0.6 * (tmp_path / "tiles.bin").stat().st_size
