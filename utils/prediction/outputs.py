"""What predict.py makes of a matte: one picture for each output type."""

import numpy as np

from utils.picture.blend import over
from utils.picture.contact_sheet import debug_picture

OUTPUT_TYPES = ("pha", "fgr", "com", "err", "ref", "debug")


def needs_foreground(types):
    """Whether one of the types shows the foreground's colours."""
    return bool({"fgr", "com"} & set(types))


def picture_of(kind, matte, src, bgr, target=None, seconds=0):
    """The uint8 picture of an output type, (H, W), (H, W, 3) or (H, W, 4), for pictures of height H and width W.

    Args:
        kind: one of OUTPUT_TYPES.
        matte: utils.predictor.Matte.
        src, bgr: uint8 (H, W, 3), RGB, as the network saw them; only "debug" looks at them.
        target: what "com" is put before, see utils.prediction.target.open_target; None: "com" is a cut-out, RGBA.
        seconds: which picture of a target that moves.
    """
    if kind == "debug":
        return debug_picture(src, bgr, matte.pha)
    if kind == "com" and target is not None:
        return over(matte.fgr, matte.pha, target.frame(seconds, *matte.pha.shape))
    return np.asarray(getattr(matte, kind))
