"""A folder of pairs, or a clip, through predict.py, as its user runs it: `tools/benchmark.py end-to-end`."""

import os
import re
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
PRINTED = (  # with --verbose
    r"(?P<count>\d+)( of \d+ pairs| frames) in (?P<stream>[\d.]+) s",
    r"reading took (?P<read>[\d.]+) s, inference (?P<network>[\d.]+) s, writing (?P<write>[\d.]+) s",
)


def measure_end_to_end(args):
    """Run predict.py on copies of the sample pair and print where its time went; returns the rows, see `_run`."""
    rows, what = [], "frames" if args.frames else "pairs"
    options = ["--engine", args.engine, "--precision", args.precision, "--output-types", *args.output_types]
    if args.refine_sample_pixels is not None:
        options += ["--refine-sample-pixels", args.refine_sample_pixels]
    for count in args.frames or args.pairs:
        with tempfile.TemporaryDirectory() as folder:
            make = make_clip if args.frames else make_pairs
            row = _run([*make(Path(folder), *sample_at(args.size), count), *options, "--output-dir", f"{folder}/out"])
        rows.append(row)
        print(
            f"{count:6d} {what}, {args.size}: {row['wall']:.1f} s, of it {row['wall'] - row['stream']:.1f} s to start; "
            f"then {count / row['stream']:.2f} {what} a second; network {row['network']:.1f} s, "
            f"reading {row['read']:.1f} s, writing {row['write']:.1f} s; peak {row['peak_mib']:.0f} MiB",
            flush=True,
        )
    return rows


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


def _run(flags):
    """Seconds `wall` of the whole process, `stream` from the first reading to the last writing, and of each step."""
    start = time.perf_counter()
    command = [str(x) for x in (sys.executable, PREDICT, *flags, "--verbose")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        said = process.stdout.read()
        _, process.returncode, used = os.wait4(process.pid, 0)
    row, found = {"wall": time.perf_counter() - start}, [re.search(pattern, said) for pattern in PRINTED]
    if process.returncode or None in found:
        raise UsageError("predict.py has failed, see above")
    for match in found:
        row.update({name: float(value) for name, value in match.groupdict().items()})
    return {**row, "peak_mib": used.ru_maxrss / MAXRSS_IN_MIB}
