"""Files that visitors of the web page send: measured before they are decoded; the folder they lie in, and how long."""

import os
import shutil
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tools.web.decoder import Decoder
from tools.web.words import Refused, shown_name
from utils.picture.resize import reduced
from utils.picture.write import write_picture
from utils.system.files import lock_folder

PREFIX = "matting-page-"
QUOTA = 4 * 10**9  # bytes
LEAST = 10**6  # bytes that a file counts for at least, so that small ones cannot be countless
YOUNG = 60  # seconds in which a folder may not have its lock yet
LONGEST_SIDE = 16_000  # pixels
VIEW = 1280  # long side of what the page shows, pixels
SHOWN, PREVIEW = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".avif"), ".preview.jpg"  # by browsers
decoder_of = lru_cache(1)(Decoder)  # the process that decodes; there is one


@dataclass(frozen=True)
class Limits:
    """What is taken from visitors."""

    megabytes: int = 30  # of a picture's file
    megapixels: int = 64  # of a picture, millions
    clip_megabytes: int = 100
    seconds: int = 20  # of a clip
    minutes: int = 10  # after which files are deleted
    queue: int = 24  # visitors who may wait


def read_upload(path, limits, decode=True):
    """Read a picture that somebody has sent: uint8 (H, W, 3), sRGB; without decoding its height and width.

    Raises Refused, before the pixels are decoded where it is beyond the Limits; it names the file, never its folder.
    """
    check_weight(path, limits.megabytes)
    return decoder_of(limits.megapixels, LONGEST_SIDE).read(path, decode)


def check_weight(path, megabytes):
    """Refuse a file that is missing, empty or larger."""
    path = Path(path)
    if not path.is_file():
        raise Refused("gone")
    size = path.stat().st_size
    if size == 0:
        raise Refused("picture_damaged", name=shown_name(path))
    if size > megabytes * 10**6:
        raise Refused("too_heavy", name=shown_name(path), size=size / 10**6, limit=megabytes)


def preview(path, limits):
    """Refuse a picture that could not be matted; for one that browsers do not show, the path of a JPEG beside it."""
    shown = path.lower().endswith(SHOWN)
    picture = read_upload(path, limits, decode=not shown)
    if shown:
        return None
    write_picture(f"{path}{PREVIEW}", reduced(picture, VIEW))
    return f"{path}{PREVIEW}"


def original(path):
    """The upload that a preview was made of; any other path as it is."""
    return path.removesuffix(PREVIEW) if os.path.isfile(path.removesuffix(PREVIEW)) else path


def own_folder():
    """A new temporary folder, locked while this process lives; those of pages that were killed are deleted."""
    parent = Path(tempfile.gettempdir()).resolve()
    for folder in parent.glob(f"{PREFIX}*") if hasattr(os, "getuid") else ():
        with suppress(OSError):
            stat = folder.lstat()
            if stat.st_uid == os.getuid() and stat.st_mtime < time.time() - YOUNG and folder.is_dir():
                lock_folder(folder)()
                shutil.rmtree(folder)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    lock_folder(folder)
    return folder


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

    What is spared, a set of Paths, stays whatever its age, and so does what is below it.
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
