"""Read damaged files until the time is up: only results and the repository's own errors may come of it.

python -m tests.faults.fuzz picture --minutes 10          PNG, JPEG, TIFF, BMP, WebP: dataset/picture.py
python -m tests.faults.fuzz exr --minutes 10              also heic, avif, jxl, dpx, raw
python -m tests.faults.fuzz icc --minutes 10              profiles, in a sound picture: dataset/colour.py
python -m tests.faults.fuzz video --minutes 10            utils/video: read, and written again with the sound
python -m tests.faults.fuzz pth --minutes 10              utils/weights/load.py on files of PyTorch; pdparams: of Paddle
python -m tests.faults.fuzz int8 --minutes 10             utils/engine/int8.py
python -m tests.faults.fuzz pth --only 123 --keep a.pth   one file again, kept and read in this process

A file follows from --seed and its number alone. Child processes read the files, some hundred each; one that is killed
or ended by a signal, takes more than 5 seconds of processor time or 2 GiB of memory for a file, or raises anything but
an error of the repository's own, is a finding: its number is printed, and the next child goes on behind it.
"""

import argparse
import collections
import itertools
import os
import random
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

from dataset.colour import in_type
from dataset.picture import PictureError, limit_megapixels, read_alpha, read_photo, read_rgb
from tests.faults import valid
from tests.faults.damage import damage
from tools import app
from tools.web.upload import check_clip
from tools.web.words import Refused
from utils.engine.backends import EngineError
from utils.engine.int8 import FILES, unpack
from utils.picture.write import write_picture
from utils.system.errors import UsageError, WeightsError
from utils.video.reader import open_clip, read_frame
from utils.video.writer import open_writer
from utils.weights.load import read_state

CLEAN = PictureError, WeightsError, UsageError, EngineError
SECONDS, MEMORY, STUCK = 5, 2 << 30, 60  # processor time and address space of one file; wall time without any news
FILES_A_CHILD, MEGAPIXELS = 500, 4  # larger pictures take their time rightly
FRAMES = 20  # of a clip that are read


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reader", choices=READERS)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, metavar="NUMBER", help="read this file alone, errors with their traceback")
    parser.add_argument("--keep", type=Path, help="with --only: write the file here")
    args = parser.parse_args(argv)
    read, valid = READERS[args.reader][0], list(READERS[args.reader][1]().values())
    if args.only is not None:
        data = damaged(valid, args.seed, args.only)
        if args.keep:
            args.keep.write_bytes(data)
        print(look(read, data, Path(tempfile.mkdtemp())))
        return 0
    counts, findings = fuzz(read, valid, args.seed, seconds=60 * args.minutes)
    print(f"{args.reader}: {sum(counts.values())} files, seed {args.seed}; {len(findings)} findings")
    for outcome, count in counts.most_common():
        print(f"  {count:7} {outcome}")
    for number, what in findings:
        print(f"  file {number}: {what}")
    return 1 if findings else 0


def fuzz(read, valid, seed, seconds=float("inf"), files=sys.maxsize):
    """Read damaged files for so many seconds, or so many files.

    Args:
        read: function(path), which returns a result or raises an error.
        valid: list of bytes, valid files.

    Returns:
        Counter of outcomes, and a list of (number, what happened) of those that must not be.
    """
    counts, findings, number, end = collections.Counter(), [], 0, time.monotonic() + seconds
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        while number < files and time.monotonic() < end:
            stop = min(number + FILES_A_CHILD, files)
            outcomes, died = child(read, valid, seed, range(number, stop), Path(folder), end)
            counts.update(outcome.split("|")[0] for outcome in outcomes)
            findings += [(number + i, o.split("|")[1]) for i, o in enumerate(outcomes) if o.startswith("finding")]
            number += len(outcomes)
            if died:
                counts["finding"] += 1
                findings.append((number, died))
                number += 1
    return counts, findings


