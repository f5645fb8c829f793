"""Our network as a worker of `tools/benchmark.py model`.

    python tools/benchmark_worker.py WEIGHTS PAIR.npz SCALE PIXELS ENGINE PRECISION

Commands, see tools/benchmark_answers.py: `foreground` (alpha and foreground) and `alpha` run one frame.
"""

import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.benchmark_answers import answer_commands  # noqa: E402
from utils.predictor import Matting  # noqa: E402


def main():
    weights, pair, scale, pixels, engine, precision = sys.argv[1:]
    matting = Matting(weights, None, float(scale), "sampling", int(pixels), 0.1, "cpu", engine, precision)
    pictures = np.load(pair)
    src, bgr = pictures["src"], pictures["bgr"]
    background = matting.background(bgr)

    def run(command):
        start = time.perf_counter()
        matte = matting(src, background, foreground=command == "foreground")
        return time.perf_counter() - start, lambda: matte.pha_float

    answer_commands(run)


if __name__ == "__main__":
    main()
