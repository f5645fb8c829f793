"""Frames of a video file as a Paddle data set."""

from pathlib import Path

import cv2
from paddle.io import Dataset

from .picture import PictureError

SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v")


class VideoDataset(Dataset):
    """Frames of one video that OpenCV can read, uint8 (H, W, 3), RGB; reading them in order needs no seeking.

    The length is what the container states; where a frame cannot be decoded, PictureError names the file and the frame.
    """

    def __init__(self, path):
        super().__init__()
        self.path = Path(path)
        self.frame_count = int(self._open().get(cv2.CAP_PROP_FRAME_COUNT))
        self._capture, self._next = None, 0  # opened at the first frame: each worker process needs its own

    def _open(self):
        capture = cv2.VideoCapture(str(self.path))
        if not capture.isOpened():
            state = "cannot be read as a video" if self.path.exists() else "does not exist"
            raise PictureError(f"{self.path} {state}: give an .mp4 or another video that OpenCV reads")
        return capture

    def __len__(self):
        return self.frame_count

    def __getitem__(self, index):
        if not 0 <= index < len(self):
            raise IndexError(f"frame {index} of {self.path}, which has {len(self)}")
        if self._capture is None:
            self._capture, self._next = self._open(), 0
        if index != self._next:
            self._capture.set(cv2.CAP_PROP_POS_FRAMES, index)
        decoded, frame = self._capture.read()
        self._next = index + 1
        if not decoded:
            self._capture = None
            raise PictureError(f"{self.path}: frame {index} cannot be decoded: re-encode or download the video again")
        return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)

    def __getstate__(self):  # an open capture cannot be sent to another process
        return {**self.__dict__, "_capture": None}
