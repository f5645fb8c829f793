"""Make the captured background fit the source before the network sees them, and say what cannot be mended.

from utils.match_background import match_background

bgr, match = match_background(src, bgr)  # aligned, and at the source's exposure
matte = matting(src, bgr)
print(*match.notes, *background_warnings(src, bgr, matte.pha), sep="\\n")
"""

from dataclasses import dataclass

import cv2
import numpy as np

from utils.alignment import Alignment, estimate_alignment
from utils.exposure import SAME, Exposure, estimate_exposure
from utils.resize import glance, reduced

EXPOSURE_MODES = ("auto", "off")
OFF = "it was not asked for"
LOOK_AT = 320  # long side, in pixels, of the copies that are compared
VISIBLE, MUCH = 0.08, 0.15  # difference 0..1, and share of the background; matched real pairs reach a share of 0.03
SHADE = (0.35, 0.9)  # what a shadow leaves of the light, least and most
COLOURED = 0.12  # difference of that between the channels, beyond which it is not a shadow
DARK = 0.15  # what is darker, 0..1, shows no shadow
SHADED = 0.01  # share of the picture; real pairs with a shadow on the wall reach 0.02, others 0.000
TILE, STRENGTH, CAPTION = 960, 4, 28  # of the debug picture: long side of a part, gain of the difference, pixels


@dataclass(frozen=True)
class Match:
    """What was done to the background, see Alignment and Exposure."""

    alignment: Alignment
    exposure: Exposure

    @property
    def notes(self):
        """Lines on what was done, and on what was tried and given up; none where there was nothing to do."""
        quiet = self.alignment.reason is not None and not self.alignment.tried
        lines = [] if quiet else [str(self.alignment)]
        return lines if self.exposure.reason in (SAME, OFF) else [*lines, str(self.exposure)]


def match_background(src, bgr, align="auto", match_exposure="auto"):
    """Lay the background over the source and bring it to the source's exposure, each where it is needed.

    Args:
        src, bgr: uint8 (H, W, 3), RGB, of equal size.
        align: one of utils.alignment.MODES.
        match_exposure: `"auto"` or `"off"`.

    Returns:
        bgr, uint8 (H, W, 3), the very same array where nothing was to be done; and a Match.
    """
    if match_exposure not in EXPOSURE_MODES:
        raise ValueError(f"unknown mode {match_exposure!r}: choose one of {', '.join(EXPOSURE_MODES)}")
    alignment = estimate_alignment(src, bgr, align)
    exposure = Exposure(reason=OFF)
    if match_exposure == "auto":
        exposure = alignment.light or estimate_exposure(src, alignment.apply(bgr, src))
    return alignment.apply(bgr, src, exposure), Match(alignment, exposure)


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


def debug_picture(src, bgr, pha):
    """Source, background as the network saw it, their difference (four times as strong) and alpha in one picture.

    Args: src, bgr uint8 (H, W, 3); pha uint8 (H, W). Returns uint8 (h, w, 3), each part at most 960 pixels long.
    """
    src, bgr, pha = (reduced(x, TILE) for x in (src, bgr, pha))
    difference = cv2.convertScaleAbs(cv2.absdiff(src, bgr), alpha=STRENGTH)
    parts = {"source": src, "background": bgr, f"difference x{STRENGTH}": difference, "alpha": np.dstack([pha] * 3)}
    tiles = [_captioned(*part) for part in parts.items()]
    return np.vstack([np.hstack(tiles[:2]), np.hstack(tiles[2:])])


def _captioned(text, picture):
    picture = cv2.copyMakeBorder(picture, CAPTION, 0, 0, 0, cv2.BORDER_CONSTANT)
    font = cv2.FONT_HERSHEY_SIMPLEX
    return cv2.putText(picture, text, (6, CAPTION - 9), font, 0.55, (255, 255, 255), 1, cv2.LINE_AA)
