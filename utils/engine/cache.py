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
import secrets
import shutil
import stat
import sys
import tempfile
from pathlib import Path

from utils.system.files import sha256_file, write_json
from utils.system.notes import Note, silent

FOLDER_VARIABLE = "MATTING_CACHE"
NAME = "background-matting-paddle"
NO_HOME = "/nonexistent"  # what Debian gives users without a home; nothing can be kept there
PLACES = {"win32": ("LOCALAPPDATA", "AppData/Local"), "darwin": ("", "Library/Caches")}  # elsewhere XDG's
INVENTORY, DESCRIPTION = "inventory.json", "description.json"
ROOT = 0  # the user who may write everywhere anyway
DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError)  # what reading an inventory may raise


def cache_folder():
    """$MATTING_CACHE, or the place where this system keeps a user's caches.

    A user without a home, as containers have, gets a folder that cannot be written, of which `cached` tells.
    """
    if os.environ.get(FOLDER_VARIABLE):
        return Path(os.environ[FOLDER_VARIABLE])
    variable, usual = PLACES.get(sys.platform, ("XDG_CACHE_HOME", ".cache"))
    try:
        return Path(os.environ.get(variable) or Path.home() / usual) / NAME
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
    entry, described = folder / name, None
    with contextlib.ExitStack() as stack:

        def made(parent):
            work = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=parent))
            stack.callback(shutil.rmtree, work, ignore_errors=True)
            described = make(work)
            write_json(work / DESCRIPTION, described)
            write_json(work / INVENTORY, {path.name: sha256_file(path) for path in sorted(work.iterdir())})
            return work, described

        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _is_ours(os.path.realpath(folder)):
                tell(Note("cache_open_to_others", folder=folder, variable=FOLDER_VARIABLE))
            elif (described := _find(entry, tell)) is None:
                work, described = made(folder)
                with contextlib.suppress(OSError):  # another process was first
                    os.rename(work, entry)
                entry = work if work.exists() else entry
        except OSError as error:
            if not _about(error, folder):
                raise
            tell(Note("cache_not_writable", folder=folder, reason=error.strerror or error, variable=FOLDER_VARIABLE))
        if described is None:
            entry, described = made(None)
        yield entry, described


def _about(error, folder):
    """Whether an OSError is about a folder: names something in it, or says that a disk is full without naming any."""
    if error.filename is None:
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
    return folder in (Path(os.fsdecode(error.filename)), *Path(os.fsdecode(error.filename)).parents)


def _is_ours(path):
    """Whether nobody but this user and root can have written a file or folder; links are nobody's."""
    found = os.lstat(path)
    if stat.S_ISLNK(found.st_mode):
        return False
    return not hasattr(os, "getuid") or (found.st_uid in (ROOT, os.getuid()) and not found.st_mode & 0o022)


def _find(entry, tell):
    """What the entry's maker said about it, or None if it is missing; a damaged one is put out of the way."""
    if not entry.is_dir():
        return None
    damaged = _damaged(entry)
    if damaged is None:
        return json.loads((entry / DESCRIPTION).read_text(encoding="utf-8"))
    tell(Note("cache_damaged", file=entry / damaged))
    aside = entry.with_name(f".{entry.name}.{secrets.token_hex(6)}")
    with contextlib.suppress(OSError):  # a folder that cannot be changed: the entry is used from a temporary one
        os.rename(entry, aside)
        shutil.rmtree(aside, ignore_errors=True)
    return None


def _damaged(entry):
    """Name of a file that is not as it was made, or None."""
    try:
        files = {path.name: path for path in entry.iterdir()}
        others = [path.name for path in (entry, *files.values()) if not _is_ours(path)]
        if others:
            return others[0]
        recorded = json.loads(files.pop(INVENTORY).read_text(encoding="utf-8"))
        changed = recorded.keys() ^ files.keys()
        changed = changed or [name for name, path in files.items() if sha256_file(path) != recorded[name]]
        return min(changed, default=None)
    except DAMAGE:
        return INVENTORY
