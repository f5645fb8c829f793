"""The processor's settings, of which Paddle reads some only once, when it is imported, and who shares it.

`python -m paddle.distributed.launch`, or a hand, sets the variables that say which of several processes this one is.
"""

import builtins
import ctypes
import os
import signal
import sys
import warnings
from contextlib import suppress
from functools import partial
from importlib import import_module
from importlib.machinery import PathFinder

from utils.system.errors import UsageError

REMARKS = ("WARNING: OMP_NUM_THREADS set to ", "PLEASE USE OMP_NUM_THREADS WISELY.")  # of Paddle, on our own setting

LAUNCHED = "PADDLE_LOCAL_SIZE"  # the launcher's processes on this machine
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
LARGEST_KEPT = 1 << 30  # bytes


def prepare(door=False):
    """Set what Paddle's kernels read when they are loaded; every program calls this before it imports anything.

    Variables that the user has set are left alone. Paddle's remarks on OMP_NUM_THREADS, and on a compiler's cache that
    nothing here needs, are left out when it is imported; whatever else is said meanwhile is passed on. A `door` is
    ended by Ctrl-C silently until its main begins, see utils.system.command_line: libraries take an interrupt in the
    middle of their import for an ImportError, and nothing has been done yet that would have to be kept.
    """
    if door and signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else somebody wants something else
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.environ.setdefault("MKL_DEBUG_CPU_TYPE", "5")  # AMD's processors then multiply matrices three times as fast
    os.environ.setdefault("KMP_BLOCKTIME", "1")  # ms for which OpenMP's threads spin after their work; its own: 200
    set_threads()
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")  # its warnings say nothing that an error of ours does not
    warnings.filterwarnings("ignore", "No ccache found")
    import_module("zlib")  # Paddle 2.6.2 brings a zlib that PNG readers fail with, unless Python's is loaded before it
    if _QuietPaddle not in sys.meta_path:
        sys.meta_path.insert(0, _QuietPaddle)


class _QuietPaddle:
    """Whoever imports Paddle first, and whenever, does it without REMARKS, and keeps SIGTERM, which it takes over."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        """See importlib.abc.MetaPathFinder."""
        spec = PathFinder.find_spec(name, path, target) if name == "paddle" else None
        if spec:
            spec.loader.exec_module = partial(_quietly, spec.loader.exec_module)
        return spec


def _quietly(run, module):
    say, on_sigterm = builtins.print, signal.getsignal(signal.SIGTERM)

    def say_the_rest(*values, **options):
        if not (values and str(values[0]).startswith(REMARKS)):
            say(*values, **options)

    builtins.print = say_the_rest
    try:
        run(module)
    finally:
        builtins.print = say
        with suppress(ValueError, TypeError):  # in another thread than the main one; set by other code than Python's
            signal.signal(signal.SIGTERM, on_sigterm)


def cores():
    """Number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def set_threads(environ=os.environ):
    """Set OMP_NUM_THREADS to this process's share of the cores; leave the user's own setting alone.

    OpenMP's own number counts hyper-threads and ignores limits set on the process. The launcher hands on the 1 that
    Paddle sets when the launcher imports it, which is nobody's wish.
    """
    count = environ.get(LAUNCHED, "1")
    processes = max(1, int(count)) if count.isdecimal() else 1
    if processes > 1 and environ.get("OMP_NUM_THREADS") == "1":
        del environ["OMP_NUM_THREADS"]
    environ.setdefault("OMP_NUM_THREADS", str(max(1, cores() // processes)))


def rank_and_count(environ=os.environ):
    """(rank, number of ranks) of this process; (0, 1) if it is alone.

    Raises UsageError: PADDLE_TRAINER_ID and PADDLE_TRAINERS_NUM do not fit together.
    """
    rank, count = environ.get("PADDLE_TRAINER_ID", "0"), environ.get("PADDLE_TRAINERS_NUM", "1")
    if not (rank.isdecimal() and count.isdecimal() and int(rank) < int(count)):
        given = f"PADDLE_TRAINER_ID={rank} and PADDLE_TRAINERS_NUM={count}"
        raise UsageError(f"{given} do not fit together: ranks are numbered from 0")
    return int(rank), int(count)


def launched(environ=os.environ):
    """Whether Paddle's launcher started this process; it stops all others when one ends with another code than 0."""
    return LAUNCHED in environ


def keep_freed_memory():
    """Let the C library keep what is freed from here on for the next array; what was freed before, the system gets.

    Feature maps of some megabytes are made and freed for every picture; fetching their pages anew takes the system a
    sixth of a coarse network's time. What the process occupies at its peak stays about the same. No effect where the
    C library is not glibc; and nothing is kept where the user has set MALLOC_* variables.
    """
    library = ctypes.CDLL(None) if sys.platform.startswith("linux") else None
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)
        if not any(name.startswith("MALLOC_") for name in os.environ):
            library.mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT)
            library.mallopt(M_TRIM_THRESHOLD, 2 * LARGEST_KEPT - 1)
