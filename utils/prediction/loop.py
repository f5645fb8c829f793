"""The one loop of everything that mattes: a source gives captures, the network mattes them, a sink takes the mattes.

A source is iterated for its items and reads one of them with `read(item)`, a Capture, both in a thread of its own;
`correction` is its utils.background.match.Correction, `look(capture, matte)` gives the Notes that are due, and
`spares(error)` says whether the others go on after an error.
A sink is a context that completes its files; `foreground` says whether it needs the subject's colours, `pictures`
whether it needs those that the network saw, and `write(capture, matte)` takes one.
"""

import time
from typing import Any, NamedTuple

import numpy as np

from utils.picture.foreground import clean_foreground, without_islets
from utils.prediction.pipeline import stream
from utils.system.errors import user_message
from utils.system.notes import Note, silent


class Capture(NamedTuple):
    """One picture, and the background as the network is to see it: uint8 (H, W, 3), RGB."""

    item: Any  # what the source made it of, a Pair or a Frame
    path: Any  # file that notes on it are about
    src: np.ndarray
    bgr: np.ndarray  # prepared only once if it is the very same array as the last one
    notes: list  # on what was done to the background
    seconds: float = 0.0  # that this took
    photo: Any = None  # the dataset.picture.Photo that src is of; None for a frame of which src is all that is wanted


def corrected(matte, src, bgr):
    """The matte with clean colours, see `clean_foreground`, with the alpha that they tell, and without weak islets."""
    fgr, pha = clean_foreground(without_islets(matte.pha), src, bgr)
    pha = without_islets(pha)  # what has come loose
    clean = matte.with_alpha(pha, lambda: (matte.pha_float + (np.int16(pha) - matte.pha) / np.float32(255)).clip(0, 1))
    clean.fgr = fgr
    return clean


def clean_matte(matting, src, bgr, correct=True, foreground=True):
    """The matte of one pair as it is shown and written, its `fgr` without the old background's light.

    Args:
        matting, src, bgr: see utils.predictor.Matting; arrays.
        correct: whether alpha is `corrected`.
        foreground: whether `fgr` is wanted.
    """
    return _clean(matting(src, bgr, False), src, bgr, correct, foreground)


def _clean(matte, src, bgr, correct, foreground):
    if correct:
        return corrected(matte, src, bgr)
    if foreground:
        matte.fgr, _ = clean_foreground(matte.pha, src, bgr, correct=False)
    return matte


def matte_all(matting, source, sink, tell=silent, tick=None):
    """Matte everything that a source gives; reading, the network and writing work at the same time.

    Args:
        matting: utils.predictor.Matting.
        source, sink: see above.
        tell: function of a utils.system.notes.Note.
        tick: function without arguments that is called after each item, whether it failed or not; None for none.

    Returns list of the items that failed, and utils.prediction.pipeline.StreamTimes. Raises the first error that the
    source does not spare. KeyboardInterrupt: what was matted is written by then.
    """
    failed, tick = [], tick or (lambda: None)

    def network(item, capture):
        start = time.perf_counter()
        matte = matting(capture.src, capture.bgr, False)
        return capture._replace(seconds=capture.seconds + time.perf_counter() - start), matte

    def clean(item, result):
        (capture, matte), start = result, time.perf_counter()
        matte = _clean(matte, capture.src, capture.bgr, source.correction.alpha, sink.foreground)
        capture = capture._replace(seconds=capture.seconds + time.perf_counter() - start)
        capture = capture._replace(notes=source.look(capture, matte))
        if not sink.pictures:  # they are not to be kept until their turn to be written
            capture = capture._replace(src=None, bgr=None)
        return capture, matte

    def write(item, result):
        for note in result[0].notes:
            tell(note.on(result[0].path))
        sink.write(*result)
        tick()

    def leave_out(item, error):
        if not source.spares(error):
            raise error
        tell(Note("failed", why=user_message(error)))
        failed.append(item)
        tick()

    with sink:
        times = stream(source, source.read, network, write, leave_out, clean=clean)
    return failed, times
