"""Paddle data sets of what lies in folders: pictures, videos, and foregrounds with their alpha.

Those are pairs of pictures, RGBA pictures, or pairs of videos.
"""

from functools import lru_cache
from pathlib import Path
from threading import Lock

import cv2
from paddle.io import Dataset, Subset

from .picture import PictureError, find_pictures, read_alpha, read_rgb, read_rgba

VIDEO_SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v")
FGR_FOLDERS = ("fgr", "fg")  # the second names are those of Distinctions-646
PHA_FOLDERS = ("pha", "gt", "alpha")
LOCK = Lock()  # OpenCV aborts the process where two threads read one video


class ImagesDataset(Dataset):
    """All pictures below a folder, nested folders included, sorted by path: uint8 (H, W, 3), RGB.

    Raises PictureError: there is no such folder or no picture in it; or, when an item is read, the file is damaged.
    """

    def __init__(self, root):
        self.paths = find_pictures(root)
        if not self.paths:
            raise PictureError(f"{root} holds no pictures: put .jpg or .png files there")

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        return read_rgb(self.paths[index])


def sampled(dataset, samples):
    """A data set of at most `samples` items of another, evenly spaced from its first."""
    return Subset(dataset, range(0, len(dataset), max(len(dataset) // max(samples, 1), 1))[:samples])


class Video:
    """Frames of one video that OpenCV can read, uint8 (H, W, 3), RGB; reading them in order needs no seeking.

    The length is what the container states; where a frame cannot be decoded, PictureError names the file and the frame.
    """

    def __init__(self, path):
        self.path, self._capture, self._next = Path(path), cv2.VideoCapture(str(path)), 0
        if not self._capture.isOpened():
            state = "cannot be read as a video" if self.path.exists() else "does not exist"
            raise PictureError(f"{path} {state}: give an .mp4 or another video that OpenCV reads")

    def __len__(self):
        return int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))

    def __getitem__(self, index):
        if index != self._next:
            self._capture.set(cv2.CAP_PROP_POS_FRAMES, index)
        decoded, frame = self._capture.read()
        if not decoded:
            self._next = None
            raise PictureError(f"{self.path}: frame {index} cannot be decoded: re-encode or download the video again")
        self._next = index + 1
        return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)


open_video = lru_cache(maxsize=8)(Video)  # of each process: a forked reader cannot go on with what is open


class ForegroundDataset(Dataset):
    """Items (fgr, pha): uint8 (H, W, 3) RGB, not multiplied by alpha, and uint8 (H, W).

    The folder holds either `fgr/` and `pha/`, whose files belong together by their path without suffix
    (`fgr/0001/a.jpg` and `pha/0001/a.png`), pictures or videos; or RGBA pictures.

    Raises PictureError that names the folder if it is missing, empty, or if a foreground has no alpha or the reverse;
    and, when an item is read, the file that is damaged or whose alpha has another size than its colours.
    """

    def __init__(self, root):
        root = Path(root)
        fgr, pha = subfolder(root, FGR_FOLDERS), subfolder(root, PHA_FOLDERS)
        if bool(fgr) != bool(pha):
            present, missing = ("fgr", "pha") if fgr else ("pha", "fgr")
            raise PictureError(f"{root} has {present}/ but no {missing}/: both are needed, with equal file names")
        self.items = _match(fgr, pha) if fgr else [(path,) for path in find_pictures(root)]
        if not self.items:
            raise PictureError(f"{root} is empty: put pictures into {root}/fgr and {root}/pha")
        if fgr and self.items[0][0].suffix.lower() in VIDEO_SUFFIXES:
            self.items = [(*pair, i) for pair in self.items for i in range(min(len(Video(path)) for path in pair))]

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        item = self.items[index]
        if len(item) == 1:
            rgba = read_rgba(item[0])
            return rgba[..., :3], rgba[..., 3]
        if len(item) == 2:
            fgr, pha = read_rgb(item[0]), read_alpha(item[1])
        else:
            with LOCK:
                fgr, pha = (open_video(path)[item[2]] for path in item[:2])
            pha = pha[..., 1].copy()
        if fgr.shape[:2] != pha.shape:
            sizes = [f"{shape[1]}x{shape[0]}" for shape in (fgr.shape, pha.shape)]
            raise PictureError(f"{item[1]} is {sizes[1]}, its foreground {item[0]} is {sizes[0]}: make them equal")
        return fgr, pha

    def alpha_file(self, index):
        """Path of the file that an item's alpha is read from."""
        return self.items[index][:2][-1]


def subfolder(folder, names):
    """The sub-folder that has one of the (lower-case) names in any case, or None."""
    paths = sorted(Path(folder).iterdir()) if Path(folder).is_dir() else []
    found = {path.name.lower(): path for path in paths if path.is_dir()}
    return next((found[name] for name in names if name in found), None)


def _match(*folders):
    """Pairs of files (fgr, pha) of two folders by relative path without suffix, sorted; videos if there are any."""
    files = []
    for folder in folders:
        videos = [path for path in folder.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file()]
        paths = videos or find_pictures(folder)
        if not paths:
            raise PictureError(f"{folder} holds no pictures or videos: put .jpg, .png or .mp4 files there")
        files.append({path.relative_to(folder).with_suffix(""): path for path in paths})
    for here, there, folder, other in ((*files, *folders), (*files[::-1], *folders[::-1])):
        if alone := sorted(here.keys() - there.keys()):
            few = ", ".join(str(here[name].relative_to(folder)) for name in alone[:3]) + ", ..." * (len(alone) > 3)
            others = there.keys() - here.keys()
            names = f", which holds {len(others)} files of other names, such as {min(others)}" if others else ""
            what = f"{len(alone)} of {len(here)} files have no partner in {other} ({few}){names}"
            raise PictureError(f"{folder}: {what}: each foreground needs an alpha of the same name")
    return [tuple(found[name] for found in files) for name in sorted(files[0])]
