"""Data sets that lie in folders: where they are looked for, where to get them, and what reads them."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock

import cv2
from paddle.io import Dataset, Subset

from .picture import PictureError, find_pictures, read_alpha, read_photo, read_rgb

AUTHORS_PAGE = "https://grail.cs.washington.edu/projects/background-matting-v2/#/datasets"
VIDEO_SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v")
LOCK = Lock()  # OpenCV aborts the process where two threads read one video


class MissingData(PictureError):
    """The folder of a data set is not there; the message says where it was looked for and how to get it."""


@dataclass(frozen=True)
class Source:
    """folders: accepted names below the data root, in any case, the first is the documented one."""

    folders: tuple
    where: str  # where to get it
    layout: str  # what has to lie in the folder
    splits: tuple = ("train", "valid")


PAIRS = "{split}/fgr and {split}/pha with equal file names (.jpg or .png), nested folders allowed"
SOURCES = {
    "videomatte240k": Source(
        ("videomatte240k", "videomatte240k_jpeg_hd", "videomatte240k_jpeg_sd"),
        f"download VideoMatte240K from {AUTHORS_PAGE}",
        PAIRS + ", or .mp4 files in both; the released test part serves as valid",
    ),
    "distinctions646": Source(
        ("distinctions646", "distinctions-646", "distinction"),
        "request Distinctions-646 from its authors, see https://github.com/yuhaoliu7456/CVPR2020-HAttMatting",
        PAIRS + " (its own names FG and GT are accepted)",
    ),
    "photomatte85": Source(
        ("photomatte85", "test85"),
        f"download PhotoMatte85 from {AUTHORS_PAGE}",
        "the 85 RGBA pictures themselves, or fgr and pha with equal file names",
        splits=("valid",),
    ),
    "private": Source(("private",), "make it from your own pictures with python -m tools.make_private_data", PAIRS),
    "people": Source(("people",), "put your own cut-outs there", PAIRS),
    "backgrounds": Source(
        ("backgrounds", "background"),
        f"collect photographs without people, several thousand if possible; a small valid set is on {AUTHORS_PAGE}",
        "pictures in {split}, nested folders allowed",
    ),
}


def canonical_name(name):
    """Name of a data set in SOURCES, from any case and any name that its folder may have; raises PictureError."""
    for known, source in SOURCES.items():
        if name.lower() in source.folders:
            return known
    raise PictureError(f"unknown data set '{name.lower()}': choose one of {', '.join(SOURCES)}")


def data_folder(data_root, name, split):
    """Folder of one split ("train" or "valid") of a data set; PictureError if it has none, MissingData if not here."""
    name, data_root = canonical_name(name), Path(data_root)
    source = SOURCES[name]
    if split not in source.splits:
        raise PictureError(f"{name} has no {split} part, only {' and '.join(source.splits)}")
    folder = subfolder(data_root, source.folders)
    if folder and len(source.splits) > 1:
        folder = subfolder(folder, ("valid", "val", "test") if split == "valid" else ("train",))
    if folder is None:
        lay_out = f"Lay it out in {data_root / source.folders[0]} as {source.layout.format(split=split)}"
        raise MissingData(f"data set {name} not found: no {split} part there. To get it, {source.where}. {lay_out}")
    return folder


def open_data(data_root, name, split):
    """ForegroundDataset of (fgr, pha) of one split, ImagesDataset of "backgrounds"; raises their PictureError."""
    return (ImagesDataset if name == "backgrounds" else ForegroundDataset)(data_folder(data_root, name, split))


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


@lru_cache(maxsize=8)  # of each process: a forked reader cannot go on with what is open
def open_video(path):
    """cv2.VideoCapture of a video; PictureError if OpenCV cannot read it."""
    video = cv2.VideoCapture(str(path))
    if not video.isOpened():
        raise PictureError(f"{path} cannot be read as a video: give an .mp4 or another video that OpenCV reads")
    return video


def read_frame(path, index):
    """Frame of a video, uint8 (H, W, 3), RGB; in order they need no seeking. PictureError names file and frame."""
    video = open_video(path)
    if index != video.get(cv2.CAP_PROP_POS_FRAMES):
        video.set(cv2.CAP_PROP_POS_FRAMES, index)
    decoded, frame = video.read()
    if not decoded:
        raise PictureError(f"{path}: frame {index} cannot be decoded: re-encode or download the video again")
    return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)


class ForegroundDataset(Dataset):
    """Items (fgr, pha): uint8 (H, W, 3) RGB, not multiplied by alpha, and uint8 (H, W).

    The folder holds either `fgr/` and `pha/`, whose files belong together by their path without suffix
    (`fgr/0001/a.jpg` and `pha/0001/a.png`), pictures or videos; or RGBA pictures. `items` has their paths, (fgr, pha),
    and of videos the frame; `folder` is that of the foregrounds.

    Raises PictureError that names the folder if it is missing, empty, or if a foreground has no alpha or the reverse;
    and, when an item is read, the file that is damaged or whose alpha has another size than its colours.
    """

    def __init__(self, root):
        root = Path(root)  # FG and GT are the names in Distinctions-646
        fgr, pha = subfolder(root, ("fgr", "fg")), subfolder(root, ("pha", "gt", "alpha"))
        if bool(fgr) != bool(pha):
            raise PictureError(f"{fgr or pha} is alone: fgr/ and pha/ are both needed, with equal file names")
        self.folder = fgr or root
        self.items = _match(fgr, pha) if fgr else [(path, path) for path in find_pictures(root)]
        if not self.items:
            raise PictureError(f"{root} is empty: put pictures into {root}/fgr and {root}/pha")
        if self.items[0][0].suffix.lower() in VIDEO_SUFFIXES:
            counts = [min(open_video(path).get(cv2.CAP_PROP_FRAME_COUNT) for path in pair) for pair in self.items]
            self.items = [(*pair, i) for pair, count in zip(self.items, counts) for i in range(int(count))]
            open_video.cache_clear()

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        fgr_path, pha_path, *frame = self.items[index]
        if frame:
            with LOCK:
                fgr, pha = (read_frame(path, *frame) for path in (fgr_path, pha_path))
            pha = pha[..., 1].copy()
        elif fgr_path == pha_path:
            photo = read_photo(fgr_path)
            if photo.alpha is None:
                raise PictureError(f"{fgr_path} has no alpha channel: give a PNG saved with transparency (RGBA)")
            fgr, pha = photo.rgb, photo.alpha
        else:
            fgr, pha = read_rgb(fgr_path), read_alpha(pha_path)
        if fgr.shape[:2] != pha.shape:
            sizes = [f"{x.shape[1]}x{x.shape[0]}" for x in (pha, fgr)]
            raise PictureError(f"{pha_path} is {sizes[0]}, its foreground {fgr_path} is {sizes[1]}: make them equal")
        return fgr, pha


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
        files.append({path.relative_to(folder).with_suffix(""): path for path in videos or ImagesDataset(folder).paths})
    alone = [sorted(here.keys() - there.keys()) for here, there in (files, files[::-1])]
    if any(alone):
        counts = (f"{len(names)} of {len(found)} files in {at}" for names, found, at in zip(alone, files, folders))
        few = ", ".join(str(found[name]) for names, found in zip(alone, files) for name in names[:2])
        what = f"{' and '.join(counts)} have no partner, such as {few}"
        raise PictureError(f"{what}: each foreground needs an alpha of the same name")
    return [tuple(found[name] for found in files) for name in sorted(files[0])]
