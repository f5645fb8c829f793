"""Every engine against dygraph, the cache and its faults, the choice of an engine, and a bug of oneDNN."""

import errno
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import paddle
import pytest
from paddle.static import InputSpec

import utils.engine.backends
import utils.engine.cache
import utils.engine.choice
import utils.engine.export
import utils.weights.load
from model import MattingRefine
from tests.prediction.test_predictor import scene
from utils.engine.backends import FASTEST_FIRST, missing_packages, open_programs, program_file, versions
from utils.engine.cache import cache_folder, cached, key
from utils.engine.choice import Dygraph, Source, open_engine
from utils.engine.export import build, save_paddle
from utils.predictor import Matting, Refine
from utils.system.errors import UsageError
from utils.system.notes import say
from utils.weights.load import DEFAULT_WEIGHTS, WeightsError, save_weights, weights_digest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def kept():
    """The cache's entry for Paddle Inference and the shipped weights."""
    open_engine(DEFAULT_WEIGHTS, engine="inference")
    return cache_folder() / key("inference", versions("inference"), weights_digest(DEFAULT_WEIGHTS))


@pytest.fixture
def quick_build(monkeypatch, kept):
    """Entries for Paddle Inference that are made anew are copies of one exported before, which takes no time."""

    def build(engine, model, folder):
        assert engine == "inference"
        for file in kept.glob("[ct]*.*"):
            shutil.copy(file, folder)

    monkeypatch.setattr(utils.engine.export, "build", build)


def agree(mine, true, tolerance=1e-4):
    """Alpha within the tolerance where the same cells were refined, and at most a few others."""
    same = mine.ref == true.ref
    assert (~same).mean() < 1e-3
    assert np.abs(mine.pha_float - true.pha_float)[same].max() < tolerance
    assert np.abs(mine.fgr.astype(int) - true.fgr)[same & (true.pha_float > 0)].max() <= 1  # elsewhere it means nothing
    assert np.abs(mine.err.astype(int) - true.err).max() <= 1


@pytest.mark.parametrize("engine", FASTEST_FIRST)
@pytest.mark.parametrize("size, mode", [((181, 323), "sampling"), ((120, 160), "full"), ((90, 300), "thresholding")])
def test_engine_agrees_with_dygraph(engine, size, mode):
    for package in missing_packages(engine):
        pytest.skip(f"{package} is not installed")
    src, bgr = scene(*size)
    options = dict(refine=Refine(mode, pixels=8_000), device="cpu")
    mine = Matting(engine=engine, **options)
    agree(mine(src, bgr), Matting(engine="paddle", **options)(src, bgr))
    alone = mine(src, bgr, foreground=False)
    assert alone.fgr is None and np.array_equal(alone.pha, mine(src, bgr).pha)


@pytest.mark.parametrize("engine", [*FASTEST_FIRST, "paddle"])
def test_threads_may_share_a_matting(engine):
    for package in missing_packages(engine) if engine != "paddle" else ():
        pytest.skip(f"{package} is not installed")
    pairs = [scene(*size) for size in ((96, 96), (90, 120), (96, 96), (120, 90))]
    pairs[2] = [255 - x for x in pairs[2]]
    told = []
    matting = Matting(refine=Refine(scale=0.5), engine=engine, device="cpu", tell=told.append)
    true = [matting(*pair).pha for pair in pairs]
    with ThreadPoolExecutor(4) as threads:
        for _ in range(3):
            for mine, pha in zip(threads.map(lambda pair: matting(*pair), pairs), true):
                assert np.array_equal(mine.pha, pha)
    assert matting.engine == engine and {note.kind for note in told} <= {"preparing"}


def test_inference_agrees_for_resnet(tmp_path):
    paddle.seed(1)
    model = MattingRefine("resnet50")
    model.eval()
    build("inference", model, tmp_path)
    mine = utils.engine.choice._tiled(tmp_path, {"engine": "inference", "kernel": 3, "backbone": "resnet50"})
    picture = *scene(64, 96), Refine("full", 0, 0, 0.5)
    agree(mine(*picture), Dygraph(model)(*picture))


