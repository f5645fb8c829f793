"""Open the network in the engine that was asked for, or in the fastest one that works here."""

import sys

import cv2
import numpy as np
import paddle

from dataset.errors import PictureError, one_line
from utils.engine.backends import (
    FASTEST_FIRST,
    PRECISIONS,
    PROGRAMS,
    EngineError,
    build,
    missing_packages,
    open_copies,
    threads,
    versions,
)
from utils.engine.cache import cached, describe, key
from utils.engine.programs import DENSE
from utils.engine.tiled import TiledMatting
from utils.picture.resize import fit
from utils.picture.sample_pair import read_sample_pair
from utils.picture.tensor import to_tensor
from utils.system.errors import UsageError, WeightsError, install
from utils.weights.names import guess_backbone

ENGINES = ("auto", "paddle", *FASTEST_FIRST)
FORMAT = 3  # of the exported programs; raise it when utils/engine/programs.py changes what they compute
TOLERANCE = {"float32": 1e-4, "bfloat16": 5e-4}  # largest difference of alpha; for bfloat16 the mean one
CHECK_SIZE, CHECK_SCALE = (148, 204), 1 / 4


def check_engine(engine, precision):
    """Raise UsageError for a name or a precision that does not exist."""
    for flag, value, allowed in (("engine", engine, ENGINES), ("precision", precision, PRECISIONS)):
        if value not in allowed:
            raise UsageError(f"--{flag} {value} does not exist: pass one of {', '.join(allowed)}")


def wants_programs(engine, device):
    """Whether `open_engine` opens exported programs, and not the network itself."""
    return engine != "paddle" and (engine != "auto" or _on_cpu(device))


def known_backbone(digest, engine, precision):
    """Backbone of a weight file that programs are kept of; None if there are none.

    Such a file has been read and found good, so that it need not be read again.

    Args:
        digest: the file's SHA-256. engine, precision: as for `open_engine`.
    """
    for name in FASTEST_FIRST if engine == "auto" else (engine,):
        described = describe(_entry(digest, name, precision))
        if described and not missing_packages(name):
            return described["backbone"]
    return None


def open_engine(network, digest, engine="auto", precision="float32", device="cpu"):
    """Open a network's programs in an engine.

    Args:
        network: function that returns MattingRefine in evaluation mode, with its weights. It is called only if programs
            must be made from it.
        digest: SHA-256 of the file of these weights, by which the programs are found again; not used for `"paddle"`.
        engine: `"auto"`, `"paddle"` (the model itself, without an export), `"inference"`, `"openvino"` or
            `"onnxruntime"`.
        precision: `"float32"` or `"bfloat16"`.
        device: engines work on the CPU; elsewhere `"auto"` means `"paddle"`.

    Returns:
        name of the engine, TiledMatting (None for `"paddle"`), and for `"auto"` a line that says why a faster engine
        was passed over (None if none was).

    Raises:
        UsageError: the engine that was asked for does not work here.
    """
    check_engine(engine, precision)
    if not wants_programs(engine, device):
        if precision != "float32":
            raise UsageError("--precision bfloat16 needs --engine inference or openvino, and --device cpu")
        return "paddle", None, None
    if not _on_cpu(device):
        raise UsageError(f"--engine {engine} works on the CPU: pass --device cpu, or --engine paddle")
    if engine != "auto":
        try:
            return engine, _open(network, digest, engine, precision), None
        except EngineError as error:
            raise UsageError(f"--engine {engine} cannot be used: {error}") from error.__cause__
    passed_over = []
    for name in FASTEST_FIRST:
        if missing_packages(name):
            continue
        try:
            return name, _open(network, digest, name, precision), _line(passed_over, name)
        except EngineError as error:
            passed_over.append(f"{name} ({error})")
    if precision != "float32":
        raise UsageError(f"--precision {precision} is not offered here: {'; '.join(passed_over)}")
    return "paddle", None, _line(passed_over, "paddle, which is slower,")


def _line(passed_over, taken):
    return f"engine {taken} is used, since these failed: {'; '.join(passed_over)}" if passed_over else None


