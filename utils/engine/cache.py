"""Exported programs kept in the user's cache folder, one folder for each entry.

An entry appears under its name only when it is complete (it is made beside it and renamed), so that two processes may
make the same one at once: the second finds the first one's and drops its own. Files are checked against their SHA-256
before they are used; a damaged entry is made anew.

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
INVENTORY = "entry.json"
ROOT = 0  # the user who may write everywhere anyway
DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError)  # what reading an inventory may raise


def cache_folder():
    """$MATTING_CACHE, or the place where this system keeps a user's caches.

    A user without a home, as containers have, gets a folder that cannot be written, of which `cached` tells.
    """
    if os.environ.get(FOLDER_VARIABLE):
        return Path(os.environ[FOLDER_VARIABLE])
    try:
        if sys.platform == "win32":
            base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
        elif sys.platform == "darwin":
            base = Path.home() / "Library" / "Caches"
        else:
            base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:
        base = NO_HOME
    return Path(base) / NAME


def key(*parts):
    """A name for an entry: a digest of texts."""
    return hashlib.sha256("".join(f"{part}\n" for part in parts).encode()).hexdigest()[:32]


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
    folder = Path(folder) if folder else cache_folder()
    with contextlib.ExitStack() as stack:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = None
            if not _is_ours(os.path.realpath(folder)):
                tell(Note("cache_open_to_others", folder=folder, variable=FOLDER_VARIABLE))
            else:
                found = _find(folder / name, tell)
                work = folder / name if found else _workplace(folder, name, stack)
                found = found or _fill(work, make)
        except OSError as error:
            if not _about(error, folder):
                raise
            tell(Note("cache_not_writable", folder=folder, reason=error.strerror or error, variable=FOLDER_VARIABLE))
            found = None
        if found is None:
            work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            found = _fill(work, make)
        elif work != folder / name:
            work = _publish(work, folder / name)
        yield work, found


def _workplace(folder, name, stack):
    """A new folder beside the entries, deleted with the stack."""
    work = folder / f".{name}.{secrets.token_hex(6)}"
    work.mkdir(mode=0o700)
    stack.callback(shutil.rmtree, work, ignore_errors=True)
    return work


def _about(error, folder):
    """Whether an OSError is about a folder: names something in it, or says that a disk is full without naming any."""
    if error.filename is None:
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
    return Path(folder) in (Path(os.fsdecode(error.filename)), *Path(os.fsdecode(error.filename)).parents)


def _is_ours(path):
    """Whether nobody but this user and root can have written a file or folder; links are nobody's."""
    found = os.lstat(path)
    if stat.S_ISLNK(found.st_mode):
        return False
    return not hasattr(os, "getuid") or (found.st_uid in (ROOT, os.getuid()) and not found.st_mode & 0o022)


def _fill(work, make):
    described = make(work)
    files = {path.name: sha256_file(path) for path in sorted(work.iterdir())}
    inventory = {"files": files, "described": described}
    write_json(work / INVENTORY, {**inventory, "sha256": _digest(inventory)})
    return described


def _digest(inventory):
    return hashlib.sha256(json.dumps(inventory, sort_keys=True).encode()).hexdigest()


def _read_inventory(entry):
    """Read an entry's inventory; raises one of DAMAGE."""
    inventory = json.loads((entry / INVENTORY).read_text(encoding="utf-8"))
    if inventory.pop("sha256") != _digest(inventory):
        raise ValueError("changed")
    return inventory


def _publish(work, entry):
    """Rename a finished folder to its name; returns where the files are now."""
    try:
        os.rename(work, entry)
    except OSError:  # somebody else's is there already
        if _find(entry) is None:
            return work
    return entry


def _find(entry, tell=silent):
    """What the entry's maker said about it, or None if it is missing; a damaged one is put out of the way."""
    if not entry.is_dir():
        return None
    try:
        present = [entry, *entry.iterdir()]
        damaged = [path.name for path in present if not _is_ours(path)]
        if not damaged:
            inventory = _read_inventory(entry)
            damaged = [name for name, digest in inventory["files"].items() if sha256_file(entry / name) != digest]
            damaged += {path.name for path in present[1:]} - {*inventory["files"], INVENTORY}
        if not damaged:
            return inventory["described"]
    except DAMAGE:
        damaged = [INVENTORY]
    tell(Note("cache_damaged", file=entry / damaged[0]))
    aside = entry.with_name(f".{entry.name}.{secrets.token_hex(6)}")
    try:
        os.rename(entry, aside)
        shutil.rmtree(aside, ignore_errors=True)
    except OSError:
        pass  # a folder that cannot be changed: the entry is made in a temporary one
    return None
