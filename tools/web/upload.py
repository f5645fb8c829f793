"""Files that visitors of the web page send: measured before they are decoded; the folder they lie in, and how long."""

import itertools
import os
import shutil
import tempfile
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from tools.web.decoder import Decoder
from tools.web.words import Refused, shown_name
from utils.system.files import lock_folder

PREFIX = "matting-page-"
QUOTA = 4 * 10**9  # bytes
FREE = 10**9  # bytes that stay free on the disk, whatever its size
LEAST = 10**6  # bytes that a file counts for at least, so that small ones cannot be countless
YOUNG = 60  # seconds in which a folder may not have its lock yet
LONGEST_SIDE = 16_000  # pixels
# Of clips, by their first bytes. FFmpeg reads many more kinds, and some of them (playlists, DASH, concatenations) name
# other files, on this machine or elsewhere, which it would open.
CONTAINERS = ((4, b"ftyp", "mov"), (4, b"moov", "mov"), (0, b"\x1aE\xdf\xa3", "matroska"), (8, b"AVI ", "avi"))
MOST_PIXELS = 4096 * 2304  # of a frame
FRAMES_A_SECOND = 60
PACKETS = 50  # of all tracks, for each frame that a clip may have
TOLERATED = 0.1  # seconds
PREVIEW = ".preview.jpg"  # what the name of the picture that the page shows of an upload adds to its own
decoder_of = lru_cache(1)(Decoder)  # the process that decodes; there is one
LIMITS = {  # what is taken from visitors: flag of tools/app.py, its default and meaning; `limits` is its parsed flags
    "max_megabytes": (30, "largest picture file"),
    "max_megapixels": (64, "largest picture, million pixels"),
    "max_clip_megabytes": (100, "largest video file"),
    "max_seconds": (20, "longest video"),
    "keep_minutes": (10, "after which files are deleted"),
    "queue": (24, "visitors who may wait; further are refused"),
}


def read_upload(path, limits):
    """Read a picture that somebody has sent: uint8 (H, W, 3), sRGB.

    Raises Refused, before the pixels are decoded where it is beyond the limits; it names the file, never its folder.
    """
    check_weight(path, limits.max_megabytes)
    return decoder_of(limits.max_megapixels, LONGEST_SIDE).read(path)


def check_weight(path, megabytes):
    """Refuse a file that is missing or larger."""
    if not path or not Path(path).is_file():
        raise Refused("gone")
    size = Path(path).stat().st_size / 10**6
    if size > megabytes:
        raise Refused("too_heavy", name=shown_name(path), size=size, limit=megabytes)


def check_clip(path, limits):
    """Refuse a clip that is no video of a plain kind, too long or too large; returns how many frames it has.

    Its packets are counted, none is decoded: what its header says of its length may be anything.
    """
    import av

    check_weight(path, limits.max_clip_megabytes)
    name, most, packets, frames, times = shown_name(path), limits.max_seconds * FRAMES_A_SECOND, 0, 0, {}
    with open(path, "rb") as file:
        head = file.read(1 << 20)
    kind = next((kind for at, mark, kind in CONTAINERS if head[at : at + len(mark)] == mark), None)
    if kind is None or b"<mpd" in head.lower():
        raise Refused("no_clip", name=name)
    try:
        with av.open(str(path), format=kind, metadata_errors="replace") as container:
            stream = container.streams.video[0]
            width, height = stream.codec_context.width, stream.codec_context.height
            for packet in itertools.islice(container.demux(), PACKETS * most):  # its sound, too, is copied or encoded
                packets += 1
                frames += packet.size > 0 and packet.stream.index == stream.index
                if packet.size and packet.pts is not None:
                    times.setdefault(packet.stream.index, []).append(packet.pts * packet.time_base)
    except (av.error.FFmpegError, IndexError, AttributeError, ValueError, OSError):  # no track, or of an unknown codec
        raise Refused("no_clip", name=name) from None
    longest = max((max(track) - min(track) for track in times.values()), default=0)
    if frames > most or packets == PACKETS * most or longest > limits.max_seconds + TOLERATED:
        raise Refused("too_long", name=name, seconds=limits.max_seconds, frames=most)
    if not frames:
        raise Refused("no_clip", name=name)
    if not 0 < width * height <= MOST_PIXELS:
        raise Refused("clip_too_large", name=name, width=width, height=height)
    return frames


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
    """Whether a folder may take so many more bytes, by the quota and by the disk, of which a gigabyte stays free."""
    used = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            used += max(path.lstat().st_size, LEAST)
    return used + more <= quota and more + FREE <= shutil.disk_usage(folder).free


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
