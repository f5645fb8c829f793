"""What every program of the repository does with errors: one line for the user, an exit code, no traceback."""

import functools
import os
import signal
import sys
import threading
from contextlib import contextmanager

from dataset.picture import PictureError


class UsageError(ValueError):
    """A flag or a combination of flags cannot work; the message is one sentence that names it and the remedy."""


class Terminated(KeyboardInterrupt):
    """SIGTERM has come, by which launchers and job systems end a program."""


INTERRUPTED, TERMINATED = 130, 143  # what a shell reports for a program that Ctrl-C or SIGTERM has ended


def command_line(main):
    """Decorate a program's main(argv=None), which returns its exit code or None.

    An error that the user can mend is printed as one line, `error: …`, and gives exit code 1. Anything else is a
    mistake of ours and keeps its traceback; so does every error while the variable MATTING_DEBUG is set.
    """

    @functools.wraps(main)
    def guarded(argv=None):
        try:
            return main(argv) or 0
        except KeyboardInterrupt as stop:
            print("interrupted: what was finished is kept", file=sys.stderr)
            return TERMINATED if isinstance(stop, Terminated) else INTERRUPTED
        except BrokenPipeError:  # the reader of our output has gone, as `… | head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        except Exception as error:
            line = user_message(error)
            if line is None or os.environ.get("MATTING_DEBUG"):
                raise
            print(f"error: {line}", file=sys.stderr)
            return 1

    return guarded


@contextmanager
def terminable():
    """Within the block SIGTERM ends the program as Ctrl-C does: what is being written is completed first."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield
        return

    def terminate(*_):
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)  # None: set by other code than Python's


def user_message(error):
    """The one-line message of an error that the user can mend; None for any other."""
    from utils.state_file import WeightsError  # late: the weights' reader is not needed to report a wrong flag

    if isinstance(error, (PictureError, WeightsError, UsageError)):
        return _one_line(error)
    if isinstance(error, MemoryError) or "ResourceExhausted" in str(error) or "Out of memory" in str(error):
        return "not enough memory: use smaller pictures, a smaller --backbone-scale or --device cpu"
    if isinstance(error, OSError):
        named = f"{error.filename}: {error.strerror}" if error.filename and error.strerror else _one_line(error)
        return f"{named} (check the path, its permissions and the free space)"
    return None


def _one_line(error):
    return " ".join(str(error).split())
