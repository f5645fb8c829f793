"""Matting metrics, each a pure function of one picture and, if wanted, one trimap; and trimaps.

The formulas are those of the evaluation scripts published with Background Matting V2 (Lin et al., CVPR 2021:
compute_sad_loss, compute_mse_loss, compute_gradient_loss, compute_connectivity_error, benchmark.m), which go back to
Rhemann et al., "A perceptually motivated online benchmark for image matting", CVPR 2009; of others it is said. Every
function returns the number as papers print it, in the unit that it names, so no factor has to be remembered.

Alphas are (H, W), foregrounds (H, W, 3), either uint8 (0..255) or floating (0..1), and the two of a pair may differ in
kind. With a trimap, uint8 (H, W), only its unknown pixels (128) count; without one the whole picture does; means over
no pixel are 0. No input is changed. Wrong shapes, kinds or values raise ValueError.
"""

import math
from collections.abc import Iterable
from itertools import tee, zip_longest
from typing import Optional

import cv2
import numpy as np

UNKNOWN = 128
RULES = ("paper", "reference")
LOW, HIGH, ITERATIONS = 0.06, 0.96, 10  # alphas between which a pixel is soft; dilations and erosions
# The "3 x 3 circular kernel": a disc of radius 1 is a cross.
_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)


def sad(pred: np.ndarray, true: np.ndarray, trimap: Optional[np.ndarray] = None) -> float:
    """Sum of absolute differences: sum |pred - true| / 1000, in thousands of full pixels."""
    return float(np.abs(_difference(pred, true))[_region(pred, trimap)].sum()) / 1000


def mse(pred: np.ndarray, true: np.ndarray, trimap: Optional[np.ndarray] = None) -> float:
    """Mean squared error: mean (pred - true)^2 * 1000, in thousandths."""
    return _mean(np.square(_difference(pred, true))[_region(pred, trimap)]) * 1000


def mad(pred: np.ndarray, true: np.ndarray, trimap: Optional[np.ndarray] = None) -> float:
    """Mean absolute difference: mean |pred - true| * 1000, in thousandths.

    Source: the evaluation of Robust Video Matting (Lin et al., WACV 2022), whole picture there.
    """
    return _mean(np.abs(_difference(pred, true))[_region(pred, trimap)]) * 1000


def grad(pred: np.ndarray, true: np.ndarray, trimap: Optional[np.ndarray] = None) -> float:
    """Gradient error: sum (|grad pred| - |grad true|)^2 / 1000, in thousands.

    Each alpha is first stretched by its own minimum and maximum to 0..1 (a constant one has gradient 0), then filtered
    with 9 x 9 first derivatives of a Gaussian, sigma 1.4, of unit Frobenius norm, with replicated borders.
    """
    pred, true = _pair(pred, true)
    error = np.square(_gradient_magnitude(pred) - _gradient_magnitude(true))
    return float(error[_region(pred, trimap)].sum()) / 1000


def conn(pred: np.ndarray, true: np.ndarray, trimap: Optional[np.ndarray] = None) -> float:
    """Connectivity error: sum |phi(pred) - phi(true)| / 1000, in thousands of full pixels.

    phi tells how well a pixel hangs together with the largest 4-connected region where both alphas are opaque: with l
    the last of the levels 0, 0.1, ..., 1 at which the pixel belongs to that region without a break and d = alpha - l,
    phi = 1 - d where d >= 0.15, else 1. Of regions of equal size the first in column order is taken.
    """
    # Single precision as in the original: in double precision 153 / 255 falls short of the sixth level.
    pred, true = _pair(pred, true, np.float32)
    smaller = np.minimum(pred, true)
    level, pending = np.ones_like(smaller), np.ones(smaller.shape, bool)
    for step in range(1, 11):
        inside = _largest_component(smaller >= np.float32(step / 10))
        level[pending & ~inside] = np.float32((step - 1) / 10)
        pending &= inside
    distances = pred - level, true - level
    phi = [np.where(distance >= np.float32(0.15), 1 - distance, np.float32(1)) for distance in distances]
    return float(np.abs(np.subtract(*phi))[_region(pred, trimap)].sum(dtype=np.float64)) / 1000


def fgr_mse(
    pred_fgr: np.ndarray, true_fgr: np.ndarray, true_pha: np.ndarray, trimap: Optional[np.ndarray] = None
) -> float:
    """Foreground error: mean (pred_fgr - true_fgr)^2 * 1000 with both black where the true alpha is 0, in thousandths.

    The mean goes over the three channels and all pixels of the region, also those that were made black.
    """
    error = np.square(_difference(pred_fgr, true_fgr, channels=(3,))) * (true_pha > 0)[..., None]
    return _mean(error[_region(true_pha, trimap)]) * 1000


def dtssd(preds: Iterable[np.ndarray], trues: Iterable[np.ndarray]) -> float:
    """Flicker of a sequence: mean over neighbouring frames of sqrt(mean (d pred - d true)^2) * 100, in hundredths.

    d is the change of a pixel from one frame to the next.

    Args: equally many alphas (H, W), at least two, all of one size; read one at a time.
    Source: Erofeev et al., "Perceptually motivated benchmark for video matting", BMVC 2015, normalised by the number
    of pixels as in the evaluation of Robust Video Matting.
    """
    earlier, later = tee(_difference(pred, true) for pred, true in zip_longest(preds, trues))
    next(later, None)
    changes = [math.sqrt(_mean(np.square(after - before))) for before, after in zip(earlier, later)]
    if not changes:
        raise ValueError("dtSSD needs at least two frames")
    return sum(changes) / len(changes) * 100


