"""This project as a process of tools/benchmark.py, see tools.speed.serve.

    python -m tools.speed.worker WEIGHTS PAIR.npz SCALE PIXELS ENGINE PRECISION

A line is "foreground" (alpha and foreground) or "alpha", its number the seconds of a frame.
"""

import sys
import time

from utils.system.cpu import prepare

prepare()

import numpy as np

from tools.speed.serve import serve
from utils.predictor import Matting, Refine
from utils.system.command_line import UsageError, command_line


@command_line
def main(argv=None):
    weights, pair, scale, pixels, engine, precision = sys.argv[1:] if argv is None else argv

    def tell(note):
        if note.kind == "int8_not_used":
            raise UsageError(f"int8 cannot be used: {note.values['reason']}")

    refine = Refine(pixels=int(pixels), scale=float(scale))
    matting = Matting(weights, refine=refine, device="cpu", engine=engine, precision=precision, tell=tell)
    pictures, matte = np.load(pair), None
    src, bgr = pictures["src"], pictures["bgr"]

    def run(line):
        nonlocal matte
        start = time.perf_counter()
        matte = matting(src, bgr, foreground=line == "foreground")
        return [time.perf_counter() - start]

    serve(run, lambda: matte.pha_float)


if __name__ == "__main__":
    sys.exit(main())
