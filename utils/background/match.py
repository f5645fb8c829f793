"""Make the captured background fit the source before the network sees them, and note what cannot be corrected."""

from dataclasses import dataclass

from utils.background.align import OFF, Alignment, estimate_alignment
from utils.background.exposure import Exposure, estimate_exposure

EXPOSURE_MODES = ("auto", "off")


@dataclass(frozen=True)
class Correction:
    """What may be corrected around the network."""

    align: str = "auto"  # one of utils.background.align.MODES
    exposure: str = "auto"  # one of EXPOSURE_MODES
    alpha: bool = True  # whether alpha is corrected, see utils.prediction.loop


AUTOMATIC = Correction()


@dataclass(frozen=True)
class Match:
    """What was done to the background, see Alignment and Exposure."""

    alignment: Alignment
    exposure: Exposure

    @property
    def notes(self):
        """Notes on what was done, and on what was tried and given up; none where there was nothing to do."""
        return [*self.alignment.notes, *([] if self.exposure.reason == OFF else self.exposure.notes)]


def match_background(src, bgr, align="auto", match_exposure="auto"):
    """Align the background with the source and bring it to the source's exposure, each where it is needed.

    Args:
        src, bgr: uint8 (H, W, 3), RGB, of equal size.
        align: one of utils.background.align.MODES.
        match_exposure: `"auto"` or `"off"`.

    Returns bgr, uint8 (H, W, 3), the very same array where nothing was to be done; and a Match.
    """
    if match_exposure not in EXPOSURE_MODES:
        raise ValueError(f"unknown mode {match_exposure!r}: choose one of {', '.join(EXPOSURE_MODES)}")
    alignment = estimate_alignment(src, bgr, align)
    exposure = Exposure(reason=OFF)
    if match_exposure == "auto":
        exposure = alignment.light or estimate_exposure(src, alignment.apply(bgr, src))
    return alignment.apply(bgr, src, exposure), Match(alignment, exposure)
