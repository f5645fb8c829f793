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
from utils.picture.levels import to_tensor, to_uint8
from utils.picture.resize import fit
from utils.picture.sample_pair import read_sample_pair
from utils.system.errors import UsageError, WeightsError, interruption
from utils.system.files import sha256_file
from utils.system.notes import Note, silent
from utils.weights.load import guess_backbone, open_weights, weights_digest

ENGINES = ("auto", "paddle", *FASTEST_FIRST)
LIMITS = {  # of the differences that `_validate` measures; alpha of int8 is another one, pixel by pixel
    "float32": {"alpha": 1e-4, "coarse picture": 1e-4, "foreground (levels)": 1},
    "int8": {"alpha on the average": 1e-2},
}
PRECISIONS = tuple(LIMITS)
CHECK_SIZE, CHECK_SCALE = (148, 204), 1 / 4


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


class Dygraph:
    """The network itself, a MattingRefine in evaluation mode, as an engine: nothing is exported, and it works on every
    device that Paddle knows. Not for several threads at once."""

    name = "paddle"

    def __init__(self, model):
        self.model, self.backbone = model, guess_backbone(model.state_dict())

    def __call__(self, src, bgr, refine, foreground=True):
        """Matte one picture; arguments and result as of `utils.engine.tiles.TiledMatting`."""
        import paddle

        refiner = self.model.refiner
        self.model.backbone_scale = refine.scale
        refiner.mode, refiner.sample_pixels, refiner.threshold = refine.mode, refine.pixels, refine.threshold
        with paddle.no_grad():
            pha, fgr, _, _, err, ref = self.model(*to_tensor(src, bgr))
        pha, err, ref = (x[0, 0].numpy() for x in (pha, err, ref))
        return Matte(to_uint8(pha), to_uint8(fgr) if foreground else None, lambda: pha, lambda: err, lambda: ref)


def open_engine(weights, backbone=None, engine="auto", precision="float32", device="cpu", tell=silent):
    """Open the network of a weight file in an engine.

    Args:
        weights: path. backbone: what the weights must be for; None: whatever they are for.
        engine: `"auto"`, `"paddle"` (the network itself, without an export), `"inference"` or `"openvino"`.
        precision: `"float32"`, or `"int8"`: OpenVINO with the programs that are beside the weights, where this
            processor is quicker with them.
        device: engines work on the CPU; elsewhere `"auto"` means `"paddle"`.
        tell: is given a utils.system.notes.Note when a faster engine is passed over, int8 among them, and when the
            cache cannot be used.

    Returns:
        engine: a function (src, bgr, refine, foreground) -> Matte with the attributes `name` and `backbone`.

    Raises:
        WeightsError: the weights cannot be read, or are another network's.
        UsageError: the engine that was asked for does not exist, or does not work here.
    """
    for flag, value, allowed in (("engine", engine, ENGINES), ("precision", precision, PRECISIONS)):
        if value not in allowed:
            raise UsageError(f"--{flag} {value} does not exist: pass one of {', '.join(allowed)}")
    source, on_cpu = Source(weights, backbone), device.partition(":")[0] == "cpu"
    if precision == "int8" and (engine not in ("auto", "openvino") or not on_cpu):
        raise UsageError("--precision int8 needs --engine auto or openvino, and --device cpu")
    if engine in FASTEST_FIRST and not on_cpu:
        raise UsageError(f"--engine {engine} works on the CPU: pass --device cpu, or --engine paddle")
    names = [engine]
    if engine == "auto":
        names = [name for name in FASTEST_FIRST if on_cpu and not missing_packages(name)] + ["paddle"]
    int8 = [("openvino", int8_file(source.path))] if precision == "int8" else []
    for name, file in (*int8, *((name, None) for name in names)):
        try:
            return _open(source, name, tell, file)
        except EngineError as error:
            if name == engine and not file:
                raise UsageError(f"--engine {engine} cannot be used: {error}") from error.__cause__
            tell(Note("engine_passed_over", engine="int8" if file else name, reason=str(error)))


def _open(source, engine, tell, int8=None):
    """Open a validated entry of the cache, of the programs in the file `int8` if given. Raises EngineError: why not."""
    if engine == "paddle":
        return Dygraph(source.network())
    if missing := missing_packages(engine):
        raise EngineError(f"{' and '.join(missing)} not installed: {install('engines')}")
    digests = [source.digest, *([checked(int8)] if int8 else ())]

    def make(folder):
        from utils.engine import export

        tell(Note("preparing", engine=engine))
        network = Dygraph(source.network())
        if int8:
            unpack(int8, source.digest, folder)
        else:
            export.build(engine, network.model, folder)
        described = {"engine": engine, "backbone": network.backbone, "kernel": network.model.refiner.kernel_size}
        return {**described, **_validate(network, _tiled(folder, described))}

    try:
        with cached(key(engine, versions(engine), *digests), make, tell=tell) as (folder, described):
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
    for part, limit in LIMITS[precision].items():
        if not described[part] <= limit:
            raise EngineError(f"its {part} is {described[part]:.1e} from the network's own")


def _validate(network, tiled):
    """The differences of two engines on the sample pair's subject, small, all cells refined: dict of part -> largest.

    That of the coarse network's outputs, before they are clipped, is relative to their largest value.
    """
    import paddle

    src, bgr = (fit(picture[:, 560:], CHECK_SIZE) for picture in read_sample_pair())
    true, mine = (engine(src, bgr, Refine("full", 0, 0, CHECK_SCALE)) for engine in (network, tiled))
    alpha = np.abs(mine.pha_float - true.pha_float)
    levels = np.abs(mine.fgr.astype(int) - true.fgr)
    pictures = to_tensor(np.dstack([src, bgr]))
    with paddle.no_grad():
        dense = network.model.forward_features(pictures)[:, :DENSE].numpy()
    coarse = np.abs(tiled.coarse(pictures.numpy())[0] - dense) / np.abs(dense).max()
    found = {"alpha": alpha, "foreground (levels)": levels, "coarse picture": coarse}
    return {"alpha on the average": float(alpha.mean()), **{part: float(x.max()) for part, x in found.items()}}
