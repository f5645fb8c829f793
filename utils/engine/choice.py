"""Open the network in the engine that was asked for, or in the fastest one that works here.

Paddle is imported only where a program is made or the network itself computes: exported programs need two seconds less.

Every engine is called with (src, bgr, refine, foreground) and returns a Matte, see `utils.engine.tiles.TiledMatting`.
"""

import numpy as np

from dataset.errors import install, one_line
from utils.engine.backends import FASTEST_FIRST, EngineError, missing_packages, open_programs, threads, versions
from utils.engine.cache import cached, key
from utils.engine.int8 import checked, int8_file, unpack
from utils.engine.matte import Matte
from utils.engine.presets import Refine
from utils.engine.tiles import DENSE, TiledMatting
from utils.picture.levels import to_uint8
from utils.picture.resize import fit
from utils.picture.sample_pair import read_sample_pair
from utils.system.errors import UsageError, WeightsError, interruption
from utils.system.files import sha256_file
from utils.system.notes import Note, silent
from utils.weights.load import guess_backbone, open_weights, weights_digest

ENGINES = ("auto", "paddle", *FASTEST_FIRST)
LIMITS = {  # of the differences that `_validate` measures; alpha of int8 is another one, pixel by pixel
    "float32": {"max": ("alpha", 1e-4), "coarse": ("coarse picture", 1e-4), "levels": ("foreground (levels)", 0.5255)},
    "int8": {"mean": ("alpha", 1e-2)},
}
PRECISIONS = tuple(LIMITS)
CHECK_SIZE, CHECK_SCALE = (148, 204), 1 / 4


def check_engine(engine, precision):
    """Raise UsageError for a name or a precision that does not exist."""
    for flag, value, allowed in (("engine", engine, ENGINES), ("precision", precision, PRECISIONS)):
        if value not in allowed:
            raise UsageError(f"--{flag} {value} does not exist: pass one of {', '.join(allowed)}")


class Source:
    """A weight file, and the network in it.

    Attributes:
        digest: SHA-256 of the file, by which exported programs are found again.

    Raises WeightsError: the file is missing, or not to be read.
    """

    def __init__(self, path, backbone=None):
        self.path, self.backbone, self.digest = path, backbone, weights_digest(path)

    def network(self):
        """MattingRefine with the weights, in evaluation mode. Raises WeightsError: damaged, or another file by now."""
        model = open_weights(self.path).build(self.backbone)
        if sha256_file(self.path) != self.digest:
            raise WeightsError(f"{self.path} was replaced while it was in use: start again")
        return model

    def dygraph(self):
        """The network as an engine of its own."""
        model = self.network()
        return Dygraph(model, guess_backbone(model.state_dict()))


class Dygraph:
    """The network itself as an engine: nothing is exported, and it works on every device that Paddle knows.

    A MattingRefine in evaluation mode, and its backbone's name. Not for several threads at once.
    """

    name = "paddle"

    def __init__(self, model, backbone):
        self.model, self.backbone = model, backbone

    def __call__(self, src, bgr, refine, foreground=True):
        """Matte one picture; arguments and result as of `utils.engine.tiles.TiledMatting`."""
        import paddle

        from utils.picture.tensor import to_tensor

        refiner = self.model.refiner
        self.model.backbone_scale = refine.scale
        refiner.mode, refiner.sample_pixels, refiner.threshold = refine.mode, refine.pixels, refine.threshold
        with paddle.no_grad():
            pha, fgr, _, _, err, ref = self.model(*to_tensor(src, bgr))
        pha, err, ref = (x[0, 0].numpy() for x in (pha, err, ref))
        return Matte(to_uint8(pha), to_uint8(fgr) if foreground else None, lambda: pha, lambda: err, lambda: ref)


class FallBack:
    """An engine, and another that takes its place for good when the first one fails.

    Args:
        first: engine. then: function that returns the other one. tell: see utils.system.notes.
    """

    def __init__(self, first, then, tell=silent):
        self._engine, self._then, self._tell = first, then, tell

    def __getattr__(self, name):
        """`name` and `backbone` are those of the engine that computes now."""
        return getattr(self._engine, name)

    def __call__(self, *arguments):
        """Matte one picture, see `utils.engine.tiles.TiledMatting`."""
        try:
            return self._engine(*arguments)
        except MemoryError:
            raise
        except Exception as error:  # an engine may refuse anything at any time
            if self._then is None or interruption(error):
                raise
            self._tell(Note("engine_failed", engine=self.name, reason=one_line(error)[-160:]))
            self._engine, self._then = self._then(), None
            return self._engine(*arguments)


