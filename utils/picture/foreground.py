"""The subject's colours without the old background's light: what `fgr` and cut-outs show."""

import cv2
import numpy as np

LARGE, HUGE = 1_500_000, 24_000_000  # pixels from which surroundings are sought in 1/4 and 1/8 of the size, not 1/2
CORE, CERTAIN = 32, 5  # powers of alpha by which colours count: of the subject's inside, and of each one's surroundings
SMOOTH = 0.12  # weight of what lies further away
# Deviations of colours from those of the inside and from those around them, levels; how much that variance grows before
# grey, which subjects often wear.
FROM_CORE, STRANDS = (80.0, 20), (15.0, 0)
NOISE = 5.0  # of pixels, levels, at least
COLOURFUL = 100  # levels between the channels of a background of which a subject will hardly have the colour
MOST = 1 << 20  # pixels that are solved at once
LEVELS = np.arange(256, dtype=np.float32) / 255
# By alpha: its variance, how much larger that is where alpha seems too large, and whether noise is to be reckoned with.
TOO_SMALL, TOO_LARGE, NOISY = (np.float32([below] * 255 + [at_1]) for below, at_1 in ((0.16, 0), (1, 0.09), (1, 0)))


def clean_foreground(pha, src, bgr):
    """The foreground without the light of the old background on its rim, and its smooth continuation outside.

    A pixel of the source is a mixture, src = pha fgr + (1 - pha) bgr, of which all but fgr is known, if imprecisely.
    What it should be comes from around it: colours, weighted by how solid the subject is there, are gathered from fine
    to coarse and spread from coarse to fine (a pyramid as in Germer et al., "Fast Multi-Level Foreground Estimation",
    ICPR 2020, but with a known background). This is done twice: from the inside of the subject alone, far from any
    light of the background, and then from what each pixel makes of that. Last, each pixel moves what its surroundings
    suggest as far as its own mixture demands. Each time that demand is weighed against noise and errors of alpha as by
    a Wiener filter: an error of alpha moves the solution along the line to the background's colour, so the mixture is
    believed least along this line, least of all towards a colourful background, which subjects seldom resemble, and
    single strands keep what is their own beside it.

    Args:
        pha: uint8 (H, W), alpha.
        src, bgr: uint8 (H, W, 3), RGB: the photograph and the background, aligned with it, in its exposure.

    Returns uint8 (H, W, 3), RGB; the source itself where alpha is 255.
    """
    step = 2 if pha.size <= LARGE else 4 if pha.size <= HUGE else 8
    size = tuple(max(2, -(-n // step)) for n in pha.shape[::-1])  # OpenCV takes a single pixel for a number
    alpha, mixed, behind = (cv2.resize(x, size, interpolation=cv2.INTER_LINEAR) for x in (pha, src, bgr))
    noise = max(NOISE, step * sum(cv2.mean(cv2.absdiff(mixed, behind), cv2.inRange(alpha, 0, 0))) / 3)
    near = _of_core(mixed, alpha)
    _solve(near, alpha, mixed, behind, FROM_CORE, noise, 5)
    near = _enlarged(_spread(near, alpha, CERTAIN), step, pha.shape)
    _solve(near, pha, src, bgr, STRANDS, noise, 1)
    return near


def _of_core(mixed, alpha):
    """Colours of the inside, carried everywhere, uint8 (h, w, 3), in which details do not matter."""
    size = tuple(max(2, -(-n // 4)) for n in alpha.shape[::-1])
    solid = cv2.erode(alpha, np.ones((3, 3), np.uint8))
    mixed, solid = (cv2.resize(x, size, interpolation=cv2.INTER_AREA) for x in (mixed, solid))
    return _enlarged(_spread(mixed, solid, CORE), 4, alpha.shape)


def _solve(near, pha, src, bgr, deviation, noise, side):
    """Move suggested colours, uint8 (H, W, 3), in place, as far as the mixture demands; the inside becomes the source.

    `deviation`: FROM_CORE or STRANDS. `side`: of the square, in pixels, that is all solid around one of the inside.
    """
    inside = cv2.inRange(cv2.erode(pha, np.ones((side, side), np.uint8)), 255, 255)
    cv2.copyTo(src, inside, near)
    rim = np.flatnonzero((pha > 0) & (inside == 0))
    flat, (strands, grey) = near.reshape(-1, 3), deviation
    for at in np.array_split(rim, len(rim) // MOST + 1):
        colours, mixed, behind = (np.take(x.reshape(-1, 3), at, 0).astype(np.float32) for x in (near, src, bgr))
        level = np.take(pha.reshape(-1), at)[:, None]
        alpha = LEVELS[level]
        away = colours - behind
        unexplained = mixed - behind - alpha * away
        length = np.einsum("ij,ij->i", away, away)[:, None] + 1
        along = np.einsum("ij,ij->i", unexplained, away)[:, None] / length
        colourful = np.minimum(np.ptp(behind, axis=1)[:, None] / np.float32(COLOURFUL), 1)
        doubt = TOO_SMALL[level] + (along < 0) * colourful * TOO_LARGE[level]
        own = np.float32(strands**2) * (1 + grey * (1 - colourful))
        spread = alpha**2 * own + NOISY[level] * np.float32(noise**2)
        gain, gain_along = (alpha * own / total for total in (spread, spread + doubt * length))
        colours += gain * unexplained + (gain_along - gain) * along * away
        flat[at] = np.rint(colours).clip(0, 255)


def _spread(colours, alpha, power):
    """Colours, uint8 (h, w, 3), carried everywhere, each counting by a power of its alpha, uint8 (h, w): as colours."""
    weight = (LEVELS**power + 1e-4 * LEVELS)[alpha]
    colours = cv2.cvtColor(colours, cv2.COLOR_RGB2RGBA)
    colours[..., 3] = 1
    fine, pyramid = cv2.multiply(colours, cv2.merge([weight] * 4), dtype=cv2.CV_32F), []
    while max(fine.shape[:2]) > 2:
        pyramid.append(fine)
        even = cv2.copyMakeBorder(fine, 0, fine.shape[0] % 2, 0, fine.shape[1] % 2, cv2.BORDER_CONSTANT, value=0)
        fine = cv2.resize(even, (even.shape[1] // 2, even.shape[0] // 2), interpolation=cv2.INTER_AREA)
    spread = _divided(fine)
    for fine in reversed(pyramid):
        spread = cv2.resize(spread, (2 * spread.shape[1], 2 * spread.shape[0]), interpolation=cv2.INTER_LINEAR)
        spread = _divided(cv2.scaleAdd(np.ascontiguousarray(spread[: fine.shape[0], : fine.shape[1]]), SMOOTH, fine))
    return cv2.cvtColor(cv2.convertScaleAbs(spread), cv2.COLOR_RGBA2RGB)


def _divided(weighted):
    """Colours times weights, and weights, float32 (H, W, 4), as colours and ones."""
    weight = np.maximum(cv2.extractChannel(weighted, 3), 1e-20)
    return cv2.multiply(weighted, cv2.merge([1 / weight] * 4))


def _enlarged(picture, factor, shape):
    """A picture times a whole number, cut to (H, W)."""
    size = factor * picture.shape[1], factor * picture.shape[0]
    whole = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(whole[: shape[0], : shape[1]])
