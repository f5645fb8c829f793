"""Pairs of pictures: which belong together, what is to be done, the source that reads them, the sink that writes."""

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Optional

from dataset.picture import PictureError, find_pictures, read_photo, read_rgb
from utils.background.checks import doubts, match_size
from utils.background.match import AUTOMATIC, match_background
from utils.picture.write import STILLS, write_picture
from utils.prediction.loop import Capture
from utils.prediction.outputs import around_subject, output_paths, picture_of
from utils.system.errors import UsageError, user_message
from utils.system.files import refuse_to_overwrite
from utils.system.notes import Note, silent
from utils.video.reader import CLIP_SUFFIXES

SRC_MARK, BGR_MARK = "_src", "_bgr"
UNREAD = (".gif", ".jp2", ".svg", ".psd", ".dpx")  # pictures that are not read: somebody wanted them matted
LARGE = 50_000_000  # pixels, from which results are encoded one after the other: memory is scarcer than time then


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
    listed = _listed(bgr, BGR_MARK if shared else "") if bgr.is_dir() else []
    backgrounds, first, pairs = {_name(path, bgr, BGR_MARK): path for path in listed}, {}, []
    for path in _listed(src, SRC_MARK if shared else ""):
        name, problem = _name(path, src, SRC_MARK), None
        found = backgrounds.get(name) if listed else bgr
        if found is None:
            problem = f"{path} has no background: {bgr} holds no picture named {name}"
        elif first.setdefault(name, path) is not path:
            problem = f"{path} would write the same files as {first[name]}: rename one of them"
        pairs.append(Pair(path, found, name, problem))
    if not any(pair.bgr for pair in pairs):
        raise PictureError(f"no picture in {bgr} has the name of one in {src}: backgrounds are matched by file name")
    return pairs


def passed_over(folder, taken, tell=silent):
    """What a folder holds beside the files that are taken, hidden ones left out; `tell` hears of it.

    Returns text like `2 .heic, 1 .txt`, empty if there is nothing; and how many of them are pictures or clips.
    """
    every = (path for path in Path(folder).rglob("*") if path.is_file())
    shown = {p for p in every if not any(part.startswith(".") for part in p.relative_to(folder).parts)}
    suffixes = Counter(path.suffix.lower() or path.name for path in shown - set(taken))
    wanted = sum(number for suffix, number in suffixes.items() if suffix in UNREAD + CLIP_SUFFIXES)
    kinds = ", ".join(f"{number} {suffix}" for suffix, number in suffixes.most_common(6))
    if kinds:
        tell(Note("passed_over", kinds=kinds).on(folder))
    return kinds, wanted


def _listed(folder, mark):
    paths = [path for path in find_pictures(folder) if path.stem.endswith(mark)]
    if not paths:
        ending = f" whose name ends in {mark}" if mark else ""
        kinds, _ = passed_over(folder, find_pictures(folder))
        but = f", but {kinds}" if kinds else ""
        raise PictureError(f"{folder} holds no pictures{ending}{but}: give a folder of PNG or JPEG files")
    return paths


def _name(path, folder, mark):
    stem = path.stem[: -len(mark)] if path.stem.endswith(mark) and path.stem != mark else path.stem
    return (path.relative_to(folder).parent / stem).as_posix()


def plan(src, bgr, output, rank=0, count=1, tell=silent):
    """Find the pairs and what is to be written for each; the shares of all ranks together are the whole.

    Args:
        src, bgr: pictures or folders, see `find_pairs`.
        output: utils.prediction.outputs.Output; pairs all of whose results exist are left out if it says so.
        rank, count: this process's number, and how many there are.
        tell: function of a Note.

    Returns dict of Pair -> (dict of type -> path), in the order of the sources' names; and how many pictures and clips
    in the folder of the sources are of a kind that is not read.

    Raises PictureError: as find_pairs. UsageError: a result would replace an input.
    """
    in_batch, wanted, pairs = Path(src).is_dir(), 0, find_pairs(src, bgr)
    if in_batch:
        pairs = _without_results(pairs, output, tell)
        _, wanted = passed_over(src, find_pictures(src), tell)
    suffix = STILLS[output.format or "png"][0]
    targets = {pair: output_paths(output.folder, pair.name, output.types, suffix, in_batch) for pair in pairs}
    inputs = (path for pair in pairs for path in (pair.src, pair.bgr))
    refuse_to_overwrite(inputs, (path for paths in targets.values() for path in paths.values()))
    if count > 1:  # before any is left out: ranks do not start at the same moment, and must agree on the shares
        targets = {pair: targets[pair] for pair in pairs[rank::count]}
        tell(Note("rank", rank=rank, count=count, share=len(targets), pairs=len(pairs)))
    if output.skip_existing:
        missing = {p: to for p, to in targets.items() if p.problem or not all(path.exists() for path in to.values())}
        tell(Note("skipped", count=len(targets) - len(missing), pairs=len(targets)))
        targets = missing
    return targets, wanted


