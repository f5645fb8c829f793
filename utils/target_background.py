"""What the subject is put before: a colour, a picture or a video.

from utils.target_background import open_target, over

target = open_target("#00ff00")  # or "white", "beach.jpg", "street.mp4"
composite = over(matte.fgr, matte.pha, target.frame(0, *matte.pha.shape))
"""

from pathlib import Path

import cv2
import numpy as np
from PIL import ImageColor

from dataset.picture import read_rgb
from utils.blend import blend
from utils.errors import UsageError
from utils.resize import fit
from utils.video_reader import CLIP_SUFFIXES, open_clip

SOLID = (0.9, 1.0)  # alpha between which a colour is increasingly taken to be the subject's own
FAINT = 1e-3  # weight of colours below that, relative to those above: they count where nothing else is near
REACH = 70  # long side of the picture over the width of the window in which solid colours are sought


def over(fgr, pha, background):
    """Put the subject before another background, without the light of the old one on its rim.

    Args:
        fgr: uint8 (H, W, 3), RGB, the predicted foreground.
        pha: uint8 (H, W), alpha.
        background: uint8 (H, W, 3), RGB.

    Returns:
        uint8 (H, W, 3): background where alpha is 0, foreground where it is 255.
    """
    return blend(without_spill(fgr, pha), pha, background)


def without_spill(fgr, pha):
    """The foreground, uint8 (H, W, 3), with the colours of solid places carried into the half transparent ones.

    The network's foreground still shows some of the old background at the rim; the colours just inside do not. Their
    mean over a window, weighted with alpha, takes their place, as in the first step of Forte, "Approximate Fast
    Foreground Colour Estimation", ICIP 2021, which divides the blurred, weighted foreground by the blurred weights.
    """
    rows, columns = (np.flatnonzero(((pha > 0) & (pha < 255)).any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return fgr
    side = max(11, max(pha.shape) // REACH | 1)
    part = tuple(slice(max(0, at[0] - side), at[-1] + side + 1) for at in (rows, columns))
    near, alpha = fgr[part].astype(np.float32), pha[part].astype(np.float32) / 255
    weight = np.where(alpha > SOLID[0], alpha, FAINT * alpha)
    total, share = cv2.blur(near * weight[..., None], (side, side)), cv2.blur(weight, (side, side))
    rim = (alpha > 0) & (alpha < 1) & (share > 0)
    solid = np.clip((alpha[rim] - SOLID[0]) / (SOLID[1] - SOLID[0]), 0, 1)[:, None]
    carried = total[rim] / share[rim][:, None]
    out = fgr.copy()
    out[part][rim] = np.rint(carried + solid * (near[rim] - carried)).clip(0, 255)
    return out


def open_target(spec):
    """Open what the subject is put before.

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
        raise UsageError(
            f"--target-bgr {spec} is neither a file nor a colour: give a picture, a video or a colour like '#00ff00'"
        ) from None
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


def cover(picture, height, width):
    """The picture, uint8 (h, w, 3), scaled to cover height x width, its middle: uint8 (height, width, 3)."""
    own_height, own_width = picture.shape[:2]
    if (own_height, own_width) == (height, width):
        return picture
    scale = max(height / own_height, width / own_width)
    size = max(height, round(own_height * scale)), max(width, round(own_width * scale))
    picture = fit(picture, size)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    return np.ascontiguousarray(picture[top : top + height, left : left + width])
