"""A benchmark set on disk: pictures to matte, their truth, and predictions of any program.

Pictures are uint8: src, bgr, fgr (H, W, 3) RGB, pha and trimap (H, W).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Callable, Optional, Protocol, Union

import numpy as np

from dataset.picture import PictureError, find_pictures, read_alpha, read_rgb

PARTS = ("src", "bgr", "pha", "fgr", "trimap")


@dataclass(frozen=True)
class Sample:
    """One picture to matte and its truth. What a stored set lacks is None.

    parameters: how it was made. clip: name of the clip that it is a frame of, None for a photograph.
    """

    name: str
    pha: np.ndarray
    src: Optional[np.ndarray] = None
    bgr: Optional[np.ndarray] = None
    fgr: Optional[np.ndarray] = None
    trimap: Optional[np.ndarray] = None
    parameters: dict = field(default_factory=dict)
    clip: Optional[str] = None


class Samples(Protocol):
    """What can be scored: StoredSet, utils.evaluation.composites.Composites, or anything like them."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...

    def name(self, index: int) -> str:
        """Name of the sample, without reading it."""


class StoredSet:
    """Samples of a folder with `src`, `bgr` and `pha`, and `fgr` and `trimap` if there, paired by name.

    Made by tools/make_composites.py or by any other program. A single picture in `bgr` belongs to all. `needs` names
    the parts that must be there. Raises PictureError naming what is missing.
    """

    def __init__(self, folder: Union[str, Path], needs: tuple[str, ...] = ("src", "bgr", "pha")):
        folder = Path(folder)
        self.parts = {part: by_name(folder / part) for part in PARTS if (folder / part).is_dir()}
        for part in needs:
            if not self.parts.get(part):
                raise PictureError(f"{folder} is no benchmark set: it has no pictures in {part}/")
        self.names = sorted(self.parts["pha"])
        if len(self.parts.get("bgr", ())) == 1:
            self.parts["bgr"] = dict.fromkeys(self.names, *self.parts["bgr"].values())
        for part, pictures in self.parts.items():
            missing = [name for name in self.names if name not in pictures]
            if missing:
                raise PictureError(
                    f"{folder}/{part} lacks {len(missing)} of {len(self.names)}, first {missing[0]}"
                    + _others(pictures.keys() - set(self.names))
                )
        self._bgr = lru_cache(1)(read_rgb)  # the very same array for frames that share it: engines know it again

    def __len__(self) -> int:
        return len(self.names)

    def name(self, index: int) -> str:
        return self.names[index]

    def __getitem__(self, index: int) -> Sample:
        name = self.names[index]
        read: dict[str, Callable] = {"bgr": self._bgr, "pha": read_alpha, "trimap": read_alpha}
        pictures = {part: read.get(part, read_rgb)(files[name]) for part, files in self.parts.items()}
        for part, picture in pictures.items():
            if picture.shape[:2] != pictures["pha"].shape:
                raise PictureError(f"{self.parts[part][name]} differs in size from {self.parts['pha'][name]}")
        return Sample(name, **pictures)

    def labels(self, count: int = 8) -> Iterator[tuple[Path, np.ndarray, Optional[np.ndarray]]]:
        """(file of the alpha, pha, fgr or None) of some samples, for dataset.labels.check_labels."""
        for name in self.names[:: -(-len(self.names) // count)]:
            try:
                pha = read_alpha(self.parts["pha"][name])
                yield self.parts["pha"][name], pha, read_rgb(self.parts["fgr"][name]) if "fgr" in self.parts else None
            except PictureError:  # said when it is scored
                continue


class ClipSet:
    """Frames of clips: every folder below `folder` that holds `pha` is a clip, laid out as a StoredSet.

    Samples are called CLIP/FRAME and come clip by clip, frames sorted by name. `needs` as in StoredSet.
    """

    def __init__(self, folder: Path, needs: tuple[str, ...] = ("src", "bgr", "pha")):
        self.sets = {clip.relative_to(folder).as_posix(): StoredSet(clip, needs) for clip in clips_in(folder)}
        self.places = [(clip, i) for clip, frames in self.sets.items() for i in range(len(frames))]

    def __len__(self) -> int:
        return len(self.places)

    def name(self, index: int) -> str:
        clip, frame = self.places[index]
        return f"{clip}/{self.sets[clip].name(frame)}"

    def __getitem__(self, index: int) -> Sample:
        clip, frame = self.places[index]
        return replace(self.sets[clip][frame], name=self.name(index), clip=clip)

    def share(self, rank: int, world: int) -> list[int]:
        """Indices for one of several processes: whole clips."""
        clips = list(self.sets)
        return [index for index, (clip, _) in enumerate(self.places) if clips.index(clip) % world == rank]

    def labels(self) -> Iterator[tuple[Path, np.ndarray, Optional[np.ndarray]]]:
        """As of StoredSet, one frame of each clip."""
        return (item for frames in self.sets.values() for item in frames.labels(1))


def clips_in(folder: Path) -> list[Path]:
    """Folders below a folder that hold `pha`, sorted."""
    return sorted(path.parent for path in folder.rglob("pha") if path.is_dir() and path.parent != folder)


def _others(names):
    return f"; it holds {len(names)} files of other names, first {min(names)}: rename them" if names else ""


class PredictionFolder:
    """Predictions of any program on disk: DIR/NAME.png, or DIR/pha/NAME.png with DIR/fgr/NAME.png beside it.

    Those of clips may also lie in DIR/CLIP/pha and DIR/CLIP/fgr. Call it with a Sample to get its (pha, fgr); raises
    PictureError naming a missing, wrong-sized or damaged file. With `samples`, it raises one if no name is theirs.
    """

    def __init__(self, folder: Union[str, Path], samples: Optional[Samples] = None):
        folder = Path(folder)
        if clips_in(folder):
            found = {clip.relative_to(folder).as_posix(): clip for clip in clips_in(folder)}
            self.folder, self.pha, self.fgr = folder, _of_clips(found, "pha"), _of_clips(found, "fgr")
        else:
            self.folder = folder / "pha" if (folder / "pha").is_dir() else folder
            self.pha = by_name(self.folder)
            self.fgr = by_name(folder / "fgr") if self.folder != folder and (folder / "fgr").is_dir() else {}
        names = {samples.name(index) for index in range(len(samples))} if samples else set(self.pha)
        if not names & self.pha.keys():
            raise PictureError(f"{self.folder} has none of {len(names)} alphas, first {min(names)}{_others(self.pha)}")

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


def _of_clips(clips, part):
    return {
        f"{clip}/{name}": path
        for clip, folder in clips.items()
        if (folder / part).is_dir()
        for name, path in by_name(folder / part).items()
    }


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
