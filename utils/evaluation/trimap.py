"""The band around an alpha's edge that matting metrics are taken over."""

import cv2
import numpy as np

from utils.evaluation.metric import UNKNOWN

RULES = ("paper", "reference")
LOW, HIGH, ITERATIONS = 0.06, 0.96, 10  # alphas between which a pixel is soft; dilations and erosions
# The "3 x 3 circular kernel": a disc of radius 1 is a cross.
_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)


def make_trimap(pha: np.ndarray, rule: str = "paper") -> np.ndarray:
    """Trimap of a true alpha: 0 background, 128 unknown, 255 foreground.

    Rules, with ten dilations or erosions by a 3 x 3 cross:
        paper      unknown = closing (dilations, then erosions) of the pixels with 0.06 < pha < 0.96.
        reference  the earlier Paddle reproduction's: unknown where the grey alpha, eroded, is below 1 and, dilated,
                   is above 0.

    "paper" is the literal reading of one sentence in the supplement of Background Matting V2 (threshold the alpha at
    0.06 and 0.96, then 10 dilations followed by 10 erosions with a 3 x 3 circular kernel). Its band holds little more
    than the soft pixels; that of "reference" is at least 20 pixels wide along every edge.

    Args: alpha (H, W), uint8 0..255 or floating 0..1, which is not changed; rule: one of RULES.
    Returns uint8 (H, W). Raises ValueError for an unknown rule, a wrong shape or kind.
    """
    pha = np.asarray(pha)
    if pha.ndim != 2 or (pha.dtype != np.uint8 and pha.dtype.kind != "f"):
        raise ValueError(f"a trimap needs a uint8 or floating alpha of (H, W), not {pha.dtype} {pha.shape}")
    if rule not in RULES:
        raise ValueError(f"unknown trimap rule {rule!r}: choose one of {', '.join(RULES)}")
    pha = pha.astype(np.float32) / np.float32(255) if pha.dtype == np.uint8 else pha
    # OpenCV's own border value is the neutral one: nothing grows in from outside the frame and nothing is eaten there.
    if rule == "paper":
        soft = ((pha > LOW) & (pha < HIGH)).astype(np.uint8)
        band = cv2.erode(cv2.dilate(soft, _CROSS, iterations=ITERATIONS), _CROSS, iterations=ITERATIONS)
        return np.where(band > 0, UNKNOWN, np.where(pha >= 0.5, 255, 0)).astype(np.uint8)
    pha = pha.astype(np.float32)
    possible = cv2.dilate(pha, _CROSS, iterations=ITERATIONS) > 0
    certain = cv2.erode(pha, _CROSS, iterations=ITERATIONS) >= 1
    return np.where(certain, 255, np.where(possible, UNKNOWN, 0)).astype(np.uint8)
