"""Make the captured background fit the source before the network sees them, and say what cannot be mended.

from utils.background.checks import background_warnings
from utils.background.match import match_background

bgr, match = match_background(src, bgr)  # aligned, and at the source's exposure
matte = matting(src, bgr)
print(*match.notes, *background_warnings(src, bgr, matte.pha), sep="\\n")
"""

from dataclasses import dataclass

from utils.background.align import Alignment, estimate_alignment
from utils.background.exposure import SAME, Exposure, estimate_exposure

EXPOSURE_MODES = ("auto", "off")
OFF = "it was not asked for"
LOOK_AT = 320  # long side, in pixels, of the copies that are compared


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
        align: one of utils.background.align.MODES.
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
