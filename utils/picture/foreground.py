"""The subject's colours without the old background's light: what `fgr` and cut-outs show."""

import cv2
import numpy as np

LARGE = 1_500_000  # pixels from which the colours of the surroundings are sought in a quarter of the size, not half
CERTAIN = 4  # power of alpha by which colours count for their surroundings
SMOOTH = 0.1  # weight of what lies further away
STRANDS, NOISE, DOUBT = 25.0, 5.0, 0.4  # deviations: of colours from their surroundings and of pixels, levels; of alpha
EDGE = np.ones((3, 3), np.uint8)
LEVELS = np.arange(256, dtype=np.float32) / 255


def clean_foreground(fgr, pha, src, bgr):
    """The foreground without the light of the old background on its rim, and its smooth continuation outside.

    A pixel of the source is a mixture, src = pha fgr + (1 - pha) bgr, of which all but fgr is known, if imprecisely.
    Two steps solve for it. First comes what the surroundings suggest: colours, weighted by how solid the subject is
    there, are gathered from fine to coarse and spread from coarse to fine (a pyramid as in Germer et al., "Fast
    Multi-Level Foreground Estimation", ICPR 2020, but with a known background). They are the mean of what solves the
    equation, which takes away too much light where alpha is too small, and of the network's, which leaves too much.
    Then each pixel moves that suggestion as far as its own mixture demands, weighed against noise and errors of alpha
    as by a Wiener filter: an error of alpha moves the solution along the line to the background's colour, so the
    mixture is believed least along this line, and single strands keep what is their own beside it.

    Args:
        fgr: uint8 (H, W, 3), RGB, the network's foreground.
        pha: uint8 (H, W), alpha.
        src, bgr: uint8 (H, W, 3), RGB: the photograph and the background, aligned with it, in its exposure.

    Returns:
        uint8 (H, W, 3), RGB; the source itself where alpha is 255.
    """
    clean, noise = _surroundings(fgr, pha, src, bgr)
    rim = np.flatnonzero(cv2.inRange(pha, 1, 254) > 0)
    mixed, behind, near = (np.take(picture.reshape(-1, 3), rim, 0).astype(np.float32) for picture in (src, bgr, clean))
    alpha = LEVELS[np.take(pha.reshape(-1), rim), None]
    away = near - behind
    unexplained = mixed - behind - alpha * away
    length = np.einsum("ij,ij->i", away, away)[:, None] + 1
    along = np.einsum("ij,ij->i", unexplained, away)[:, None] / length
    noise = alpha**2 * STRANDS**2 + noise**2
    gain, gain_along = (alpha * STRANDS**2 / total for total in (noise, noise + DOUBT**2 * length))
    near += gain * unexplained + (gain_along - gain) * along * away
    clean.reshape(-1, 3)[rim] = np.rint(near).clip(0, 255)
    return cv2.copyTo(src, cv2.inRange(pha, 255, 255), clean)


def _surroundings(fgr, pha, src, bgr):
    """Colours of what is solid, carried everywhere, uint8 (H, W, 3); and the noise of pixels, levels."""
    step = 2 if pha.size <= LARGE else 4
    size = tuple(max(2, -(-n // step)) for n in pha.shape[::-1])  # OpenCV takes a single pixel for a number
    solid, alpha, fgr, mixed, behind = (
        cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)  # means of 2 x 2, of all or of some pixels
        for picture in (cv2.erode(pha, EDGE), pha, fgr, src, bgr)
    )
    apart = cv2.absdiff(mixed, behind)
    noise = max(NOISE, step * sum(cv2.mean(apart, cv2.inRange(alpha, 0, 0))) / 3)
    share = cv2.merge([(1 / np.maximum(LEVELS, 0.1))[alpha]] * 3)
    solved = cv2.multiply(cv2.subtract(mixed, behind, dtype=cv2.CV_32F), share)
    solved = cv2.add(solved, behind, dtype=cv2.CV_8U)
    colours = cv2.cvtColor(cv2.addWeighted(solved, 0.5, fgr, 0.5, 0), cv2.COLOR_RGB2RGBA)
    colours[..., 3] = 1
    weight = (LEVELS**CERTAIN + 1e-4 * LEVELS)[solid]
    fine = cv2.multiply(colours, cv2.merge([weight] * 4), dtype=cv2.CV_32F)
    pyramid = []
    while max(fine.shape[:2]) > 2:
        pyramid.append(fine)
        even = cv2.copyMakeBorder(fine, 0, fine.shape[0] % 2, 0, fine.shape[1] % 2, cv2.BORDER_CONSTANT, value=0)
        fine = cv2.resize(even, (even.shape[1] // 2, even.shape[0] // 2), interpolation=cv2.INTER_AREA)
    spread = _divided(fine)
    for fine in reversed(pyramid):
        spread = cv2.resize(spread, (2 * spread.shape[1], 2 * spread.shape[0]), interpolation=cv2.INTER_LINEAR)
        spread = _divided(cv2.scaleAdd(np.ascontiguousarray(spread[: fine.shape[0], : fine.shape[1]]), SMOOTH, fine))
    small = cv2.cvtColor(cv2.convertScaleAbs(spread), cv2.COLOR_RGBA2RGB)
    whole = cv2.resize(small, (step * size[0], step * size[1]), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(whole[: pha.shape[0], : pha.shape[1]]), noise


def _divided(weighted):
    """Colours times weights, and weights, float32 (H, W, 4), as colours and ones."""
    weight = np.maximum(cv2.extractChannel(weighted, 3), 1e-20)
    return cv2.multiply(weighted, cv2.merge([1 / weight] * 4))
