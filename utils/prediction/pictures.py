"""Matte pairs of pictures: read, compute and write at the same time."""

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple, Optional

import numpy as np
from tqdm import tqdm

from dataset.picture import read_rgb
from utils.background.checks import background_warnings, match_size, scene_warnings
from utils.background.match import Match, match_background
from utils.picture.write import write_picture
from utils.prediction.outputs import needs_foreground, picture_of
from utils.prediction.pairs import find_pairs
from utils.prediction.pipeline import stream
from utils.predictor import Matte
from utils.system.errors import UsageError, user_message
from utils.system.files import refuse_to_overwrite

AGAIN = "a second run with --skip-existing does what is missing"


class Pictures(NamedTuple):
    """What the reader hands to the network."""

    src: np.ndarray  # uint8 (H, W, 3), RGB
    bgr: np.ndarray  # the same, as the network is to see it
    match: Match  # what was done to the background
    warning: Optional[str]  # of its size
    seconds: float  # that matching took


class Result(NamedTuple):
    """What the network hands to the writer."""

    pictures: Pictures
    matte: Matte
    seconds: float  # that the network took


def plan(src, bgr, folder, types, skip_existing=False, rank=0, count=1):
    """Find the pairs and what is to be written for each; the shares of all ranks together are the whole.

    Args:
        src, bgr: pictures or folders, see `utils.prediction.pairs.find_pairs`.
        folder, types: where results go, and which.
        skip_existing: leave out pairs all of whose results exist.
        rank, count: this process's number, and how many there are.

    Returns:
        dict of Pair -> (dict of type -> path), in the order of the sources' names; and lines to print.

    Raises:
        PictureError: as find_pairs. UsageError: a result would replace an input.
    """
    by_type = Path(src).is_dir()
    pairs, lines = find_pairs(src, bgr), []
    if by_type:
        pairs, lines = _without_results(pairs, folder, types)
    targets = {pair: output_paths(folder, pair.name, types, by_type) for pair in pairs}
    inputs = (path for pair in pairs for path in (pair.src, pair.bgr))
    refuse_to_overwrite(inputs, (path for paths in targets.values() for path in paths.values()))
    if count > 1:  # before any is left out: ranks do not start at the same moment, and must agree on the shares
        targets = {pair: targets[pair] for pair in pairs[rank::count]}
        lines.append(f"rank {rank} of {count}: {len(targets)} of {len(pairs)} pairs")
    if skip_existing:
        missing = {p: to for p, to in targets.items() if p.problem or not all(path.exists() for path in to.values())}
        lines.append(f"skipped {len(targets) - len(missing)} of {len(targets)} pairs, whose results exist")
        targets = missing
    return targets, lines


def output_paths(folder, name, types, by_type):
    """type -> path: FOLDER/TYPE/NAME.png for a folder of sources, FOLDER/NAME_TYPE.png for one picture."""
    return {t: folder / t / f"{name}.png" if by_type else folder / f"{name}_{t}.png" for t in types}


def _without_results(pairs, folder, types):
    """Leave out what an earlier run has written below the folder of the sources; returns pairs and lines to print."""
    results = [os.path.realpath(folder / kind) for kind in types if (folder / kind).is_dir()]
    parents = {pair.src.parent for pair in pairs} if results else set()
    written = {p for p in parents if any(Path(os.path.realpath(p)).is_relative_to(result) for result in results)}
    kept = [pair for pair in pairs if pair.src.parent not in written]
    if not kept or len(kept) == len(pairs):
        return pairs, []
    return kept, [f"left out {len(pairs) - len(kept)} pictures in {folder}, which are results"]


