"""What the subject is composited over: a colour, a picture or a video."""

from pathlib import Path

import numpy as np
from PIL import ImageColor

from dataset.picture import read_rgb
from utils.picture.resize import cover
from utils.system.errors import UsageError
from utils.video.reader import CLIP_SUFFIXES, open_clip


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
    if path.is_dir() or (path.exists() and path.suffix.lower() in CLIP_SUFFIXES):
        return VideoTarget(open_clip(path))
    if path.exists():
        return PictureTarget(read_rgb(path))
    try:
        colour = ImageColor.getrgb(str(spec))[:3]
        if max(colour) > 255:  # Pillow takes rgb(300, 0, 0)
            raise ValueError
    except ValueError:
        remedy = "give a picture, a video or a colour like '#00ff00'"
        raise UsageError(f"--target-bgr {spec} is neither a file nor a colour: {remedy}") from None
    return PictureTarget(np.clip(colour, 0, 255).astype(np.uint8).reshape(1, 1, 3))  # Pillow takes 101% too


class PictureTarget:
    """The same picture, uint8 (h, w, 3), at every time."""

    def __init__(self, picture):
        self.picture, self._covering = picture, None

    def frame(self, seconds, height, width):
        if self._covering is None or self._covering.shape[:2] != (height, width):
            self._covering = cover(self.picture, height, width)
        return self._covering


class VideoTarget:
    """The frame of a clip that is shown at a time; times that grow are served without reading anything twice."""

    def __init__(self, clip):
        self.clip, self._length = clip, None
        self._start()

    def frame(self, seconds, height, width):
        if self._length:
            seconds %= self._length
        if seconds < self._frame.time:
            self._start()
        while self._next is not None and self._next.time <= seconds:
            self._frame, self._next, self._shown = self._next, next(self._frames, None), None
        if self._next is None and self._length is None:  # only the end tells how long it is
            self._length = self._frame.time + 1 / self.clip.rate
            return self.frame(seconds, height, width)
        if self._shown is None or self._shown.shape[:2] != (height, width):
            self._shown = cover(self._frame.rgb(), height, width)
        return self._shown

    def _start(self):
        self._frames = iter(self.clip)
        self._frame, self._shown = next(self._frames), None
        self._next = next(self._frames, None)
