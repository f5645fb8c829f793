"""Matte a pair of pictures: the library call behind predict.py.

from dataset.picture import read_rgb
from utils.predictor import Matting

matting = Matting()
matte = matting(read_rgb("photo.jpg"), read_rgb("background.jpg"))
matte.pha, matte.fgr, matte.com  # uint8, at the photograph's size
"""

from utils.system.cpu import give_back_memory, keep_freed_memory, prepare

prepare()

import warnings
from functools import cached_property, partial

import cv2
import numpy as np
import paddle

from dataset.errors import PictureError, one_line
from model.matting import MAX_BACKBONE_SCALE
from model.refiner import MODES
from utils.engine.choice import check_engine, known_backbone, open_engine, wants_programs
from utils.engine.presets import enlargement, preset
from utils.picture.levels import to_uint8
from utils.picture.resize import fit, padded_to_multiples
from utils.picture.tensor import to_tensor
from utils.system.errors import UsageError, WeightsError
from utils.system.files import sha256_file
from utils.weights.load import DEFAULT_WEIGHTS, open_weights, weights_digest

MULTIPLE = 4  # the network's heights and widths
_pad = partial(padded_to_multiples, step=MULTIPLE)


class Matte:
    """What the network found, at the size of the source.

    Attributes:
        pha: uint8 (H, W), alpha, 0 background .. 255 foreground.
        fgr: uint8 (H, W, 3), RGB, foreground colour; means nothing where alpha is 0. None if it was not asked for.
        com: uint8 (H, W, 4), RGBA cut-out: fgr (black where alpha is 0) with pha, not premultiplied.
        pha_float: float32 (H, W), 0..1, alpha as the network gave it.
        err: uint8 (H, W), the coarse network's predicted error of its alpha, 255 = 1.0.
        ref: uint8 (H, W), 255 where the picture was refined at full resolution.

    The last four are made when they are first read.
    """

    def __init__(self, pha, fgr, pha_float, err, ref):
        """`pha` and `fgr` are pictures; the others functions that return (H, W), floats of 0..1."""
        self.pha, self.fgr = pha, fgr
        self._pha_float, self._err, self._ref = pha_float, err, ref

    @cached_property
    def pha_float(self):
        return self._pha_float()

    @cached_property
    def err(self):
        return to_uint8(self._err())

    @cached_property
    def ref(self):
        return to_uint8(self._ref())

    @cached_property
    def com(self):
        cut_out = cv2.cvtColor(cv2.copyTo(self.fgr, self.pha), cv2.COLOR_RGB2RGBA)
        cut_out[..., 3] = self.pha
        return cut_out


class PreparedBackground:
    """A captured background, prepared once for many pictures: see `Matting.background`.

    Attributes:
        picture: uint8 (H, W, 3), RGB.
        tiled: what the engine has computed from it, or None.
    """

    def __init__(self, picture, tiled):
        self.picture, self.tiled = picture, tiled


