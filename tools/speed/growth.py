"""How time grows with pixels and with refined cells: `tools/benchmark.py growth`."""

import time
from functools import partial

import numpy as np

from tools.speed.contest import SIZES, sample_at, take_turns
from utils.engine.choice import open_engine
from utils.engine.presets import Refine
from utils.weights.load import DEFAULT_WEIGHTS

PIXELS = (0, 20_000, 80_000, 320_000)


def measure_growth(args):
    """Time an engine over all sizes and numbers of refined pixels, taking turns; print and fit a + b pixels + c cells.

    As many cells are refined as are asked for, whether the coarse network expects an error there or not. The coarse
    network always sees 480 pixels on the long side, so that its share is the constant one.
    """
    engine = open_engine(DEFAULT_WEIGHTS, engine=args.engine)
    engine.prevent_oversampling = False
    runs = {}
    for size in SIZES:
        pair = sample_at(size)
        for pixels in PIXELS:
            runs[size, pixels] = partial(_seconds, engine, *pair, Refine(pixels=pixels).at(*SIZES[size]))
    seconds = {run: float(np.median(rows)) for run, rows in take_turns(runs, args.rounds).items()}
    terms = np.array([[1, np.prod(SIZES[size]), pixels // 16] for size, pixels in seconds], np.float64)
    measured = np.array(list(seconds.values()))
    factors = np.linalg.lstsq(terms / measured[:, None], np.ones(len(runs)), rcond=None)[0]  # of least relative error
    fitted = dict(zip(seconds, terms @ factors))
    print(f"engine {engine.name}, seconds a frame (fitted)")
    print("| size | " + " | ".join(f"{pixels:,} pixels refined" for pixels in PIXELS) + " |")
    print("|---|" + "---|" * len(PIXELS))
    for size in SIZES:
        cells = [f"{seconds[size, pixels]:.3f} ({fitted[size, pixels]:.3f})" for pixels in PIXELS]
        print(f"| {size} | " + " | ".join(cells) + " |")
    ratios = measured / (terms @ factors)
    constant, per_pixel, per_cell = factors * (1e3, 1e9, 1e6)
    print(
        f"time = {constant:.1f} ms + {per_pixel:.2f} ns a pixel + {per_cell:.2f} us a cell; "
        f"measured / fitted {ratios.min():.2f} .. {ratios.max():.2f}"
    )


def _seconds(engine, src, bgr, refine):
    start = time.perf_counter()
    engine(src, bgr, refine)
    return [time.perf_counter() - start]
