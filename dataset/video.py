"""Frames of a video file as a Paddle data set."""

from pathlib import Path

import cv2
from paddle.io import Dataset

from .picture import PictureError

SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v")


class VideoDataset(Dataset):
    """Frames of one video, read on demand; reading them in order needs no seeking.

    Args:
        path: video file that OpenCV can read.
        mode: "RGB" -> uint8 (H, W, 3); "L" -> uint8 (H, W), the green channel (alpha videos are grey).

    The length is what the container states; where a frame cannot be decoded, PictureError names the file and the frame.
    """

    def __init__(self, path, mode="RGB"):
        super().__init__()
        self.path, self.mode = Path(path), mode
        capture = self._open()
        self.frame_count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        capture.release()
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
            self.close()
            raise PictureError(f"{self.path}: frame {index} cannot be decoded: re-encode or download the video again")
        return frame[..., 1].copy() if self.mode == "L" else cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)

    def close(self):
        """Close the file; it is opened again when the next frame is read."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    def __getstate__(self):  # an open capture cannot be sent to another process
        return {**self.__dict__, "_capture": None, "_next": 0}
