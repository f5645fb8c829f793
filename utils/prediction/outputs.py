"""What predict.py writes: of which types, in which kind of file, depth and numbers, and one picture for each type."""

from dataclasses import dataclass
from pathlib import Path
from typing import Optional

import cv2
import numpy as np

from dataset.colour import in_type
from utils.picture.blend import blend
from utils.picture.contact_sheet import debug_picture

OUTPUT_TYPES = ("pha", "fgr", "com", "err", "ref", "debug")


@dataclass(frozen=True)
class Output:
    """What is wanted of the results.

    `format` is of utils.picture.write.STILLS for photographs, None: png; of utils.video.writer.FORMATS for clips, None:
    mp4 for a video, png for a folder of frames.
    """

    folder: Path  # where they go
    types: tuple = ("pha", "fgr", "com")  # of OUTPUT_TYPES
    format: Optional[str] = None
    target: Optional[str] = None  # what com is composited over, see utils.prediction.target; None: a cut-out, RGBA
    skip_existing: bool = False  # leave out what exists
    save_bgr: bool = False  # also write a clip's background, and where an estimated one is unsure
    crop: Optional[int] = None  # pixels of a photograph's result that are kept around the subject; None keeps all


def output_paths(folder, name, types, suffix=".png", by_type=False):
    """type -> path: FOLDER/TYPE/NAME.png for a folder of sources, FOLDER/NAME_TYPE.png for one source."""
    return {t: folder / t / f"{name}{suffix}" if by_type else folder / f"{name}_{t}{suffix}" for t in types}


def picture_of(kind, matte, capture, dtype=np.uint8, target=None, seconds=0):
    """The picture of an output type as `write_picture` takes it: (H, W), (H, W, 3) or (H, W, 4).

    Colours of `fgr` and `com` are those of the photograph's file, its profile and bits; alpha has more than 8 bits
    where the type has.

    Args:
        kind: one of OUTPUT_TYPES.
        matte: utils.predictor.Matte of height H and width W.
        capture: utils.prediction.loop.Capture; only "debug" looks at its pictures. Without a photo colours are sRGB.
        dtype: uint8, uint16, or float32 for linear light, as of STILLS; without a photo uint8.
        target: what "com" is composited over, opened; None: "com" is a cut-out, RGBA.
        seconds: which picture of a target that moves.
    """
    photo = capture.photo
    if kind == "debug":
        return in_type(debug_picture(capture.src, capture.bgr, matte.pha), dtype)
    if kind not in ("fgr", "com"):
        if dtype == np.uint8:
            return getattr(matte, kind)
        return _share(matte.pha_float if kind == "pha" else np.float32(getattr(matte, kind)) / 255, dtype)
    plain = photo is None or (dtype == np.float32 and photo.profile)  # linear light has sRGB's primaries
    fgr = in_type(matte.fgr if plain else photo.repainted(matte.fgr), dtype)
    if kind == "fgr":
        return fgr
    if target is None:
        cut_out = cv2.cvtColor(cv2.copyTo(fgr, matte.pha), cv2.COLOR_RGB2RGBA)
        cut_out[..., 3] = matte.pha if dtype == np.uint8 else _share(matte.pha_float, dtype)
        return cut_out
    behind = target.frame(seconds, *matte.pha.shape)
    behind = in_type(behind if plain else photo.numbers(behind), dtype)
    if dtype == np.uint8:
        return blend(fgr, matte.pha, behind)
    alpha = matte.pha_float[..., None]
    mixed = fgr * alpha + behind * (1 - alpha)
    return mixed.astype(dtype) if dtype == np.float32 else np.rint(mixed).astype(dtype)


def _share(values, dtype):
    """Floats of 0..1 as a type."""
    values = np.clip(values, 0, 1).astype(np.float32)
    return values if dtype == np.float32 else np.rint(values * 65535).astype(np.uint16)


def around_subject(pha, margin):
    """Rows and columns, slices, of what is not transparent and some pixels around; everything where nothing is."""
    left, top, width, height = cv2.boundingRect(cv2.inRange(pha, 3, 255))  # less does not count as the subject
    if not width:
        return slice(None), slice(None)
    return slice(max(0, top - margin), top + height + margin), slice(max(0, left - margin), left + width + margin)