def matte_pairs(matting, targets, align="auto", match_exposure="auto", target=None, in_batch=True):
    """Matte pairs and write what was asked for; prints what was done to each.

    Args:
        matting: utils.predictor.Matting.
        targets: dict of Pair -> (dict of type -> path).
        align, match_exposure: see utils.background.match.
        target: what `com` is put before, see utils.prediction.target; None: `com` is a cut-out, RGBA.
        in_batch: a pair that fails is named and the others go on; else its error is raised.

    Returns:
        list of Paths of the sources that failed, and StreamTimes.
    """
    kinds = {kind for paths in targets.values() for kind in paths}
    read = PairReader(align, match_exposure)
    backgrounds = {pair.bgr for pair in targets}
    if len(backgrounds) == 1 and None not in backgrounds and in_batch:
        read.background(*backgrounds)  # if it is no picture, that is said once
    network = Network(matting, needs_foreground(kinds))
    failed = []
    quiet = not in_batch or not sys.stderr.isatty()
    bar = tqdm(total=len(targets), unit="pair", disable=quiet, mininterval=0.5)
    with bar, ThreadPoolExecutor(len(kinds)) as encoders:

        def write(pair, result):
            write_matte(pair, result, targets[pair], target, encoders, bar.write)
            bar.update()

        def leave_out(pair, error):
            message = user_message(error)
            if message is None or not in_batch or isinstance(error, BrokenPipeError):
                raise error
            bar.write(f"failed: {message}", file=sys.stderr)
            bar.update()
            failed.append(pair.src)

        times = stream(targets, read, network, write, leave_out)
    return failed, times


class PairReader:
    """Read both pictures of a pair and bring the background to the source's size, place and exposure.

    A background that serves several sources is read and resized once, as long as they follow one another.
    """

    def __init__(self, align, match_exposure):
        self.match = partial(match_background, align=align, match_exposure=match_exposure)
        self._path = self._picture = self._fitted = None

    def background(self, path):
        """uint8 (H, W, 3), RGB."""
        if path != self._path:
            self._picture, self._fitted, self._path = read_rgb(path), None, path
        return self._picture

    def __call__(self, pair):
        """Read a pair: Pictures. Raises PictureError, or UsageError for a pair that has a problem."""
        if pair.problem:
            raise UsageError(pair.problem)
        src, bgr = read_rgb(pair.src), self.background(pair.bgr)
        if self._fitted is None or self._fitted[0].shape != src.shape:
            self._fitted = match_size(src, bgr, pair.src, pair.bgr)
        bgr, warning = self._fitted
        start = time.perf_counter()
        bgr, match = self.match(src, bgr)
        return Pictures(src, bgr, match, warning, time.perf_counter() - start)


class Network:
    """Matte the pictures of a pair; a background that is the very same array as the last one is prepared only once."""

    def __init__(self, matting, foreground):
        self.matting, self.foreground, self._prepared = matting, foreground, None

    def __call__(self, pair, pictures):
        start = time.perf_counter()
        if self._prepared is None or self._prepared.picture is not pictures.bgr:
            self._prepared = self.matting.background(pictures.bgr)
        matte = self.matting(pictures.src, self._prepared, self.foreground)
        return Result(pictures, matte, time.perf_counter() - start)


def write_matte(pair, result, targets, target, encoders, say):
    """Write the results of one pair, at the same time in a pool of threads; say what was done and what is suspicious.

    All results are tried; raises the error of the first that failed.
    """
    (src, bgr, match, warning, matching), matte, network = result
    say(f"{pair.src} {src.shape[1]}x{src.shape[0]}: {matching + network:.2f} s")
    for line in match.notes:
        say(f"  {line}")
    suspicious = scene_warnings(src, bgr) or background_warnings(src, bgr, matte.pha)
    for line in ([warning] if warning else []) + suspicious:
        say(f"warning: {pair.src}: {line}")
    pictures = [picture_of(kind, matte, src, bgr, target) for kind in targets]
    writing = [encoders.submit(write_picture, path, array) for path, array in zip(targets.values(), pictures)]
    for path, written in zip(targets.values(), writing):
        written.result()
        say(f"  {path}")
