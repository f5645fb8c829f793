"""Every engine against dygraph, the cache and its faults, the choice of an engine, and a bug of oneDNN."""

import errno
import mmap
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import paddle
import pytest
from paddle.static import InputSpec

import utils.engine.backends
import utils.engine.cache
import utils.engine.choice
import utils.predictor
import utils.weights.load
from dataset.picture import read_rgb
from model import MattingRefine
from tests.prediction.test_predictor import scene
from utils.engine.backends import FASTEST_FIRST, missing_packages, open_program
from utils.engine.cache import cached, key
from utils.engine.export import save_paddle
from utils.predictor import Matting
from utils.system.command_line import UsageError
from utils.system.cpu import give_back_file
from utils.weights.load import DEFAULT_WEIGHTS, WeightsError, save_weights, weights_digest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory):
    """A cache of these tests alone, filled once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(utils.engine.cache.FOLDER_VARIABLE, str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def quick_build(monkeypatch):
    """Entries for Paddle Inference that are made anew are copies of one exported before, which takes no time."""
    Matting(engine="inference", device="cpu")(*scene(64, 64))
    entry = utils.engine.choice._entry(weights_digest(DEFAULT_WEIGHTS), "inference", "float32")
    kept = utils.engine.cache.cache_folder() / entry

    def build(engine, model, folder):
        assert engine == "inference"
        for file in kept.glob("[ct]*.*"):
            shutil.copy(file, folder)

    monkeypatch.setattr(utils.engine.choice, "build", build)
    return kept


def agree(mine, true, tolerance=1e-4):
    """Alpha within the tolerance where the same cells were refined, and at most a few others."""
    same = mine.ref == true.ref
    assert (~same).mean() < 1e-3
    assert np.abs(mine.pha_float - true.pha_float)[same].max() < tolerance
    assert np.abs(mine.fgr.astype(int) - true.fgr)[same].max() <= 1
    assert np.abs(mine.err.astype(int) - true.err).max() <= 1


@pytest.mark.parametrize("engine", FASTEST_FIRST)
@pytest.mark.parametrize("size, mode", [((181, 323), "sampling"), ((120, 160), "full"), ((90, 300), "thresholding")])
def test_engine_agrees_with_dygraph(engine, size, mode):
    for package in missing_packages(engine):
        pytest.skip(f"{package} is not installed")
    src, bgr = scene(*size)
    options = dict(refine_mode=mode, refine_sample_pixels=8_000, device="cpu")
    mine = Matting(engine=engine, **options)
    agree(mine(src, bgr), Matting(engine="paddle", **options)(src, bgr))
    prepared = mine.background(bgr)
    assert np.array_equal(mine(src, prepared).pha, mine(src, bgr).pha)
    alone = mine(src, bgr, foreground=False)
    assert alone.fgr is None and np.array_equal(alone.pha, mine(src, bgr).pha)


def test_default_engine_agrees_for_resnet(tmp_path):
    paddle.seed(1)
    save_weights(MattingRefine("resnet50"), tmp_path / "net.pdparams")
    src, bgr = scene(64, 96)
    options = dict(weights=tmp_path / "net.pdparams", refine_mode="full", device="cpu")
    agree(Matting(engine="inference", **options)(src, bgr), Matting(engine="paddle", **options)(src, bgr))


@pytest.mark.parametrize("engine", ["inference", "openvino"])
def test_bfloat16_keeps_to_its_limit_where_it_is_offered(engine):
    """The rule by which it is offered: at most 5e-4 from float32 on the average, the same cells refined."""
    if missing_packages(engine):
        pytest.skip(f"{engine} is not installed")
    src, bgr = (read_rgb(ROOT / "image" / f"sample_{mark}.jpg")[:, 500:1060] for mark in ("src", "bgr"))
    try:
        mine = Matting(engine=engine, precision="bfloat16", device="cpu")(src, bgr)
    except UsageError as error:
        assert "no bfloat16" in str(error) or "float32 only" in str(error)  # the processor's fault, or Paddle 3.3's
        return
    true = Matting(engine=engine, device="cpu")(src, bgr)
    assert np.array_equal(mine.ref, true.ref)
    difference = np.abs(mine.pha_float - true.pha_float)
    assert 0 < difference.mean() < 5e-4 and difference.max() < 0.1


@pytest.mark.parametrize("options, message", [(dict(engine="fast"), "fast"), (dict(precision="int8"), "int8")])
def test_unknown_engine_or_precision_is_named(options, message):
    with pytest.raises(UsageError, match=message):
        Matting(device="cpu", **options)


def test_bfloat16_is_refused_by_engines_without_it():
    for engine in ("paddle", *(() if missing_packages("onnxruntime") else ("onnxruntime",))):
        with pytest.raises(UsageError, match="bfloat16|float32"):
            Matting(engine=engine, precision="bfloat16", device="cpu")(*scene(32, 32))


def test_an_engine_is_refused_on_another_device():
    with pytest.raises(UsageError, match="--engine inference works on the CPU: pass --device cpu"):
        utils.engine.choice.open_engine(None, "", "inference", device="gpu:0")


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_where_every_engine_fails_paddle_computes_unless_it_cannot(monkeypatch, precision):
    def fail(*_):
        raise utils.engine.choice.EngineError("it is broken")

    monkeypatch.setattr(utils.engine.choice, "missing_packages", lambda engine: ["x"] if engine == "openvino" else [])
    monkeypatch.setattr(utils.engine.choice, "_open", fail)
    if precision == "bfloat16":
        with pytest.raises(UsageError, match="bfloat16 is not offered here: .*inference .it is broken"):
            utils.engine.choice.open_engine(None, "", precision=precision)
    else:
        name, tiled, line = utils.engine.choice.open_engine(None, "")
        assert (name, tiled) == ("paddle", None)
        assert "paddle, which is slower," in line and "inference (it is broken)" in line and "openvino" not in line


@pytest.mark.parametrize(
    "measure, words", [("max", "its alpha"), ("levels", "its foreground"), ("coarse", "its coarse")]
)
def test_an_engine_that_differs_from_the_network_is_refused(measure, words):
    sound = {"max": 0.0, "mean": 0.0, "levels": 0.5, "coarse": 0.0}
    utils.engine.choice._judge(sound, "float32")
    for wrong in (1.0, float("nan")):
        with pytest.raises(utils.engine.choice.EngineError, match=words):
            utils.engine.choice._judge({**sound, measure: wrong}, "float32")


def test_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(utils.engine.choice, "missing_packages", lambda engine: ["openvino"])
    with pytest.raises(UsageError, match="openvino not installed.*requirements/engines.txt"):
        Matting(engine="openvino", device="cpu")(*scene(32, 32))


def test_auto_passes_over_an_engine_whose_result_is_wrong(quick_build, monkeypatch, tmp_path):
    """An exported model that gives another picture is never used, and the dygraph network takes its place."""
    monkeypatch.setenv(utils.engine.cache.FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setattr(utils.engine.choice, "FASTEST_FIRST", ("inference",))

    def wrong(engine, path, precision, copies=1):
        program = open_program(engine, path, precision)
        return [lambda *arrays: [x + 0.01 for x in program(*arrays)]]

    monkeypatch.setattr(utils.engine.choice, "open_copies", wrong)
    src, bgr = scene(64, 64)
    with pytest.warns(UserWarning, match="paddle, which is slower, is used, since these failed: inference"):
        mine = Matting(device="cpu")(src, bgr)
    agree(mine, Matting(engine="paddle", device="cpu")(src, bgr))
    with pytest.raises(UsageError, match="--engine inference cannot be used: its .* from the network's own"):
        Matting(engine="inference", device="cpu")(src, bgr)


def test_an_engine_that_fails_in_the_middle_is_replaced():
    src, bgr = scene(64, 64)
    mine = Matting(device="cpu")
    before = mine(src, bgr)
    if mine.engine == "paddle":
        pytest.skip("no engine works here")
    mine.tiled.tiles = [None]
    with pytest.warns(UserWarning, match="failed .*paddle, which is slower, is used"):
        agree(mine(src, bgr), before)
    assert mine.engine == "paddle"


def test_entry_is_made_once_and_found_again(tmp_path):
    made = []

    def make(folder):
        made.append(folder)
        (folder / "a.bin").write_bytes(b"content")
        return {"number": 1}

    for _ in range(2):
        with cached("entry", make, tmp_path) as (folder, described):
            assert folder == tmp_path / "entry" and described == {"number": 1}
            assert (folder / "a.bin").read_bytes() == b"content"
    assert len(made) == 1 and sorted(p.name for p in tmp_path.iterdir()) == ["entry"]


@pytest.mark.parametrize("damage", ["cut", "missing", "inventory", "tampered"])
def test_damaged_entry_is_made_anew_with_a_warning(quick_build, tmp_path, damage):
    src, bgr = scene(64, 64)
    before = Matting(engine="inference", device="cpu")(src, bgr)
    shutil.copytree(quick_build, tmp_path / quick_build.name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(utils.engine.cache.FOLDER_VARIABLE, str(tmp_path))
        entry = tmp_path / quick_build.name
        file = entry / ("entry.json" if damage in ("inventory", "tampered") else "coarse.pdiparams")
        if damage == "missing":
            file.unlink()
        elif damage == "tampered":
            file.write_text(file.read_text().replace("mobilenetv2", "resnet50"))
        else:
            file.write_bytes(file.read_bytes()[:100])
        with pytest.warns(UserWarning, match="damaged: the exported model is made anew"):
            after = Matting(engine="inference", device="cpu")(src, bgr)
        assert np.array_equal(after.pha, before.pha)
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            Matting(engine="inference", device="cpu")(src, bgr)


@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC])
def test_read_only_or_full_cache_still_gives_a_matte(quick_build, tmp_path, monkeypatch, number):
    """A read-only file system fails when the folder is made, a full one when a file is written."""
    folder = tmp_path / "cache"
    monkeypatch.setenv(utils.engine.cache.FOLDER_VARIABLE, str(folder))

    def refuse(path, *args, **options):
        raise OSError(number, os.strerror(number), str(path))

    if number == errno.EROFS:
        real = Path.mkdir
        refuse_here = lambda self, *a, **k: refuse(self) if folder in (self, self.parent) else real(self, *a, **k)  # noqa: E731
        monkeypatch.setattr(Path, "mkdir", refuse_here)
    else:
        real = utils.engine.choice.build
        build_here = lambda engine, model, to: refuse(to) if folder in Path(to).parents else real(engine, model, to)  # noqa: E731
        monkeypatch.setattr(utils.engine.choice, "build", build_here)
    src, bgr = scene(64, 64)
    with pytest.warns(UserWarning, match=f"the cache .* cannot be written \\({os.strerror(number)}\\).*MATTING_CACHE"):
        mine = Matting(engine="inference", device="cpu")(src, bgr)
    agree(mine, Matting(engine="paddle", device="cpu")(src, bgr))
    assert not folder.exists() or not any(folder.iterdir())


def test_two_processes_at_once_leave_one_entry(tmp_path):
    code = (
        "import sys, pathlib, time; from utils.engine.cache import cached\n"
        "def make(folder):\n"
        "    (folder / 'a').write_text('x' * 100); time.sleep(0.5); return {}\n"
        "with cached('entry', make, sys.argv[1]) as (folder, _): print(len((folder / 'a').read_text()))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True) for _ in range(3)]
    assert [p.communicate()[0].strip() for p in processes] == ["100"] * 3
    assert [p.name for p in tmp_path.iterdir()] == ["entry"]


def test_key_changes_with_every_part():
    assert len({key("x", "a"), key("y", "a"), key("x", "b"), key("x", "a", ""), key("xa")}) == 5
    assert key("x", "a") == key("x", "a")


def unread(path):
    raise AssertionError(f"{path} was read")


def test_kept_programs_are_used_without_reading_the_weights(quick_build, monkeypatch):
    src, bgr = scene(64, 64)
    before = Matting(engine="inference", device="cpu")(src, bgr)
    monkeypatch.setattr(utils.predictor, "open_weights", unread)
    mine = Matting(engine="inference", device="cpu")
    assert np.array_equal(mine(src, bgr).pha, before.pha)
    assert mine.backbone == "mobilenetv2" and mine.engine == "inference"
    with pytest.raises(AssertionError, match="was read"):
        Matting(engine="paddle", device="cpu")


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(backbone="resnet50"), "holds mobilenetv2 weights, but the model is resnet50"),
        (dict(refine_mode="all"), "refine_mode"),
        (dict(backbone_scale=0.7), "--backbone-scale"),
    ],
)
def test_kept_programs_leave_the_checks_as_they_are(quick_build, options, message):
    with pytest.raises((WeightsError, UsageError), match=message):
        Matting(engine="inference", device="cpu", **options)


def test_another_file_under_the_same_name_is_noticed(tmp_path):
    """Good weights give their own picture, bad or missing ones the error that they gave before anything was kept."""
    src, bgr = scene(64, 64)
    path = tmp_path / "net.pdparams"
    options = dict(weights=path, refine_mode="full", device="cpu")
    shutil.copy(DEFAULT_WEIGHTS, path)
    early = Matting(engine="inference", **options)
    shipped = early(src, bgr)
    paddle.seed(2)
    save_weights(MattingRefine("mobilenetv2", refine_kernel_size=1), path)
    with pytest.raises(WeightsError, match="net.pdparams was replaced while it was in use: start again"):
        early.model  # noqa: B018
    mine, true = Matting(engine="inference", **options), Matting(engine="paddle", **options)
    agree(mine(src, bgr), true(src, bgr))
    assert mine.model.refiner.kernel_size == 1 and not np.array_equal(mine(src, bgr).pha, shipped.pha)
    path.write_bytes(DEFAULT_WEIGHTS.read_bytes()[:100_000])
    with pytest.raises(WeightsError, match="net.pdparams is cut off or damaged"):
        Matting(engine="inference", **options)
    path.unlink()
    with pytest.raises(WeightsError, match="net.pdparams does not exist"):
        Matting(engine="inference", **options)


def test_a_changed_shipped_file_is_refused_even_where_its_programs_are_kept(quick_build, tmp_path, monkeypatch):
    shutil.copy(DEFAULT_WEIGHTS, tmp_path / "net.pdparams")
    (tmp_path / utils.weights.load.CHECKSUMS).write_text(f"{'0' * 64}  net.pdparams\n")
    monkeypatch.setattr(utils.weights.load, "WEIGHTS_FOLDER", tmp_path)
    with pytest.raises(WeightsError, match="is not the file that was shipped"):
        Matting(tmp_path / "net.pdparams", engine="inference", device="cpu")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is given back on Linux only")
def test_pages_of_a_mapped_file_are_given_back_and_read_again(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(range(256)) * (1 << 14))

    def resident():
        report = Path("/proc/self/smaps").read_text().partition(f"{path}\n")[2]
        return int(report.partition("Rss:")[2].split()[0])

    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert sum(mapped[::4096]) == 0 and resident() == 4096
        give_back_file(path)
        assert resident() == 0 and mapped[1 << 20 : (1 << 20) + 3] == b"\0\1\2"


class ConvolutionThenProduct(paddle.nn.Layer):
    """The smallest program that oneDNN computes wrongly: it takes the convolution's blocked memory for plain rows."""

    def __init__(self):
        super().__init__()
        self.convolution = paddle.nn.Conv2D(3, 16, 3)

    def forward(self, x, weight):
        return paddle.matmul(self.convolution(x), weight)


ONEDNN = "oneDNN in Paddle 2.6.2, 3.2.2 and 3.3.1: why utils.engine.programs multiplies matrices of three axes only"


@pytest.mark.xfail(raises=AssertionError, reason=ONEDNN)
def test_onednn_multiplies_what_a_convolution_wrote(tmp_path):
    layer = ConvolutionThenProduct()
    layer.eval()
    inputs = [np.random.default_rng(0).random(shape, np.float32) for shape in ((2, 3, 10, 10), (8, 5))]
    expected = layer(*map(paddle.to_tensor, inputs)).numpy()
    save_paddle(layer, [InputSpec(x.shape, "float32", name) for x, name in zip(inputs, "xw")], tmp_path / "net")
    assert np.abs(open_program("inference", tmp_path / "net")(*inputs)[0] - expected).max() < 1e-4
