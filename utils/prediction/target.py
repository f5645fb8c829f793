"""What the subject is composited over: a colour, a picture or a video."""

from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from PIL import ImageColor

from dataset.picture import read_rgb
from utils.picture.resize import cover
from utils.system.errors import UsageError
from utils.video.reader import is_clip, open_clip


def open_target(spec):
    """Open what the subject is composited over.

    Args:
        spec: colour (`#00ff00`, `white`, `rgb(0, 255, 0)`: what Pillow knows), or the path of a picture, a video or a
            folder of pictures, the frames of a video at 30 a second. A file goes before a colour of that name.

    Returns:
        Target: `target.frame(seconds, height, width)` is uint8 (H, W, 3), RGB. Pictures and frames are scaled to cover
        the size, and what stands over is cut off evenly on both sides. A video starts again when it has ended.

    Raises:
        UsageError: neither a file nor a colour. PictureError: the file cannot be read.
    """
    path = Path(spec)
    if path.is_dir() or (path.exists() and is_clip(path)):
        return VideoTarget(open_clip(path))
    if path.exists():
        return PictureTarget(read_rgb(path))
    with suppress(ValueError):
        colour = ImageColor.getrgb(str(spec))[:3]
        if max(colour) <= 255:  # Pillow takes rgb(300, 0, 0)
            return PictureTarget(np.array(colour, np.uint8).reshape(1, 1, 3))
    remedy = "give a picture, a video or a colour like '#00ff00'"
    raise UsageError(f"--target-bgr {spec} is neither a file nor a colour: {remedy}")


class PictureTarget:
    """The same picture, uint8 (h, w, 3), at every time."""

    def __init__(self, picture):
        self._covering = lru_cache(1)(partial(cover, picture))

    def frame(self, seconds, height, width):
        return self._covering(height, width)


class VideoTarget:
    """The frame of a clip that is shown at a time, over and over; times grow, and nothing is kept but one frame."""

    def __init__(self, clip):
        self._frames = _endless(clip)
        self._show(next(self._frames)[1])

    def frame(self, seconds, height, width):
        while self._next[0] <= seconds:
            self._show(self._next[1])
        return self._covering(height, width)

    def _show(self, frame):
        self._covering, self._next = lru_cache(1)(lambda *size: cover(frame.rgb(), *size)), next(self._frames)


def _endless(clip):
    """The clip's frames for ever, each with the time at which it is shown."""
    begin = 0
    while True:
        for frame in clip:
            yield begin + frame.time, frame
        begin += frame.time + 1 / clip.rate  # only the end tells how long it is
