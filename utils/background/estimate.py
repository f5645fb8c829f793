"""The empty scene behind a clip: from a video of it, or from the clip itself if its camera stood still."""

import cv2
import numpy as np

from utils.picture.resize import glance

MEMORY = 400 << 20  # bytes of sampled frames at most: 64 of HD, 16 of 4K
STRIP = 32  # rows that are worked on at once
SHARES = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9)  # of the samples, tried in turn
OUT = 4000  # above every sum of a pixel's channels
TOLERANCE = 12  # levels of 255 between background and sample that noise and compression explain
ENDS = 10.0  # seconds at either end that are searched for an empty scene


def empty_scene(clip):
    """The temporal median of a video of the empty scene: uint8 (H, W, 3), RGB, with much less noise than one frame."""
    return np.concatenate([np.median(strip, axis=0).round().astype(np.uint8) for strip in _strips(clip)])


def scene_behind(clip):
    """What lies behind the subject of a clip whose camera stood still.

    Each pixel's samples are sorted by brightness, and the mean of the largest group that noise alone could hold
    together is taken: right wherever the background shows more often than anything else at that place. Where the
    subject does, it is taken itself. Unsure is therefore where nothing shows clearly most of the time, and what never
    changes but is cut off from the picture's left, top and right rim by what does, as the chest of someone who talks.

    Args: clip see utils.video.reader.open_clip; read once, from beginning to end.

    Returns bgr, uint8 (H, W, 3), RGB, and unsure, uint8 (H, W), 255 where it may be wrong, else 0.
    """
    strips = []
    for samples in _strips(clip):
        still = (samples.max(axis=0) - samples.min(axis=0)).max(axis=-1) <= 2 * TOLERANCE
        bgr = samples.mean(axis=0, dtype=np.float32).round().astype(np.uint8)
        seen = np.ones(still.shape, np.float32)
        bgr[~still], seen[~still] = _most_frequent(samples[:, ~still].transpose(1, 2, 0))
        strips.append((bgr, seen))
    bgr, seen = map(np.concatenate, zip(*strips))
    unsure = cv2.medianBlur((seen < 0.65).astype(np.uint8), 5) > 0  # share of the samples that show it
    unsure |= _enclosed(cv2.medianBlur((seen < 0.94).astype(np.uint8), 5))
    return bgr, unsure.astype(np.uint8) * 255


def quiet_scene(clip):
    """The empty scene of a clip that begins or ends with it: people film the place, then somebody walks in.

    Quiet is a stretch at either end in which nothing changes beyond noise, until something does at the left or right
    side of the picture: who stands still first and moves then changes its middle, and is not taken for the place.

    Args: clip see utils.video.reader.open_clip; ten seconds at either end are read.

    Returns uint8 (H, W, 3), RGB, the median of the stretch; None where there is none.
    """
    seconds = clip.expected / clip.rate if clip.expected else 0
    ends = [(clip.part(0, ENDS), False), (clip.part(seconds - ENDS, None), True)] if seconds > ENDS else []
    for part, from_behind in ends or [(clip, False), (clip, True)]:
        step = max(1, round(part.rate / 12))
        looks = [(frame.time, glance(frame.rgb(), 240)) for frame in part if frame.number % step == 0]
        quiet = _quiet([small for _, small in (looks[::-1] if from_behind else looks)])
        if quiet * step >= max(2, 0.3 * part.rate):  # frames, of which that many seconds at least
            span = (looks[-quiet][0], None) if from_behind else (0, looks[quiet][0])
            return empty_scene(part.part(*span))
    return None


def _quiet(looks):
    """How many pictures pass before somebody comes in from a side; 0 where something else changes first, or nothing."""
    looks = [cv2.GaussianBlur(x, (0, 0), 1).max(axis=2).astype(np.int16) for x in looks]
    for number, small in enumerate(looks):
        changed = np.abs(small - looks[0]) > 10  # noise and light stay below
        if changed.mean() > 0.004:  # of the picture: a subject
            side = max(1, round(0.04 * changed.shape[1]))
            return number - 1 if changed[:, :side].any() or changed[:, -side:].any() else 0
    return 0


