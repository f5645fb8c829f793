"""Files written whole or not at all, and their checksums."""

import errno
import hashlib
import json
import os
import secrets
from contextlib import contextmanager, suppress
from functools import lru_cache, partial
from pathlib import Path

from utils.system.errors import UsageError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


@contextmanager
def atomic_path(path):
    """Give a temporary path to write to; it takes the wanted name only if the block ends without an error.

    The temporary file lies in the same folder (made if it is missing), is hidden, and has the same suffix, so that
    writers that choose their format by suffix work. After an error, Ctrl-C included, nothing is left of it, and a
    file that had the wanted name before is untouched.

    Yields Path to write to. Raises IsADirectoryError: path is a folder. OSError: the folder cannot be made or written
    to.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: give the name of a file to write")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(6)}.tmp{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        full = error.filename is None and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        if error.errno and (full or str(error.filename) == str(temporary)):  # name the file that the user knows
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise
    finally:
        with suppress(OSError):  # on a read-only disk even a missing file cannot be deleted
            temporary.unlink(missing_ok=True)


def lock_folder(folder):
    """Hold a folder for this process, until it ends or calls the function that is returned.

    No effect where the system has no such locks (Windows). Raises BlockingIOError: another process holds it. OSError:
    it is a link, cannot be opened, or its drive knows no locks.
    """
    if fcntl is None:
        return lambda: None
    descriptor = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return partial(os.close, descriptor)


def real_path(path, folder_of=os.path.realpath):
    """A file's path without links, as text; `folder_of` finds its folder's."""
    folder, name = os.path.split(path)
    return os.path.realpath(path) if os.path.islink(path) else os.path.join(folder_of(folder), name)


def refuse_to_overwrite(inputs, outputs, flag="--output-dir", folders=()):
    """Raise UsageError if a path to write is an input, or a file in a folder of inputs, whatever links lead there.

    None in place of a path means that there is none.
    """
    folder_of = lru_cache(None)(os.path.realpath)  # most are in one
    inputs = {real_path(path, folder_of) for path in inputs if path}
    folders = {Path(os.path.realpath(folder)) for folder in folders if folder}
    for path in filter(None, outputs):
        real = real_path(path, folder_of)
        if real in inputs or (folders and os.path.isfile(real) and not folders.isdisjoint(Path(real).parents)):
            raise UsageError(f"{path} is an input and would be overwritten: pass {flag}")


def write_text(path, text):
    """Write text as UTF-8, with line ends as they are in the text."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))


def write_json(path, value):
    """Write a value as indented JSON, keys in the order given; NaN and infinity are refused with a ValueError."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def sha256_file(path):
    """SHA-256 of a file's bytes as 64 lower-case hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
