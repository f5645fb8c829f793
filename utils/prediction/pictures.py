"""Pairs of pictures: what is to be done, the source that reads them, and the sink that writes one file a type."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from threading import Lock

from dataset.picture import find_pictures, read_photo, read_rgb
from utils.background.checks import doubts, match_size
from utils.background.match import AUTOMATIC, match_background
from utils.picture.write import STILLS, write_picture
from utils.prediction.loop import Capture
from utils.prediction.outputs import around_subject, picture_in, with_transparency
from utils.prediction.pairs import find_pairs, passed_over
from utils.system.errors import UsageError, user_message
from utils.system.files import refuse_to_overwrite
from utils.system.notes import Note, silent

LARGE = 50_000_000  # pixels, from which results are encoded one after the other: memory is scarcer than time then


def plan(src, bgr, output, rank=0, count=1, tell=silent):
    """Find the pairs and what is to be written for each; the shares of all ranks together are the whole.

    Args:
        src, bgr: pictures or folders, see `utils.prediction.pairs.find_pairs`.
        output: utils.prediction.outputs.Output; pairs all of whose results exist are left out if it says so.
        rank, count: this process's number, and how many there are.
        tell: function of a Note.

    Returns:
        dict of Pair -> (dict of type -> path), in the order of the sources' names; and how many pictures and clips in
        the folder of the sources are of a kind that is not read.

    Raises:
        PictureError: as find_pairs. UsageError: a result would replace an input.
    """
    by_type, wanted, suffix = Path(src).is_dir(), 0, STILLS[output.format or "png"][0]
    pairs = find_pairs(src, bgr)
    if by_type:
        pairs = _without_results(pairs, output, tell)
        kinds, wanted = passed_over(src, find_pictures(src))
        if kinds:
            tell(Note("passed_over", kinds=kinds).on(src))
    targets = {pair: output_paths(output.folder, pair.name, output.types, by_type, suffix) for pair in pairs}
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


def output_paths(folder, name, types, by_type, suffix=".png"):
    """type -> path: FOLDER/TYPE/NAME.png for a folder of sources, FOLDER/NAME_TYPE.png for one picture."""
    return {t: folder / t / f"{name}{suffix}" if by_type else folder / f"{name}_{t}{suffix}" for t in types}


def _without_results(pairs, output, tell):
    """Leave out what an earlier run has written below the folder of the sources."""
    folders = [output.folder / kind for kind in output.types]
    results = [os.path.realpath(folder) for folder in folders if folder.is_dir()]
    parents = {pair.src.parent for pair in pairs} if results else set()
    written = {p for p in parents if any(Path(os.path.realpath(p)).is_relative_to(result) for result in results)}
    kept = [pair for pair in pairs if pair.src.parent not in written]
    if not kept or len(kept) == len(pairs):
        return pairs
    tell(Note("results_left_out", count=len(pairs) - len(kept)).on(output.folder))
    return kept


class PairSource:
    """Reads pairs and brings each background to its source's size, place and exposure; see utils.prediction.loop.

    A background that serves several sources is read and resized once, as long as they follow one another.

    Args:
        pairs: iterable of utils.prediction.pairs.Pair.
        correction: utils.background.match.Correction.
        in_batch: after a pair that fails the others go on.
        location: whether results say where the photograph was taken, if it does.

    Raises PictureError: the one background of a batch cannot be read.
    """

    def __init__(self, pairs, correction=AUTOMATIC, in_batch=True, location=False):
        self.pairs, self.correction, self.in_batch, self.location = list(pairs), correction, in_batch, location
        self._path = self._picture = self._fitted = None
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
        if self._fitted is None or self._fitted[0].shape != src.shape:
            self._fitted = match_size(src, bgr, pair.src, pair.bgr)
        (bgr, notes), start = self._fitted, time.perf_counter()
        bgr, match = match_background(src, bgr, self.correction.align, self.correction.exposure)
        notes = [*match.notes, *notes]
        if photo.frames > 1:
            notes.append(Note("first_frame", frames=photo.frames))
        if photo.alpha is not None and photo.alpha.min() < 255:
            notes.append(Note("transparent"))
        return Capture(pair, pair.src, src, bgr, notes, time.perf_counter() - start, photo)

    def look(self, capture, matte):
        """Notes on a pair: its size and time, what was done to the background, and what is wrong with it."""
        (height, width), seconds = matte.pha.shape, capture.seconds
        matted = Note("matted", width=width, height=height, seconds=seconds)
        return [matted, *doubts(capture.src, capture.bgr, matte.pha), *capture.notes]  # the main doubt first

    def spares(self, error):
        """Whether the other pairs go on: after what the user can correct."""
        return self.in_batch and user_message(error) is not None and not isinstance(error, BrokenPipeError)

    def _background(self, path):
        if path != self._path:
            self._picture, self._fitted, self._path = read_rgb(path), None, path
        return self._picture


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
        self.types = {kind for paths in targets.values() for kind in paths}
        self.foreground, self.pictures = bool({"fgr", "com"} & self.types), "debug" in self.types

    def __enter__(self):
        self._encoders = ThreadPoolExecutor(max(1, len(self.types)))
        return self

    def __exit__(self, *_):
        self._encoders.shutdown()

    def write(self, capture, matte):
        """Write the results of one pair. All are tried; raises the error of the first that failed."""
        paths, photo = self.targets[capture.item], capture.photo
        if photo.alpha is not None:
            matte = with_transparency(matte, photo.alpha)
        part = ... if self.crop is None else around_subject(matte.pha, self.crop)
        turn = Lock() if matte.pha.size > LARGE else nullcontext()

        def encode(kind, path):
            with turn:
                write_picture(path, picture_in(self.format, kind, matte, capture, self.target)[part], photo)

        writing = {path: self._encoders.submit(encode, kind, path) for kind, path in paths.items()}
        for path, written in writing.items():
            written.result()
            self.tell(Note("written", path=path))
