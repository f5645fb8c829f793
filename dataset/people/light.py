"""Changes of light and colour that the parts of a composite share; float32 in 0..1 unless said otherwise."""

import cv2
import numpy as np

from ..augmentation import GREY

LEVELS = np.arange(256, dtype=np.float32)[:, None] / 255


def tone(rng, picture, brightness, contrast, saturation, balance):
    """Colour jitter around the picture's own mean, as one linear map of colour; uint8 in and out.

    brightness, contrast, saturation: (lowest, highest) factor; balance: largest change of one channel.
    """
    brightness, contrast, saturation = (rng.uniform(*limits) for limits in (brightness, contrast, saturation))
    mean = np.mean(cv2.mean(picture)[:3]) * brightness
    gain = 1 + rng.uniform(-balance, balance, 3)
    linear = gain[:, None] * (saturation * np.eye(3) + (1 - saturation) * GREY) * (brightness * contrast)
    return cv2.transform(picture, np.column_stack([linear, gain * mean * (1 - contrast)]))


def lit(picture, factor):
    """Light times `factor`, a number, three, or an (h, w, 3) array; black and white stay, so nothing is clipped."""
    return picture * factor / (1 + (factor - 1) * picture)


def by_table(picture, curve):
    """A curve of colour for uint8 (h, w, 3), given as function of (256, 1) levels; returns float32."""
    table = np.broadcast_to(curve(LEVELS), (256, 3))[None]
    return cv2.LUT(picture, np.ascontiguousarray(table, np.float32))


def blobs(rng, size, cells, channels=1):
    """A smooth random field, about `cells` bumps along the longer side, roughly -1..1: (h, w) or (h, w, channels)."""
    rows, columns = (max(2, round(cells * side / max(size))) + 2 for side in size)
    field = rng.normal(0, 0.5, (rows, columns, channels)).astype(np.float32)
    return cv2.resize(field, size[::-1], interpolation=cv2.INTER_CUBIC)


def mix(a, b, share):
    """a and b (h, w, 3) in float32, `share` (h, w) of b; the result takes the memory of a."""
    b = (b - a) * share[..., None]
    return np.add(a, b, out=a)
