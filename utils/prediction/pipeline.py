"""Read, compute and write at the same time, in order and in flat memory.

from utils.prediction.pipeline import stream

times = stream(
    paths,
    read=read_rgb,
    network=lambda path, src: matting(src, bgr),
    write=lambda path, matte: write_picture(target(path), matte.pha),
    failed=lambda path, error: print(f"{path}: {error}"),
)
print(f"{times.count} pictures, {times.network / times.wall:.0%} of the time in the network")
"""

import threading
import time
from collections import deque
from dataclasses import dataclass
from queue import SimpleQueue

END, WAKE = object(), object()


@dataclass
class StreamTimes:
    """What a stream did: `wall` seconds in all, seconds that each step was busy, and items that were written."""

    wall: float = 0.0
    read: float = 0.0
    network: float = 0.0
    write: float = 0.0
    count: int = 0


def stream(items, read, network, write, failed=None, ahead=2):
    """Take each item through three steps, which work on different items at the same time.

    Args:
        items: iterable, which may be lazy or endless; it is advanced in the reader's thread, no sooner than needed.
        read: read(item) -> data, called in one thread of its own.
        network: network(item, data) -> result, called in the calling thread.
        write: write(item, result), called in one thread of its own.
        failed: failed(item, error), called in the calling thread when a step raised an exception for an item; the
            other items go on. None, or raising an exception, stops everything.
        ahead: items that may have been read, or be in reading, before the network takes them; and as many results that
            may wait for the writer, or be in writing. So at most 2 * ahead + 1 items are in memory.

    Returns:
        StreamTimes. The reader's time includes that of advancing `items`.

    Raises:
        Whatever stops the stream: the error of a step where `failed` is None, of `failed`, of `items`, or
        KeyboardInterrupt. Both threads have ended by then, and what the writer had been given is written, unless it
        was the writer that failed.
    """
    times, began = StreamTimes(), time.perf_counter()
    inbox, outbox, unwritten = SimpleQueue(), SimpleQueue(), deque()
    may_read, may_write, stopped = threading.Semaphore(ahead), threading.Semaphore(ahead), threading.Event()

    def read_all():
        end = None
        try:
            iterator = iter(items)
            while may_read.acquire() and not stopped.is_set():
                start, data, error = time.perf_counter(), None, None
                item = next(iterator, END)
                if item is END:
                    break
                try:
                    data = read(item)
                except Exception as caught:
                    error = caught
                times.read += time.perf_counter() - start
                inbox.put((item, data, error))
        except BaseException as caught:  # of the iterable, or an interrupt
            end = caught
        inbox.put((END, None, end))

    def write_all():
        broken = False
        while True:
            item, result = outbox.get()
            if item is END:
                return
            start = time.perf_counter()
            try:
                if not broken:
                    write(item, result)
                    times.count += 1
            except BaseException as caught:
                broken = failed is None or not isinstance(caught, Exception)
                unwritten.append((item, caught))
                inbox.put((WAKE, None, None))
            del item, result  # not to be kept while waiting for the next one
            times.write += time.perf_counter() - start
            may_write.release()

    def report(item, error):
        if failed is None or not isinstance(error, Exception):
            raise error
        failed(item, error)

    def report_unwritten():
        while unwritten:
            report(*unwritten.popleft())

    def compute(item, data):
        start = time.perf_counter()
        try:
            result = network(item, data)
        except Exception as error:
            report(item, error)
            return
        finally:
            times.network += time.perf_counter() - start
        may_write.acquire()
        outbox.put((item, result))

    threads = [threading.Thread(target=read_all, daemon=True), threading.Thread(target=write_all, daemon=True)]
    try:
        for thread in threads:
            thread.start()
        while True:
            item, data, error = inbox.get()
            report_unwritten()
            if item is END:
                break
            if item is WAKE:
                continue
            may_read.release()
            if error is None:
                compute(item, data)
            else:
                report(item, error)
            del item, data  # the same
        if error is not None:
            raise error
    finally:
        stopped.set()
        may_read.release()
        outbox.put((END, None))
        for thread in threads:
            if thread.ident is not None:
                thread.join()
    report_unwritten()
    times.wall = time.perf_counter() - began
    return times
