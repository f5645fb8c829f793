"""The person: what her picture shows, a place for her in the frame, light and colours that suit or resemble the scene.

Motion and defocus; drawn strands: the one kind of hair whose alpha is known exactly.
"""

import math
from functools import partial

import cv2
import numpy as np

from ..augmentation import about, blobs, by_table, lit, tone, warp_foreground

SOLID = 128  # alpha from which a pixel counts as hers
STEPS = 14  # pieces of a strand
FACTOR = 3  # strands are drawn so many times as large, and averaged
ROOT_DISTANCE = 3  # pixels from the outline at which inside and outside are told apart
SHARPEST = 1.7  # sources are enlarged at most so much, a little more if the head is to fill the frame
BLUREST = 2.3  # and so much where a body that the source cuts off on two sides has to reach across the frame
HAIR_CHANCE, GREY_CHANCE, CAMOUFLAGE_CHANCE, MOTION_CHANCE, UNSHARP_CHANCE = 0.5, 0.03, 0.35, 0.05, 0.1


class Person:
    """A foreground fgr, uint8 (H, W, 3), pha, uint8 (H, W), and what alpha tells, in pixels of the source.

    box: left, top, right, bottom, of the whole picture where alpha is empty; cut: whether she goes on beyond the
    picture's left, upper, right, lower side; head: of `find_head`.
    """

    def __init__(self, fgr, pha):
        self.fgr, self.pha, self.head = fgr, pha, find_head(pha)
        x, y, width, height = cv2.boundingRect((pha > SOLID).astype(np.uint8))
        self.box = (x, y, x + width, y + height) if width else (0, 0, *pha.shape[::-1])
        sides = pha[:, 0], pha[0], pha[:, -1], pha[-1]
        self.cut = tuple(bool((side > 100).sum() > max(6, 0.02 * len(side))) for side in sides)


def find_head(pha):
    """Find the head of an upright person: (x of its middle, y of its top, width) in pixels, or None.

    It ends where the connected run below the highest point, which widens, is 0.9 of its width below. What is too narrow
    for the body is a raised hand, what fills the picture no head.
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
            head = (left + right - 1) / 2 * step, float(top * step), float(width * step)
            return head if 0.07 * height <= width <= 0.75 * solid.shape[1] else None
    return None


def place(rng, person, size, picky=True):
    """A random place for a person in a frame of `size` (height, width): (2, 3) matrix, source -> frame position.

    A side where the source cuts her off comes to lie on the frame's or beyond: no straight edge through a body is seen.
    picky: None where she would be too blurred, or too little of her be seen.
    """
    height, width = size
    source_height, source_width = person.pha.shape
    left, top, right, bottom = person.cut
    linear = _linear(rng, person)
    kind, head = rng.random(), person.head
    head_x, head_y, head_width = head or (0, 0, 1)
    filling = min(height, width * 1.2) / (head_width * 1.3)  # the scale at which a head fills the frame
    if kind > 0.7 and head:  # a crop around the head's outline, where strands are sharp
        scale = min(rng.uniform(0.5, 1.1) * filling, rng.uniform(0.75, 1.35))
        matrix = about(linear * scale, _beside_head(rng, head, 0.25), size[::-1] * rng.uniform(0.3, 0.7, 2))
        cut, (xs, ys) = _sides(matrix, person)
        seen = xs[1] > 0, ys[1] > 0, xs[2] < width, ys[2] < height
        if not any(side and shown for side, shown in zip(cut, seen)):
            return matrix
    x0, y0, x1, y1 = person.box
    if kind < 0.2 and head:
        scale = min(rng.uniform(0.2, 0.6) * filling, SHARPEST + 0.2)
    elif kind < 0.5:  # as the source is framed
        scale = min(height / source_height * rng.uniform(0.85, 1.15), SHARPEST + 0.2)
    else:
        scale = min(math.exp(rng.uniform(math.log(0.28), math.log(1.2))) * height / (y1 - y0), SHARPEST)
    need = max(width / source_width if left and right else 0, height / source_height if top and bottom else 0)
    little = height / (source_height * max(need, 1e-3)) < 0.65  # of her is seen
    if picky and (need * 1.02 > BLUREST or (little and rng.random() < 0.75)):
        return None
    scale = max(scale, need * rng.uniform(1.02, 1.15))
    middle = (x0 + x1) / 2, (y0 + y1) / 2
    if head and not bottom and scale * (y1 - y0) > 1.15 * height and rng.random() < 0.7:
        middle = head_x, head_y + head_width * rng.uniform(0.4, 2.0)
    matrix = about(linear * scale, middle, size[::-1] * (0.5 + rng.normal(0, [0.2, 0.13])))
    return _cut_off(rng, matrix, person, size, 0.04)


def place_part(rng, person, size, whole):
    """The same for a frame that is a part of a picture, `whole` pixels high: at her outline, or amid her body.

    None where a cut side would be seen.
    """
    (x0, y0, x1, y1), kind = person.box, rng.random()
    rows, columns = np.nonzero(abs(person.pha[::4, ::4] - np.float32(SOLID)) < 98)
    if kind < 0.18 or not len(rows):
        point = rng.uniform((x0, y0), (x1, y1))
    elif kind < 0.68 and person.head:
        point = _beside_head(rng, person.head, 0.4)
    else:
        at = rng.integers(len(rows))
        point = 4 * columns[at], 4 * rows[at]
    linear = _linear(rng, person) * min(whole / person.pha.shape[0], BLUREST)
    matrix = about(linear, point, size[::-1] * rng.uniform(0.25, 0.75, 2))
    return _cut_off(rng, matrix, person, size, 0.01, part=True)


def _linear(rng, person):
    """(2, 2) matrix that turns and shears a little, and mirrors every second time."""
    left, top, right, bottom = person.cut
    flip = np.array([-1 if rng.random() < 0.5 else 1, 1])
    turn, shear = rng.normal(0, 0.045), rng.normal(0, 0.03)
    if (left and right) or (top and bottom):
        turn = shear = 0.0  # else one of the two cut sides would show as a wedge
    return flip * [[math.cos(turn), math.tan(shear) - math.sin(turn)], [math.sin(turn), math.cos(turn)]]


def _beside_head(rng, head, below):
    """A point of a head's outline, mostly above; `below`: how far down on both sides, in half turns."""
    x, y, width = head
    angle = rng.uniform(-below, 1 + below) * math.pi
    return x + 0.62 * width * math.cos(angle), y + width * (0.65 - 0.75 * math.sin(angle))


