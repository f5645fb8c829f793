"""A subject put before a background: the one composite of uint8 pictures.

(Training samples are composed from floats, see dataset/composite.py.)
"""

import numpy as np


def blend(fgr, pha, bgr):
    """Composite fgr * pha + bgr * (1 - pha), in integers, rounded to nearest: the same on every machine.

    Args:
        fgr: uint8 (H, W, 3), RGB, not multiplied by alpha.
        bgr: uint8 (H, W, 3), or one colour, (3,).
        pha: uint8 (H, W), 0..255.

    Returns:
        uint8 (H, W, 3).
    """
    pha = pha[..., None].astype(np.int32)
    return ((fgr * pha + bgr * (255 - pha) + 127) // 255).astype(np.uint8)
