"""Do the two pictures show one scene, with and without the subject? Corrects what is harmless, notes the rest."""

import cv2
import numpy as np

from dataset.picture import PictureError
from utils.picture.resize import fit, glance, reduced
from utils.system.notes import Note
from utils.system.words import say

SHADE = (0.35, 0.9)  # what a shadow leaves of the light, least and most
COLOURED = 0.12  # difference of that between the channels, beyond which it is not a shadow
DARK = 0.15  # what is darker, 0..1, shows no shadow
SHADED = 0.01  # share of the picture; real pairs with a shadow on the wall reach 0.02, others 0.000

ASPECT_TOLERANCE = 0.01  # two crops of one camera differ by rounding only
LOOK_AT = 320  # long side, in pixels, of the copies that are compared
VISIBLE = 0.08  # difference of the strongest channel, 0..1, beyond noise and a slight change of exposure
MUCH = 0.15  # share of the background that differs visibly; matched real pairs reach 0.03
SAME_BELOW = 0.005  # share of the picture that a subject covers at least
OTHER_ABOVE, OTHER_MEDIAN = 0.8, 0.15  # hand-held pairs of one scene reach 0.56 and 0.10; two scenes 0.96 and 0.34


class Misfit(PictureError):
    """Two pictures that cannot be of one scene; `note` says why."""

    def __init__(self, note):
        super().__init__(say(note))
        self.note = note


def match_size(src, bgr, src_name="the source", bgr_name="the background"):
    """Bring the background to the source's size if both have the same shape (aspect ratio).

    Args:
        src, bgr: uint8 (H, W, 3).
        src_name, bgr_name: what an error calls them.

    Returns:
        bgr uint8 of src's size, and a list of Notes: that it was resized, or none.

    Raises:
        Misfit: the shapes differ, so that no resizing can align one with the other.
    """
    if src.shape[:2] == bgr.shape[:2]:
        return bgr, []
    (height, width), (bgr_height, bgr_width) = src.shape[:2], bgr.shape[:2]
    sizes = {"src": f"{width}x{height}", "bgr": f"{bgr_width}x{bgr_height}"}
    if not _alike(bgr_width / bgr_height, width / height):
        kind = "turned" if _alike(bgr_height / bgr_width, width / height) else "other_shape"
        raise Misfit(Note(kind, src_name=src_name, bgr_name=bgr_name, **sizes))
    return fit(bgr, (height, width)), [Note("resized", **sizes)]


def doubts(src, bgr, pha):
    """What is wrong with the background, or probably is: Notes, none when nothing is suspicious.

    Args:
        src, bgr: uint8 (H, W, 3), RGB, of equal size, the background as the network saw it.
        pha: uint8 (H, W), the alpha it found.
    """
    return scene_doubts(src, bgr) or ground_doubts(src, bgr, pha)


def scene_doubts(src, bgr):
    """Notes on two pictures, uint8 (H, W, 3) of equal size, that are nearly equal, or differ nearly everywhere."""
    small = [reduced(x, LOOK_AT).astype(np.float32) / 255 for x in (src, bgr)]
    difference = np.abs(small[0] - small[1]).max(axis=-1)
    share = float((difference > VISIBLE).mean())
    if share < SAME_BELOW:
        return [Note("same_scene", share=share)]
    if share > OTHER_ABOVE and np.median(difference) > OTHER_MEDIAN:
        return [Note("other_scene", share=share)]
    return []


def ground_doubts(src, bgr, pha):
    """Notes on what is still wrong with the background where the network found no subject; see `doubts`."""
    src, bgr, pha = (glance(x, LOOK_AT) for x in (src, bgr, pha))
    ground = cv2.dilate(pha, np.ones((7, 7), np.uint8)) < 13  # 5 %
    if not ground.any():
        return []
    share = float((_extremes(cv2.absdiff(src, bgr))[1][ground] > VISIBLE * 255).mean())
    if share > MUCH:
        return [Note("other_ground", share=share)]
    # Averages over a neighbourhood: a shadow is soft and wide, an edge that is out of place is neither.
    src, bgr = (cv2.blur(x, (9, 9)) for x in (src, bgr))
    least, most = _extremes(cv2.divide(cv2.add(src, (5, 5, 5, 0)), cv2.add(bgr, (5, 5, 5, 0)), dtype=cv2.CV_32F))
    shadow = (least > SHADE[0]) & (most < SHADE[1]) & (most - least < COLOURED) & ground
    shadow &= _extremes(bgr)[1] > DARK * 255
    share = float(shadow.mean())
    return [Note("shadow", share=share)] if share > SHADED else []


def _alike(one, other):
    return abs(one / other - 1) <= ASPECT_TOLERANCE


def _extremes(picture):
    """The least and the greatest of three channels, (H, W) each."""
    first, second, third = cv2.split(picture)
    return cv2.min(cv2.min(first, second), third), cv2.max(cv2.max(first, second), third)