def _cut_off(rng, matrix, person, size, slack, part=False):
    """Move cut sides onto the frame's or a little beyond; with `part` only those that would be seen, or None."""
    cut, corners = _sides(matrix, person)
    for axis, side in enumerate(size[::-1]):
        (low, high), (_, first, last, _), beyond = cut[axis::2], corners[axis], rng.exponential(slack) * side + 2
        if low and high:
            if part and last - first < side:
                return None
            matrix[axis, 2] += np.clip(0 if part else rng.normal(0, 0.02) * side, side - last, -first)
        elif low:
            matrix[axis, 2] -= max(first + beyond, 0) if part else first + beyond
        elif high:
            matrix[axis, 2] += max(side - last + beyond, 0) if part else side - last + beyond
    return matrix


def _sides(matrix, person):
    """Which of (left, top, right, bottom) are cut as the frame sees it, and the sorted x and y of the corners."""
    height, width = person.pha.shape
    corners = matrix @ np.array([[0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1]])
    left, top, right, bottom = person.cut
    cut = (right, top, left, bottom) if matrix[0, 0] < 0 else person.cut
    return cut, np.sort(corners)


def make_subject(rng, person, matrix, back):
    """A Person where matrix (2, 3) puts her, before back, uint8 (h, w, 3); returns fgr and pha, float32 in 0..1."""
    size = back.shape[:2]
    fgr, pha = warp_foreground(person.fgr, person.pha, matrix, size)
    if person.head and rng.random() < HAIR_CHANCE:
        x, y, width = person.head
        head = *(matrix @ (x, y, 1)), width * np.linalg.norm(matrix[:, 0])
        fgr, pha = add_strands(rng, fgr, pha, head)
    saturation = (0, 0) if rng.random() < GREY_CHANCE else (0.75, 1.25)
    fgr = tone(rng, fgr, (0.75, 1.1), (0.8, 1.12), saturation, 0.05)
    # Brightness and tint are partly those of the scene, as one light falls on both.
    own, scene = np.array(cv2.mean(fgr, pha)[:3]) / 255, np.array(cv2.mean(back)[:3]) / 255
    light = ((scene.mean() + 0.15) / (own.mean() + 0.15)) ** rng.uniform(0, 0.5)
    tint = ((scene + 0.1) / (scene.mean() + 0.1)) ** rng.uniform(0, 0.35)
    fgr = by_table(fgr, lambda levels: lit(levels, light * tint))
    fgr = lit(fgr, cv2.merge([np.exp(blobs(rng, size, 2) * rng.uniform(0, 0.5))] * 3))  # light from a side
    pha = pha * np.float32(1 / 255)
    if rng.random() < CAMOUFLAGE_CHANCE:
        fgr = camouflage(rng, fgr, pha, back)
    if rng.random() < MOTION_CHANCE:
        kernel = _motion(rng, max(3.0, max(size) / 60))
        fgr, pha = _spread(fgr, pha, lambda x: cv2.filter2D(x, -1, kernel, borderType=cv2.BORDER_REPLICATE))
    if rng.random() < UNSHARP_CHANCE:
        fgr, pha = _spread(fgr, pha, partial(cv2.GaussianBlur, ksize=(0, 0), sigmaX=rng.uniform(0.6, 2.2)))
    return fgr, pha


