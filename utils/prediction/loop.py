"""The one loop of everything that mattes: a source gives captures, the network mattes them, a sink takes the mattes.

A source is iterated for its items and reads one of them with `read(item)`, a Capture, both in a thread of its own;
`correction` is its utils.background.match.Correction, `look(capture, matte)` gives the Notes that are due, and
`spares(error)` says whether the others go on after an error.
Of a sink `foreground` says whether it needs the subject's colours, `pictures` whether it needs those that the network
saw, and `write(capture, matte)` takes one.
"""

import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from utils.picture.foreground import clean_foreground, without_islets
from utils.picture.levels import to_uint8
from utils.system.errors import user_message
from utils.system.notes import Note, silent

END = object()
AHEAD = 2  # items that may have been read before the network takes them; and as many results that wait for the writer


class Capture(NamedTuple):
    """One picture, and the background as the network is to see it: uint8 (H, W, 3), RGB."""

    item: Any  # what the source made it of, a Pair or a Frame
    path: Any  # file that notes on it are about
    src: np.ndarray
    bgr: np.ndarray  # prepared only once if it is the very same array as the last one
    notes: list  # on what was done to the background
    photo: Any  # the dataset.picture.Photo that src is of; None where only levels of sRGB are wanted


def cleaned(matte, src, bgr, correct=True, foreground=True):
    """The matte of a pair as it is shown and written, its `fgr` without the old background's light.

    Args:
        matte: utils.predictor.Matte, as the network gave it.
        src, bgr: uint8 (H, W, 3), RGB, what the network saw.
        correct: whether alpha becomes what the colours tell, see `clean_foreground`, and loses weak islets.
        foreground: whether `fgr` is wanted.
    """
    if not correct:
        if foreground:
            matte.fgr, _ = clean_foreground(matte.pha, src, bgr, correct=False)
        return matte
    fgr, pha = clean_foreground(without_islets(matte.pha), src, bgr, colours=foreground)
    pha = without_islets(pha)  # what has come loose
    clean = matte.with_alpha(pha, lambda: (matte.pha_float + (np.int16(pha) - matte.pha) / np.float32(255)).clip(0, 1))
    clean.fgr = fgr
    return clean


def matte_all(matting, source, sink, tell=silent, tick=lambda: None):
    """Matte everything that a source gives; reading, the network and writing work at the same time.

    Args:
        matting: utils.predictor.Matting.
        source, sink: see above.
        tell: function of a utils.system.notes.Note.
        tick: function without arguments that is called after each item, whether it failed or not.

    Returns list of the items that failed, and the times of `stream`. Raises the first error that the source does not
    spare. KeyboardInterrupt: what was matted is written by then.
    """
    failed = []

    def network(item, capture):
        return capture, matting(capture.src, capture.bgr, False)

    def clean(item, result):
        capture, matte = result
        matte = cleaned(matte, capture.src, capture.bgr, source.correction.alpha, sink.foreground)
        capture = capture._replace(notes=source.look(capture, matte))
        if capture.photo.alpha is not None:  # it is transparent itself
            share, opaque = np.float32(capture.photo.alpha) / 255, matte
            matte = opaque.with_alpha(to_uint8(opaque.pha_float * share), lambda: opaque.pha_float * share)
        # Pictures are not to be kept until their turn to be written.
        return (capture if sink.pictures else capture._replace(src=None, bgr=None)), matte

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

    return failed, stream(source, source.read, network, clean, write, leave_out)


def stream(items, read, network, clean, write, failed):
    """Take each item through four steps, which work on different items at the same time, in order and in flat memory.

    Args:
        items: iterable, which may be lazy or endless; it is advanced in the reader's thread, no sooner than needed.
        read: read(item); the other steps are given what the one before made, too: network(item, data) and so on. The
            network is called in the calling thread, each other step in one of its own. At most 2 * AHEAD + 1 items are
            in memory.
        failed: failed(item, error), called in the calling thread when a step raised an Exception for an item; the
            other items go on, unless it raises one itself.

    Returns a namespace: `wall`, seconds in all; `read` (with the advancing of `items`), `network`, `clean`, `write`,
    seconds that each was busy; `count`, items that were written.

    Raises what `failed` or `items` raise, or KeyboardInterrupt. All threads have ended by then, and what the writer had
    been given is written.
    """
    times = SimpleNamespace(wall=0.0, read=0.0, network=0.0, clean=0.0, write=0.0, count=0)
    began, iterator, reads, writes = time.perf_counter(), iter(items), deque(), deque()

    def timed(step, function, *values):
        """What a function returns, and what it raises."""
        start = time.perf_counter()
        try:
            return function(*values), None
        except BaseException as error:
            return None, error
        finally:
            setattr(times, step, getattr(times, step) + time.perf_counter() - start)

    def take():
        item, error = timed("read", next, iterator, END)
        if error is not None:
            raise error
        return (item, None, None) if item is END else (item, *timed("read", read, item))

    def put(item, cleaning):
        result, error = cleaning.result()
        if error is None:
            _, error = timed("write", write, item, result)
        times.count += error is None
        return error

    def report(item, error):
        if isinstance(error, Exception):
            failed(item, error)
        elif error is not None:
            raise error

    def finish(most):
        """Hear of what has been written, until so many writes at most are left."""
        while len(writes) > most or (writes and writes[0][1].done()):
            item, written = writes.popleft()
            report(item, written.result())

    reader, cleaner, writer = (ThreadPoolExecutor(1) for _ in range(3))
    try:
        reads.extend(reader.submit(take) for _ in range(AHEAD))
        while True:
            item, data, error = reads.popleft().result()
            if item is END:
                break
            reads.append(reader.submit(take))
            finish(AHEAD)
            result, error = timed("network", network, item, data) if error is None else (None, error)
            del data  # nothing is kept that others wait for
            if error is None:
                finish(AHEAD - 1)
                writes.append((item, writer.submit(put, item, cleaner.submit(timed, "clean", clean, item, result))))
            report(item, error)
            del item, result, error
        finish(0)
    finally:
        reader.shutdown(cancel_futures=True)
        cleaner.shutdown()
        writer.shutdown()
    times.wall = time.perf_counter() - began
    return times
