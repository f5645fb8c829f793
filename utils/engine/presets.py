"""How much to reduce and how much to refine, by the size of the picture (the paper's section 4.3 for HD and 4K)."""

from dataclasses import dataclass, replace
from typing import Optional

from model import MAX_BACKBONE_SCALE, MODES
from utils.system.errors import UsageError

MULTIPLE = 4  # the network's heights and widths
COARSE_LONG_SIDE = 480  # what the coarse network sees of HD at 1/4 and of 4K at 1/8, and was trained on
COARSE_SHORT_SIDE = 16  # the encoder's output stride: below it the deepest feature map is a single row
LARGEST_SCALE, SMALLEST_SCALE = 1 / 2, 1 / 8
HD_SAMPLE_PIXELS = 80_000
SAMPLE_SHARE = HD_SAMPLE_PIXELS / (1920 * 1080)  # of all pixels; the same at 4K
SMALL, ENLARGED, LARGEST_ENLARGEMENT = 1152, 1344, 2.5  # a long side below the first is enlarged to the second


@dataclass(frozen=True)
class Refine:
    """How much the coarse network sees, and what is computed again at full size.

    Attributes:
        mode: `"sampling"`: the worst cells; `"thresholding"`: those above a threshold; `"full"`: all.
        pixels: refined in each picture (sampling); None chooses by picture size.
        threshold: predicted error, 0..1, above which a cell is refined (thresholding).
        scale: size of the coarse network's input relative to the picture, above 0 and at most 1/2; None chooses by
            picture size.
        gaps: whether cells between chosen ones, and those beside them where alpha is neither 0 nor 1, are refined as
            well, which the original leaves coarse.

    Raises UsageError: a value is out of range.
    """

    mode: str = "sampling"
    pixels: Optional[int] = None
    threshold: float = 0.1
    scale: Optional[float] = None
    gaps: bool = False

    def __post_init__(self):
        if self.mode not in MODES:
            raise UsageError(f"--refine-mode {self.mode} does not exist: pass one of {', '.join(MODES)}")
        if self.pixels is not None and self.pixels < 0:
            raise UsageError(f"--refine-sample-pixels must be 0 or more, not {self.pixels}")
        if self.scale is not None and not 0 < self.scale <= MAX_BACKBONE_SCALE:
            raise UsageError(f"--backbone-scale must be above 0 and at most {MAX_BACKBONE_SCALE}, not {self.scale}")

    def at(self, height, width):
        """The same for pictures of a size: what was left open is the preset. Raises UsageError: too small a scale."""
        scale, pixels = preset(height, width)
        scale = scale if self.scale is None else self.scale
        if int(-(-min(height, width) // MULTIPLE) * MULTIPLE * scale) < 1:
            raise UsageError(f"--backbone-scale {scale:g} leaves nothing of a picture of {width}x{height}: raise it")
        return replace(self, scale=scale, pixels=pixels if self.pixels is None else self.pixels)


def enlargement(height, width):
    """By how much to enlarge small pictures before they are matted, so that both networks see more of the edges.

    Below 1152 pixels on the long side they are brought to 1344, at most 2.5 times enlarged, and the coarse network sees
    half of that; larger ones stay (1.0). Measured at 768 pixels on people and on heads with true hair: 1344 in place of
    1152 takes 4 % off SAD on hair and 0.5 % on the others, whose error rises again from 1536.
    """
    return min(LARGEST_ENLARGEMENT, ENLARGED / max(height, width)) if max(height, width) < SMALL else 1.0


def preset(height, width):
    """Choose the coarse scale and the refined pixels for pictures of a size.

    | long side   | backbone scale                  | refined pixels                                        |
    |-------------|---------------------------------|-------------------------------------------------------|
    | up to 1152  | 1/2 (see also `enlargement`)    | 80,000, or all of a smaller picture                   |
    | .. 3840     | 480 / long side: HD 1/4, 4K 1/8 | 3.86 % of all, at least 80,000: HD 80,000, 4K 320,000 |
    | above 3840  | 1/8                             | 3.86 % of all                                         |

    Very long and narrow pictures get a larger scale, so that the short side is not reduced below 16.

    Returns backbone_scale (0.125 .. 0.5), refine_sample_pixels.
    """
    long_side, short_side = max(height, width), min(height, width)
    scale = max(COARSE_LONG_SIDE / long_side, COARSE_SHORT_SIDE / short_side)
    scale = LARGEST_SCALE if long_side <= SMALL else min(LARGEST_SCALE, max(SMALLEST_SCALE, scale))
    return scale, max(HD_SAMPLE_PIXELS, round(height * width * SAMPLE_SHARE / 16) * 16)
