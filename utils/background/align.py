"""Align the captured background with the source when the camera moved between the two shots.

The camera is taken to have turned, or to look at something flat or far: then one homography maps one picture onto the
other. Near things that shifted against far ones (parallax) stay shifted; no warp of the whole picture corrects that.

A homography is float64 (3, 3), from source pixels to background pixels: x to the right, y down, their centres at whole
numbers.
"""

from dataclasses import dataclass, replace
from typing import Optional

import cv2
import numpy as np

from utils.background.exposure import AS_IT_IS, Exposure, estimate_exposure
from utils.picture.resize import fit, glance, reduced
from utils.system.notes import Note

MODES = ("auto", "off", "homography")
LOOK_AT, MEASURE_AT, REFINE_AT = 480, 1280, 2560  # long side, in pixels, of the copies for each step
SHIFT = 0.2  # of the long side, of each corner: further no hand moves between two shots
ENOUGH_TRACKS, ENOUGH_INLIERS, ENOUGH_SHARE = 12, 16, 0.2


@dataclass(frozen=True)
class Alignment:
    """Where the source's pixels are in the background."""

    matrix: Optional[np.ndarray] = None  # homography; None: the background stays where it is
    given_up: bool = False  # features were looked for, as the pictures do not fit or it was demanded, in vain
    matches: int = 0  # features found in both pictures
    inliers: int = 0  # those that the homography explains
    before: float = 0.0  # residual, 0..1: median difference of brightness on textured ground near the inliers
    after: float = 0.0  # the same of the aligned background
    motion: float = 0.0  # largest distance that a corner of the picture moves, in pixels
    uncovered: float = 0.0  # share of the source that the background does not show, 0..1
    light: Optional[Exposure] = None  # of the aligned background; None: not estimated

    def apply(self, bgr, src):
        """The background as the source's camera would have seen it, uint8 (H, W, 3).

        What the background picture does not show is a guess. Next to the background it is the source: to two equal
        pictures the network answers "background", where a black border would be cut out as foreground. Next to the
        subject, which that answer would cut off, the background's last row or column goes on instead.

        Args: bgr, src uint8 (H, W, 3), RGB, those that it was estimated on.
        """
        light = self.light or AS_IT_IS
        if self.matrix is None:
            return light.apply(bgr)
        laid = light.apply(warp(bgr, self.matrix, src.shape[:2]))
        if not self.uncovered:
            return laid
        shown = covered(self.matrix, src.shape[:2])
        return np.where((shown | _beside_subject(src, laid, shown))[..., None], laid, src)

    @property
    def notes(self):
        """Notes on what was done, and on what was tried and given up; none where there was nothing to do."""
        figures = {"inliers": self.inliers, "matches": self.matches, "before": self.before, "after": self.after}
        moved = self.matrix is not None
        notes = [
            (self.given_up, Note("not_aligned")),
            (moved, Note("aligned", motion=self.motion)),
            (moved and self.uncovered, Note("filled", share=self.uncovered)),
            (self.matches, Note("alignment_figures", **figures)),
        ]
        return [note for due, note in notes if due] + (self.light.notes if self.light else [])


def estimate_alignment(src, bgr, mode="auto"):
    """Find the homography that aligns the background with the source.

    Corners followed from one small copy to the other (Lucas and Kanade) tell whether there is anything to do; that is
    all that `"auto"` costs where the camera stood still. Else SIFT features are matched and a homography fitted
    (MAGSAC); the residual then shows the subject, and corners outside it, followed at full size from the background
    aligned by that homography, refine it, to 0.01 pixels on average.

    Args: src, bgr uint8 (H, W, 3), RGB, of equal size; mode one of MODES: `"homography"` does not look first.

    Returns Alignment; without a homography when the camera stood still, too few features agree, the homography folds
    the picture over or moves or scales it more than a hand does, or the residual does not fall by a tenth.
    """
    if mode == "off" or min(src.shape[:2]) < 64:
        return Alignment()
    seen, known = glance(src, LOOK_AT), glance(bgr, LOOK_AT)
    light = estimate_exposure(seen, known)
    if mode == "auto" and nothing_to_do(seen, *look(light.apply(known)), src.shape[1]):
        return Alignment(light=light)
    larger = reduced(src, MEASURE_AT), reduced(bgr, MEASURE_AT)
    found = _fit(src, bgr, larger, _matches(*_grey(*larger, light)))
    if found.given_up or found.after <= 0.9 * found.before:
        return found
    light = found.light if found.motion < 0.005 * max(src.shape) else None  # so little motion changes no exposure
    return replace(found, matrix=None, given_up=True, light=light)


