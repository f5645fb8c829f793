"""Weak islets of alpha: specks go, what is solid somewhere stays with all that touches it."""

import numpy as np
import pytest

from utils.picture.foreground import CELL, SOLID, WEAK, without_islets


def alpha(height=203, width=301):
    """A subject with faint hair, a second one, and three specks."""
    pha = np.zeros((height, width), np.uint8)
    pha[60:, 100:160] = 255
    pha[30:60, 120:140] = 12  # hair
    pha[120:150, 220:240] = 90
    pha[130:134, 228:232] = SOLID  # the only solid place of a second, glassy thing
    pha[5:9, 5:9], pha[-3:, -3:], pha[150, 20] = 47, 60, SOLID - 1
    return pha


def test_specks_go_and_what_is_solid_somewhere_stays():
    pha = alpha()
    before = pha.copy()
    left = without_islets(pha)
    np.testing.assert_array_equal(pha, before)
    specks = np.zeros(pha.shape, bool)
    specks[5:9, 5:9] = specks[-3:, -3:] = specks[150, 20] = True
    np.testing.assert_array_equal(left, np.where(specks, 0, pha))


@pytest.mark.parametrize("gap, goes", [(CELL - 1, False), (3 * CELL, True)])
def test_what_is_nearer_than_a_cell_touches(gap, goes):
    pha = np.zeros((64, 64), np.uint8)
    pha[:, :32], pha[30:34, 32 + gap : 36 + gap] = 255, 40
    assert (without_islets(pha) is not pha) == goes


@pytest.mark.parametrize("level", [0, WEAK - 1, SOLID - 1])
def test_without_anything_solid_nothing_goes(level):
    pha = np.zeros((40, 50), np.uint8)
    pha[10:14, 10:14] = pha[30:34, 30:34] = level
    assert without_islets(pha) is pha


def test_a_clean_alpha_is_returned():
    pha = np.zeros((40, 50), np.uint8)
    pha[10:30, 10:30] = 255
    pha[0, 0] = WEAK - 1
    tiny = np.full((3, 2), 255, np.uint8)
    assert without_islets(pha) is pha and without_islets(tiny) is tiny
