"""Steadier alpha over a clip: each frame's alpha is averaged with the last one's, carried along by the motion."""

import cv2
import numpy as np

from utils.picture.levels import to_uint8
from utils.picture.resize import reduced
from utils.predictor import Matte

LOOK_AT = 960  # long side, in pixels, of the copies on which motion is measured
WEIGHT = 0.7  # of the last alpha where the motion is certain: an average over about three frames
TOLERANCE = 16  # levels of 255 between a frame and the last one, carried along, at which the last alpha counts nothing
WINDOW = 5  # pixels of the copy, over which that difference is averaged


class Smoother:
    """Averages alphas along the optical flow (DIS, Kroeger et al., ECCV 2016) of the source, frame after frame.

    Where the last frame, carried along, looks unlike this one (something has come into sight, a cut) this frame's own
    alpha stays. Nothing of the future is needed and one frame is remembered.
    """

    def __init__(self):
        self.flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self._last = None

    def __call__(self, src, matte):
        """The matte, utils.predictor.Matte, of the next frame, src uint8 (H, W, 3), with its alpha averaged."""
        small = reduced(src, LOOK_AT)
        scale = min(1.0, LOOK_AT / max(src.shape[:2]))
        grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
        pha = matte.pha_float
        if self._last is not None and min(grey.shape) >= 32:
            last_small, last_grey, last_pha = self._last
            flow = self.flow.calc(grey, last_grey, None)
            carried = cv2.remap(last_small, *_places(flow), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            apart = cv2.blur(cv2.absdiff(small, carried).max(axis=-1), (WINDOW, WINDOW)).astype(np.float32)
            weight = WEIGHT * np.clip(1 - apart / TOLERANCE, 0, 1)
            if scale < 1:
                flow, weight = (cv2.resize(x, src.shape[1::-1]) for x in (flow / scale, weight))
            carried = cv2.remap(last_pha, *_places(flow), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            pha = pha + weight * (carried - pha)
        self._last = small, grey, pha
        err, ref = (lambda: np.float32(matte.err) / 255), (lambda: np.float32(matte.ref) / 255)
        return Matte(to_uint8(pha), matte.fgr, lambda: pha, err, ref)


def _places(flow):
    """Where in the last frame each pixel was, for cv2.remap, of the flow, float32 (H, W, 2)."""
    height, width = flow.shape[:2]
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    return flow[..., 0] + x, flow[..., 1] + y[:, None]
