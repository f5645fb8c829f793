"""The band around an alpha's edge that matting metrics are taken over."""

import cv2
import numpy as np

from utils.evaluation.metric import UNKNOWN

RULES = ("paper", "reference")
# The "3 x 3 circular kernel": a disc of radius 1 is a cross.
_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)


def make_trimap(
    pha: np.ndarray, rule: str = "paper", low: float = 0.06, high: float = 0.96, iterations: int = 10
) -> np.ndarray:
    """Trimap of a true alpha: 0 background, 128 unknown, 255 foreground.

    Rules, every dilation and erosion with a 3 x 3 cross, repeated `iterations` times:
        paper      unknown = closing (dilations, then erosions) of the pixels with low < pha < high.
        reference  the earlier Paddle reproduction's: unknown where the grey alpha, eroded, is below 1 and, dilated,
                   is above 0; `low` and `high` play no part.

    "paper" is the literal reading of one sentence in the supplement of Background Matting V2 (threshold the alpha at
    0.06 and 0.96, then 10 dilations followed by 10 erosions with a 3 x 3 circular kernel). Its band holds little more
    than the soft pixels; that of "reference" is at least 2 * iterations pixels wide along every edge.

    Args:
        pha: alpha (H, W), uint8 0..255 or floating 0..1; it is not changed.
        rule: one of RULES.
        low, high: alphas between which a pixel is soft, 0..1.
        iterations: pixels, >= 0.
    Returns uint8 (H, W).
    Raises ValueError for an unknown rule, a wrong shape or kind.
    """
    pha = np.asarray(pha)
    if pha.ndim != 2:
        raise ValueError(f"a trimap needs an alpha of (H, W), got {pha.shape}")
    if pha.dtype == np.uint8:
        pha = pha.astype(np.float32) / np.float32(255)
    elif pha.dtype.kind != "f":
        raise ValueError(f"a trimap needs a uint8 or floating alpha, not {pha.dtype}")
    if rule == "paper":
        band = _erode(_dilate(((pha > low) & (pha < high)).astype(np.uint8), iterations), iterations)
        known = np.where(pha >= 0.5, 255, 0)
        return np.where(band > 0, UNKNOWN, known).astype(np.uint8)
    if rule != "reference":
        raise ValueError(f"unknown trimap rule {rule!r}: choose one of {', '.join(RULES)}")
    possible = _dilate(pha.astype(np.float32), iterations) > 0
    certain = _erode(pha.astype(np.float32), iterations) >= 1
    return np.where(certain, 255, np.where(possible, UNKNOWN, 0)).astype(np.uint8)


# OpenCV's own border value is the neutral one: nothing grows in from outside the frame and nothing is eaten there.
def _dilate(picture, iterations):
    return cv2.dilate(picture, _CROSS, iterations=iterations) if iterations else picture


def _erode(picture, iterations):
    return cv2.erode(picture, _CROSS, iterations=iterations) if iterations else picture
