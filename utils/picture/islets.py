"""Weak islets: specks of faint alpha far from any subject, left by noise, compression or a change of the light."""

import cv2
import numpy as np

CELL = 4  # pixels: closer than that is touching
FAINT = 3  # levels of 255 that hold a component together
SOLID = 128  # levels of 255 that something reaches which is there


def islets(pha):
    """Where alpha is an islet that nothing solid belongs to: a mask for pictures of that size, or None for nowhere.

    A second person, or a thing, is solid somewhere and stays; so does all that touches what is, as hair and veils do.

    uint8 (H, W) -> bool (H, W), or None; always None where nothing is solid.
    """
    cells = cv2.dilate(pha, np.ones((CELL, CELL), np.uint8), anchor=(0, 0))[::CELL, ::CELL]
    count, labels = cv2.connectedComponents((cells >= FAINT).astype(np.uint8), connectivity=8)
    solid = np.zeros(count, bool)
    solid[labels[cells >= SOLID]] = True
    if not solid.any() or solid[1:].all():
        return None
    solid[0] = True  # what is not even faint stays as it is
    weak = (~solid[labels]).astype(np.uint8)
    size = tuple(CELL * side for side in weak.shape[::-1])
    return cv2.resize(weak, size, interpolation=cv2.INTER_NEAREST)[: pha.shape[0], : pha.shape[1]] > 0
