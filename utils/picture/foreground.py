"""What cut-outs are made of: the subject's colours without the old background's light, and alpha without islets."""

import cv2
import numpy as np

from utils.picture.resize import padded_to_multiples

LARGE, HUGE = 1_500_000, 24_000_000  # pixels from which surroundings are sought in 1/4 and 1/8 of the size, not 1/2
# Deviations of colours from those of the inside and from those around them, levels, in brightness and in hue; how much
# these variances grow before grey, which subjects often wear.
FROM_CORE, STRANDS = (100, 20, 5), (30, 8, 0)
TINGED, COLOURFUL = (0, 50), (80, 160)  # levels between the channels of a background: from not at all to fully so
LEVELS = np.arange(256, dtype=np.float32) / 255
CELL = 4  # pixels: what is closer than that touches
WEAK, SOLID = 3, 128  # levels of alpha that hold an islet together, and that something reaches which is there


def clean_foreground(pha, src, bgr, correct=True, colours=True):
    """The foreground without the light of the old background on its rim, and its smooth continuation outside.

    A pixel of the source is a mixture, src = pha fgr + (1 - pha) bgr, of which all but fgr is known, if imprecisely.
    What it should be comes from around it: colours, weighted by how solid the subject is there, are gathered from fine
    to coarse and spread from coarse to fine (a pyramid as in Germer et al., "Fast Multi-Level Foreground Estimation",
    ICPR 2020, but with a known background). This is done twice: from the inside of the subject alone, far from any
    light of the background, and then from what each pixel makes of that. Last, each pixel moves what its surroundings
    suggest as far as its own mixture demands.

    Each time the most likely colour and alpha are found together, all errors being taken as normal: a subject's
    colours differ more in brightness than in hue, and an error of alpha moves the solution along the line to the
    background's colour, before a colourful background, which subjects seldom resemble, above all. Single strands keep
    what is their own, and a screen that shines through hair makes it less solid, not green.

    Args:
        pha: uint8 (H, W), alpha.
        src, bgr: uint8 (H, W, 3), RGB: the photograph and the background, aligned with it, in its exposure.
        correct: whether alpha may change: at the rim, where colours leave no doubt, the more so the more colourful the
            background is, but not where it is 0.
        colours: whether they are wanted, too.

    Returns fgr, uint8 (H, W, 3), RGB, the source itself where the alpha returned is 255, or None; and that alpha,
    uint8 (H, W).
    """
    step = 2 if pha.size <= LARGE else 4 if pha.size <= HUGE else 8
    alpha, mixed, behind = (_reduced(x, step, cv2.INTER_LINEAR) for x in (pha, src, bgr))
    noise = max(5.0, step * sum(cv2.mean(cv2.absdiff(mixed, behind), cv2.inRange(alpha, 0, 0))) / 3)  # levels
    # Colours of the inside, carried everywhere: details do not matter in them.
    core = (_reduced(x, 4, cv2.INTER_AREA) for x in (mixed, cv2.erode(alpha, np.ones((3, 3), np.uint8))))
    near = _enlarged(_spread(*core, 32), 4, alpha.shape)
    _solve(near, alpha, mixed, behind, FROM_CORE, noise, 5)
    near, found, few, part = _spread(near, alpha, 8), pha.copy(), ..., ...
    if not colours:  # the subject alone, and what enlarging reads beside it
        x, y, width, height = cv2.boundingRect(pha)
        few = tuple(
            slice(max(first // step - 1, 0), max(2, -(-(first + length) // step) + 1))
            for first, length in ((y, height), (x, width))
        )
        part = tuple(slice(step * at.start, step * at.stop) for at in few)
    near = _enlarged(near[few], step, found[part].shape)
    cut = (np.ascontiguousarray(picture[part]) for picture in (pha, src, bgr))
    found[part] = _solve(near, *cut, STRANDS, noise, 11 if correct else 1)
    return near if colours else None, found if correct else pha


def _solve(near, pha, src, bgr, deviation, noise, side):
    """Move suggested colours, uint8 (H, W, 3), in place, as far as the mixture demands; the inside becomes the source.

    `deviation`: FROM_CORE or STRANDS. `side`: of the square, in pixels, that is all solid around one of the inside.
    Returns alpha as the mixture demands it, uint8 (H, W).
    """
    inside = cv2.inRange(cv2.erode(pha, np.ones((side, side), np.uint8)), 255, 255)
    cv2.copyTo(src, inside, near)
    rim = np.flatnonzero((pha > 0) & (inside == 0))
    flat, found = near.reshape(-1, 3), pha.copy()
    for at in np.array_split(rim, len(rim) // (1 << 14) + 1):  # few enough to stay in the cache
        colours, mixed, behind = (
            np.take(x.reshape(-1, 3), at, 0).T.astype(np.float32, order="C") for x in (near, src, bgr)
        )
        alpha = LEVELS[np.take(pha.reshape(-1), at)]
        screen = behind.max(0) - behind.min(0)
        tinged, colourful = (((screen - low) / np.float32(high - low)).clip(0, 1) for low, high in (TINGED, COLOURFUL))
        away = colours - behind
        unexplained = mixed - behind - alpha * away
        # Variances along grey and across it: the colour's own, times alpha, and the inverse of the mixture's.
        wide = 1 + deviation[2] * (1 - colourful)
        bright, hue = (np.float32(x**2) * wide * alpha for x in deviation[:2])
        of_bright, of_hue = (1 / (alpha * x + np.float32(noise**2)) for x in (bright, hue))
        certain = of_hue * away + (of_bright - of_hue) * away.mean(0)
        demand, weight = (np.einsum("ij,ij->j", certain, x) for x in (unexplained, away))
        # Variance of alpha; of one that lets a colourful background in, 1.
        doubt = np.float32(0.16) * (alpha < 1) + colourful * (demand < 0)
        error = np.maximum(doubt * demand / (1 + doubt * weight), -alpha)
        unexplained -= error * away
        bright, hue = bright * of_bright, hue * of_hue
        colours += hue * unexplained + (bright - hue) * unexplained.mean(0)
        # What is faint is a shadow, and not raised; nor is anything corrected by next to nothing.
        error = np.where(error < 0, tinged * error, np.minimum(colourful * error, np.maximum(alpha - 0.1, 0)))
        share = np.rint(255 * np.minimum(alpha + error * (abs(error) > 0.03), 1))
        np.copyto(colours, mixed, where=share == 255)
        flat[at] = np.rint(colours).clip(0, 255).T
        found.reshape(-1)[at] = share
    return found


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
        spread = _divided(cv2.scaleAdd(np.ascontiguousarray(spread[: fine.shape[0], : fine.shape[1]]), 0.12, fine))
    return cv2.cvtColor(cv2.convertScaleAbs(spread), cv2.COLOR_RGBA2RGB)


def _divided(weighted):
    """Colours times weights, and weights, float32 (H, W, 4), as colours and ones."""
    weight = np.maximum(cv2.extractChannel(weighted, 3), 1e-20)
    return cv2.multiply(weighted, cv2.merge([1 / weight] * 4))


def _reduced(picture, factor, how):
    height, width = (max(2, -(-n // factor)) for n in picture.shape[:2])  # OpenCV takes a single pixel for a number
    return cv2.resize(picture, (width, height), interpolation=how)


def _enlarged(picture, factor, shape):
    """A picture times a whole number, cut to (H, W)."""
    size = factor * picture.shape[1], factor * picture.shape[0]
    whole = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(whole[: shape[0], : shape[1]])


def without_islets(pha):
    """Alpha, uint8 (H, W), without islets that nothing solid belongs to: itself where there is none, or nothing solid.

    A second person, or a thing, is solid somewhere and stays; so does all that touches what is, as hair and veils do.
    """
    whole = padded_to_multiples(pha, CELL)
    lines = whole.reshape(-1, CELL, whole.shape[1]).max(axis=1)
    cells = cv2.dilate(lines, np.ones((1, CELL), np.uint8), anchor=(0, 0))[:, ::CELL]
    count, labels = cv2.connectedComponents((cells >= WEAK).astype(np.uint8), connectivity=8)
    solid = np.zeros(count, bool)
    solid[labels[cells >= SOLID]] = True
    if not solid.any() or solid[1:].all():
        return pha
    solid[0] = True  # what is not even faint stays as it is
    rows, columns = np.nonzero(~solid[labels])
    whole = np.array(whole)
    whole.reshape(len(lines), CELL, -1, CELL)[rows, :, columns] = 0
    return whole[: pha.shape[0], : pha.shape[1]]
