"""A process that is measured: this project's; `serve` also makes one of the original's, so NumPy alone is imported.

    python -m tools.speed.worker ENGINE PRECISION WEIGHTS SCALE PIXELS PAIR.npz ALPHA.npy

A line is "foreground" (alpha and foreground) or "alpha", its number the seconds of a frame.
"""

import re
import resource
import sys
import time
from pathlib import Path

import numpy as np

MAXRSS_IN_MIB = 2**20 if sys.platform == "darwin" else 2**10  # getrusage counts bytes there, KiB elsewhere


def serve(run):
    """Say "ready", then answer each line of standard input: the number that `run(line)` returns, and peak memory."""
    print("ready", flush=True)
    for line in sys.stdin:
        print(run(line.strip()), peak_memory(), flush=True)


def peak_memory():
    """MiB. Linux counts this process alone; getrusage there includes the one that started it."""
    try:
        return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MAXRSS_IN_MIB


def main(engine, precision, weights, scale, pixels, pair, alpha):
    from utils.predictor import Matting, Refine
    from utils.system.command_line import UsageError

    def tell(note):
        if note.kind == "int8_not_used":
            sys.exit(f"int8 cannot be used: {note.values['reason']}")

    refine = Refine(pixels=int(pixels), scale=float(scale))
    try:
        matting = Matting(weights, refine=refine, device="cpu", engine=engine, precision=precision, tell=tell)
    except UsageError as error:
        sys.exit(str(error))
    pictures = np.load(pair)
    src, bgr = pictures["src"], pictures["bgr"]
    np.save(alpha, matting(src, bgr).pha_float)

    def run(line):
        start = time.perf_counter()
        matting(src, bgr, foreground=line == "foreground")
        return time.perf_counter() - start

    serve(run)


if __name__ == "__main__":
    main(*sys.argv[1:])
