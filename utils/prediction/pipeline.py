"""Read, compute and write at the same time, in order and in flat memory."""

import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

END = object()


@dataclass
class StreamTimes:
    """What a stream did: seconds in all, seconds that each step was busy, and items that were written."""

    wall: float = 0.0
    read: float = 0.0
    network: float = 0.0
    clean: float = 0.0
    write: float = 0.0
    count: int = 0


def stream(items, read, network, write, failed=None, ahead=2, clean=lambda item, result: result):
    """Take each item through its steps, which work on different items at the same time.

    Args:
        items: iterable, which may be lazy or endless; it is advanced in the reader's thread, no sooner than needed.
        read: read(item) -> data, called in one thread of its own.
        network: network(item, data) -> result, called in the calling thread.
        write: write(item, result), called in one thread of its own.
        failed: failed(item, error), called in the calling thread when a step raised an exception for an item; the
            other items go on. None, or raising an exception, stops everything.
        ahead: items that may have been read, or be in reading, before the network takes them; and as many results that
            may be cleaned, wait for the writer, or be in writing. So at most 2 * ahead + 1 items are in memory.

        clean: clean(item, result) -> what is written, called in one thread of its own.

    Returns:
        StreamTimes. The reader's time includes that of advancing `items`.

    Raises:
        Whatever stops the stream: the error of a step where `failed` is None, of `failed`, of `items`, or
        KeyboardInterrupt. All threads have ended by then, and what the writer had been given is written, unless it
        was the writer that failed.
    """
    times, began, iterator, broken = StreamTimes(), time.perf_counter(), iter(items), False
    reads, writes = deque(), deque()

    def timed(step, function, *values):
        """What a function returns, and what it raises."""
        start = time.perf_counter()
        try:
            return function(*values), None
        except BaseException as error:
            return None, error
        finally:
            setattr(times, step, getattr(times, step) + time.perf_counter() - start)

    def ends(error):
        return failed is None or not isinstance(error, Exception)

    def report(item, error):
        if ends(error):
            raise error
        failed(item, error)

    def take():
        item, error = timed("read", next, iterator, END)
        if error is not None:
            raise error
        return (item, None, None) if item is END else (item, *timed("read", read, item))

    def put(item, cleaned):
        nonlocal broken
        if broken:
            return None
        result, error = cleaned.result()
        if error is None:
            _, error = timed("write", write, item, result)
        if error is None:
            times.count += 1
        elif ends(error):
            broken = True
        return error

    def finish(most):
        """Hear of what has been written, until so many writes at most are left."""
        while len(writes) > most or (writes and writes[0][1].done()):
            item, written = writes.popleft()
            if written.result() is not None:
                report(item, written.result())

    reader, cleaner, writer = (ThreadPoolExecutor(1) for _ in range(3))
    try:
        reads.extend(reader.submit(take) for _ in range(ahead))
        while True:
            item, data, error = reads.popleft().result()
            if item is END:
                break
            reads.append(reader.submit(take))
            finish(ahead)
            result, error = timed("network", network, item, data) if error is None else (None, error)
            del data  # nothing is kept that others wait for
            if error is not None:
                report(item, error)
            else:
                finish(ahead - 1)
                cleaned = cleaner.submit(timed, "clean", clean, item, result)
                writes.append((item, writer.submit(put, item, cleaned)))
                del cleaned
            del item, result, error
        finish(0)
    finally:
        reader.shutdown(cancel_futures=True)
        cleaner.shutdown()
        writer.shutdown()
    times.wall = time.perf_counter() - began
    return times
