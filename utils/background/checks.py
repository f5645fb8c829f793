"""Do the two pictures show one scene, with and without the subject? Repairs what is harmless, warns of the rest."""

import cv2
import numpy as np

from dataset.picture import PictureError
from utils.picture.resize import fit, glance, reduced

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


def match_size(src, bgr, src_name="the source", bgr_name="the background"):
    """Bring the background to the source's size if both have the same shape (aspect ratio).

    Args:
        src, bgr: uint8 (H, W, 3).
        src_name, bgr_name: what an error calls them.

    Returns:
        bgr uint8 of src's size, and a warning or None.

    Raises:
        PictureError: the shapes differ, so that no resizing can lay one over the other.
    """
    (height, width), (bgr_height, bgr_width) = src.shape[:2], bgr.shape[:2]
    if (height, width) == (bgr_height, bgr_width):
        return bgr, None
    if abs(bgr_width / bgr_height / (width / height) - 1) > ASPECT_TOLERANCE:
        raise PictureError(
            f"{bgr_name} is {bgr_width}x{bgr_height}, {src_name} {width}x{height}: both must come from one camera "
            "position, uncropped"
        )
    warning = (
        f"the background is {bgr_width}x{bgr_height}, the source {width}x{height}: it was resized; pictures of equal "
        "size give better edges"
    )
    return fit(bgr, (height, width)), warning


def scene_warnings(src, bgr):
    """Say what probably went wrong when the pictures are nearly equal, or differ nearly everywhere.

    Args:
        src, bgr: uint8 (H, W, 3) of equal size.

    Returns:
        list of sentences, empty when nothing is suspicious.
    """
    small = [reduced(x, LOOK_AT).astype(np.float32) / 255 for x in (src, bgr)]
    difference = np.abs(small[0] - small[1]).max(axis=-1)
    share = float((difference > VISIBLE).mean())
    if share < SAME_BELOW:
        return [
            f"source and background differ in {share:.1%} of the picture only: if somebody is to be cut out, they may "
            "be standing in the background picture too; take it again with nobody in view"
        ]
    if share > OTHER_ABOVE and np.median(difference) > OTHER_MEDIAN:
        return [
            f"source and background differ in {share:.0%} of the picture: --bgr must be the same scene without the "
            "subject, from the same position, not the new background that the subject is to be put on"
        ]
    return []


def background_warnings(src, bgr, pha):
    """Say what is still wrong with the background where the network found no subject, and what to do about it.

    Args:
        src, bgr: uint8 (H, W, 3), RGB, the background as the network saw it.
        pha: uint8 (H, W), the alpha it found.

    Returns:
        list of sentences, empty when nothing is suspicious.
    """
    src, bgr, pha = (glance(x, LOOK_AT) for x in (src, bgr, pha))
    ground = cv2.dilate(pha, np.ones((7, 7), np.uint8)) < 13  # 5 %
    if not ground.any():
        return []
    share = float((_extremes(cv2.absdiff(src, bgr))[1][ground] > VISIBLE * 255).mean())
    if share > MUCH:
        return [
            f"source and background differ in {share:.0%} of the ground around the subject: the camera or the light "
            "moved between the two pictures; keep --align and --match-exposure on auto, or take both again, shortly "
            "after one another, with camera, focus, exposure and white balance fixed"
        ]
    # Averages over a neighbourhood: a shadow is soft and wide, an edge that is out of place is neither.
    src, bgr = (cv2.blur(x, (9, 9)) for x in (src, bgr))
    least, most = _extremes(cv2.divide(cv2.add(src, (5, 5, 5, 0)), cv2.add(bgr, (5, 5, 5, 0)), dtype=cv2.CV_32F))
    shadow = (least > SHADE[0]) & (most < SHADE[1]) & (most - least < COLOURED) & ground
    shadow &= _extremes(bgr)[1] > DARK * 255
    share = float(shadow.mean())
    if share > SHADED:
        return [
            f"a shadow falls on {share:.1%} of the picture: parts of it may be cut out with the subject; move the "
            "subject away from the wall or light it softly from the front"
        ]
    return []


def _extremes(picture):
    """The least and the greatest of three channels, (H, W) each."""
    first, second, third = cv2.split(picture)
    return cv2.min(cv2.min(first, second), third), cv2.max(cv2.max(first, second), third)