class Matting:
    """The network with its weights, on its device, ready for pictures.

    Args:
        weights: .pdparams or official .pth file; None means the shipped ones.
        backbone: `"mobilenetv2"`, `"resnet50"` or `"resnet101"`; None reads it off the weights.
        backbone_scale: size of the coarse network's input relative to the pictures, above 0 and at most 1/2;
            None chooses by picture size (`utils.engine.presets.preset`), and enlarges small pictures first.
        refine_mode: `"sampling"`, `"thresholding"` or `"full"`.
        refine_sample_pixels: pixels refined in each picture (sampling); None chooses by picture size.
        refine_threshold: predicted error, 0..1, above which a cell is refined (thresholding).
        device: `"cpu"`, `"gpu"`, `"gpu:1"`, …; None takes a GPU if this Paddle can use one.
        engine: what computes, see `utils.engine.choice.open_engine`; `"auto"` takes the fastest that works here. It is
            opened, and on its first use built, when the first picture comes.
        precision: `"float32"`, or `"bfloat16"`: faster where the processor has it, and slightly different.

    Raises:
        WeightsError: the weights cannot be read or are another network's.
        UsageError: the device does not exist, or an argument is out of range.
    """

    def __init__(
        self,
        weights=None,
        backbone=None,
        backbone_scale=None,
        refine_mode="sampling",
        refine_sample_pixels=None,
        refine_threshold=0.1,
        device=None,
        engine="auto",
        precision="float32",
    ):
        if refine_sample_pixels is not None and refine_sample_pixels < 0:
            raise UsageError(f"--refine-sample-pixels must be 0 or more, not {refine_sample_pixels}")
        check_backbone_scale(backbone_scale)
        check_engine(engine, precision)
        self.device = choose_device(device)
        self.weights = DEFAULT_WEIGHTS if weights is None else weights
        self.backbone, self.backbone_scale = backbone, backbone_scale
        self.refine_mode, self.refine_sample_pixels = refine_mode, refine_sample_pixels
        self.refine_threshold = refine_threshold
        self._wanted, self.precision, self._opened = engine, precision, None
        self._model, self._digest = None, None
        if wants_programs(engine, self.device):
            self._digest = weights_digest(self.weights)
        if not self._is_known():
            self._model = self._load()

    def _is_known(self):
        """Whether an earlier start has checked these weights and kept programs of them; reads the backbone off them."""
        known = self._digest and known_backbone(self._digest, self._wanted, self.precision)
        if not known or self.backbone not in (None, known):
            return False
        self.backbone = known
        return self.refine_mode in MODES

    def _load(self):
        weights = open_weights(self.weights)
        if self._digest and sha256_file(self.weights) != self._digest:
            raise WeightsError(f"{self.weights} was replaced while it was in use: start again")
        self.backbone = self.backbone or weights.backbone or "mobilenetv2"
        return weights.build(
            self.backbone,
            backbone_scale=self.backbone_scale or 0.25,
            refine_mode=self.refine_mode,
            refine_sample_pixels=self.refine_sample_pixels or 0,
            refine_threshold=self.refine_threshold,
        )

    @property
    def model(self):
        """MattingRefine with the weights, in evaluation mode; with an engine, read only when asked for."""
        if self._model is None:
            self._model = self._load()
        return self._model

    @property
    def engine(self):
        """Name of the engine that is used; opens it."""
        return self._open()[0]

    @property
    def tiled(self):
        """The engine's utils.engine.tiled.TiledMatting, None for `"paddle"`; opens it."""
        return self._open()[1]

    def background(self, bgr):
        """The PreparedBackground of a captured one, uint8 (H, W, 3) RGB, that serves for more than one picture."""
        _check_picture("bgr", bgr)
        tiled = self.tiled
        if tiled is None:
            return PreparedBackground(bgr, None)
        return PreparedBackground(bgr, tiled.background(_pad(bgr), self.settings(*bgr.shape[:2])[0]))

    def __call__(self, src, bgr, foreground=True):
        """Matte one pair.

        Args:
            src: uint8 (H, W, 3), RGB: the picture with the subject; any size.
            bgr: uint8 (H, W, 3), RGB: the same scene without it, of the same size; or what `background` made of it.
            foreground: whether fgr and com are wanted.

        Returns:
            Matte.

        Raises:
            PictureError: the sizes differ. ValueError: not uint8 (H, W, 3).
        """
        background = bgr if isinstance(bgr, PreparedBackground) else None
        bgr = background.picture if background else bgr
        _check_picture("src", src)
        _check_picture("bgr", bgr)
        if src.shape != bgr.shape:
            sizes = " and ".join(f"{x.shape[1]}x{x.shape[0]}" for x in (src, bgr))
            raise PictureError(f"source and background have the sizes {sizes}: they must be equal")
        if self.backbone_scale is None and enlargement(*src.shape[:2]) > 1:
            return self._enlarged(src, bgr, foreground)
        tiled = self.tiled
        if tiled is None:
            return self._with_paddle(src, bgr)
        try:
            prepared = background.tiled if background and background.tiled else self.background(bgr).tiled
            return self._with_engine(tiled, src, prepared, foreground)
        except MemoryError:
            raise
        except Exception as error:  # an engine may refuse anything at any time
            if self._wanted != "auto":
                raise
            reason = one_line(error)[-160:]
            warnings.warn(f"engine {self.engine} failed ({reason}): paddle, which is slower, is used", stacklevel=2)
            self._opened = ("paddle", None)
            return self._with_paddle(src, bgr)

    def _open(self):
        if self._opened is None:
            name, tiled, note = open_engine(lambda: self.model, self._digest, self._wanted, self.precision, self.device)
            if tiled is not None:
                self._model = None  # the engine has weights of its own
            give_back_memory()
            if note:
                warnings.warn(note, stacklevel=4)
            self._opened = name, tiled
            keep_freed_memory()
        return self._opened

    def settings(self, height, width):
        """Coarse scale and refined pixels for pictures of a size: what was asked for, else the preset."""
        scale, sample_pixels = preset(height, width)
        return (
            scale if self.backbone_scale is None else self.backbone_scale,
            sample_pixels if self.refine_sample_pixels is None else self.refine_sample_pixels,
        )

    def _enlarged(self, src, bgr, foreground):
        """Matte small pictures enlarged, and bring the result back to their size."""
        size, factor = src.shape[:2], enlargement(*src.shape[:2])
        larger = [max(MULTIPLE, round(n * factor)) for n in size]
        matte = self(*(fit(x, larger) for x in (src, bgr)), foreground)
        return Matte(
            fit(matte.pha, size),
            fit(matte.fgr, size) if foreground else None,
            lambda: fit(matte.pha_float, size),
            lambda: fit(np.float32(matte.err) / 255, size),
            lambda: cv2.resize(np.float32(matte.ref) / 255, size[::-1], interpolation=cv2.INTER_NEAREST),
        )

    def _with_engine(self, tiled, src, background, foreground):
        height, width = src.shape[:2]
        matte = tiled(
            np.ascontiguousarray(_pad(src)),
            background,
            self.refine_mode,
            self.settings(height, width)[1],
            self.refine_threshold,
            foreground=foreground,
        )
        full, size = (slice(height), slice(width)), matte.pha.shape[::-1]
        return Matte(
            matte.pha[full],
            matte.fgr[full] if foreground else None,
            lambda: matte.pha_float()[full],
            lambda: cv2.resize(matte.coarse_err, size, interpolation=cv2.INTER_LINEAR)[full],
            lambda: cv2.resize(matte.ref(), size, interpolation=cv2.INTER_NEAREST)[full],
        )

    def _with_paddle(self, src, bgr):
        height, width = src.shape[:2]
        self.model.backbone_scale, self.model.refiner.sample_pixels = self.settings(height, width)
        with paddle.no_grad():
            pha, fgr, _, _, err, ref = self.model(*to_tensor(_pad(src), _pad(bgr)))
        full, size = (slice(height), slice(width)), (pha.shape[3], pha.shape[2])
        pha, err, ref = (x[0, 0].numpy() for x in (pha, err, ref))
        return Matte(
            to_uint8(pha)[full],
            to_uint8(fgr)[full],
            lambda: pha[full],
            lambda: cv2.resize(err, size, interpolation=cv2.INTER_LINEAR)[full],
            lambda: cv2.resize(ref, size, interpolation=cv2.INTER_NEAREST)[full],
        )