def _on_cpu(device):
    return device.partition(":")[0] == "cpu"


def _entry(digest, engine, precision):
    return key(f"format {FORMAT}", engine, precision, versions(engine), sys.platform, digest)


def _open(network, digest, engine, precision):
    """Open a validated entry of the cache. Raises EngineError with the reason."""
    missing = missing_packages(engine)
    if missing:
        raise EngineError(f"{' and '.join(missing)} not installed: {install('engines')}")

    def make(folder):
        model = network()
        build(engine, model, folder)
        kernel = model.refiner.kernel_size
        return {
            "engine": engine,
            "precision": precision,
            "backbone": guess_backbone(model.state_dict()),
            "kernel": kernel,
            **_validate(model, _tiled(engine, folder, precision, kernel)),
        }

    try:
        with cached(_entry(digest, engine, precision), make) as (folder, described):
            _judge(described, precision)
            return _tiled(engine, folder, precision, described["kernel"])
    except (EngineError, WeightsError, MemoryError, KeyboardInterrupt):
        raise
    except Exception as error:  # engines and converters raise anything
        raise EngineError(one_line(error)[-160:]) from error


def _tiled(engine, folder, precision, kernel):
    """One coarse picture with all threads; tiles on one thread each, which is faster than sharing each call.

    The coarse program always computes in float32: in bfloat16 alpha would be off by up to 1e-3 on the average, and
    other cells would be refined. In the tiles bfloat16 costs less than 3e-5.
    """
    coarse_file, tiles_file = (folder / name for name in PROGRAMS)
    coarse = open_copies(engine, coarse_file, "float32")[0]
    tiles = open_copies(engine, tiles_file, precision, threads())
    return TiledMatting(coarse, tiles, kernel)


def _judge(described, precision):
    measure = "max" if precision == "float32" else "mean"
    if not described[measure] <= TOLERANCE[precision]:
        raise EngineError(f"its alpha is {described[measure]:.1e} ({measure}) from the network's own")
    if precision == "float32" and not described["levels"] <= 0.5 + 255 * TOLERANCE[precision]:
        raise EngineError(f"its foreground is {described['levels']:.1f} levels from the network's own")
    if precision == "float32" and not described["coarse"] <= TOLERANCE[precision]:
        raise EngineError(f"its coarse maps are {described['coarse']:.1e} from the network's own")


def _validate(model, tiled):
    """Compare with the model, all cells refined.

    Returns:
        dict of differences: max and mean of alpha; levels, the largest of the foreground (half a level is rounding);
        coarse, the largest of the coarse network's outputs before they are clipped, relative to their largest value.
    """
    src, bgr = _check_pair()
    kept = model.backbone_scale, model.refiner.mode
    model.backbone_scale, model.refiner.mode = CHECK_SCALE, "full"
    try:
        with paddle.no_grad():
            pha, fgr = (x[0].numpy() for x in model(*to_tensor(src, bgr))[:2])
            pictures = to_tensor(np.dstack([src, bgr]))
            dense = model.forward_features(pictures)[:, :DENSE].numpy()
    finally:
        model.backbone_scale, model.refiner.mode = kept
    matte = tiled(src, tiled.background(bgr, CHECK_SCALE), "full", 0, 0)
    difference = np.abs(matte.pha_float() - pha[0])
    coarse = np.abs(tiled.coarse(pictures.numpy())[0] - dense).max() / np.abs(dense).max()
    levels = np.abs(matte.fgr - fgr.transpose(1, 2, 0) * 255).max()
    return {
        k: float(v) for k, v in dict(max=difference.max(), mean=difference.mean(), levels=levels, coarse=coarse).items()
    }


def _check_pair():
    """The sample pair's subject, small; where the pictures are missing, noise with an ellipse in it."""
    height, width = CHECK_SIZE
    try:
        return [fit(picture[:, 560:], CHECK_SIZE) for picture in read_sample_pair()]
    except PictureError:
        bgr = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
        return [
            cv2.ellipse(bgr.copy(), ((width / 2, height / 2), (width / 2, height / 2), 0), (200, 150, 120), -1),
            bgr,
        ]
