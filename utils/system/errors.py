"""Errors that the user can mend: each message is one sentence that says what is wrong, with what, and what to do."""

import re
from importlib import import_module

from dataset.errors import PictureError, one_line

STOPPED = re.compile(r"\(External\) (Terminated|KeyboardInterrupt)\b")


class UsageError(ValueError):
    """A flag or a combination of flags cannot work; the message is one sentence that names it and the remedy."""


class WeightsError(ValueError):
    """A weight file cannot be used; the message is one sentence that names the file, the reason and the remedy."""


def needed(package, otherwise):
    """An optional package, imported; raises UsageError, which says `otherwise`, if it is not installed."""
    try:
        return import_module(package)
    except ImportError:
        raise UsageError(otherwise) from None


def out_of_memory(error):
    """Whether an error, Python's or Paddle's, means that there is not enough memory."""
    return isinstance(error, MemoryError) or "ResourceExhausted" in str(error) or "Out of memory" in str(error)


def user_message(error):
    """The one-line message of an error that the user can mend; None for any other."""
    if isinstance(error, (PictureError, WeightsError, UsageError)):
        return one_line(error)
    if out_of_memory(error):
        return "not enough memory: use smaller pictures, a smaller --backbone-scale or --device cpu"
    if isinstance(error, OSError):
        named = f"{error.filename}: {error.strerror}" if error.filename and error.strerror else one_line(error)
        return f"{named} (check the path, its permissions and the free space)"
    return None


def interruption(error):
    """Name of the KeyboardInterrupt's class that an error comes from, or None.

    Libraries that are interrupted may raise an error of their own: Paddle in a gradient, tqdm while it makes its lock.
    """
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return type(error).__name__
        if found := STOPPED.match(str(error).strip()):
            return found[1]
        error = None if user_message(error) else error.__cause__ or error.__context__
    return None