def open_engine(weights, backbone=None, engine="auto", precision="float32", device="cpu", tell=silent):
    """Open the network of a weight file in an engine.

    Args:
        weights: path. backbone: what the weights must be for; None: whatever they are for.
        engine: `"auto"`, `"paddle"` (the network itself, without an export), `"inference"` or `"openvino"`.
        precision: `"float32"`, or `"int8"`: OpenVINO with the programs that are beside the weights, where this
            processor is quicker with them.
        device: engines work on the CPU; elsewhere `"auto"` means `"paddle"`.
        tell: is given a utils.system.notes.Note when a faster engine is passed over or fails later, when int8 cannot
            be used, and when the cache cannot.

    Returns:
        engine: a function (src, bgr, refine, foreground) -> Matte with the attributes `name` and `backbone`.

    Raises:
        WeightsError: the weights cannot be read, or are another network's.
        UsageError: the engine that was asked for does not work here.
    """
    check_engine(engine, precision)
    source, on_cpu = Source(weights, backbone), device.partition(":")[0] == "cpu"
    if precision == "int8" and (engine not in ("auto", "openvino") or not on_cpu):
        raise UsageError("--precision int8 needs --engine auto or openvino, and --device cpu")
    if engine == "paddle" or (engine == "auto" and not on_cpu):
        return source.dygraph()
    if not on_cpu:
        raise UsageError(f"--engine {engine} works on the CPU: pass --device cpu, or --engine paddle")
    if precision == "int8":
        try:
            return FallBack(_open(source, "openvino", tell, int8_file(source.path)), source.dygraph, tell)
        except EngineError as error:
            tell(Note("int8_not_used", reason=str(error)))
    if engine != "auto":
        try:
            return _open(source, engine, tell)
        except EngineError as error:
            raise UsageError(f"--engine {engine} cannot be used: {error}") from error.__cause__
    opened, failed = None, []
    for name in (name for name in FASTEST_FIRST if not missing_packages(name)):
        try:
            opened = FallBack(_open(source, name, tell), source.dygraph, tell)
            break
        except EngineError as error:
            failed.append(f"{name} ({error})")
    if failed:
        taken = opened.name if opened else "paddle, which is slower,"
        tell(Note("engines_passed_over", taken=taken, failed="; ".join(failed)))
    return opened or source.dygraph()


def _entry(engine, *digests):
    return key(engine, versions(engine), digests)


def _open(source, engine, tell, int8=None):
    """Open a validated entry of the cache, of the programs in the file `int8` if given. Raises EngineError: why not."""
    if missing := missing_packages(engine):
        raise EngineError(f"{' and '.join(missing)} not installed: {install('engines')}")
    digests = [source.digest, *([checked(int8)] if int8 else ())]

    def make(folder):
        from utils.engine import export

        tell(Note("preparing", engine=engine))
        model = source.network()
        if int8:
            unpack(int8, source.digest, folder)
        else:
            export.build(engine, model, folder)
        backbone = guess_backbone(model.state_dict())
        described = {"engine": engine, "backbone": backbone, "kernel": model.refiner.kernel_size}
        return {**described, **_validate(model, _tiled(folder, described))}

    try:
        with cached(_entry(engine, *digests), make, tell=tell) as (folder, described):
            _judge(described, "int8" if int8 else "float32")
            if source.backbone not in (None, described["backbone"]):
                source.network()  # says what is wrong
            return _tiled(folder, described)
    except (EngineError, WeightsError, MemoryError):
        raise
    except Exception as error:  # engines and converters raise anything
        if interruption(error):
            raise
        raise EngineError(one_line(error)[-160:]) from error


def _tiled(folder, described):
    """One coarse picture with all threads; tiles on one thread each, which is faster than sharing each call."""
    engine = described["engine"]
    programs = open_programs(engine, folder / "coarse")[0], open_programs(engine, folder / "tiles", threads())
    return TiledMatting(*programs, described["kernel"], engine, described["backbone"])


def _judge(described, precision):
    """Raise EngineError if something is further from the network's own than LIMITS says."""
    for measure, (part, limit) in LIMITS[precision].items():
        if not described[measure] <= limit:
            raise EngineError(f"its {part} is {described[measure]:.1e} from the network's own")


def _validate(model, tiled):
    """Compare with the model on the sample pair's subject, small, all cells refined.

    Returns:
        dict of differences: max and mean of alpha; levels, the largest of the foreground (half a level is rounding);
        coarse, the largest of the coarse network's outputs before they are clipped, relative to their largest value.
    """
    import paddle

    from utils.picture.tensor import to_tensor

    src, bgr = (fit(picture[:, 560:], CHECK_SIZE) for picture in read_sample_pair())
    model.backbone_scale, model.refiner.mode = CHECK_SCALE, "full"
    with paddle.no_grad():
        pha, fgr = (x[0].numpy() for x in model(*to_tensor(src, bgr))[:2])
        pictures = to_tensor(np.dstack([src, bgr]))
        dense = model.forward_features(pictures)[:, :DENSE].numpy()
    matte = tiled(src, bgr, Refine("full", 0, 0, CHECK_SCALE))
    difference = np.abs(matte.pha_float - pha[0])
    coarse = np.abs(tiled.coarse(pictures.numpy())[0] - dense).max() / np.abs(dense).max()
    levels = np.abs(matte.fgr - fgr.transpose(1, 2, 0) * 255).max()
    return dict(max=float(difference.max()), mean=float(difference.mean()), levels=float(levels), coarse=float(coarse))
