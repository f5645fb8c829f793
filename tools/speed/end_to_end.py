"""A folder of pairs, or a clip, through predict.py, as its user runs it: `tools/benchmark.py end-to-end`."""

import os
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from tools.speed.contest import sample_at
from tools.speed.worker import MAXRSS_IN_MIB
from utils.picture.write import write_picture
from utils.system.errors import UsageError
from utils.video.reader import import_av

PREDICT = Path(__file__).resolve().parents[2] / "predict.py"


def measure_end_to_end(args):
    """Run predict.py on copies of the sample pair; print where it says its time went, the whole time, and memory."""
    make, what = (make_clip, "frames") if args.frames else (make_pairs, "pairs")
    options = [
        "--engine",
        args.engine,
        "--precision",
        args.precision,
        "--output-types",
        *args.output_types,
        "--verbose",
    ]
    if args.refine_sample_pixels is not None:
        options += ["--refine-sample-pixels", args.refine_sample_pixels]
    for count in args.frames or args.pairs:
        with tempfile.TemporaryDirectory() as folder:
            flags = [*make(Path(folder), *sample_at(args.size), count), *options, "--output-dir", f"{folder}/out"]
            start = time.perf_counter()
            with subprocess.Popen([sys.executable, PREDICT, *map(str, flags)], stdout=-1, text=True) as process:
                said = process.stdout.read().splitlines()
                _, process.returncode, used = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - start
        if process.returncode:
            raise UsageError("predict.py has failed, see above")
        print(*(line for line in said if "reading took" in line or f"{what} in" in line), sep="\n")
        print(f"{count} {what}, {args.size}: {seconds:.1f} s with its start, ", end="")
        print(f"peak {used.ru_maxrss / MAXRSS_IN_MIB:.0f} MiB", flush=True)


def make_pairs(folder, src, bgr, count):
    """FOLDER/src and FOLDER/bgr with `count` pictures each; returns predict.py's flags."""
    for name, picture in (("src", src), ("bgr", bgr)):
        write_picture(folder / f"{name}.jpg", picture)
        (folder / name).mkdir()
        for i in range(count):
            os.link(folder / f"{name}.jpg", folder / name / f"{i:05d}_{name}.jpg")  # no names of a clip's frames
    return ["--src", folder / "src", "--bgr", folder / "bgr"]


def make_clip(folder, src, bgr, count):
    """FOLDER/src.mp4 with `count` frames, each with other noise, and a background; returns predict.py's flags."""
    noise = np.random.default_rng(1).integers(-3, 4, (len(src) + 64, *src.shape[1:])).astype(np.int8)
    shifts = (7 * number % 64 for number in range(count))
    frames = (cv2.add(src, noise[shift : shift + len(src)], dtype=cv2.CV_8U) for shift in shifts)
    write_film(folder / "src.mp4", frames, src.shape[:2], Fraction(30_000, 1001))
    write_picture(folder / "bgr.png", bgr)
    return ["--src", folder / "src.mp4", "--bgr", folder / "bgr.png"]


def write_film(path, frames, size, rate):
    """Write uint8 (H, W, 3) pictures as H.264: their size, (height, width), and how many a second, a Fraction."""
    av = import_av()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "16"})
        stream.height, stream.width = size
        for picture in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode())
