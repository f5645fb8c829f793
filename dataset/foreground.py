"""Foregrounds with their alpha: pairs of pictures, RGBA pictures, or pairs of videos."""

from pathlib import Path
from threading import Lock

from paddle.io import Dataset

from .picture import PictureError, find_pictures, read_alpha, read_rgb, read_rgba
from .video import SUFFIXES as VIDEO_SUFFIXES
from .video import VideoDataset

FGR_FOLDERS = ("fgr", "fg")  # the second names are those of Distinctions-646
PHA_FOLDERS = ("pha", "gt", "alpha")
OPEN_VIDEOS = 4  # pairs that each worker keeps open
LOCK = Lock()  # OpenCV aborts the process where two threads read one video


class ForegroundDataset(Dataset):
    """Items (fgr, pha): uint8 (H, W, 3) RGB, not multiplied by alpha, and uint8 (H, W).

    The folder holds either `fgr/` and `pha/`, whose files belong together by their path without suffix
    (`fgr/0001/a.jpg` and `pha/0001/a.png`), pictures or videos; or RGBA pictures.

    Raises PictureError that names the folder if it is missing, empty, or if a foreground has no alpha or the reverse;
    and, when an item is read, the file that is damaged or whose alpha has another size than its colours.
    """

    def __init__(self, root):
        super().__init__()
        self.root = Path(root)
        if not self.root.is_dir():
            raise PictureError(f"{self.root} does not exist: make it, with pictures in {self.root}/fgr and /pha")
        fgr, pha = subfolder(self.root, FGR_FOLDERS), subfolder(self.root, PHA_FOLDERS)
        if bool(fgr) != bool(pha):
            present, missing = ("fgr", "pha") if fgr else ("pha", "fgr")
            raise PictureError(f"{self.root} has {present}/ but no {missing}/: both are needed, with equal file names")
        self.videos = {}
        self.items = match(fgr, pha) if fgr else [(path,) for path in find_pictures(self.root)]
        if not self.items:
            raise PictureError(f"{self.root} is empty: put pictures into {self.root}/fgr and {self.root}/pha")
        if fgr and self.items[0][0].suffix.lower() in VIDEO_SUFFIXES:
            lengths = [min(len(VideoDataset(path)) for path in pair) for pair in self.items]
            self.items = [(*pair, i) for pair, length in zip(self.items, lengths) for i in range(length)]

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
                fgr, pha = (video[item[2]] for video in self._open_videos(*item[:2]))
            pha = pha[..., 1].copy()
        if fgr.shape[:2] != pha.shape:
            sizes = [f"{shape[1]}x{shape[0]}" for shape in (fgr.shape, pha.shape)]
            raise PictureError(f"{item[1]} is {sizes[1]}, its foreground {item[0]} is {sizes[0]}: make them equal")
        return fgr, pha

    def name(self, index):
        """Path of the foreground's file, for messages."""
        return str(self.items[index][0])

    def alpha_file(self, index):
        """Path of the file that an item's alpha is read from."""
        return Path(self.items[index][:2][-1])

    def _open_videos(self, fgr, pha):
        videos = self.videos.pop(fgr, None) or (VideoDataset(fgr), VideoDataset(pha))
        self.videos[fgr] = videos  # the last of them
        if len(self.videos) > OPEN_VIDEOS:
            del self.videos[next(iter(self.videos))]
        return videos


def subfolder(folder, names):
    """The sub-folder that has one of the (lower-case) names in any case, or None."""
    paths = sorted(Path(folder).iterdir()) if Path(folder).is_dir() else []
    found = {path.name.lower(): path for path in paths if path.is_dir()}
    return next((found[name] for name in names if name in found), None)


def match(fgr, pha):
    """Pairs of files (fgr, pha) of two folders by relative path without suffix, sorted."""
    files = [{path.relative_to(folder).with_suffix(""): path for path in list_files(folder)} for folder in (fgr, pha)]
    for folder, found in zip((fgr, pha), files):
        if not found:
            raise PictureError(f"{folder} holds no pictures or videos: put .jpg, .png or .mp4 files there")
    for here, there, folder, other in ((*files, fgr, pha), (*files[::-1], pha, fgr)):
        if alone := sorted(str(here[name].relative_to(folder)) for name in here.keys() - there.keys()):
            few = ", ".join(alone[:3]) + (", ..." if len(alone) > 3 else "")
            others = there.keys() - here.keys()
            names = f", which holds {len(others)} files of other names, such as {min(others)}" if others else ""
            raise PictureError(
                f"{folder}: {len(alone)} of {len(here)} files have no partner in {other} ({few}){names}: "
                "each foreground needs an alpha of the same name"
            )
    return [(files[0][name], files[1][name]) for name in sorted(files[0])]


def list_files(folder):
    """The pictures of a folder, or its videos if there are any."""
    videos = [path for path in folder.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file()]
    return sorted(videos) or find_pictures(folder)
