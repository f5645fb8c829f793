"""Where the data sets lie below the data root, and where to get them."""

from dataclasses import dataclass
from pathlib import Path

from dataset.images import ForegroundDataset, ImagesDataset, subfolder
from dataset.picture import PictureError

AUTHORS_PAGE = "https://grail.cs.washington.edu/projects/background-matting-v2/#/datasets"
SPLIT_FOLDERS = {"train": ("train",), "valid": ("valid", "val", "test")}


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
    folder, part = subfolder(data_root, source.folders), split if len(source.splits) > 1 else ""
    if folder and part:
        folder = subfolder(folder, SPLIT_FOLDERS[split])
    if folder is None:
        raise MissingData(
            f"data set {name} not found: {data_root / source.folders[0] / part} does not exist. To get it, "
            f"{source.where}. Lay it out in {data_root / source.folders[0]} as {source.layout.format(split=split)}"
        )
    return folder


def open_data(data_root, name, split):
    """ForegroundDataset of (fgr, pha) of one split, ImagesDataset of "backgrounds"; raises their PictureError."""
    return (ImagesDataset if name == "backgrounds" else ForegroundDataset)(data_folder(data_root, name, split))
