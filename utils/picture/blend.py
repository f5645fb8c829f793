"""A subject put before a background: the one composite of uint8 pictures.

(Training samples are composed from floats, see dataset/composite.py.)
"""

import cv2
import numpy as np

SOLID = (0.9, 1.0)  # alpha between which a colour is increasingly taken to be the subject's own
FAINT = 1e-3  # weight of colours below that, relative to those above: they count where nothing else is near
REACH = 70  # long side of the picture over the width of the window in which solid colours are sought


def blend(fgr, pha, bgr):
    """Composite fgr * pha + bgr * (1 - pha), in integers, rounded to nearest: the same on every machine.

    Args:
        fgr: uint8 (H, W, 3), RGB, not multiplied by alpha.
        bgr: uint8 (H, W, 3), or one colour, (3,).
        pha: uint8 (H, W), 0..255.

    Returns:
        uint8 (H, W, 3).
    """
    pha = pha[..., None].astype(np.int32)
    return ((fgr * pha + bgr * (255 - pha) + 127) // 255).astype(np.uint8)


def over(fgr, pha, background):
    """Put the subject before another background, without the light of the old one on its rim.

    Args:
        fgr: uint8 (H, W, 3), RGB, the predicted foreground.
        pha: uint8 (H, W), alpha.
        background: uint8 (H, W, 3), RGB.

    Returns:
        uint8 (H, W, 3): background where alpha is 0, foreground where it is 255.
    """
    return blend(without_spill(fgr, pha), pha, background)


def without_spill(fgr, pha):
    """The foreground, uint8 (H, W, 3), with the colours of solid places carried into the half transparent ones.

    The network's foreground still shows some of the old background at the rim; the colours just inside do not. Their
    mean over a window, weighted with alpha, takes their place, as in the first step of Forte, "Approximate Fast
    Foreground Colour Estimation", ICIP 2021, which divides the blurred, weighted foreground by the blurred weights.
    """
    rows, columns = (np.flatnonzero(((pha > 0) & (pha < 255)).any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return fgr
    side = max(11, max(pha.shape) // REACH | 1)
    part = tuple(slice(max(0, at[0] - side), at[-1] + side + 1) for at in (rows, columns))
    near, alpha = fgr[part].astype(np.float32), pha[part].astype(np.float32) / 255
    weight = np.where(alpha > SOLID[0], alpha, FAINT * alpha)
    total, share = cv2.blur(near * weight[..., None], (side, side)), cv2.blur(weight, (side, side))
    rim = (alpha > 0) & (alpha < 1) & (share > 0)
    solid = np.clip((alpha[rim] - SOLID[0]) / (SOLID[1] - SOLID[0]), 0, 1)[:, None]
    carried = total[rim] / share[rim][:, None]
    out = fgr.copy()
    out[part][rim] = np.rint(carried + solid * (near[rim] - carried)).clip(0, 255)
    return out
