"""What predict.py writes: of which types, where, and one picture for each type of a matte."""

from dataclasses import dataclass
from pathlib import Path
from typing import Optional

import numpy as np

from utils.picture.blend import blend
from utils.picture.contact_sheet import debug_picture

OUTPUT_TYPES = ("pha", "fgr", "com", "err", "ref", "debug")


@dataclass(frozen=True)
class Output:
    """What is wanted of the results.

    Attributes:
        folder: where they go.
        types: of OUTPUT_TYPES.
        format: of utils.video.writer.FORMATS for clips, None: mp4 for a video, png for a folder of frames; of
            utils.picture.write.STILLS for photographs, None: png.
        target: what `com` is composited over, see utils.prediction.target.open_target; None: it is a cut-out, RGBA.
        skip_existing: leave out what exists.
        save_bgr: also write a clip's background, and where an estimated one is unsure.
        crop: pixels of a photograph's result that are kept around the subject; None keeps all.
    """

    folder: Path
    types: tuple = ("pha", "fgr", "com")
    format: Optional[str] = None
    target: Optional[str] = None
    skip_existing: bool = False
    save_bgr: bool = False
    crop: Optional[int] = None


def picture_of(kind, matte, capture, target=None, seconds=0):
    """The uint8 picture of an output type, (H, W), (H, W, 3) or (H, W, 4), for pictures of height H and width W.

    Args:
        kind: one of OUTPUT_TYPES.
        matte: utils.predictor.Matte.
        capture: utils.prediction.loop.Capture; only "debug" looks at its pictures.
        target: what "com" is composited over, opened; None: "com" is a cut-out, RGBA.
        seconds: which picture of a target that moves.
    """
    if kind == "debug":
        return debug_picture(capture.src, capture.bgr, matte.pha)
    if kind == "com" and target is not None:
        return blend(matte.fgr, matte.pha, target.frame(seconds, *matte.pha.shape))
    return np.asarray(getattr(matte, kind))
