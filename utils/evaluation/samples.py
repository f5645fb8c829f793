"""A benchmark set on disk: pictures to matte and their truth.

Pictures are uint8: src, bgr, fgr (H, W, 3) RGB, pha and trimap (H, W).
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

import numpy as np

from dataset.picture import PictureError, find_pictures, read_alpha, read_rgb

PARTS = ("src", "bgr", "pha", "fgr", "trimap")


@dataclass(frozen=True)
class Sample:
    """One picture to matte and its truth. What a stored set lacks is None; `parameters` tells how it was made."""

    name: str
    pha: np.ndarray
    src: Optional[np.ndarray] = None
    bgr: Optional[np.ndarray] = None
    fgr: Optional[np.ndarray] = None
    trimap: Optional[np.ndarray] = None
    parameters: dict = field(default_factory=dict)


class StoredSet:
    """Samples of a folder with `src`, `bgr` and `pha`, and `fgr` and `trimap` if there, paired by name.

    Made by tools/make_composites.py or by any other program. `needs` names the parts that must be there. Raises
    PictureError naming what is missing.
    """

    def __init__(self, folder, needs=("src", "bgr", "pha")):
        folder = Path(folder)
        self.parts = {part: by_name(folder / part) for part in PARTS if (folder / part).is_dir()}
        for part in needs:
            if not self.parts.get(part):
                raise PictureError(f"{folder} is no benchmark set: it has no pictures in {part}/")
        self.names = sorted(self.parts["pha"])
        for part, pictures in self.parts.items():
            missing = [name for name in self.names if name not in pictures]
            if missing:
                raise PictureError(f"{folder}/{part} lacks {len(missing)} of {len(self.names)}, first {missing[0]}")

    def __len__(self):
        return len(self.names)

    def name(self, index):
        return self.names[index]

    def __getitem__(self, index):
        name = self.names[index]
        read = {"src": read_rgb, "bgr": read_rgb, "fgr": read_rgb, "pha": read_alpha, "trimap": read_alpha}
        pictures = {part: read[part](files[name]) for part, files in self.parts.items()}
        for part, picture in pictures.items():
            if picture.shape[:2] != pictures["pha"].shape:
                raise PictureError(f"{self.parts[part][name]} differs in size from {self.parts['pha'][name]}")
        return Sample(name, **pictures)


def by_name(folder):
    """Pictures of a folder by their relative name without suffix, e.g. `a/b` for FOLDER/a/b.png.

    Raises PictureError if two files have one name.
    """
    pictures = {}
    for path in find_pictures(folder):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in pictures:
            raise PictureError(f"{pictures[name]} and {path} differ in their suffix only: take one away")
        pictures[name] = path
    return pictures