def sample_frames(clip):
    """Frames spread evenly over the whole clip, in bounded memory: list of uint8 (H, W, 3).

    The length need not be known: every frame is kept until there are too many, then every second, and so on.
    """
    most = min(64, max(16, MEMORY // (clip.height * clip.width * 3)))
    samples, step = [], 1
    for number, frame in enumerate(clip):
        if number % step == 0:
            samples.append(frame.rgb())
        if len(samples) > most:
            samples, step = samples[::2], 2 * step
    return samples


def _strips(clip):
    """Some rows of all samples after the others: uint8 (N, h, w, 3)."""
    samples = sample_frames(clip)
    return (np.stack([x[top : top + STRIP] for x in samples]) for top in range(0, len(samples[0]), STRIP))


def _most_frequent(samples):
    """Colour, uint8 (M, 3), and the share of samples that have it, of samples uint8 (M, 3, N)."""
    red, green, blue = samples.astype(np.int16).transpose(1, 0, 2)
    chosen = np.ones(red.shape, bool)
    # Along brightness first, where most things differ; then along two axes of hue among what is left.
    for values in (red + 2 * green + blue, red - blue, red - 2 * green + blue):
        chosen &= _largest_group(np.where(chosen, values, OUT), 4 * TOLERANCE)
    count = np.maximum(chosen.sum(axis=-1), 1)
    total = np.einsum("mcn,mn->mc", samples, chosen, dtype=np.float32, casting="unsafe")
    bgr = (total / count[:, None]).round().astype(np.uint8)
    apart = np.maximum(samples, bgr[..., None]) - np.minimum(samples, bgr[..., None])
    return bgr, (apart.max(axis=1) <= TOLERANCE).mean(axis=-1, dtype=np.float32)


def _largest_group(values, width):
    """The largest group, in steps of SHARES, of values that lie within `width`: bool, of values int16 (M, N)."""
    count = values.shape[-1]
    ordered = np.sort(values, axis=-1)
    low, high = ordered[:, 0], ordered[:, 0]
    for near in sorted({max(1, round(share * count)) for share in SHARES}):
        spread = ordered[:, near - 1 :] - ordered[:, : count - near + 1]
        first = spread.argmin(axis=-1)[:, None]
        lowest, highest = (np.take_along_axis(ordered, first + at, axis=-1)[:, 0] for at in (0, near - 1))
        fits = (highest - lowest <= width) & (lowest < OUT)
        low, high = np.where(fits, lowest, low), np.where(fits, highest, high)
    return (values >= low[:, None]) & (values <= high[:, None])


def _enclosed(moving):
    """Where nothing moves, cut off by what moves from the left, top and right rim: bool (H, W). `moving`: uint8 0/1."""
    small = (glance(moving * 255, 480) > 100).astype(np.uint8)
    side = max(3, max(small.shape) // 40 | 1)  # closes gaps in the outline
    ring = cv2.copyMakeBorder(small, side, side, side, side, cv2.BORDER_REPLICATE)
    ring = cv2.morphologyEx(ring, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    ring = ring[side:-side, side:-side]
    filled = cv2.copyMakeBorder(ring, 1, 0, 1, 1, cv2.BORDER_CONSTANT, value=0)  # the left, top and right rim
    cv2.floodFill(filled, None, (0, 0), 1)
    enclosed = 1 - filled[1:, 1:-1]
    # With the outline itself, which the subject never quite leaves either.
    outline = cv2.dilate(enclosed, np.ones((2 * side + 1, 2 * side + 1), np.uint8)) & small
    near = cv2.dilate(enclosed, np.ones((side, side), np.uint8)) & (1 - small) & ring
    return cv2.resize(enclosed | outline | near, moving.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