INTERRUPTED = """
import gc, signal
import numpy as np
from utils.predictor import Matting
signal.signal(signal.SIGINT, signal.default_int_handler)
picture = np.zeros((64, 64, 3), np.uint8)
first, second = (Matting(engine="openvino") for _ in range(2))
for matting in (first, second):
    matting(picture, picture)
del matting, first
gc.collect()
del second
gc.collect()
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_ctrl_c_is_no_crash_when_networks_have_gone():
    for package in missing_packages("openvino"):
        pytest.skip(f"{package} is not installed")
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "interrupted\n"), done.stderr


def test_threads_that_open_networks_share_one_core(monkeypatch):
    openvino = pytest.importorskip("openvino")
    monkeypatch.setattr(openvino, "Core", lambda: time.sleep(0.05) or object())
    monkeypatch.setattr(utils.engine.backends, "CORE", [])
    with ThreadPoolExecutor(4) as threads:
        cores = list(threads.map(lambda _: utils.engine.backends.openvino_core(), range(4)))
    assert len({id(core) for core in cores}) == 1


@pytest.mark.parametrize("options, message", [(dict(engine="fast"), "fast"), (dict(precision="int4"), "int4")])
def test_unknown_engine_or_precision_is_named(options, message):
    with pytest.raises(UsageError, match=message):
        Matting(device="cpu", **options)


def test_an_engine_is_refused_on_another_device():
    with pytest.raises(UsageError, match="--engine inference works on the CPU: pass --device cpu"):
        open_engine(DEFAULT_WEIGHTS, engine="inference", device="gpu:0")


def test_an_interruption_is_no_failure_of_an_engine(monkeypatch):
    def interrupted(*_, **__):
        try:
            raise KeyboardInterrupt
        finally:
            raise AttributeError("of a library")

    monkeypatch.setattr(utils.engine.choice, "cached", interrupted)
    with pytest.raises(AttributeError, match="of a library"):
        open_engine(DEFAULT_WEIGHTS, engine="auto", device="cpu")


def test_where_every_engine_fails_paddle_computes(monkeypatch):
    opened = utils.engine.choice._open

    def fail(source, engine, *others):
        if engine == "paddle":
            return opened(source, engine, *others)
        raise utils.engine.choice.EngineError("it is broken")

    monkeypatch.setattr(utils.engine.choice, "missing_packages", lambda engine: ["x"] if engine == "openvino" else [])
    monkeypatch.setattr(utils.engine.choice, "_open", fail)
    told = []
    assert open_engine(DEFAULT_WEIGHTS, tell=told.append).name == "paddle"
    assert [say(note) for note in told] == ["inference is not used (it is broken): what is slower takes its place"]


@pytest.mark.parametrize("part", utils.engine.choice.LIMITS["float32"])
def test_an_engine_that_differs_from_the_network_is_refused(part):
    sound = {"alpha": 0.0, "coarse picture": 0.0, "foreground (levels)": 1.0}
    utils.engine.choice._judge(sound, "float32")
    for wrong in (2.0, float("nan")):
        with pytest.raises(utils.engine.choice.EngineError, match=re.escape(f"its {part} is")):
            utils.engine.choice._judge({**sound, part: wrong}, "float32")


def test_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(utils.engine.choice, "missing_packages", lambda engine: ["openvino"])
    with pytest.raises(UsageError, match="openvino not installed.*requirements/engines.txt"):
        Matting(engine="openvino", device="cpu")(*scene(32, 32))


def test_whatever_an_engine_raises_while_it_is_opened_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv(utils.engine.cache.FOLDER_VARIABLE, str(tmp_path))

    def fail(*_):
        raise KeyError("no kernel")

    monkeypatch.setattr(utils.engine.export, "build", fail)
    with pytest.raises(UsageError, match="--engine inference cannot be used: .*no kernel"):
        open_engine(DEFAULT_WEIGHTS, engine="inference")
    assert not list(tmp_path.iterdir())


def test_auto_passes_over_an_engine_whose_result_is_wrong(quick_build, monkeypatch, tmp_path):
    """An exported model that gives another picture is never used, and the dygraph network takes its place."""
    monkeypatch.setenv(utils.engine.cache.FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setattr(utils.engine.choice, "FASTEST_FIRST", ("inference",))

    def wrong(engine, path, copies=1):
        program = open_programs(engine, path)[0]
        return [lambda *arrays: [x + 0.01 for x in program(*arrays)]]

    monkeypatch.setattr(utils.engine.choice, "open_programs", wrong)
    src, bgr = scene(64, 64)
    told = []
    mine = Matting(device="cpu", tell=told.append)
    assert [note.kind for note in told] == ["preparing", "engine_passed_over"]
    assert "inference is not used (its alpha is" in say(told[1])
    agree(mine(src, bgr), Matting(engine="paddle", device="cpu")(src, bgr))
    with pytest.raises(UsageError, match="--engine inference cannot be used: its .* from the network's own"):
        Matting(engine="inference", device="cpu")(src, bgr)


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


@pytest.mark.parametrize("damage", ["cut", "missing", "about", "more", "link", "open"])
def test_an_entry_that_is_not_as_it_was_made_is_made_anew(tmp_path, damage):
    made, told = [], []

    def make(folder):
        made.append(folder)
        (folder / "coarse.xml").write_text("a program")
        return {"backbone": "mobilenetv2"}

    def use():
        with cached("entry", make, tmp_path, told.append) as (folder, described):
            assert (folder / "coarse.xml").read_text() == "a program" and described["backbone"] == "mobilenetv2"

    use()
    entry = tmp_path / "entry"
    file = entry / ("about.json" if damage == "about" else "coarse.xml")
    if damage == "missing":
        file.unlink()
    elif damage == "more":
        (entry / "coarse.onnx").write_bytes(b"what an engine would read instead")
    elif damage == "link":
        file.rename(tmp_path / "elsewhere")
        file.symlink_to(tmp_path / "elsewhere")
    elif damage == "open":
        file.chmod(0o666)
    else:
        file.write_bytes(file.read_bytes()[:7])
    use()
    assert len(made) == 2 and [note.kind for note in told] == ["cache_damaged"]
    use()
    assert len(made) == 2


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
        real = utils.engine.export.build
        build_here = lambda engine, model, to: refuse(to) if folder in Path(to).parents else real(engine, model, to)  # noqa: E731
        monkeypatch.setattr(utils.engine.export, "build", build_here)
    src, bgr = scene(64, 64)
    told = []
    mine = Matting(engine="inference", device="cpu", tell=told.append)(src, bgr)
    (warning,) = [note for note in told if note.kind != "preparing"]
    assert re.match(f"the cache .* cannot be used \\({os.strerror(number)}\\).*MATTING_CACHE", say(warning))
    agree(mine, Matting(engine="paddle", device="cpu")(src, bgr))
    assert not folder.exists() or not any(folder.iterdir())


def test_folders_of_the_cache_are_closed_and_an_open_one_is_not_used(tmp_path):
    told, made = [], []
    folder = tmp_path / "a" / "cache"
    for mode in (0o700, 0o770, 0o707):
        with cached("entry", lambda to: made.append(to) or {"number": 1}, folder, told.append) as (where, described):
            assert described == {"number": 1} and (where == folder / "entry") == (mode == 0o700)
        assert folder.stat().st_mode & 0o777 == mode and (folder / "entry").stat().st_mode & 0o777 == 0o700
        folder.chmod({0o700: 0o770, 0o770: 0o707}.get(mode, 0o700))
    assert len(made) == 3 and [note.kind for note in told] == ["cache_not_used"] * 2
    assert f"chmod go-w {folder}" in say(told[0])


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="users are told apart on Unix only")
def test_what_another_user_made_is_not_used(tmp_path, monkeypatch):
    made = []
    make = lambda to: made.append(to) or {}  # noqa: E731
    with cached("entry", make, tmp_path / "cache"):
        pass
    owner = (tmp_path / "cache").stat().st_uid
    monkeypatch.setattr(utils.engine.cache, "ROOT", owner + 1)
    monkeypatch.setattr(os, "getuid", lambda: owner + 2)
    told = []
    with cached("entry", make, tmp_path / "cache", told.append) as (where, _):
        assert where.parent != tmp_path / "cache"
    assert len(made) == 2 and [note.kind for note in told] == ["cache_not_used"]


def test_what_cannot_be_made_anywhere_leaves_nothing(tmp_path):
    def fail(folder):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "home"))

    with pytest.raises(PermissionError), cached("entry", fail, tmp_path / "cache"):
        pass
    assert not list((tmp_path / "cache").iterdir())


def test_a_full_disk_that_names_no_file_is_the_caches(tmp_path):
    made, told = [], []

    def make(folder):
        made.append(folder)
        if folder.parent == tmp_path / "cache":
            raise OSError(errno.ENOSPC, "No space left on device")
        return {"number": 1}

    with cached("entry", make, tmp_path / "cache", told.append) as (folder, described):
        assert described == {"number": 1} and folder == made[1]
    assert [note.kind for note in told] == ["cache_not_used"] and not list((tmp_path / "cache").iterdir())


def test_a_home_that_cannot_be_written_costs_nothing(tmp_path):
    """Paddle's tracer writes below ~/.cache: here that is a file, which not even root can write a folder into."""
    (tmp_path / ".cache").write_text("")
    layer = paddle.nn.Conv2D(3, 2, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path))
        save_paddle(Doubled(layer), [InputSpec([1, 3, None, None], "float32", "x")], tmp_path / "net")
    assert {path.name for path in tmp_path.iterdir()} - {".cache"} == {
        program_file(tmp_path / "net").name,
        "net.pdiparams",
    }


