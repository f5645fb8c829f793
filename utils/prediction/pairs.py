"""Which source belongs to which captured background."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from dataset.picture import PictureError, find_pictures

SRC_MARK, BGR_MARK = "_src", "_bgr"


@dataclass(frozen=True)
class Pair:
    """A source picture and its background. `name` is the path below the source folder without `_src` and suffix.

    `problem` says why the pair cannot be matted (no background, two sources of one name), else None.
    """

    src: Path
    bgr: Optional[Path]
    name: str
    problem: Optional[str] = None


def find_pairs(src, bgr):
    """Pair sources with backgrounds.

    Args:
        src: a picture, or a folder of them (searched with its sub-folders).
        bgr: a picture, which serves all sources; or a folder, whose pictures are matched by their path below it,
            without suffix and without a trailing `_src` or `_bgr`. If it is the folder of the sources, these are the
            pictures that end in `_src`, and their backgrounds end in `_bgr`.

    Returns:
        list of Pair, in the order of the sources' names.

    Raises:
        PictureError: a path does not exist, a folder holds no pictures, or src is a file and bgr a folder.
    """
    src, bgr = Path(src), Path(bgr)
    for path in (src, bgr):
        if not path.exists():
            raise PictureError(f"{path} does not exist: check the name")
    if not src.is_dir():
        if bgr.is_dir():
            raise PictureError(f"{bgr} is a folder, but {src} is one picture: give the background's file")
        return [Pair(src, bgr, _name(src, src.parent, SRC_MARK))]
    shared = bgr.is_dir() and os.path.samefile(src, bgr)
    sources = _listed(src, SRC_MARK if shared else "")
    if not bgr.is_dir():
        return _without_doubles([Pair(path, bgr, _name(path, src, SRC_MARK)) for path in sources])
    backgrounds = {_name(path, bgr, BGR_MARK): path for path in _listed(bgr, BGR_MARK if shared else "")}
    pairs = []
    for path in sources:
        name = _name(path, src, SRC_MARK)
        found = backgrounds.get(name)
        problem = None if found else f"{path} has no background: {bgr} holds no picture named {name}"
        pairs.append(Pair(path, found, name, problem))
    if not any(pair.bgr for pair in pairs):
        raise PictureError(f"no picture in {bgr} has the name of one in {src}: backgrounds are matched by file name")
    return _without_doubles(pairs)


def _listed(folder, mark):
    paths = [path for path in find_pictures(folder) if path.stem.endswith(mark)]
    if not paths:
        ending = f" whose name ends in {mark}" if mark else ""
        raise PictureError(f"{folder} holds no pictures{ending}: give a folder of PNG or JPEG files")
    return paths


def _name(path, folder, mark):
    stem = path.stem[: -len(mark)] if path.stem.endswith(mark) and path.stem != mark else path.stem
    return (path.relative_to(folder).parent / stem).as_posix()


def _without_doubles(pairs):
    first = {}
    out = []
    for pair in pairs:
        other = first.setdefault(pair.name, pair.src)
        if other is not pair.src:
            problem = f"{pair.src} would write the same files as {other}: rename one of them"
            pair = Pair(pair.src, pair.bgr, pair.name, problem)
        out.append(pair)
    return out
