"""A folder of pairs through predict.py, as its user runs it: `tools/benchmark.py end-to-end`."""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tools.speed.model import SIZES, benchmark_pair
from utils.picture.write import write_picture

PREDICT = Path(__file__).resolve().parents[2] / "predict.py"
SUMMARY = r"(?s)(\d+) pairs in ([\d.]+) s\n.*reading took ([\d.]+) s, inference ([\d.]+) s, writing ([\d.]+) s"


def measure_end_to_end(args):
    """Run predict.py on folders of copies of a pair, print where its time went, and whether its memory grows.

    Args: size, src, bgr, pairs (list of counts), one_background, engine, output_types, see tools/benchmark.py.

    Returns:
        list of dict, one for each count: pairs, size; seconds `wall` of the whole process, `stream` from the first
        reading to the last writing, and `read`, `network`, `write` that each step was busy; `share`, network / wall;
        `slowest`, stream / the slowest step; `peak_mib`.
    """
    rows = []
    for count in args.pairs:
        with tempfile.TemporaryDirectory() as folder:
            rows.append({"pairs": count, "size": args.size, **_run(args, count, Path(folder))})
        print(_text(rows[-1]), flush=True)
    if len(rows) > 1:
        first, last = rows[0], rows[-1]
        growth = (last["peak_mib"] - first["peak_mib"]) / (last["pairs"] - first["pairs"]) * 1024
        print(f"peak memory grows by {growth:.1f} KiB a pair from {first['pairs']} to {last['pairs']} pairs")
    return rows


def _run(args, count, folder):
    for name, picture in zip(("src", "bgr"), benchmark_pair(*SIZES[args.size], args.src, args.bgr)):
        (folder / name).mkdir()
        write_picture(folder / f"{name}.jpg", picture)
        for i in range(count):
            os.link(folder / f"{name}.jpg", folder / name / f"{i:05d}.jpg")
    bgr = folder / ("bgr.jpg" if args.one_background else "bgr")
    command = [sys.executable, PREDICT, "--src", folder / "src", "--bgr", bgr, "--output-dir", folder / "out"]
    command += ["--verbose", "--engine", args.engine, "--output-types", *args.output_types]
    start = time.perf_counter()
    with open(folder / "printed", "w+") as printed:
        process = subprocess.Popen([str(x) for x in command], stdout=printed)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - start
        printed.seek(0)
        found = re.search(SUMMARY, printed.read())
    if process.returncode or not found or int(found[1]) != count:
        raise SystemExit(f"error: predict.py ended with code {process.returncode}, see above")
    stream, *steps = (float(seconds) for seconds in found.groups()[1:])
    row = dict(zip(("read", "network", "write"), steps), wall=wall, stream=stream)
    peak = used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)  # bytes there, KiB elsewhere
    return {**row, "share": row["network"] / wall, "slowest": stream / max(steps), "peak_mib": round(peak)}


def _text(row):
    return (
        f"{row['pairs']:6d} pairs, {row['size']}: {row['wall']:.1f} s, {row['wall'] / row['pairs']:.3f} s a pair; "
        f"network {row['network']:.1f} s ({row['share']:.0%}), reading {row['read']:.1f} s, writing "
        f"{row['write']:.1f} s, start {row['wall'] - row['stream']:.1f} s; {row['slowest']:.2f} of the slowest step; "
        f"peak {row['peak_mib']} MiB"
    )
