"""A benchmark set on disk: pictures to matte, their truth, and predictions of any program.

Pictures are uint8: src, bgr, fgr (H, W, 3) RGB, pha and trimap (H, W).
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional, Protocol, Union

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


class Samples(Protocol):
    """What can be scored: StoredSet, utils.evaluation.composites.Composites, or anything like them."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...

    def name(self, index: int) -> str:
        """Name of the sample, without reading it."""


class StoredSet:
    """Samples of a folder with `src`, `bgr` and `pha`, and `fgr` and `trimap` if there, paired by name.

    Made by tools/make_composites.py or by any other program. `needs` names the parts that must be there. Raises
    PictureError naming what is missing.
    """

    def __init__(self, folder: Union[str, Path], needs: tuple[str, ...] = ("src", "bgr", "pha")):
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

    def __len__(self) -> int:
        return len(self.names)

    def name(self, index: int) -> str:
        return self.names[index]

    def __getitem__(self, index: int) -> Sample:
        name = self.names[index]
        read = {"src": read_rgb, "bgr": read_rgb, "fgr": read_rgb, "pha": read_alpha, "trimap": read_alpha}
        pictures = {part: read[part](files[name]) for part, files in self.parts.items()}
        for part, picture in pictures.items():
            if picture.shape[:2] != pictures["pha"].shape:
                raise PictureError(f"{self.parts[part][name]} differs in size from {self.parts['pha'][name]}")
        return Sample(name, **pictures)


class PredictionFolder:
    """Predictions of any program on disk: DIR/NAME.png, or DIR/pha/NAME.png with DIR/fgr/NAME.png beside it.

    Call it with a Sample to get its (pha, fgr); raises PictureError naming a missing, wrong-sized or damaged file.
    """

    def __init__(self, folder: Union[str, Path]):
        folder = Path(folder)
        self.folder = folder / "pha" if (folder / "pha").is_dir() else folder
        self.pha = by_name(self.folder)
        self.fgr = by_name(folder / "fgr") if self.folder != folder and (folder / "fgr").is_dir() else {}

    def __call__(self, sample: Sample) -> tuple[np.ndarray, Optional[np.ndarray]]:
        if sample.name not in self.pha:
            raise PictureError(f"{self.folder / sample.name}.png is missing: predict this picture too")
        pha = self._read(read_alpha, self.pha[sample.name], sample)
        fgr = self._read(read_rgb, self.fgr[sample.name], sample) if sample.name in self.fgr else None
        return pha, fgr

    def extra(self, samples: Samples) -> list[str]:
        """Files that belong to no sample, sorted."""
        names = {samples.name(index) for index in range(len(samples))}
        return sorted(str(path) for name, path in self.pha.items() if name not in names)

    @staticmethod
    def _read(read, path, sample):
        picture = read(path)
        (height, width), (true_height, true_width) = picture.shape[:2], sample.pha.shape
        if (height, width) != (true_height, true_width):
            raise PictureError(f"{path} is {width}x{height}, its truth {true_width}x{true_height}: they must agree")
        return picture


def by_name(folder: Union[str, Path]) -> dict[str, Path]:
    """Pictures of a folder by their relative name without suffix, e.g. `a/b` for FOLDER/a/b.png.

    Raises PictureError if two files have one name.
    """
    pictures: dict[str, Path] = {}
    for path in find_pictures(folder):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in pictures:
            raise PictureError(f"{pictures[name]} and {path} differ in their suffix only: take one away")
        pictures[name] = path
    return pictures
