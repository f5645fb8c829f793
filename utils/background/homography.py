"""Homographies between two pictures of one size, (H, W): float64 (3, 3), from source pixels to background pixels.

Pixels are (x, y), x to the right, y down, their centres at whole numbers.
"""

import cv2
import numpy as np

from utils.system.notes import Note

SHIFT = 0.2  # of the long side, of each corner


def covered(matrix, shape):
    """Where the background, aligned by `matrix`, shows something: bool (H, W). `shape` is (H, W) of both pictures."""
    flags = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
    return cv2.warpPerspective(np.full(shape, 255, np.uint8), matrix, shape[::-1], flags=flags) == 255


def implausible(matrix, shape):
    """The Note on why the homography cannot be a hand's movement between two shots of (H, W), or None."""
    corners = corners_of(shape)
    depth = np.c_[corners, np.ones(4)] @ matrix[2]
    if not np.isfinite(matrix).all() or (depth * depth[0] <= 0).any():
        return Note("folded")
    moved = project(matrix, corners)
    edges = np.roll(moved, -1, axis=0) - moved
    turns = edges[:, 0] * np.roll(edges[:, 1], -1) - edges[:, 1] * np.roll(edges[:, 0], -1)
    if (turns <= 0).any():
        return Note("folded")
    if np.linalg.norm(moved - corners, axis=1).max() > SHIFT * max(shape):
        return Note("moved_far", limit=SHIFT)
    scale = float(np.median(np.sqrt(turns / (shape[1] - 1) / (shape[0] - 1))))
    return None if 0.8 < scale < 1.25 else Note("scaled", scale=scale)


def corners_of(shape):
    """Corners of a picture of (H, W), clockwise from the top left: float64 (4, 2)."""
    height, width = shape
    return np.array([(0, 0), (width - 1, 0), (width - 1, height - 1), (0, height - 1)], np.float64)


def project(matrix, points):
    """Where the homography takes points, (N, 2): float64 (N, 2)."""
    moved = np.c_[points, np.ones(len(points))] @ matrix.T
    return moved[:, :2] / moved[:, 2:]


def rescaled(matrix, factor):
    """The same homography for pictures `factor` times as large, pixel centres at whole numbers."""
    offset = (factor - 1) / 2
    larger = np.array([[factor, 0, offset], [0, factor, offset], [0, 0, 1]])
    matrix = larger @ matrix @ np.linalg.inv(larger)
    return matrix / matrix[2, 2]


def warp(picture, matrix, shape):
    """The background as seen from the source: uint8 (H, W) or (H, W, 3); its border repeated where it shows nothing."""
    flags = cv2.WARP_INVERSE_MAP | cv2.INTER_CUBIC
    return cv2.warpPerspective(picture, matrix, shape[1::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