class Doubled(paddle.nn.Layer):
    """Rewritten by Paddle when it is traced, unlike the network's layers."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x) + self.layer(x)


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


def test_programs_of_other_versions_are_others(monkeypatch):
    before = {key(engine, versions(engine)) for engine in FASTEST_FIRST}
    monkeypatch.setattr(utils.engine.backends, "version", lambda name: "0.1")
    assert len(before | {key(engine, versions(engine)) for engine in FASTEST_FIRST}) == 4


def unread(path):
    raise AssertionError(f"{path} was read")


def test_kept_programs_are_used_without_reading_the_weights(quick_build, monkeypatch):
    src, bgr = scene(64, 64)
    before = Matting(engine="inference", device="cpu")(src, bgr)
    monkeypatch.setattr(utils.engine.choice, "open_weights", unread)
    mine = Matting(engine="inference", device="cpu")
    assert np.array_equal(mine(src, bgr).pha, before.pha)
    assert mine.backbone == "mobilenetv2" and mine.engine == "inference"
    with pytest.raises(AssertionError, match="was read"):
        Matting(engine="paddle", device="cpu")


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(backbone="resnet50"), "holds mobilenetv2 weights, but the model is resnet50"),
        (dict(refine=dict(mode="all")), "--refine-mode"),
        (dict(refine=dict(scale=0.7)), "--backbone-scale"),
    ],
)
def test_kept_programs_leave_the_checks_as_they_are(quick_build, options, message):
    with pytest.raises((WeightsError, UsageError), match=message):
        Matting(**{**options, "refine": Refine(**options.get("refine", {}))}, engine="inference", device="cpu")


def test_another_file_under_the_same_name_is_noticed(tmp_path):
    """Good weights give their own picture, bad or missing ones the error that they gave before anything was kept."""
    src, bgr = scene(64, 64)
    path = tmp_path / "net.pdparams"
    options = dict(weights=path, refine=Refine("full"), device="cpu")
    shutil.copy(DEFAULT_WEIGHTS, path)
    source = Source(path)
    shipped = Matting(engine="inference", **options)(src, bgr)
    paddle.seed(2)
    save_weights(MattingRefine("mobilenetv2", refine_kernel_size=1), path)
    with pytest.raises(WeightsError, match="net.pdparams was replaced while it was in use: start again"):
        source.network()
    mine, true = Matting(engine="inference", **options), Matting(engine="paddle", **options)
    agree(mine(src, bgr), true(src, bgr))
    assert mine._engine.margin == 0 and not np.array_equal(mine(src, bgr).pha, shipped.pha)
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
    assert np.abs(open_programs("inference", tmp_path / "net")[0](*inputs)[0] - expected).max() < 1e-4
