"""Our network as a worker of `tools/benchmark.py model`.

    python -m tools.speed.worker WEIGHTS PAIR.npz SCALE PIXELS ENGINE PRECISION

Each line on standard input is one command, answered by one line: `foreground` (alpha and foreground) or `alpha` runs
one frame and prints its seconds, `memory` prints the peak memory in MiB, `save FILE.npy` keeps alpha of the last frame.
"""

import re
import resource
import sys
import time
from pathlib import Path

from utils.system.cpu import prepare

prepare()

import numpy as np

from utils.predictor import Matting, Refine
from utils.system.command_line import printer


def peak_memory():
    """MiB. Linux counts this process alone; getrusage there includes the one that started it."""
    try:
        return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text()).group(1)) / 1024
    except (OSError, AttributeError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    weights, pair, scale, pixels, engine, precision = sys.argv[1:]
    refine = Refine(pixels=int(pixels), scale=float(scale))
    matting = Matting(weights, refine=refine, device="cpu", engine=engine, precision=precision, tell=printer())
    pictures = np.load(pair)
    src, bgr = pictures["src"], pictures["bgr"]
    matte = None
    print("ready", flush=True)
    for line in sys.stdin:
        command, *rest = line.split()
        if command == "memory":
            print(peak_memory(), flush=True)
        elif command == "save":
            np.save(rest[0], matte.pha_float)
            print("saved", flush=True)
        else:
            start = time.perf_counter()
            matte = matting(src, bgr, foreground=command == "foreground")
            print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