def _check_picture(name, picture):
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError(f"{name} must be uint8 (H, W, 3), not {picture.dtype} {picture.shape}")


def check_backbone_scale(scale):
    """Raise UsageError for a coarse scale that is not above 0 and at most 1/2; None is none."""
    if scale is not None and not 0 < scale <= MAX_BACKBONE_SCALE:
        raise UsageError(f"--backbone-scale must be above 0 and at most {MAX_BACKBONE_SCALE}, not {scale}")


def choose_device(device=None):
    """Make a device Paddle's default and return its name; None means the first GPU if there is one, else the CPU.

    Raises UsageError when the device does not exist or this Paddle cannot use it.
    """
    gpus = paddle.device.cuda.device_count() if paddle.is_compiled_with_cuda() else 0
    device = device or ("gpu" if gpus else "cpu")
    kind, colon, index = device.partition(":")
    if kind == "gpu" and not gpus:
        raise UsageError("--device gpu: this Paddle finds no GPU; install paddlepaddle-gpu or pass --device cpu")
    known = not colon or (kind == "gpu" and index.isascii() and index.isdigit())
    if kind not in ("cpu", "gpu") or not known or (kind == "gpu" and int(index or 0) >= gpus):
        raise UsageError(f"--device {device} does not exist: pass cpu, gpu or gpu:0 .. gpu:{max(gpus - 1, 0)}")
    return paddle.set_device(device) and device