def reference_sad(pred: np.ndarray, true: np.ndarray, trimap: np.ndarray) -> float:
    """SAD as the earlier Paddle reproduction printed it, twice that over `make_trimap(true, rule="reference")`."""
    return 2 * sad(pred, true, trimap)


def reference_mse(pred: np.ndarray, true: np.ndarray, trimap: np.ndarray) -> float:
    """MSE as the earlier reproduction printed it: twice the sum over n unknown pixels / (n + 1) * 1000."""
    squares = np.square(_difference(pred, true))[_region(pred, trimap)]
    return 2 * float(squares.sum()) / (squares.size + 1) * 1000


def make_trimap(pha: np.ndarray, rule: str = "paper") -> np.ndarray:
    """Trimap of a true alpha: 0 background, 128 unknown, 255 foreground.

    Rules, with ten dilations or erosions by a 3 x 3 cross:
        paper      the literal reading of a sentence in the supplement of Background Matting V2: unknown = closing
                   (dilations, then erosions) of the pixels with 0.06 < pha < 0.96.
        reference  the earlier Paddle reproduction's: unknown where the grey alpha, eroded, is below 1 and, dilated,
                   is above 0.

    Args: alpha (H, W), uint8 0..255 or floating 0..1, which is not changed; rule: one of RULES.
    Returns uint8 (H, W). Raises ValueError for an unknown rule, a wrong shape or kind.
    """
    if np.ndim(pha) != 2:
        raise ValueError(f"a trimap needs an alpha of (H, W), not {np.shape(pha)}")
    if rule not in RULES:
        raise ValueError(f"unknown trimap rule {rule!r}: choose one of {', '.join(RULES)}")
    pha = _as_float(pha, np.float32)
    # OpenCV's own border value is the neutral one: nothing grows in from outside the frame and nothing is eaten there.
    if rule == "paper":
        soft = ((pha > LOW) & (pha < HIGH)).astype(np.uint8)
        band = cv2.morphologyEx(soft, cv2.MORPH_CLOSE, _CROSS, iterations=ITERATIONS)
        return np.where(band > 0, UNKNOWN, np.where(pha >= 0.5, 255, 0)).astype(np.uint8)
    possible = cv2.dilate(pha, _CROSS, iterations=ITERATIONS) > 0
    certain = cv2.erode(pha, _CROSS, iterations=ITERATIONS) >= 1
    return np.where(certain, 255, np.where(possible, UNKNOWN, 0)).astype(np.uint8)


def _as_float(picture, dtype=np.float64):
    picture = np.asarray(picture)
    if picture.dtype == np.uint8:
        return picture.astype(dtype) / dtype(255)
    if picture.dtype.kind != "f":
        raise ValueError(f"pictures must be uint8 or floating, not {picture.dtype}")
    # Written so that NaN fails as well.
    if picture.size and not (picture.min() >= 0 and picture.max() <= 1):
        raise ValueError("floating pictures must lie in 0..1")
    return picture.astype(dtype)


def _pair(pred, true, dtype=np.float64, channels=()):
    """Both as floats, of one size."""
    sizes = np.shape(pred), np.shape(true)
    if sizes[0] != sizes[1]:
        raise ValueError(f"prediction is {sizes[0]} and truth {sizes[1]}: sizes must agree")
    if sizes[0][2:] != channels or len(sizes[0]) < 2:
        raise ValueError(f"expected {'(H, W, 3)' if channels else '(H, W)'}, got {sizes[0]}")
    return _as_float(pred, dtype), _as_float(true, dtype)


def _difference(pred, true, channels=()):
    return np.subtract(*_pair(pred, true, channels=channels))


def _region(picture, trimap):
    """Index of the pixels that count: all of them, or those the trimap leaves unknown."""
    if trimap is None:
        return np.s_[:]
    trimap = np.asarray(trimap)
    if trimap.dtype != np.uint8 or trimap.shape != np.shape(picture):
        raise ValueError(f"trimap must be uint8 {np.shape(picture)}, not {trimap.dtype} {trimap.shape}")
    return trimap == UNKNOWN


def _mean(values):
    return float(values.mean()) if values.size else 0.0


def _gradient_magnitude(alpha, sigma=1.4):
    low, high = alpha.min(), alpha.max()
    if low == high:
        return np.zeros_like(alpha)
    alpha = (alpha - low) / (high - low)
    at = np.arange(-4, 5, dtype=np.float64)
    smooth = np.exp(-np.square(at) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))
    slope = -at * smooth / sigma**2
    # Frobenius norm of an outer product = product of the norms.
    smooth, slope = smooth / np.linalg.norm(smooth), slope / np.linalg.norm(slope)
    along_x = cv2.sepFilter2D(alpha, cv2.CV_64F, slope, smooth, borderType=cv2.BORDER_REPLICATE)
    along_y = cv2.sepFilter2D(alpha, cv2.CV_64F, smooth, slope, borderType=cv2.BORDER_REPLICATE)
    return np.sqrt(np.square(along_x) + np.square(along_y))


def _largest_component(mask):
    """Mask of the largest 4-connected component, of equally large ones the first in column order; empty if none."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=4)
    if count == 1:
        return np.zeros_like(mask)
    areas = stats[1:, cv2.CC_STAT_AREA]
    largest = 1 + np.flatnonzero(areas == areas.max())
    left = stats[largest, cv2.CC_STAT_LEFT]
    column = labels[:, left.min()]
    return labels == min(largest[left == left.min()], key=lambda label: np.argmax(column == label))
