"""Exported programs kept in the user's cache folder, one folder for each entry.

An entry appears under its name only when it is complete (it is made beside it and renamed), so that two processes may
make the same one at once: the second uses its own once and drops it. Files are checked against their SHA-256 before
they are used; a damaged entry is made anew.

A program of an engine can do what its reader can do, write files for instance, and its checksum lies beside it. So
nothing is used that another user could have changed: folders belong to this user (or to root) and only he writes there.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import stat
import tempfile
from pathlib import Path

from utils.system.files import sha256_file, write_json
from utils.system.notes import Note, silent

FOLDER_VARIABLE = "MATTING_CACHE"
NAME = "background-matting-paddle"
NO_HOME = "/nonexistent"  # what Debian gives users without a home; nothing can be kept there
ABOUT = "about.json"  # of an entry: what its maker said, and the SHA-256 of all other files
ROOT = 0  # the user who may write everywhere anyway


def cache_folder():
    """$MATTING_CACHE, or a folder below $XDG_CACHE_HOME, or below ~/.cache.

    A user without a home, as containers have, gets a folder that cannot be written, of which `cached` tells.
    """
    if os.environ.get(FOLDER_VARIABLE):
        return Path(os.environ[FOLDER_VARIABLE])
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / NAME
    except RuntimeError:
        return Path(NO_HOME) / NAME


def key(*parts):
    """A name for an entry: a digest of texts."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


@contextlib.contextmanager
def cached(name, make, folder=None, tell=silent):
    """Find the entry, or make it.

    Args:
        name: of the entry, see `key`.
        make: make(folder) writes the entry's files into an empty folder and returns a dict that describes them.
        folder: where entries are kept; None means `cache_folder()`.
        tell: is given a Note on a cache that cannot be used and on an entry that is damaged.

    Yields:
        folder with the files, and the dict that `make` returned. Where the cache cannot be written or is open to
        others, a temporary folder that is gone after the block.

    Raises:
        OSError: not even a temporary folder can be written. Whatever `make` raises.
    """
    folder = Path(folder or cache_folder())
    entry = folder / name
    with contextlib.ExitStack() as stack:

        def made(parent):
            work = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=parent))
            stack.callback(shutil.rmtree, work, ignore_errors=True)
            described = make(work)
            files = {path.name: sha256_file(path) for path in work.iterdir()}
            write_json(work / ABOUT, {"described": described, "files": files})
            return work, described

        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _is_ours(os.path.realpath(folder)):
                raise PermissionError(errno.EPERM, f"others may write there: chmod go-w {folder}")
            described = _find(entry, tell)
            if described is None:
                work, described = made(folder)
                with contextlib.suppress(OSError):  # another process was first
                    os.rename(work, entry)
                entry = work if work.exists() else entry
        except OSError as error:  # whatever the maker could not write is written elsewhere, or fails again
            reason = error.strerror or error
            tell(Note("cache_not_used", folder=folder, reason=reason, variable=FOLDER_VARIABLE))
            entry, described = made(None)
        yield entry, described


def _is_ours(path):
    """Whether nobody but this user and root can have written a file or folder; links are nobody's."""
    found = os.lstat(path)
    if stat.S_ISLNK(found.st_mode):
        return False
    return not hasattr(os, "getuid") or (found.st_uid in (ROOT, os.getuid()) and not found.st_mode & 0o022)


def _find(entry, tell):
    """What the entry's maker said about it, or None if it is missing; a damaged one is deleted."""
    if not entry.is_dir():
        return None
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError):  # what a damaged file may raise
        files = {path.name: path for path in entry.iterdir()}
        if all(map(_is_ours, (entry, *files.values()))):
            about = json.loads(files.pop(ABOUT).read_text(encoding="utf-8"))
            if about["files"] == {name: sha256_file(path) for name, path in files.items()}:
                return about["described"]
    tell(Note("cache_damaged", file=entry))
    shutil.rmtree(entry, ignore_errors=True)
    return None
