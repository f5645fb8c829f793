"""Matte a pair of pictures: the library call behind predict.py.

from dataset.picture import read_rgb
from utils.predictor import Matting

matting = Matting()
matte = matting(read_rgb("photo.jpg"), read_rgb("background.jpg"))
matte.pha, matte.fgr, matte.com  # uint8, at the photograph's size
"""

import utils.cpu  # noqa: F401  isort: skip

import cv2
import numpy as np
import paddle

from dataset.picture import PictureError
from model import MattingRefine
from utils.checkpoint import DEFAULT_WEIGHTS, guess_backbone, load_weights, read_state
from utils.command_line import UsageError
from utils.presets import preset
from utils.tensor import to_tensor, to_uint8

MULTIPLE = 4  # the network's heights and widths


class Matte:
    """What the network found, at the size of the source.

    Attributes:
        pha_float: float32 (H, W), 0..1, alpha as the network gave it.
        pha: uint8 (H, W), alpha, 0 background .. 255 foreground.
        fgr: uint8 (H, W, 3), RGB, foreground colour; means nothing where alpha is 0.
        com: uint8 (H, W, 4), RGBA cut-out: fgr (black where alpha is 0) with pha, not premultiplied.
        err: uint8 (H, W), the coarse network's predicted error of its alpha, 255 = 1.0.
        ref: uint8 (H, W), 255 where the picture was refined at full resolution.
    """

    def __init__(self, pha, fgr, err, ref):
        self.pha_float, self.pha, self.fgr, self.err, self.ref = pha, to_uint8(pha), fgr, err, ref

    @property
    def com(self):
        return np.dstack([np.where(self.pha[..., None] > 0, self.fgr, np.uint8(0)), self.pha])


class Matting:
    """The network with its weights, on its device, ready for pictures.

    Args:
        weights: .pdparams or official .pth file; None means the shipped ones.
        backbone: `"mobilenetv2"`, `"resnet50"` or `"resnet101"`; None reads it off the weights.
        backbone_scale: size of the coarse network's input relative to the pictures, above 0 and at most 1/2;
            None chooses by picture size (`utils.presets.preset`).
        refine_mode: `"sampling"`, `"thresholding"` or `"full"`.
        refine_sample_pixels: pixels refined in each picture (sampling); None chooses by picture size.
        refine_threshold: predicted error, 0..1, above which a cell is refined (thresholding).
        device: `"cpu"`, `"gpu"`, `"gpu:1"`, …; None takes a GPU if this Paddle can use one.

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
    ):
        if refine_sample_pixels is not None and refine_sample_pixels < 0:
            raise UsageError(f"--refine-sample-pixels must be 0 or more, not {refine_sample_pixels}")
        self.device = choose_device(device)
        self.weights = DEFAULT_WEIGHTS if weights is None else weights
        state = read_state(self.weights)
        self.backbone = backbone or guess_backbone(state) or "mobilenetv2"
        kernel = state.get("refiner.conv1.weight", np.empty((0, 0, 3))).shape[-1]
        try:
            self.model = MattingRefine(
                self.backbone,
                backbone_scale or 0.25,
                refine_mode,
                refine_sample_pixels or 0,
                refine_threshold,
                1 if kernel == 1 else 3,
            )
        except ValueError as error:
            raise UsageError(str(error)) from None
        load_weights(self.model, self.weights, state)
        self.model.eval()
        self.backbone_scale, self.refine_sample_pixels = backbone_scale, refine_sample_pixels

    def __call__(self, src, bgr):
        """Matte one pair.

        Args:
            src: uint8 (H, W, 3), RGB: the picture with the subject; any size.
            bgr: uint8 (H, W, 3), RGB: the same scene without it, of the same size.

        Returns:
            Matte.

        Raises:
            PictureError: the sizes differ. ValueError: not uint8 (H, W, 3).
        """
        for name, picture in (("src", src), ("bgr", bgr)):
            if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
                raise ValueError(f"{name} must be uint8 (H, W, 3), not {picture.dtype} {picture.shape}")
        if src.shape != bgr.shape:
            sizes = " and ".join(f"{x.shape[1]}x{x.shape[0]}" for x in (src, bgr))
            raise PictureError(f"source and background have the sizes {sizes}: they must be equal")
        height, width = src.shape[:2]
        scale, sample_pixels = preset(height, width)
        self.model.backbone_scale = scale if self.backbone_scale is None else self.backbone_scale
        if self.refine_sample_pixels is not None:
            sample_pixels = self.refine_sample_pixels
        self.model.refiner.sample_pixels = sample_pixels
        with paddle.no_grad():
            pha, fgr, _, _, err, ref = self.model(*to_tensor(_pad(src), _pad(bgr)))
        full = (slice(height), slice(width))
        padded = (pha.shape[3], pha.shape[2])
        err = cv2.resize(err[0, 0].numpy(), padded, interpolation=cv2.INTER_LINEAR)[full]
        ref = cv2.resize(ref[0, 0].numpy(), padded, interpolation=cv2.INTER_NEAREST)[full]
        return Matte(pha[0, 0].numpy()[full], to_uint8(fgr)[full], to_uint8(err), to_uint8(ref))


def choose_device(device=None):
    """Make a device Paddle's default and return its name; None means the first GPU if there is one, else the CPU.

    Raises UsageError when the device does not exist or this Paddle cannot use it.
    """
    gpus = paddle.device.cuda.device_count() if paddle.is_compiled_with_cuda() else 0
    device = device or ("gpu" if gpus else "cpu")
    kind, _, index = device.partition(":")
    if kind == "gpu" and not gpus:
        raise UsageError("--device gpu: this Paddle finds no GPU; install paddlepaddle-gpu or pass --device cpu")
    if kind not in ("cpu", "gpu") or (index and not index.isdigit()) or (kind == "gpu" and int(index or 0) >= gpus):
        raise UsageError(f"--device {device} does not exist: pass cpu, gpu or gpu:0 .. gpu:{max(gpus - 1, 0)}")
    return paddle.set_device(device) and device


def _pad(picture):
    """Repeat the last row and column until height and width are divisible by 4."""
    height, width = picture.shape[:2]
    below, right = -height % MULTIPLE, -width % MULTIPLE
    return cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_REPLICATE) if below or right else picture
