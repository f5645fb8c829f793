"""A subject composited over a background: the one composite of uint8 pictures outside of training."""

import cv2
import numpy as np


def blend(fgr, pha, bgr):
    """Composite fgr * pha + bgr * (1 - pha), in integers, rounded to nearest: the same on every machine.

    Args: fgr uint8 (H, W, 3), RGB, not multiplied by alpha; pha uint8 (H, W), 0..255; bgr uint8 (H, W, 3), or one
    colour, (3,). Returns uint8 (H, W, 3).
    """
    fgr = np.ascontiguousarray(fgr)
    com = np.array(np.broadcast_to(bgr, fgr.shape), np.uint8, order="C")
    cv2.copyTo(fgr, cv2.inRange(pha, 255, 255), com)
    rim = np.flatnonzero(cv2.inRange(pha, 1, 254))  # the only place where both count
    share = np.take(pha, rim)[:, None].astype(np.int32)
    front, behind = (np.take(picture.reshape(-1, 3), rim, axis=0) for picture in (fgr, com))
    com.reshape(-1, 3)[rim] = (front * share + behind * (255 - share) + 127) // 255
    return com
