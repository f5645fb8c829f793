"""Drawn strands of hair: the one kind of hair whose alpha is known exactly."""

import cv2
import numpy as np

SOLID = 128  # alpha from which a pixel counts as hers
STEPS = 14  # pieces of a strand
FACTOR = 3  # strands are drawn so many times as large, and averaged
ROOT_DISTANCE = 3  # pixels from the outline at which inside and outside are told apart


def add_strands(rng, fgr, pha, head):
    """Put strands behind a head.

    A style is drawn (flyaway twice as often as frizz, locks or long hair), a colour for each strand from the top of
    this head, roots along its outline where no side of the frame cuts it, and directions that neighbouring roots share.
    Every strand bends, curls, falls and tapers; one thinner than a drawn pixel is paler instead.

    fgr (h, w, 3) and pha (h, w), uint8, are the person in the frame; head is (x of its middle, y of its top, width).
    Returns both with the strands; the same arrays where the head is bald or not to be seen.
    """
    x, top, width = head
    colours = hair_colours(rng, fgr, pha, head)
    outline = _outline(pha) if colours is not None and width > 12 else None
    if outline is None:
        return fgr, pha
    line, normal = outline
    style = rng.choice(["flyaway", "flyaway", "frizz", "locks", "long"])
    depth, aside = (line[:, 1] - top) / width, np.abs(line[:, 0] - x) / width
    free = ((line > 2) & (line < [pha.shape[1] - 3, pha.shape[0] - 3])).all(1)  # not where the frame cuts
    reach, wide = (rng.uniform(0.8, 1.2), 0.66) if style == "long" else (rng.uniform(0.4, 0.75), 0.75)
    roots = np.flatnonzero(free & (depth < reach) & (aside < wide))
    if len(roots) < 12:
        return fgr, pha
    strands = _strands(rng, line, normal, roots, head, style)
    drawn = len(strands)
    shade = rng.uniform(0.7, 1.15)
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
    rows, columns = (slice(max(0, int(low)), max(0, int(high))) for low, high in ends)
    found = fgr[rows, columns][pha[rows, columns] > 230].astype(np.float32)
    height, wide = pha.shape
    face = fgr[np.clip(int(top + 0.75 * width), 0, height - 1), np.clip(int(x), 0, wide - 1)].astype(np.float32)
    if len(found) < 20 or np.abs(np.median(found, 0) - face).mean() < 12:
        return None
    return found[rng.integers(len(found), size=count)]


def _outline(pha):
    """The longest outline, (n, 2) x and y, and its normals outwards; None where there is none."""
    contours, _ = cv2.findContours((pha > SOLID).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None
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
    pieces = (points[:, : half + 1], 1.0), (points[:, half : most + 1], 0.75), (points[:, most:], 0.5)
    rgba = np.column_stack([np.clip(colours, 0, 255), np.full(len(colours), 255)]) * strength[:, None]
    for parts, taper in pieces:
        wide = thick * (taper * FACTOR)
        values = rgba * np.minimum(wide, 1)[:, None]
        for part, value, pixels in zip(parts, values.tolist(), np.maximum(np.rint(wide), 1).astype(int).tolist()):
            cv2.polylines(canvas, [part], False, value, pixels)
    return low, cv2.resize(canvas, (int(width), int(height)), interpolation=cv2.INTER_AREA)
