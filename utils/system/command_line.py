"""What every program of the repository does with errors: one line for the user, an exit code, no traceback."""

import functools
import os
import re
import signal
import sys
import threading
import warnings
from contextlib import contextmanager, nullcontext

from tqdm import tqdm

from utils.system import notes
from utils.system.errors import UsageError, interruption, user_message

__all__ = ["Terminated", "UsageError", "command_line", "printer", "terminable"]


class Terminated(KeyboardInterrupt):
    """SIGTERM has come, by which launchers and job systems end a program."""


tqdm.get_lock()  # made now, since interrupted in this it would never be released
INTERRUPTED, TERMINATED = 130, 143  # what a shell reports for a program that Ctrl-C or SIGTERM has ended


def command_line(main):
    """Decorate a program's main(argv=None), which returns its exit code or None.

    An error that the user can mend is printed as one line, `error: …`, and gives exit code 1. Anything else is a
    mistake of ours and keeps its traceback; so does every error while the variable MATTING_DEBUG is set. Ctrl-C gives
    exit code 130, SIGTERM 143. Warnings of libraries are printed as one line each.
    """

    @functools.wraps(main)
    def guarded(argv=None):
        if hasattr(sys.stdout, "reconfigure"):  # a file's name need not fit the terminal's encoding
            sys.stdout.reconfigure(errors="backslashreplace")
        warnings.showwarning = lambda message, *_: print(f"warning: {message}", file=sys.stderr)
        try:
            main_thread = threading.current_thread() is threading.main_thread()
            if main_thread and signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # see `prepare`
                signal.signal(signal.SIGINT, signal.default_int_handler)
            # Others wait for a rank in Paddle, which hears of no exception: SIGTERM has to end it at once. The ranks of
            # predict.py know nothing of one another; it enters `terminable` itself.
            is_rank = os.environ.get("PADDLE_TRAINERS_NUM", "1") != "1"
            with nullcontext() if is_rank else terminable():
                return main(argv) or 0
        except BrokenPipeError:  # the reader of our output has gone, as `… | head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        except (Exception, KeyboardInterrupt) as error:
            if stopped := interruption(error):
                print("interrupted: what was finished is kept", file=sys.stderr)
                return TERMINATED if stopped == Terminated.__name__ else INTERRUPTED
            line = user_message(error)
            if line is None or os.environ.get("MATTING_DEBUG"):
                raise
            print(f"error: {line}", file=sys.stderr)
            return 1

    return guarded


def printer(verbose=False):
    """The `tell` of a program: prints each utils.system.notes.Note as a line, warnings on stderr; details if verbose.

    Lines are written around the bars of tqdm, whichever thread tells; the working folder's own path is left out.
    """
    here = re.compile(rf"(?<![\w:/]){re.escape(os.path.join(os.getcwd(), ''))}")

    def tell(note):
        if note.kind in notes.DETAILS and not verbose:
            return
        warning = note.kind in notes.WARNINGS
        about = f"{note.values['about']}: " if "about" in note.values else ""
        line = ("warning: " if warning else "") + about + notes.say(note)
        tqdm.write(here.sub("", line), file=sys.stderr if warning or note.kind in notes.ERRORS else None)

    return tell


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
