"""Do the two pictures show one scene, with and without the subject? Corrects what is harmless, notes the rest."""

import cv2
import numpy as np

from dataset.picture import PictureError
from utils.picture.resize import fit, glance, reduced
from utils.system.notes import Note, say

LOOK_AT = 320  # long side, in pixels, of the copies that are compared
VISIBLE = 20  # levels that the strongest channel differs by at most by noise and a slight change of exposure
SAME_BELOW = 0.005  # share of the picture that a subject covers at least
FAR = 38  # levels, median difference above which it is another scene; hand-held pairs reach 26, two scenes 87


class Misfit(PictureError):
    """Two pictures that cannot be of one scene; `note` says why."""

    def __init__(self, note):
        super().__init__(say(note))
        self.note = note


def match_size(src, bgr, src_name="the source", bgr_name="the background"):
    """Bring the background to the source's size if both have the same shape (aspect ratio).

    Args: src, bgr uint8 (H, W, 3); src_name, bgr_name what an error calls them. Returns bgr, uint8 of src's size, and a
    list of Notes: that it was resized, or none. Raises Misfit: the shapes differ, no resizing can align them.
    """
    if src.shape[:2] == bgr.shape[:2]:
        return bgr, []
    (height, width), (bgr_height, bgr_width) = src.shape[:2], bgr.shape[:2]
    sizes = {"src": f"{width}x{height}", "bgr": f"{bgr_width}x{bgr_height}"}
    # Two crops of one camera differ by rounding only.
    alike, turned = (abs(x / (width / height) - 1) <= 0.01 for x in (bgr_width / bgr_height, bgr_height / bgr_width))
    if not alike:
        raise Misfit(Note("turned" if turned else "other_shape", src_name=src_name, bgr_name=bgr_name, **sizes))
    return fit(bgr, (height, width)), [Note("resized", **sizes)]


def doubts(src, bgr, pha):
    """What is wrong with the background, or probably is: Notes, none when nothing is suspicious.

    Args: src, bgr uint8 (H, W, 3), RGB, of equal size, the background as the network saw it; pha uint8 (H, W), alpha.
    """
    notes = scene_doubts(src, bgr)
    if notes:
        return notes
    src, bgr, pha = (glance(x, LOOK_AT) for x in (src, bgr, pha))
    return [Note("swapped")] if _are_swapped(src, bgr) else ground_doubts(src, bgr, pha)


def scene_doubts(src, bgr):
    """Notes on two pictures, uint8 (H, W, 3) of equal size, that are nearly equal, or differ nearly everywhere."""
    small = [reduced(x, LOOK_AT) for x in (src, bgr)]
    share = _apart(*small).mean() / 255
    if share < SAME_BELOW:
        return [Note("same_scene", share=share)]
    other = share > 0.8 and np.median(_apart(*small, FAR))  # hand-held pairs of one scene reach 0.56, two scenes 0.96
    return [Note("other_scene", share=share)] if other else []


def ground_doubts(src, bgr, pha):
    """Notes on what is still wrong with the background where the network found no subject; see `doubts`."""
    src, bgr, pha = (glance(x, LOOK_AT) for x in (src, bgr, pha))
    ground = cv2.inRange(cv2.dilate(pha, np.ones((7, 7), np.uint8)), 0, 12)  # 5 %
    if not ground.any():
        return []
    share = _apart(src, bgr)[ground > 0].mean() / 255
    if share > 0.15:  # matched real pairs reach 0.03
        return [Note("other_ground", share=share)]
    # Averages over a neighbourhood: a shadow is soft and wide, an edge that is out of place is neither. It leaves some
    # of the light, the same of each channel, and none is seen on what is dark.
    src, bgr = (cv2.blur(x, (9, 9)) for x in (src, bgr))
    light = cv2.divide(cv2.add(src, (5, 5, 5, 0)), cv2.add(bgr, (5, 5, 5, 0)), dtype=cv2.CV_32F)
    between = cv2.transform(light, np.float32([[1, -1, 0], [0, 1, -1], [-1, 0, 1]]))  # channels
    shadow = cv2.inRange(light, (0.35,) * 3, (0.9,) * 3) & cv2.inRange(between, (-0.12,) * 3, (0.12,) * 3)
    share = (shadow & ground & ~cv2.inRange(bgr, (0,) * 3, (38,) * 3)).mean() / 255
    return [Note("shadow", share=share)] if share > 0.01 else []  # real ones on the wall reach 0.02, other pairs 0.000


def _are_swapped(src, bgr):
    """Whether the subject is in the background picture: the outline of where they differ is a smaller edge in src."""
    src, bgr = (cv2.GaussianBlur(x, (0, 0), 1) for x in (src, bgr))
    apart = cv2.morphologyEx(_apart(src, bgr), cv2.MORPH_OPEN, np.ones((3, 3)))
    apart = cv2.morphologyEx(apart, cv2.MORPH_CLOSE, np.ones((9, 9)))
    rim = cv2.morphologyEx(apart, cv2.MORPH_GRADIENT, np.ones((5, 5)))[3:-3, 3:-3] > 0  # the frame is no outline
    if rim.sum() < 50:  # pixels tell nothing
        return False
    pictures = cv2.merge([cv2.GaussianBlur(apart, (0, 0), 2)] * 3), src, bgr
    right, down = (
        np.float32([cv2.Sobel(x, cv2.CV_16S, *axis)[3:-3, 3:-3][rim] for x in pictures]) for axis in ((1, 0), (0, 1))
    )
    level = np.hypot(right[0], down[0])[:, 0].sum()
    steps = np.abs(right[1:] * right[0] + down[1:] * down[0]).max(axis=-1).sum(axis=-1) + level
    return bool(steps[0] < 0.85 * steps[1])  # captures reach 0.94, nine of ten swapped ones are below


def _apart(src, bgr, limit=VISIBLE):
    """Where two pictures differ by more, in some channel: uint8 (H, W), 255 there, else 0."""
    return ~cv2.inRange(cv2.absdiff(src, bgr), (0,) * 3, (limit,) * 3)
