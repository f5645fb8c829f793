"""Do the two pictures show one scene, with and without the subject? Repairs what is harmless, warns of the rest."""

import numpy as np

from dataset.picture import PictureError
from utils.resize import fit, reduced

ASPECT_TOLERANCE = 0.01  # two crops of one camera differ by rounding only
LOOK_AT = 320  # long side, in pixels, of the copies that are compared
VISIBLE = 0.08  # difference of the strongest channel, 0..1, beyond noise and a slight change of exposure
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
