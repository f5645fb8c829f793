"""A benchmark set on disk: pictures to matte, their truth, and predictions of any program.

Pictures are uint8: src, bgr, fgr (H, W, 3) RGB, pha and trimap (H, W).
"""

from collections import ChainMap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Callable, Optional, Union

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


class Samples:
    """What can be scored: samples[i] is a Sample, made or read when it is asked for.

    names: of all samples. clips: {name of a frame: its clip}, empty for photographs. labels(): (file of the alpha, pha,
    fgr or None) of some samples on disk, for dataset.labels.check_labels.
    """

    names: list[str]
    clips: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        raise NotImplementedError

    def labels(self) -> Iterable[tuple]:
        return ()


class StoredSet(Samples):
    """Samples of a folder with `src`, `bgr` and `pha`, and `fgr` and `trimap` if there, paired by name.

    A folder without `pha` of its own is one of clips: every folder below it that holds `pha` is a clip, laid out like
    that, and its frames are called CLIP/FRAME. A single picture in `bgr` belongs to all, or to all of its clip. `needs`
    names the parts that must be there. Raises PictureError naming what is missing.
    """

    def __init__(self, folder: Union[str, Path], needs: tuple[str, ...] = ("src", "bgr", "pha")):
        found = _by_clip(Path(folder), PARTS)
        for clip, files in found["bgr"].items():
            if len(files) == 1:
                files.update(dict.fromkeys(found["pha"].get(clip, ()), *files.values()))
        self.parts = {part: joined for part in PARTS if (joined := dict(ChainMap(*found[part].values())))}
        for part in needs:
            if part not in self.parts:
                raise PictureError(f"{folder} is no benchmark set: it has no pictures in {part}/")
        self.names = sorted(self.parts["pha"])
        self.clips = {name: clip for clip, files in found["pha"].items() if clip for name in files}
        for part, pictures in self.parts.items():
            if missing := [name for name in self.names if name not in pictures]:
                first = f"{len(missing)} of {len(self.names)}, first {missing[0]}"
                raise PictureError(f"{folder} lacks {first}, in {part}/{_others(pictures.keys() - set(self.names))}")
        self._bgr = lru_cache(1)(read_rgb)  # the very same array for frames that share it: engines know it again

    def __getitem__(self, index: int) -> Sample:
        name = self.names[index]
        read: dict[str, Callable] = {"bgr": self._bgr, "pha": read_alpha, "trimap": read_alpha}
        pictures = {part: read.get(part, read_rgb)(files[name]) for part, files in self.parts.items()}
        for part, picture in pictures.items():
            if picture.shape[:2] != pictures["pha"].shape:
                raise PictureError(f"{self.parts[part][name]} differs in size from {self.parts['pha'][name]}")
        return Sample(name, **pictures, clip=self.clips.get(name))

    def labels(self) -> Iterator[tuple]:
        for name in self.names[:: -(-len(self.names) // 8)]:
            path, fgr = self.parts["pha"][name], self.parts.get("fgr", {}).get(name)
            with suppress(PictureError):  # said when it is scored
                yield path, read_alpha(path), read_rgb(fgr) if fgr else None


class PredictionFolder:
    """Predictions of any program on disk: DIR/NAME.png, or DIR/pha/NAME.png with DIR/fgr/NAME.png beside it.

    Those of clips may also lie in DIR/CLIP/pha and DIR/CLIP/fgr. Call it with a Sample to get its (pha, fgr); raises
    PictureError naming a missing, wrong-sized or damaged file, and at once if no name is one of the `samples`.
    """

    def __init__(self, folder: Union[str, Path], samples: Samples):
        self.folder = folder = Path(folder)
        pha, self.fgr = (dict(ChainMap(*clips.values())) for clips in _by_clip(folder, ("pha", "fgr")).values())
        self.pha = pha or _by_name(folder)
        if len(self.extra(samples)) == len(self.pha):
            first = f"{len(samples)} alphas, first {samples.names[0]}"
            raise PictureError(f"{folder} has none of {first}{_others(self.pha)}")

    def __call__(self, sample: Sample) -> tuple[np.ndarray, Optional[np.ndarray]]:
        if sample.name not in self.pha:
            raise PictureError(f"{self.folder} has no {sample.name}.png: predict this picture, too")
        pha_path, fgr_path = self.pha[sample.name], self.fgr.get(sample.name)
        pha, fgr = read_alpha(pha_path), read_rgb(fgr_path) if fgr_path else None
        for path, picture in ((pha_path, pha), (fgr_path, fgr)):
            if picture is not None and picture.shape[:2] != sample.pha.shape:
                sizes = "{1}x{0}, its truth {3}x{2}".format(*picture.shape[:2], *sample.pha.shape)
                raise PictureError(f"{path} is {sizes}: they must agree")
        return pha, fgr

    def extra(self, samples: Samples) -> list[str]:
        """Files that belong to no sample, sorted."""
        return sorted(str(self.pha[name]) for name in self.pha.keys() - set(samples.names))


def share(samples: Samples, rank: int, world: int) -> Sequence[int]:
    """Indices for one of several processes; a clip is not divided."""
    if not samples.clips:
        return range(rank, len(samples), world)
    mine = list(dict.fromkeys(samples.clips.values()))[rank::world]
    return [index for index, name in enumerate(samples.names) if samples.clips[name] in mine]


def clips_in(folder: Path) -> list[str]:
    """Folders below a folder that hold `pha`, relative to it, sorted; none if it holds one itself."""
    found = [] if (folder / "pha").is_dir() else folder.rglob("pha")
    return sorted(path.parent.relative_to(folder).as_posix() for path in found if path.is_dir())


def _by_clip(folder, parts):
    """{part: {clip: {CLIP/name: file}}}; where there are no clips, the only one is "", and names are as they are."""
    clips = clips_in(folder) or [""]
    return {part: {c: _by_name(folder / c / part, c) for c in clips if (folder / c / part).is_dir()} for part in parts}


def _by_name(folder, clip=""):
    """Pictures of a folder by their relative name without suffix, behind that of a clip: `CLIP/a/b` of a/b.png."""
    pictures = {}
    for path in find_pictures(folder):
        name = (clip / path.relative_to(folder)).with_suffix("").as_posix()
        if name in pictures:
            raise PictureError(f"{pictures[name]} and {path} differ in their suffix only: take one away")
        pictures[name] = path
    return pictures


def _others(names):
    return f"; it holds {len(names)} files of other names, first {min(names)}: rename them" if names else ""