def camouflage(rng, fgr, pha, back):
    """Bring clothes or skin, what has one random spot's colour, or all of her, near the colours behind her outline."""
    height, width = pha.shape
    step = max(4, min(16, min(height, width) // 24))
    small = max(1, width // step), max(1, height // step)

    reduced = partial(cv2.resize, dsize=small, interpolation=cv2.INTER_AREA)
    wide = partial(cv2.GaussianBlur, ksize=(0, 0), sigmaX=3)
    solid = reduced(pha)[..., None] + np.float32(1e-4)
    colour = reduced(fgr * pha[..., None]) / solid
    behind = reduced(back).astype(np.float32) / 255
    chance = np.cumsum(solid.ravel().astype(np.float64) ** 2 + 1e-6)
    spot = colour.reshape(-1, 3)[np.searchsorted(chance, rng.random() * chance[-1])]
    far = cv2.GaussianBlur(fgr, (0, 0), 1) if max(height, width) < 400 else cv2.blur(fgr, (5, 5))
    far = cv2.transform((far - spot) ** 2, np.ones((1, 3), np.float32))
    region = np.ones_like(pha) if rng.random() < 0.2 else np.clip(1.5 - 5 * np.sqrt(far), 0, 1).reshape(pha.shape)
    region = cv2.blur(region, (5, 5))
    band = reduced(region)[..., None] * solid * (1.02 - wide(solid)[..., None]) + np.float32(1e-6)  # by the outline
    item, other = ((x * band).sum((0, 1)) / band.sum() for x in (colour, behind))
    local = rng.uniform(0, 0.7) if rng.random() < 0.5 else 0.0  # else one colour for the whole garment
    nearby = wide(colour * solid) / np.maximum(wide(solid)[..., None], 1e-4)
    own, other = item + (nearby - item) * local, other + (wide(behind) - other) * local
    strength, texture = 1 - 0.7 * rng.random(), rng.uniform(0.4, 1.0)
    # fgr -> own + (other - own) * strength + (fgr - own) * texture: what is smooth is computed small
    moved = (own + (other - own) * strength - own * texture + rng.uniform(-0.035, 0.035)).astype(np.float32)
    moved = cv2.resize(moved, (width, height), interpolation=cv2.INTER_LINEAR)
    moved = np.clip(cv2.scaleAdd(fgr, texture, moved), 0, 1) - fgr
    return np.add(fgr, moved * region[..., None], out=fgr)


def _motion(rng, longest, taps=9):
    """Kernel of a straight motion blur of 2 to `longest` pixels."""
    length, angle = rng.uniform(2, longest), rng.uniform(0, 2 * np.pi)
    radius = int(np.ceil(length / 2))
    kernel = np.zeros((2 * radius + 1, 2 * radius + 1), np.float32)
    for at in np.linspace(-0.5, 0.5, taps) * length:
        kernel[radius + round(at * np.sin(angle)), radius + round(at * np.cos(angle))] += 1 / taps
    return kernel


def _spread(fgr, pha, blur):
    """Blur a layer: colours weighted by alpha; where nothing of it is, the colours stay."""
    joint = blur(pha)
    colours = blur(fgr * pha[..., None]) / np.maximum(joint, 1e-3)[..., None]
    return np.where(joint[..., None] > 0.004, np.minimum(colours, 1), fgr), joint


def add_strands(rng, fgr, pha, head):
    """Put strands of one style behind a head, (x of its middle, y of its top, width), in fgr and pha, uint8.

    Colours are from the top of this head, roots along its outline where the frame does not cut it, directions shared by
    neighbours; a strand thinner than a drawn pixel is paler instead. Returns the same arrays for a bald or hidden head.
    """
    x, top, width = head
    colours = hair_colours(rng, fgr, pha, head)
    if colours is None or width <= 12:
        return fgr, pha
    line, normal = _outline(pha)
    style = rng.choice(["flyaway", "flyaway", "frizz", "locks", "long"])
    depth, aside = (line[:, 1] - top) / width, np.abs(line[:, 0] - x) / width
    free = ((line > 2) & (line < [pha.shape[1] - 3, pha.shape[0] - 3])).all(1)  # not where the frame cuts
    reach, wide = (rng.uniform(0.8, 1.2), 0.66) if style == "long" else (rng.uniform(0.4, 0.75), 0.75)
    roots = np.flatnonzero(free & (depth < reach) & (aside < wide))
    if len(roots) < 12:
        return fgr, pha
    strands = _strands(rng, line, normal, roots, head, style)
    drawn, shade = len(strands), rng.uniform(0.7, 1.15)
    picked = colours[rng.integers(len(colours), size=drawn)] * (shade * rng.uniform(0.8, 1.3, (drawn, 1)))
    thick, strength = width * rng.uniform(0.0018, 0.0045) * rng.uniform(0.6, 1.7, drawn), rng.uniform(0.45, 1, drawn)
    if style == "locks":  # each of several strands that meet at the tip
        count = int(rng.integers(8, 30))
        spread = rng.normal(0, width * 0.02, (count, drawn, 1, 2)) * np.linspace(1, 0.25, STEPS + 1)[:, None]
        strands = (strands + spread).reshape(-1, STEPS + 1, 2)
        picked, thick = np.tile(picked, (count, 1)), np.tile(thick, count)
        strength = rng.uniform(0.6, 1, len(thick))
    (x, y), strands = _draw(strands, picked, thick, strength, pha.shape)
    part = slice(y, y + strands.shape[0]), slice(x, x + strands.shape[1])
    own = pha[part].astype(np.float32)[..., None] * np.float32(1 / 255)
    strands = strands * (1 - own)
    joint = own * 255 + strands[..., 3:]
    mixed = (fgr[part] * own + strands[..., :3]) * (255 / np.maximum(joint, 1))
    fgr, pha = fgr.copy(), pha.copy()
    fgr[part] = np.where(strands[..., 3:] > 0.5, np.minimum(mixed + 0.5, 255), fgr[part]).astype(np.uint8)
    pha[part] = (joint[..., 0] + 0.5).astype(np.uint8)
    return fgr, pha


def hair_colours(rng, fgr, pha, head, count=64):
    """(count, 3) float32 colours from the top of a head; None where they are those of the face: a bald head."""
    x, top, width = head
    ends = (top, top + 0.3 * width), (x - width / 2, x + width / 2)
    part = tuple(slice(max(0, int(low)), max(0, int(high))) for low, high in ends)
    found = fgr[part][pha[part] > 230].astype(np.float32)
    row, column = np.clip((int(top + 0.75 * width), int(x)), 0, np.array(pha.shape) - 1)
    face = fgr[row, column].astype(np.float32)
    if len(found) < 20 or np.abs(np.median(found, 0) - face).mean() < 12:
        return None
    return found[rng.integers(len(found), size=count)]


def _outline(pha):
    """The longest outline, (n, 2) x and y, and its normals outwards."""
    contours, _ = cv2.findContours((pha > SOLID).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    line = max(contours, key=len)[:, 0].astype(np.float32)
    along = np.roll(line, -6, 0) - np.roll(line, 6, 0)
    normal = np.stack([along[:, 1], -along[:, 0]], 1) / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1)
    x, y = np.rint(line + normal * ROOT_DISTANCE).astype(int).T
    inwards = pha[np.clip(y, 0, pha.shape[0] - 1), np.clip(x, 0, pha.shape[1] - 1)] > SOLID
    normal[inwards] *= -1
    return line, normal


def _strands(rng, line, normal, roots, head, style):
    """(n, STEPS + 1, 2) points of strands."""
    x, _, width = head
    count, low, high, curl, leave = {  # how many; their length, in head widths; curl; how far they leave the outline
        "flyaway": (rng.integers(15, 160), 0.05, rng.uniform(0.15, 0.6), rng.uniform(0, 0.15), 0.4),
        "frizz": (rng.integers(150, 650), 0.04, rng.uniform(0.1, 0.28), rng.uniform(0.1, 0.5), 0.8),
        "locks": (rng.integers(4, 18), 0.1, rng.uniform(0.2, 0.5), rng.uniform(0, 0.15), 0.25),
        "long": (rng.integers(60, 400), 0.3, rng.uniform(0.6, 1.3), rng.uniform(0, 0.06), 0.15),
    }[style]
    gravity = rng.uniform(0.6, 1.2) if style == "locks" else rng.uniform(0.1, 1.0)
    shared = rng.normal(0, 1, (1, len(line))).astype(np.float32)
    shared = cv2.GaussianBlur(shared, (0, 0), max(2.0, width * 0.08))[0]
    i = roots[rng.integers(len(roots), size=int(count))]
    out = normal[i]
    aside = np.stack([-out[:, 1], out[:, 0]], 1) * np.where(line[i, :1] < x, -1, 1)
    direction = out * leave + ([0, 1 - leave] if style == "long" else aside * (1 - leave))
    angle = np.arctan2(direction[:, 1], direction[:, 0]) + 0.35 * shared[i] / max(shared.std(), 1e-3)
    angle = angle + rng.normal(0, 0.25, len(i))
    length = width * (low + (high - low) * rng.random(len(i)) ** 1.7)  # few reach far
    waves = np.sin(np.arange(STEPS) * rng.uniform(0.4, 1.2, (len(i), 1)) + rng.uniform(0, 6.3, (len(i), 1)))
    angles = angle[:, None] + np.cumsum(rng.normal(0, 0.6 / STEPS, (len(i), 1)) + curl * waves, 1)
    pieces = np.stack([np.cos(angles), np.sin(angles) + gravity * np.arange(1, STEPS + 1) / STEPS], 2)
    pieces *= (length / STEPS)[:, None, None] / np.maximum(np.linalg.norm(pieces, axis=2, keepdims=True), 1e-3)
    root = line[i] - out * (width * rng.uniform(0.02, 0.08, (len(i), 1)))
    return root[:, None] + np.concatenate([np.zeros((len(i), 1, 2)), np.cumsum(pieces, 1)], 1)


def _draw(strands, colours, thick, strength, shape):
    """Strands as (x, y) of a corner in the frame and premultiplied RGBA uint8; the part inside the frame."""
    low = np.maximum(np.floor(strands.min((0, 1))).astype(int) - 2, 0)
    high = np.minimum(np.ceil(strands.max((0, 1))).astype(int) + 3, shape[::-1])
    width, height = np.maximum(high - low, 1)
    canvas = np.zeros((height * FACTOR, width * FACTOR, 4), np.uint8)
    points = np.rint((strands - low + 0.5) * FACTOR).astype(np.int32)
    half, most = STEPS // 2, STEPS * 8 // 10
    rgba = np.column_stack([np.clip(colours, 0, 255), np.full(len(colours), 255)]) * strength[:, None]
    for start, end, taper in ((0, half, 1.0), (half, most, 0.75), (most, STEPS, 0.5)):
        parts, wide = points[:, start : end + 1], thick * (taper * FACTOR)
        values = rgba * np.minimum(wide, 1)[:, None]
        for part, value, pixels in zip(parts, values.tolist(), np.maximum(np.rint(wide), 1).astype(int).tolist()):
            cv2.polylines(canvas, [part], False, value, pixels)
    return low, cv2.resize(canvas, (int(width), int(height)), interpolation=cv2.INTER_AREA)
