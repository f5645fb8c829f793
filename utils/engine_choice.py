"""Open the network in the engine that was asked for, or in the fastest one that works here."""

import sys
from pathlib import Path

import cv2
import numpy as np
import paddle

from dataset.picture import PictureError, read_rgb
from utils.command_line import UsageError
from utils.engine_cache import cached, key
from utils.engines import (
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
from utils.programs import DENSE
from utils.tensor import to_tensor
from utils.tiled_matting import TiledMatting

ENGINES = ("auto", "paddle", *FASTEST_FIRST)
FORMAT = 2  # of the exported programs; raise it when utils/programs.py changes what they compute
TOLERANCE = {"float32": 1e-4, "bfloat16": 5e-4}  # largest difference of alpha; for bfloat16 the mean one
IMAGES = Path(__file__).resolve().parent.parent / "image"
CHECK_SIZE, CHECK_SCALE = (148, 204), 1 / 4


def check_engine(engine, precision):
    """Raise UsageError for a name or a precision that does not exist."""
    for flag, value, allowed in (("engine", engine, ENGINES), ("precision", precision, PRECISIONS)):
        if value not in allowed:
            raise UsageError(f"--{flag} {value} does not exist: pass one of {', '.join(allowed)}")


def open_engine(model, engine="auto", precision="float32", device="cpu"):
    """Open a model's programs in an engine.

    Args:
        model: MattingRefine in evaluation mode, with its weights.
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
    on_cpu = device.partition(":")[0] == "cpu"
    if engine == "paddle" or (engine == "auto" and not on_cpu):
        if precision != "float32":
            raise UsageError("--precision bfloat16 needs --engine inference or openvino, and --device cpu")
        return "paddle", None, None
    if not on_cpu:
        raise UsageError(f"--engine {engine} works on the CPU: pass --device cpu, or --engine paddle")
    if engine != "auto":
        try:
            return engine, _open(model, engine, precision), None
        except EngineError as error:
            raise UsageError(f"--engine {engine} cannot be used: {error}") from error.__cause__
    passed_over = []
    for name in FASTEST_FIRST:
        if missing_packages(name):
            continue
        try:
            return name, _open(model, name, precision), _line(passed_over, name)
        except EngineError as error:
            passed_over.append(f"{name} ({error})")
    if precision != "float32":
        raise UsageError(f"--precision {precision} is not offered here: {'; '.join(passed_over)}")
    return "paddle", None, _line(passed_over, "paddle, which is slower,")


def _line(passed_over, taken):
    return f"engine {taken} is used, since these failed: {'; '.join(passed_over)}" if passed_over else None


def _open(model, engine, precision):
    """Open a validated entry of the cache. Raises EngineError with the reason."""
    missing = missing_packages(engine)
    if missing:
        raise EngineError(f"{' and '.join(missing)} not installed, see requirements-engines.txt")
    state = ((name, tensor.numpy()) for name, tensor in model.state_dict().items())
    name = key(f"format {FORMAT}", engine, precision, model.refiner.kernel_size, versions(engine), sys.platform, state)

    def make(folder):
        build(engine, model, folder)
        return {"engine": engine, "precision": precision, **_validate(model, _tiled(model, engine, folder, precision))}

    try:
        with cached(name, make) as (folder, described):
            _judge(described, precision)
            return _tiled(model, engine, folder, precision)
    except (EngineError, MemoryError, KeyboardInterrupt):
        raise
    except Exception as error:  # engines and converters raise anything
        raise EngineError(" ".join(str(error).split())[-160:] or type(error).__name__) from error


def _tiled(model, engine, folder, precision):
    """One coarse picture with all threads; tiles on one thread each, which is faster than sharing each call.

    The coarse program always computes in float32: in bfloat16 alpha would be off by up to 1e-3 on the average, and
    other cells would be refined. In the tiles bfloat16 costs less than 3e-5.
    """
    coarse_file, tiles_file = (folder / name for name in PROGRAMS)
    coarse = open_copies(engine, coarse_file, "float32")[0]
    tiles = open_copies(engine, tiles_file, precision, threads())
    return TiledMatting(coarse, tiles, model.refiner.kernel_size)


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
        pair = (read_rgb(IMAGES / f"sample_{mark}.jpg")[:, 560:] for mark in ("src", "bgr"))
        return [cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA) for picture in pair]
    except PictureError:
        bgr = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
        return [
            cv2.ellipse(bgr.copy(), ((width / 2, height / 2), (width / 2, height / 2), 0), (200, 150, 120), -1),
            bgr,
        ]
