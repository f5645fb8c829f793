"""Read damaged files until the time is up: only results and the repository's own errors may come of it.

python -m tests.faults.fuzz picture --minutes 10          dataset/picture.py: its three readers
python -m tests.faults.fuzz pth --minutes 10              utils/weights/load.py on files of PyTorch
python -m tests.faults.fuzz pdparams --minutes 10         utils/weights/load.py on files of Paddle
python -m tests.faults.fuzz pth --only 123 --keep a.pth   one file again, kept and read in this process

A file follows from --seed and its number alone. Child processes read the files, some hundred each; one that is killed
or ended by a signal, takes more than 5 seconds of processor time or 2 GiB of memory for a file, or raises anything but
PictureError and WeightsError, is a finding: its number is printed, and the next child goes on behind it.
"""

import argparse
import collections
import io
import os
import random
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

import numpy as np
from PIL import Image

from dataset.picture import PictureError, read_alpha, read_rgb, read_rgba
from tests.faults.damage import damage
from tests.torch_file import torch_zip, write_torch
from utils.weights.file import WeightsError
from utils.weights.load import read_state

CHECKPOINTS = Path(__file__).resolve().parents[1] / "data" / "checkpoints"
SECONDS, MEMORY, STUCK = 5, 2 << 30, 60  # processor time and address space of one file; wall time without any news
FILES_A_CHILD = 500


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
    except (PictureError, WeightsError) as error:
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
    """Read a file with all three readers; one that gives a result is enough."""
    refused, results = None, 0
    for read, channels in ((read_rgb, (3,)), (read_rgba, (4,)), (read_alpha, ())):
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


def valid_pictures():
    """Small pictures of every format and mode that cameras and programs write: name -> bytes."""
    rng = np.random.default_rng(0)
    rgb = np.repeat(np.repeat(rng.integers(0, 256, (5, 6, 3), np.uint8), 4, 0), 4, 1)[:17, :23]
    picture = Image.fromarray(rgb)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "camera"
    exif.get_ifd(0x8769)[0x9003] = "2020:01:01 00:00:00"
    wide = Image.fromarray(rng.integers(0, 65536, (17, 23)).astype(np.uint16))
    rgba, palette = picture.convert("RGBA"), picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=9)
    rgba.putalpha(120)
    cases = {
        **{f"png {mode}": (picture.convert(mode), "PNG", {}) for mode in ("1", "L", "LA", "RGB", "RGBA")},
        "png 16": (wide, "PNG", {}),
        "png palette": (palette, "PNG", {"transparency": bytes(range(9))}),
        "png tRNS": (picture, "PNG", {"transparency": (1, 2, 3), "exif": exif, "icc_profile": bytes(300)}),
        "jpeg": (picture, "JPEG", {"exif": exif, "quality": 90}),
        "jpeg progressive": (picture, "JPEG", {"progressive": True, "comment": b"x" * 40}),
        "jpeg grey": (picture.convert("L"), "JPEG", {"icc_profile": bytes(200)}),
        "jpeg CMYK": (picture.convert("CMYK"), "JPEG", {}),
        "jpeg MPO": (picture, "MPO", {"save_all": True, "append_images": [picture.rotate(180)]}),
        **{
            f"tiff {c}": (picture, "TIFF", {"compression": c})
            for c in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
        },
        "tiff group4": (picture.convert("1"), "TIFF", {"compression": "group4"}),
        "tiff 16": (wide, "TIFF", {}),
        "tiff 16 lzw": (wide, "TIFF", {"compression": "tiff_lzw"}),
        "tiff float": (Image.fromarray(rgb[..., 0].astype(np.float32)), "TIFF", {}),
        **{f"tiff {mode}": (picture.convert(mode), "TIFF", {"exif": exif}) for mode in ("L", "CMYK", "LAB", "YCbCr")},
        "tiff RGBA": (rgba, "TIFF", {"compression": "tiff_lzw"}),
        "tiff palette": (palette, "TIFF", {}),
        "tiff pages": (picture, "TIFF", {"save_all": True, "append_images": [rgba], "big_tiff": True}),
        **{f"bmp {mode}": (picture.convert(mode), "BMP", {}) for mode in ("1", "L", "RGB", "RGBA")},
        "bmp palette": (palette, "BMP", {}),
        "webp": (picture, "WEBP", {"exif": exif}),
        "webp lossless": (rgba, "WEBP", {"lossless": True}),
        "webp moving": (picture, "WEBP", {"save_all": True, "append_images": [picture.rotate(180)]}),
        "gif": (palette, "GIF", {"save_all": True, "append_images": [palette.rotate(180)], "transparency": 3}),
    }
    files = {}
    for name, (image, kind, options) in cases.items():
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        files[name] = buffer.getvalue()
    files["png interlaced"] = interlaced(files["png L"])
    return files


def interlaced(data):
    """A grey PNG's header with the flag for interlacing; its pixels then lie in another order, which nobody minds."""
    return data[:28] + b"\1" + data[29:]


def valid_pth():
    """Files of torch.save: those of PyTorch itself, and one of several tensors in each type."""
    names = ("zip.pth", "legacy.pth", "nested.pth", "script.pth", "module.pth")
    files = {name: (CHECKPOINTS / name).read_bytes() for name in names}
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        kinds = ("float32", "float16", "float64", "int64")
        state = {f"layer.{i}.weight": rng.random((i + 1, 3)).astype(kind) for i, kind in enumerate(kinds)}
        files["types"] = write_torch(Path(folder) / "a.pth", state).read_bytes()
    files["empty"] = torch_zip(b"\x80\x02}.", {})
    return files


def valid_pdparams():
    """Files of paddle.save, of Paddle 2 and 3, in several protocols."""
    return {path.name: path.read_bytes() for path in sorted(CHECKPOINTS.glob("*.pdparams"))}


READERS = {
    "picture": (read_picture, valid_pictures),
    "pth": (read_weights, valid_pth),
    "pdparams": (read_weights, valid_pdparams),
}

if __name__ == "__main__":
    sys.exit(main())