def _without_results(pairs, output, tell):
    """Leave out what an earlier run has written below the folder of the sources."""
    results = {Path(os.path.realpath(output.folder / kind)) for kind in output.types}
    parents = {parent: Path(os.path.realpath(parent)) for parent in {pair.src.parent for pair in pairs}}
    written = {parent for parent, real in parents.items() if not results.isdisjoint([real, *real.parents])}
    kept = [pair for pair in pairs if pair.src.parent not in written]
    if not kept or len(kept) == len(pairs):
        return pairs
    tell(Note("results_left_out", count=len(pairs) - len(kept)).on(output.folder))
    return kept


class PairSource:
    """Reads pairs and brings each background to its source's size, place and exposure; see utils.prediction.loop.

    A background that serves several sources is read and resized once, as long as they follow one another.

    Args:
        pairs: iterable of Pair.
        correction: utils.background.match.Correction.
        in_batch: after a pair that fails the others go on.
        location: whether results say where the photograph was taken, if it does.

    Raises PictureError: the one background of a batch cannot be read.
    """

    def __init__(self, pairs, correction=AUTOMATIC, in_batch=True, location=False):
        self.pairs, self.correction, self.in_batch, self.location = list(pairs), correction, in_batch, location
        self._background, self._fits, self._fitted = lru_cache(1)(read_rgb), None, None
        backgrounds = {pair.bgr for pair in self.pairs}
        if len(backgrounds) == 1 and None not in backgrounds and in_batch:
            self._background(*backgrounds)  # if it is no picture, that is said once

    def __iter__(self):
        return iter(self.pairs)

    def read(self, pair):
        """Read a pair: Capture. Raises PictureError, or UsageError for a pair that has a problem."""
        if pair.problem:
            raise UsageError(pair.problem)
        photo = read_photo(pair.src, self.location)
        src, bgr = photo.rgb, self._background(pair.bgr)
        if self._fits != (pair.bgr, src.shape):
            self._fitted, self._fits = match_size(src, bgr, pair.src, pair.bgr), (pair.bgr, src.shape)
        bgr, notes = self._fitted
        bgr, match = match_background(src, bgr, self.correction.align, self.correction.exposure)
        notes = [*match.notes, *notes]
        if photo.frames > 1:
            notes.append(Note("first_frame", frames=photo.frames))
        if photo.alpha is not None and photo.alpha.min() < 255:
            notes.append(Note("transparent"))
        return Capture(pair, pair.src, src, bgr, notes, photo)

    def look(self, capture, matte):
        """Notes on what is wrong with a pair's background, the main doubt first, and on what was done to it."""
        return [*doubts(capture.src, capture.bgr, matte.pha), *capture.notes]

    def spares(self, error):
        """Whether the other pairs go on: after what the user can correct."""
        return self.in_batch and user_message(error) is not None and not isinstance(error, BrokenPipeError)


class PictureSink:
    """Writes one file a type, those of a pair that is not very large at the same time; see utils.prediction.loop.

    Args:
        targets: dict of Pair -> (dict of type -> path).
        target: what `com` is composited over, see utils.prediction.target; None: `com` is a cut-out, RGBA.
        tell: function of a Note.
        output_format: of utils.picture.write.STILLS.
        crop: pixels kept around the subject; None keeps all.
    """

    def __init__(self, targets, target=None, tell=silent, output_format="png", crop=None):
        self.targets, self.target, self.tell, self.format, self.crop = targets, target, tell, output_format, crop
        types = {kind for paths in targets.values() for kind in paths}
        self.foreground, self.pictures = bool({"fgr", "com"} & types), "debug" in types
        self._encoders = ThreadPoolExecutor(max(1, len(types)))  # for good: each new thread keeps memory of its own

    def write(self, capture, matte):
        """Write the results of one pair. All are tried; raises the error of the first that failed."""
        paths, dtype = self.targets[capture.item], STILLS[self.format][1]
        part = ... if self.crop is None else around_subject(matte.pha, self.crop)
        turn = Lock() if matte.pha.size > LARGE else nullcontext()

        def encode(kind, path):
            with turn:
                write_picture(path, picture_of(kind, matte, capture, dtype, self.target)[part], capture.photo)

        writing = {path: self._encoders.submit(encode, kind, path) for kind, path in paths.items()}
        for path, written in writing.items():
            written.result()
            self.tell(Note("written", path=path))
