"""The one folder that the page's files lie in: how large it may become, what is deleted when, and by whom."""

import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

PREFIX = "matting-page-"
QUOTA = 4 * 10**9  # bytes
LEAST = 10**6  # bytes that a file counts for at least, so that small ones cannot be countless
YOUNG = 60  # seconds in which a folder may not have its lock yet


def own_folder():
    """A new temporary folder, locked while this process lives; those of pages that were killed are deleted."""
    parent = Path(tempfile.gettempdir()).resolve()
    for folder in parent.glob(f"{PREFIX}*") if fcntl else ():
        with suppress(OSError):
            stat = folder.lstat()
            if stat.st_uid == os.getuid() and stat.st_mtime < time.time() - YOUNG and folder.is_dir():
                os.close(_lock(folder))
                shutil.rmtree(folder)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    if fcntl:
        _lock(folder)
    return folder


def _lock(folder):
    descriptor = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor  # closed, and so released, when the process ends


def room(folder, more, quota=QUOTA):
    """Whether a folder may take so many more bytes, by the quota and by the disk, of which a tenth stays free."""
    used = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            used += max(path.lstat().st_size, LEAST)
    disk = shutil.disk_usage(folder)
    return used + more <= quota and more + disk.total // 10 <= disk.free


def sweep(folder, seconds, spared=frozenset()):
    """Delete what was written below a folder more than some seconds ago, and sub-folders that are empty since then.

    Args:
        folder: Path.
        seconds: age.
        spared: set of Paths, files and folders that stay whatever their age.
    """
    until = time.time() - seconds
    old = []
    for path in sorted(folder.rglob("*"), reverse=True):  # what is in a folder before the folder
        with suppress(FileNotFoundError):
            if spared.isdisjoint((path, *path.parents)) and path.lstat().st_mtime < until:
                old.append(path)
    for path in old:
        with suppress(OSError):  # not empty, or gone already
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
