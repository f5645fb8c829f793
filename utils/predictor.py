"""Matte a pair of pictures: the library call behind predict.py.

from utils.predictor import Matting

matting = Matting()
matte = matting("photo.jpg", "background.jpg")
matte.pha, matte.fgr, matte.com  # uint8, at the photograph's size
"""

from __future__ import annotations

from utils.system.cpu import keep_freed_memory, prepare

prepare()

import os
import threading
from dataclasses import replace
from functools import partial
from typing import Callable, Union

import cv2
import numpy as np
from PIL import Image

from dataset.errors import PictureError, install, one_line
from utils.engine.backends import version_of
from utils.engine.choice import open_engine
from utils.engine.matte import Matte
from utils.engine.presets import LARGEST_SCALE, MULTIPLE, Refine, enlargement
from utils.picture.last import Last
from utils.picture.levels import as_rgb
from utils.picture.resize import fit, padded_to_multiples
from utils.system.errors import UsageError, interruption, user_message
from utils.system.notes import Note, silent
from utils.weights.load import DEFAULT_WEIGHTS

__all__ = ["MULTIPLE", "Matte", "Matting", "Refine", "choose_device"]

Picture = Union[str, "os.PathLike[str]", Image.Image, np.ndarray]


class Matting:
    """The network with its weights, on its device, ready for pictures; several threads may share it.

    Args:
        weights: .pdparams or official .pth file; None means the shipped ones.
        backbone: `"mobilenetv2"`, `"resnet50"` or `"resnet101"`; None reads it off the weights.
        refine: Refine; None leaves everything to the size of the picture, small ones are then enlarged first.
        device: `"cpu"`, `"gpu"`, `"gpu:1"`, …; None takes a GPU if this Paddle can use one.
        engine: what computes, see `utils.engine.choice.open_engine`; `"auto"` takes the fastest that works here, which
            is built on its first use.
        precision: `"float32"`, or `"int8"`: faster with OpenVINO on most processors, and slightly different.
        tell: is given a utils.system.notes.Note when something is slower than it might be.

    Raises:
        WeightsError: the weights cannot be read or are another network's.
        UsageError: the device does not exist, or the engine does not work here.
    """

    def __init__(
        self,
        weights: str | os.PathLike[str] | None = None,
        backbone: str | None = None,
        refine: Refine | None = None,
        device: str | None = None,
        engine: str = "auto",
        precision: str = "float32",
        tell: Callable[[Note], None] = silent,
    ) -> None:
        self.weights, self.refine = weights or DEFAULT_WEIGHTS, refine or Refine()
        self.device = choose_device(device)
        self._engine = open_engine(self.weights, backbone, engine, precision, self.device, tell)
        self.backbone: str = self._engine.backbone  # of the weights
        self._bgr, self._lock = Last(_fitted), threading.Lock()
        keep_freed_memory()  # but not what was read and exported on the way

    @property
    def engine(self) -> str:
        """Name of the engine that computes."""
        return self._engine.name

    def __call__(self, src: Picture, bgr: Picture, foreground: bool = True) -> Matte:
        """Matte one pair.

        Args:
            src: the picture with the subject; any size. A path, a Pillow picture, or an array (H, W), (H, W, 3) RGB or
                (H, W, 4) RGBA of uint8, uint16 or floats of 0..1; transparency is dropped.
            bgr: the same scene without it, of the same size. What was made of a uint8 RGB array is kept for the next
                call with the very same one.
            foreground: whether fgr and com are wanted.

        Returns:
            Matte; its com has a clean rim, see utils.picture.foreground.

        Raises:
            PictureError: the sizes differ, or a file cannot be read. TypeError: anything else than pictures.
            UsageError: the refinement's scale leaves nothing of the picture, or the engine fails.
        """
        pictures = as_rgb(src, "src"), as_rgb(bgr, "bgr")
        if pictures[0].shape != pictures[1].shape:
            sizes = " and ".join(f"{x.shape[1]}x{x.shape[0]}" for x in pictures)
            raise PictureError(f"source and background have the sizes {sizes}: they must be equal")
        height, width = size = pictures[0].shape[:2]
        refine, factor = self.refine, enlargement(*size) if self.refine.scale is None else 1
        if factor > 1:
            height, width = (max(MULTIPLE, round(n * factor)) for n in size)
            refine = replace(refine, scale=LARGEST_SCALE)
        refine = refine.at(height, width)
        with self._lock:
            src, bgr = _fitted(pictures[0], (height, width)), self._bgr(pictures[1], (height, width))
            try:
                matte = self._engine(src, bgr, refine, foreground)
            except RuntimeError as error:  # an engine may refuse anything at any time
                if self.engine == "paddle" or interruption(error) or user_message(error):
                    raise
                reason = one_line(error)[-160:]
                raise UsageError(f"engine {self.engine} failed: {reason}; choose another by --engine") from error
        if matte.pha.shape != (height, width):
            matte = matte.through(lambda x: x[:height, :width])
        if (height, width) != size:
            nearest = partial(cv2.resize, dsize=size[::-1], interpolation=cv2.INTER_NEAREST)
            matte = matte.through(lambda x: fit(x, size), nearest)
        matte.pictures = pictures if foreground else None
        return matte


def _fitted(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """As the network takes it: of this size, with the last row and column repeated up to multiples of 4, contiguous."""
    picture = picture if picture.shape[:2] == size else fit(picture, size)
    return np.ascontiguousarray(padded_to_multiples(picture, MULTIPLE))


def choose_device(device: str | None = None) -> str:
    """Make a device Paddle's default and return its name; None means the first GPU if there is one, else the CPU.

    Raises UsageError when the device does not exist or this Paddle cannot use it.
    """
    gpus = 0
    if version_of("paddlepaddle") == "-" or version_of("paddlepaddle-gpu") != "-":  # else it need not be imported
        import paddle

        gpus = paddle.device.cuda.device_count() if paddle.is_compiled_with_cuda() else 0
    device = device or ("gpu" if gpus else "cpu")
    if device.partition(":")[0] == "gpu" and not gpus:
        raise UsageError(f"--device gpu: this Paddle finds no GPU; {install('gpu')}, or pass --device cpu")
    if device not in ("cpu", "gpu", *(f"gpu:{index}" for index in range(gpus))):
        known = f"cpu, gpu or gpu:0 .. gpu:{gpus - 1}" if gpus else "cpu"
        raise UsageError(f"--device {device} does not exist: pass {known}")
    if gpus:
        paddle.set_device(device)
    return device
