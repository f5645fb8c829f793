"""A camera before which somebody moves: its empty scene is captured on a key, then every frame is matted.

from tools.webcam_studio import Camera, Studio

studio = Studio(matting, open_target("#00ff00"))
for frame in Camera(0):
    shown = studio.frame(frame.rgb(), frame.time, key="b" if frame.number == 30 else "")
"""

import time
from fractions import Fraction

import cv2
import numpy as np

from dataset.picture import PictureError
from utils.background.follow import ClipBackground
from utils.picture.blend import blend
from utils.picture.foreground import clean_foreground
from utils.video.reader import FRAME_RATE, Frame, nearest_rate

CAPTURE, VIEW, QUIT = "b", "v", "q"
VIEWS = ("com", "pha", "src")
# What drivers take for "manual": Video4Linux 1, Video4Linux before OpenCV 4.5 and DirectShow 0.25, AVFoundation 0.
MANUAL = (1, 0.25, 0)


class Camera:
    """A camera's frames, as utils.video.reader.open_clip gives those of a file.

    Args:
        number: which camera, from 0.
        size: (width, height) that is asked for; the driver takes the nearest one that it has.

    Attributes:
        height, width, rate, time_base, sample_aspect: as in open_clip; the rate is the driver's word.

    Raises:
        PictureError: there is no such camera, or it gives no picture.
    """

    def __init__(self, number=0, size=None, open_capture=cv2.VideoCapture):
        self.capture = open_capture(number)
        self.capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # matting is slower than the camera: show what is now
        if size:
            self.capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
            self.capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
        taken, frame = self.capture.read()
        if not taken:
            self.capture.release()
            raise PictureError(f"camera {number} gives no picture: check --camera, and close programs that use it")
        self.height, self.width = frame.shape[:2]
        rate = self.capture.get(cv2.CAP_PROP_FPS)
        self.rate = nearest_rate(rate) if 1 <= rate < 1000 else FRAME_RATE
        self.time_base, self.sample_aspect = Fraction(1, 90_000), Fraction(1)

    def __iter__(self):
        start, number, last = time.perf_counter(), 0, Fraction(-1)
        while True:
            taken, frame = self.capture.read()
            if not taken:
                return
            ticks = Fraction(round((time.perf_counter() - start) * 90_000), 90_000)
            last = max(ticks, last + self.time_base)
            yield Frame(number, last, None, lambda frame=frame: cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
            number += 1

    def lock(self):
        """Fix exposure, white balance and focus at what they are; returns the names of those the driver refused."""
        refused = []
        exposure = self.capture.get(cv2.CAP_PROP_EXPOSURE)
        if not any(self._holds(cv2.CAP_PROP_AUTO_EXPOSURE, value) for value in MANUAL):
            refused.append("exposure")
        elif exposure:
            self.capture.set(cv2.CAP_PROP_EXPOSURE, exposure)
        for name, flag in (("white balance", cv2.CAP_PROP_AUTO_WB), ("focus", cv2.CAP_PROP_AUTOFOCUS)):
            if not self._holds(flag, 0):
                refused.append(name)
        return refused

    def _holds(self, flag, value):
        return bool(self.capture.set(flag, value)) and abs(self.capture.get(flag) - value) < 1e-6

    def close(self):
        self.capture.release()


class Studio:
    """What happens to the frames: a background is averaged when it is asked for, then the subject is cut out.

    Args:
        matting: utils.predictor.Matting.
        target: what the subject is put before, see utils.prediction.target.open_target.
        averaged: frames of which a captured background is the mean: its noise falls with their square root.
        delay: seconds between the key and the first of them, for leaving the picture.
        align, match_exposure: see utils.background.follow.ClipBackground.
        lock: function that is called before the first frame is averaged.

    Attributes:
        background: ClipBackground, None until one is captured.
        message: what the visitor should know now, a short line.
        matted: number of frames.
    """

    def __init__(self, matting, target, averaged=8, delay=3, align="off", match_exposure="auto", lock=None):
        self.matting, self.target, self.averaged, self.delay = matting, target, averaged, delay
        self.align, self.match_exposure, self.lock = align, match_exposure, lock
        self.background, self.view, self.matted = None, "com", 0
        self._begin, self._sum, self._count = None, None, 0

    def frame(self, src, seconds, key=""):
        """Take a frame and a key, give the picture to show.

        Args:
            src: uint8 (H, W, 3), RGB.
            seconds: its time.
            key: CAPTURE, VIEW, anything else, or nothing.

        Returns:
            uint8 (H, W, 3), RGB: by `view` the composite, alpha or the frame itself. Until a background is captured
            the composite is the target alone: nobody is shown who does not know it.
        """
        if key == CAPTURE:
            self._begin, self._sum, self._count = seconds + self.delay, None, 0
        elif key == VIEW:
            self.view = VIEWS[(VIEWS.index(self.view) + 1) % len(VIEWS)]
        if self._begin is not None and seconds >= self._begin:
            self._average(src)
        if self.view == "src":
            return src
        height, width = src.shape[:2]
        if self.background is None:
            empty = np.zeros_like(src) if self.view == "pha" else self.target.frame(seconds, height, width)
            return np.ascontiguousarray(empty)
        bgr = self.background(src)
        matte = self.matting(src, bgr, self.view == "com")
        self.matted += 1
        if self.view == "pha":
            return cv2.cvtColor(matte.pha, cv2.COLOR_GRAY2RGB)
        fgr = clean_foreground(matte.fgr, matte.pha, src, bgr)
        return blend(fgr, matte.pha, self.target.frame(seconds, height, width))

    def _average(self, src):
        if self._sum is None:
            if self.lock:
                self.lock()
            self._sum = np.zeros(src.shape, np.uint32)
        self._sum += src
        self._count += 1
        if self._count == self.averaged:
            bgr = ((self._sum + self._count // 2) // self._count).astype(np.uint8)
            self.background = ClipBackground(bgr, self.align, self.match_exposure)
            self._begin = None

    def message(self, seconds):
        """What somebody before the camera should know now; nothing while all is well."""
        if self._begin is not None:
            left = float(self._begin - seconds)
            return f"leave the picture: {left:.0f} s" if left > 0 else "capturing the background"
        return "" if self.background else f"press {CAPTURE.upper()} to capture the background"
