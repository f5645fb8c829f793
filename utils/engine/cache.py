"""Exported programs kept in the user's cache folder, one folder for each entry.

An entry appears under its name only when it is complete (it is made beside it and renamed), so that two processes may
make the same one at once: the second finds the first one's and drops its own. Files are checked against their SHA-256
before they are used; a damaged entry is made anew.
"""

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

from utils.system.files import sha256_file, write_json

FOLDER_VARIABLE = "MATTING_CACHE"
NAME = "background-matting-paddle"
NO_HOME = "/nonexistent"  # what Debian gives users without a home; nothing can be kept there
INVENTORY = "entry.json"
DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError)  # what reading an inventory may raise


def cache_folder():
    """$MATTING_CACHE, or the place where this system keeps a user's caches.

    A user without a home, as containers have, gets a folder that cannot be written, of which `cached` warns.
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


def describe(name, folder=None):
    """What the maker of an entry said about it; None if there is none or what it said is damaged.

    The entry's files are not looked at: `cached` does that, and makes anew what is damaged.
    """
    try:
        return _read_inventory((Path(folder) if folder else cache_folder()) / name)["described"]
    except DAMAGE:
        return None


@contextlib.contextmanager
def cached(name, make, folder=None):
    """Find the entry, or make it.

    Args:
        name: of the entry, see `key`.
        make: make(folder) writes the entry's files into an empty folder and returns a dict that describes them.
        folder: where entries are kept; None means `cache_folder()`.

    Yields:
        folder with the files, and the dict that `make` returned. Where the cache cannot be written, a temporary
        folder that is gone after the block, with a warning.

    Raises:
        OSError: not even a temporary folder can be written. Whatever `make` raises.
    """
    folder = Path(folder) if folder else cache_folder()
    found = _find(folder / name)
    if found is not None:
        yield folder / name, found
        return
    with contextlib.ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            work = folder / f".{name}.{secrets.token_hex(6)}"
            work.mkdir()
            stack.callback(shutil.rmtree, work, ignore_errors=True)
            described = _fill(work, make)
        except OSError as error:
            warnings.warn(
                f"the cache {folder} cannot be written ({error.strerror or error}), so that each start takes some "
                f"seconds longer: set {FOLDER_VARIABLE} to a folder with free space",
                stacklevel=3,
            )
            work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            described = _fill(work, make)
            yield work, described
            return
        yield (_publish(work, folder / name), described)


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


def _find(entry):
    """What the entry's maker said about it, or None if it is missing; a damaged one is put out of the way."""
    if not entry.is_dir():
        return None
    try:
        inventory = _read_inventory(entry)
        damaged = [name for name, digest in inventory["files"].items() if sha256_file(entry / name) != digest]
        if not damaged:
            return inventory["described"]
    except DAMAGE:
        damaged = [INVENTORY]
    warnings.warn(f"{entry / damaged[0]} is damaged: the exported model is made anew", stacklevel=4)
    aside = entry.with_name(f".{entry.name}.{secrets.token_hex(6)}")
    try:
        os.rename(entry, aside)
        shutil.rmtree(aside, ignore_errors=True)
    except OSError:
        pass  # a folder that cannot be changed: the entry is made in a temporary one
    return None