def child(read, valid, seed, numbers, folder, end):
    """Read files in a process of its own; returns their outcomes, and how the process died over the next, or None."""
    here, there = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(here)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())  # libtiff says there what it thinks of a file
        done = 1
        try:
            with open("/proc/self/statm") as file:
                occupied = int(file.read().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (occupied + MEMORY, resource.RLIM_INFINITY))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            limit_megapixels(MEGAPIXELS)
            for number in numbers:
                if time.monotonic() > end:
                    break
                used = resource.getrusage(resource.RUSAGE_SELF)
                limit = int(used.ru_utime + used.ru_stime) + 1 + SECONDS
                resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))
                os.write(there, look(read, damaged(valid, seed, number), folder).encode() + b"\n")
            done = 0
        finally:
            os._exit(done)  # whatever has happened: the parent's code must not go on here
    os.close(there)
    with open(here, "rb") as pipe:
        received = b""
        while select.select([pipe], [], [], STUCK)[0]:
            piece = os.read(here, 1 << 16)
            if not piece:
                break
            received += piece
        else:
            os.kill(process, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    outcomes = received.decode().splitlines()
    if status > 0:
        raise RuntimeError(f"file {numbers[len(outcomes)]} could not be made, or its reader ended the process")
    return outcomes, f"the process ended with {signal.Signals(-status).name}" if status else None


def damaged(valid, seed, number):
    """The bytes of a numbered file."""
    rng = random.Random(f"{seed} {number}")
    return damage(rng, rng.choice(valid), valid)


def look(read, data, folder):
    """Read one file: "result", "refused: …" or "finding|…", in one line."""
    path = folder / "file"
    path.write_bytes(data)
    try:
        read(path)
    except CLEAN as error:
        text = str(error)
        if "\n" in text or str(path) not in text or len(text) > 700:
            return f"finding|a message of {len(text)} letters: {text!r:.100}"
        return f"refused: {' '.join(text.replace(str(path), '').split('(')[0].split()[:5])}"
    except BaseException as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        text = " ".join(str(error).split())[:150]
        return f"finding|{type(error).__name__}: {text} ({Path(where.filename).name}:{where.lineno})"
    return "result"


def read_picture(path):
    """Read a file with both readers; one that gives a result is enough."""
    refused, results = None, 0
    for read, channels in ((read_rgb, (3,)), (read_alpha, ())):
        try:
            array = read(path)
        except PictureError as error:
            refused = refused or error
            continue
        if array.dtype != np.uint8 or array.ndim != 2 + len(channels) or array.shape[2:] != channels or not array.size:
            raise AssertionError(f"{read.__name__} gave {array.dtype} {array.shape}")
        results += 1
    if not results:
        raise refused


def read_weights(path):
    """Read a file; every value must be an array of its own size."""
    for name, array in read_state(path).items():
        if type(name) is not str or not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
            raise AssertionError(f"{name!r:.40} is {type(array)}")
        array.sum()  # touches every value


def read_one(path, read=read_photo):
    """Read a file as a photograph; what is known of it must go into a result."""
    photo = read(path)
    check(photo)
    with suppress(UsageError):  # very long
        write_picture(path.with_name("out.jpg"), in_type(photo.numbers(photo.rgb[::-1]), np.uint8), photo)
    write_picture(path.with_name("out.tif"), in_type(photo.repainted(photo.rgb // 2), np.uint16), photo)


def check(photo):
    height, width = photo.pixels.shape[:2]
    assert photo.rgb.shape == (height, width, 3) and photo.rgb.dtype == np.uint8 and photo.rgb.size, photo.rgb.shape
    assert photo.pixels.shape == (height, width, 3) and photo.pixels.dtype in (np.uint8, np.uint16, np.float32)


def read_still(path):
    """Read a file of any suffix, by its contents."""
    sizes = []
    read_one(path, lambda path: read_photo(path, look=lambda *size: sizes.extend(size)))
    assert min(sizes) > 0


def read_raw(path):
    read_one(path.replace(path.with_suffix(".dng")))


def read_dpx(path):
    read_one(path.replace(path.with_suffix(".dpx")), read_frame)


def read_profile(path):
    """A picture with a profile."""
    profile = path.read_bytes()
    mode = {b"GRAY": "L", b"CMYK": "CMYK"}.get(profile[16:20], "RGB")
    picture = Image.fromarray(valid.drawn()).convert(mode)
    picture.save(path.with_suffix(".tif"), icc_profile=profile)
    read_one(path.with_suffix(".tif"))


def read_clip(path):
    """Read some frames of a clip, and write small ones again, with the sound."""
    with suppress(Refused):
        check_clip(path, app.parse([]))
    clip = open_clip(path)
    with open_writer(path.with_name("out.mp4"), "mp4", clip, 3, sound=True) as writer:
        for frame in itertools.islice(clip, FRAMES):
            photo = frame.photo(True)
            check(photo)
            assert photo.pixels.shape[:2] == (clip.height, clip.width) and frame.time >= 0
            if photo.rgb.size < 1 << 20:
                writer.write(photo.rgb, frame)


def read_int8(path):
    """Unpack a file of programs; whatever is written must have the right name."""
    folder = path.with_name("programs")
    folder.mkdir(exist_ok=True)
    unpack(path, "0" * 64, folder)
    assert sorted(found.name for found in folder.iterdir()) == sorted(FILES)


READERS = {
    "picture": (read_picture, valid.pictures),
    "heic": (read_still, valid.heic),
    "avif": (read_still, valid.avif),
    "jxl": (read_still, valid.jxl),
    "exr": (read_still, valid.exr),
    "dpx": (read_dpx, valid.dpx),
    "raw": (read_raw, valid.raw),
    "icc": (read_profile, valid.profiles),
    "video": (read_clip, valid.clips),
    "pth": (read_weights, valid.pth),
    "pdparams": (read_weights, valid.pdparams),
    "int8": (read_int8, valid.int8),
}

if __name__ == "__main__":
    sys.exit(main())
