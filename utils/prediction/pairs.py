"""Which source belongs to which captured background."""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from dataset.picture import PictureError, find_pictures
from utils.system.errors import UsageError
from utils.video.reader import CLIP_SUFFIXES

SRC_MARK, BGR_MARK = "_src", "_bgr"
KINDS_SHOWN = 6  # suffixes, most frequent first
# Of pictures that are not read: somebody wanted them matted.
UNREAD = (".gif", ".jp2", ".svg", ".psd", ".dpx")


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

    Returns list of Pair, in the order of the sources' names. Raises PictureError: a path does not exist, a folder holds
    no pictures, or src is a file and bgr a folder.
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


def find_clips(folder):
    """The videos in a folder that holds no pictures, sorted by name; [] for any other folder.

    Raises UsageError if two have the same name.
    """
    paths = [path for path in sorted(Path(folder).iterdir()) if path.suffix.lower() in CLIP_SUFFIXES]
    paths = [path for path in paths if path.is_file() and not path.name.startswith(".")]
    if not paths or find_pictures(folder):
        return []
    first = {}
    for path in paths:
        if path.stem in first:
            raise UsageError(f"{path} would write the same files as {first[path.stem]}: rename one of them")
        first[path.stem] = path
    return paths


def passed_over(folder, taken):
    """What a folder holds beside the files that are taken, hidden ones left out.

    Returns text like `2 .heic, 1 .txt`, empty if there is nothing; and how many of them are pictures or clips.
    """
    every = (path for path in Path(folder).rglob("*") if path.is_file())
    shown = {p for p in every if not any(part.startswith(".") for part in p.relative_to(folder).parts)}
    suffixes = Counter(path.suffix.lower() or path.name for path in shown - set(taken))
    wanted = sum(number for suffix, number in suffixes.items() if suffix in UNREAD + CLIP_SUFFIXES)
    return ", ".join(f"{number} {suffix}" for suffix, number in suffixes.most_common(KINDS_SHOWN)), wanted


def _listed(folder, mark):
    paths = [path for path in find_pictures(folder) if path.stem.endswith(mark)]
    if not paths:
        ending = f" whose name ends in {mark}" if mark else ""
        kinds = passed_over(folder, find_pictures(folder))[0]
        but = f", but {kinds}" if kinds else ""
        raise PictureError(f"{folder} holds no pictures{ending}{but}: give a folder of PNG or JPEG files")
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