def follow_alignment(alignment, src, bgr):
    """Find the homography of a clip's next frame from that of the frame before; no features are looked for anew.

    Corners of the background, aligned as for the frame before, are followed into the new frame and refine it once.

    Args: alignment of the frame before, with its light; src, bgr uint8 (H, W, 3), RGB, the new frame, and the
    background as it was captured.

    Returns Alignment; without a homography when the track is lost: too few corners agree, the homography is none of a
    hand's, or the residual has grown by half.
    """
    light, matrix = alignment.light, np.eye(3) if alignment.matrix is None else alignment.matrix
    seen, known = _grey(reduced(src, MEASURE_AT), reduced(bgr, MEASURE_AT), light)
    matrix = rescaled(matrix, seen.shape[1] / src.shape[1])
    laid = warp(known, matrix, seen.shape)
    points = _follow(laid, seen, _landmarks(laid, 60, 800))[::-1]
    found = _fit(src, bgr, (seen, known), points, matrix, light)
    return Alignment() if found.after > 1.5 * max(alignment.after, 0.015) else found


def _fit(src, bgr, copies, points, start=None, light=None):
    """The Alignment that points show, whether it lowers the residual or not; given up where they show none.

    `copies`: src and bgr at MEASURE_AT, as `_grey` makes them or, without `light`, RGB. `points`: float32 (N, 2) each,
    in the copy of the source and in that of the background moved by `start`, a homography of the copies that is refined
    once; None for none: what is found is refined twice. `light`: Exposure; None: estimated when the pictures fit.
    """
    here, shape, scale = points[0], src.shape[:2], copies[0].shape[1] / src.shape[1]
    rounds, most = (2, 5000) if start is None else (1, 2000)
    matrix, inlier = _homography(*points, 2.0, most)
    figures = {"matches": len(here), "inliers": int(inlier.sum())}
    if matrix is not None:
        matrix = rescaled(matrix if start is None else start @ matrix, 1 / scale)
    if matrix is None or figures["inliers"] < ENOUGH_SHARE * len(here) or motion_of(matrix, shape) is None:
        return Alignment(given_up=True, **figures)
    far = np.ones(copies[0].shape[:2], np.uint8)  # from the features that both share, around which is ground
    for x, y in here[inlier].round().astype(int).tolist():
        cv2.circle(far, (x, y), max(2, round(0.04 * max(far.shape))), 0, -1)
    if light is None:  # the first look may have been wrong where the pictures lie far apart or the subject is large
        small = glance(src, LOOK_AT)
        laid = warp(glance(bgr, LOOK_AT), rescaled(matrix, small.shape[1] / src.shape[1]), small.shape[:2])
        light = estimate_exposure(small, laid)
        if light.share < 0.5:  # of the smooth ground: the subject may be all that agrees
            near_features = estimate_exposure(small, laid, subject=far > 0)
            light = near_features if near_features.share else light
        copies = _grey(*copies, light)
    matrix = _refine(*_grey(reduced(src, REFINE_AT), reduced(bgr, REFINE_AT), light), matrix, src.shape[1], rounds)
    motion = motion_of(matrix, shape)
    if motion is None:
        return Alignment(given_up=True, **figures)
    figures["before"], figures["after"] = _residuals(*copies, rescaled(matrix, scale), far == 0)
    uncovered = 1 - float(covered(matrix, shape).mean())
    return Alignment(matrix, **figures, motion=motion, uncovered=uncovered, light=light)


def look(bgr):
    """What tells whether a background moved: a small grey copy, uint8, and its `_landmarks`, of uint8 (H, W, 3) RGB."""
    small = glance(cv2.cvtColor(bgr, cv2.COLOR_RGB2GRAY), LOOK_AT)
    return small, _landmarks(small, 40, 200)


