"""Values of 0..1 as levels of 0..255: the one place that makes uint8 pictures of what the network gives."""

import numpy as np


def to_levels(values):
    """uint8 levels of an array of any shape, 0..1, rounded to the nearest; what lies outside is clipped."""
    return np.rint(np.clip(values, 0, 1) * np.float32(255)).astype(np.uint8)


def to_uint8(values):
    """Turn values into a picture, rounded to the nearest level (the original truncates, half a level too dark).

    Args:
        values: tensor or array of one picture, (1, C, H, W), (C, H, W) or (H, W), 0..1; what lies outside is clipped.

    Returns:
        uint8 (H, W, C), or (H, W) where C is 1 or missing.
    """
    values = values.numpy() if hasattr(values, "numpy") else np.asarray(values)
    values = values.reshape(values.shape[-3:])
    levels = to_levels(values)
    if levels.ndim == 3:
        levels = levels[0] if levels.shape[0] == 1 else np.ascontiguousarray(levels.transpose(1, 2, 0))
    return levels
