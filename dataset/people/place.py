"""Where a person stands in the frame: what the source's picture shows of her, and a random place that suits it."""

import math
from dataclasses import dataclass

import numpy as np

from ..augmentation import about

SOLID = 128  # alpha from which a pixel counts as hers
SHARPEST = 1.7  # sources are enlarged at most so much, a little more if the head is to fill the frame
BLUREST = 2.3  # and so much where a body that the source cuts off on two sides has to reach across the frame


@dataclass(frozen=True)
class Person:
    """A foreground and what its alpha tells; positions in pixels of the source."""

    fgr: np.ndarray  # uint8 (H, W, 3)
    pha: np.ndarray  # uint8 (H, W)
    box: tuple  # left, top, right, bottom
    cut: tuple  # whether she goes on beyond the picture's left, upper, right, lower side
    head: tuple  # x of its middle, y of its top, width; None where no head is found

    @classmethod
    def of(cls, fgr, pha):
        """Look at a foreground and its alpha; an alpha without anything has the whole picture as its box."""
        solid = pha > SOLID
        rows, columns = np.flatnonzero(solid.any(1)), np.flatnonzero(solid.any(0))
        height, width = pha.shape
        box = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1) if len(rows) else (0, 0, width, height)
        sides = pha[:, 0], pha[0], pha[:, -1], pha[-1]
        cut = tuple(bool((side > 100).sum() > max(6, 0.02 * len(side))) for side in sides)
        return cls(fgr, pha, tuple(int(n) for n in box), cut, find_head(pha))


def find_head(pha):
    """Find the head of an upright person: (x of its middle, y of its top, width) in pixels, or None.

    From the highest point downwards the connected run below it widens; where it lies 0.9 of its width below the top
    it is a head's. What is too narrow for the body below is a raised hand, what fills the picture no head.
    """
    step = max(1, pha.shape[0] // 240)
    solid = pha[::step, ::step] > SOLID
    rows = np.flatnonzero(solid.any(1))
    if len(rows) < 20 or solid[0].mean() > 0.12:
        return None
    top, height = rows[0], rows[-1] - rows[0]
    left = right = int(np.median(np.flatnonzero(solid[top])))
    for y in range(top, rows[-1]):
        runs = np.flatnonzero(np.diff(solid[y], prepend=False, append=False)).reshape(-1, 2)
        runs = runs[(runs[:, 1] >= left) & (runs[:, 0] <= right + 1)]
        if not len(runs):
            return None
        left, right = runs[np.argmax(runs[:, 1] - runs[:, 0])]
        width = right - left
        if y - top >= max(0.9 * width, 5):
            if width < 0.07 * height or width > 0.75 * solid.shape[1]:
                return None
            return (left + right - 1) / 2 * step, float(top * step), float(width * step)
    return None


def place(rng, person, size, picky=True):
    """A random place for a person in a frame: (2, 3) matrix, source position -> frame position.

    Three in ten are crops around the outline of the head at about the source's own resolution, where strands are
    sharp; two in ten have a head that fills 20 to 60 % of the frame, three are framed as the source, the others have
    any size. Where the source's frame cuts her off, that side comes to lie on the frame's side or beyond it: no
    straight edge through a body is ever seen.

    size is (height, width) of the frame; picky: None where she would be too blurred, or too little of her be seen.
    """
    height, width = size
    source_height, source_width = person.pha.shape
    left, top, right, bottom = person.cut
    flip = rng.random() < 0.5
    turn, shear = rng.normal(0, 0.045), rng.normal(0, 0.03)
    if (left and right) or (top and bottom):
        turn = shear = 0.0  # else one of the two cut sides would show as a wedge
    linear = _linear(turn, shear, flip)
    kind, head = rng.random(), person.head
    if kind > 0.7 and head:
        matrix = _around_head(rng, linear, head, size)
        if _hides_cuts(matrix, person, size):
            return matrix
    x0, y0, x1, y1 = person.box
    if kind < 0.2 and head:
        scale = min(rng.uniform(0.2, 0.6) * min(height, width * 1.2) / (head[2] * 1.3), SHARPEST + 0.2)
    elif kind < 0.5:
        scale = min(height / source_height * rng.uniform(0.85, 1.15), SHARPEST + 0.2)
    else:
        scale = min(math.exp(rng.uniform(math.log(0.28), math.log(1.2))) * height / (y1 - y0), SHARPEST)
    need = max(width / source_width if left and right else 0, height / source_height if top and bottom else 0)
    if picky and need * 1.02 > BLUREST:
        return None
    if picky and height / (source_height * max(need, 1e-3)) < 0.65 and rng.random() < 0.75:
        return None
    scale = max(scale, need * rng.uniform(1.02, 1.15))
    middle = (x0 + x1) / 2, (y0 + y1) / 2
    if head and not bottom and scale * (y1 - y0) > 1.15 * height and rng.random() < 0.7:
        middle = head[0], head[1] + head[2] * rng.uniform(0.4, 2.0)
    matrix = about(linear * scale, middle, size[::-1] * (0.5 + rng.normal(0, [0.2, 0.13])))
    return _onto_sides(rng, matrix, person, size)


def _linear(turn, shear, flip):
    cosine, sine = math.cos(turn), math.sin(turn)
    linear = np.array([[cosine, math.tan(shear) - sine], [sine, cosine]])
    return linear * [-1, 1] if flip else linear


def _around_head(rng, linear, head, size):
    """A place that shows a part of the head's outline, mostly above, at 0.75 to 1.35 of the source's resolution."""
    (height, width), (x, y, head_width) = size, head
    scale = min(rng.uniform(0.5, 1.1) * min(height, width * 1.2) / (head_width * 1.3), rng.uniform(0.75, 1.35))
    angle = rng.uniform(-0.25, 1.25) * math.pi
    point = x + 0.62 * head_width * math.cos(angle), y + head_width * (0.65 - 0.75 * math.sin(angle))
    return about(linear * scale, point, size[::-1] * rng.uniform(0.3, 0.7, 2))


def _sides(matrix, person):
    """Which of (left, top, right, bottom) are cut as the frame sees it, and the sorted x and y of the corners."""
    height, width = person.pha.shape
    corners = matrix @ np.array([[0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1]])
    left, top, right, bottom = person.cut
    cut = (right, top, left, bottom) if matrix[0, 0] < 0 else person.cut
    return cut, np.sort(corners)


def _hides_cuts(matrix, person, size):
    (left, top, right, bottom), (xs, ys) = _sides(matrix, person)
    height, width = size
    shown = left and xs[1] > 0, right and xs[2] < width, top and ys[1] > 0, bottom and ys[2] < height
    return not any(shown)


def _onto_sides(rng, matrix, person, size):
    """Shift so that cut sides lie on the frame's sides or a little beyond."""
    (left, top, right, bottom), corners = _sides(matrix, person)
    for axis, (low, high) in enumerate(((left, right), (top, bottom))):
        side, values = size[1 - axis], corners[axis]
        slack = rng.exponential(0.04) * side + 2
        if low and high:
            matrix[axis, 2] += np.clip(rng.normal(0, 0.02) * side, side - values[2], -values[1])
        elif low:
            matrix[axis, 2] -= values[1] + slack
        elif high:
            matrix[axis, 2] += side - values[2] + slack
    return matrix