def _landmarks(known, along, most, mask=None):
    """Corners of a grey picture that can be followed, float32 (N, 1, 2): so many `along` its long side, and at most."""
    found = cv2.goodFeaturesToTrack(known, most, 0.003, max(4, max(known.shape) // along), mask=mask)
    return np.empty((0, 1, 2), np.float32) if found is None else found


def nothing_to_do(src, known, start, width=None):
    """Whether the background may stay where it is: the camera stood still, or no texture tells whether it did.

    Args: src uint8 (H, W, 3), RGB; known, start what `look` makes of the background; width of src before a `glance`.
    """
    seen = glance(cv2.cvtColor(src, cv2.COLOR_RGB2GRAY), LOOK_AT)
    start, there = _follow(known, seen, start, window=11, levels=1)
    if len(start) < ENOUGH_TRACKS:
        corners = cv2.goodFeaturesToTrack(known, 300, 0.05, 10)
        return known.std() < 6 or corners is None or len(corners) < ENOUGH_TRACKS
    # A network trained on captures half a pixel apart does not mind 0.6; in pictures larger than HD the same share of
    # the width, as the network works at smaller scales there.
    still = 0.6 * max(seen.shape[1] / (width or src.shape[1]), LOOK_AT / 1920)
    return np.percentile(np.linalg.norm(there - start, axis=1), 70) < still


def subject_mask(seen, known):
    """Where the source shows something else than the background: bool (H, W), with a margin around it.

    Args: seen, known uint8 (H, W) or (H, W, 3), source and background, aligned to a pixel or two, at one exposure.
    """
    kernel = np.ones((3, 3), np.uint8)
    # Distance of a pixel from the range of the other picture's pixels around it: none along a misplaced edge.
    apart = cv2.max(cv2.subtract(seen, cv2.dilate(known, kernel)), cv2.subtract(cv2.erode(known, kernel), seen))
    if apart.ndim == 3:
        apart = apart.max(axis=-1)
    limit = 255 * min(max(0.06, 4 * float(np.median(apart)) / 255), 0.12)  # by how much the rest differs
    mask = (apart > limit).astype(np.uint8)
    side = max(3, max(mask.shape) // 100 | 1)
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, kernel)
    mask = cv2.dilate(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((side, side))), np.ones((side, side)))
    return mask > 0


def _beside_subject(src, laid, shown):
    """Pixels that the background does not show and whose nearest pixel that it shows is the subject's: bool (H, W)."""
    small = reduced(src, LOOK_AT)
    shown = cv2.resize(shown.astype(np.uint8), small.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    laid = fit(laid, small.shape[:2])
    laid[shown == 0] = small[shown == 0]  # what is repeated there differs from the source too
    subject = subject_mask(small, laid)
    _, nearest = cv2.distanceTransformWithLabels(1 - shown, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    of_subject = np.zeros(nearest.max() + 1, np.uint8)
    of_subject[nearest[shown > 0]] = subject[shown > 0]
    return cv2.resize(of_subject[nearest], src.shape[1::-1], interpolation=cv2.INTER_NEAREST) > 0


def _grey(src, bgr, light):
    """Brightness of both pictures at one exposure."""
    return cv2.cvtColor(src, cv2.COLOR_RGB2GRAY), cv2.cvtColor(light.apply(bgr), cv2.COLOR_RGB2GRAY)


def _follow(known, seen, start, window=15, levels=3):
    """Those of the background's corners that are found in the source, and where: float32 (N, 2) each.

    Followed there and back: what does not return to within half a pixel is covered by the subject or has no hold.
    """
    if not len(start):
        return start[:, 0], start[:, 0]
    options = {"winSize": (window, window), "maxLevel": levels}
    there, found, _ = cv2.calcOpticalFlowPyrLK(known, seen, start, None, **options)
    back, returned, _ = cv2.calcOpticalFlowPyrLK(seen, known, there, None, **options)
    good = (found[:, 0] > 0) & (returned[:, 0] > 0) & (np.abs(back - start).max(axis=2)[:, 0] < 0.5)
    return start[good, 0], there[good, 0]


def _matches(seen, known):
    """SIFT features of both pictures that are each other's best match: float32 (N, 2) in the source, background."""
    sift = cv2.SIFT_create(nfeatures=3000, contrastThreshold=0.02)
    (points, features), (other_points, others) = (sift.detectAndCompute(x, None) for x in (seen, known))
    if min(len(points), len(other_points)) < 3:
        return np.empty((2, 0, 2), np.float32)
    points, other_points = cv2.KeyPoint_convert(points), cv2.KeyPoint_convert(other_points)
    features, others = (x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-6) for x in (features, others))
    likeness = features @ others.T
    # A hand does not move a feature further than this, so that the windows of one front are not confused.
    limit = 1.5 * SHIFT * max(seen.shape)
    for axis in (0, 1):
        likeness[np.abs(points[:, None, axis] - other_points[None, :, axis]) > limit] = -1
    best = likeness.argmax(axis=1)
    mutual = likeness.argmax(axis=0)[best] == np.arange(len(best))
    second, first = np.partition(likeness, -2, axis=1)[:, -2:].T
    # Lowe's ratio; squared distances of unit vectors are 2 (1 - likeness).
    good = mutual & ((1 - first) < 0.8**2 * (1 - second)) & (first > 0)
    return points[good], other_points[best[good]]


def _homography(here, there, within, most=5000):
    """The homography between points, float32 (N, 2) each, or None, and which it takes `within` so many pixels."""
    if len(here) < ENOUGH_INLIERS:
        return None, np.zeros(len(here), bool)
    matrix, inlier = cv2.findHomography(here, there, cv2.USAC_MAGSAC, within, maxIters=most, confidence=0.999)
    return matrix if inlier.sum() >= ENOUGH_INLIERS else None, inlier[:, 0] > 0


def _refine(seen, known, matrix, width, rounds):
    """Fit the homography anew to corners outside the subject, followed from the aligned background."""
    scale = seen.shape[1] / width
    matrix = rescaled(matrix, scale)
    for _ in range(rounds):
        laid = warp(known, matrix, seen.shape)
        ground = covered(matrix, seen.shape) & ~subject_mask(seen, laid)
        # No corner at the rim of the warp, where there is no picture on one side.
        ground = cv2.erode(ground.astype(np.uint8), np.ones((9, 9)), borderValue=0)
        start, there = _follow(laid, seen, _landmarks(laid, 120, 4000, ground), levels=1)
        step, keep = _homography(there, start, 1.0)
        if step is None:
            break
        matrix = matrix @ cv2.findHomography(there[keep], start[keep], 0)[0]
    return rescaled(matrix / matrix[2, 2], 1 / scale)


def _residuals(seen, known, matrix, ground):
    """Median difference of brightness on textured ground without the homography and with it, 0..1 each."""
    laid = warp(known, matrix, seen.shape)
    ground = ground & covered(matrix, seen.shape)
    textured = ground & (cv2.morphologyEx(known, cv2.MORPH_GRADIENT, np.ones((3, 3))) > 12)
    ground = textured if textured.sum() > 500 else ground
    if not ground.any():
        return 0.0, 0.0
    levels = [np.sort(cv2.absdiff(seen, x)[ground]) for x in (known, laid)]
    quarter = len(levels[0]) // 4  # the mean of the middle half does not jump by whole levels
    return tuple(float(x[quarter : len(x) - quarter].mean()) / 255 for x in levels)


def covered(matrix, shape):
    """Where the background, aligned by `matrix`, shows something: bool (H, W). `shape` is (H, W) of both pictures."""
    flags = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
    return cv2.warpPerspective(np.full(shape, 255, np.uint8), matrix, shape[::-1], flags=flags) == 255


def motion_of(matrix, shape):
    """How many pixels a corner of a picture of (H, W) moves at most; None: no hand moves so between two shots."""
    height, width = shape
    corners = np.array([(0, 0), (width - 1, 0), (width - 1, height - 1), (0, height - 1)], np.float64)
    moved = cv2.perspectiveTransform(corners[None], matrix)[0]
    edges = np.roll(moved, -1, axis=0) - moved
    turns = edges[:, 0] * np.roll(edges[:, 1], -1) - edges[:, 1] * np.roll(edges[:, 0], -1)
    if not (turns > 0).all():  # folded over
        return None
    scale = np.median(np.sqrt(turns / (width - 1) / (height - 1)))
    motion = float(np.linalg.norm(moved - corners, axis=1).max())
    return motion if 0.8 < scale < 1.25 and motion <= SHIFT * max(shape) else None


def rescaled(matrix, factor):
    """The same homography for pictures `factor` times as large, pixel centres at whole numbers."""
    offset = (factor - 1) / 2
    larger = np.array([[factor, 0, offset], [0, factor, offset], [0, 0, 1]])
    matrix = larger @ matrix @ np.linalg.inv(larger)
    return matrix / matrix[2, 2]


def warp(picture, matrix, shape):
    """The background as seen from the source: uint8 (H, W) or (H, W, 3); its border repeated where it shows nothing."""
    flags = cv2.WARP_INVERSE_MAP | cv2.INTER_CUBIC
    return cv2.warpPerspective(picture, matrix, shape[1::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
