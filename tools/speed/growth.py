"""How time grows with pixels and with refined cells: `tools/benchmark.py growth`."""

import statistics
import sys
import time

import numpy as np

from tools.speed.model import SIZES, benchmark_pair
from utils.engine.choice import open_engine
from utils.engine.presets import Refine
from utils.weights.load import DEFAULT_WEIGHTS

PIXELS = (0, 20_000, 80_000, 320_000)


def measure_growth(args):
    """Time an engine over all sizes and numbers of refined pixels, taking turns, and fit a + b * pixels + c * cells.

    As many cells are refined as are asked for, whether the coarse network expects an error there or not. The coarse
    network always sees 480 pixels on the long side, so that its share is the constant one.

    Returns:
        list of dict: size, pixels, cells, seconds (median), fitted.
    """
    engine = open_engine(DEFAULT_WEIGHTS, engine=args.engine)
    engine.prevent_oversampling = False
    runs = []
    for name, (height, width) in SIZES.items():
        src, bgr = benchmark_pair(height, width, args.src, args.bgr)
        for pixels in PIXELS:
            if pixels <= height * width:
                runs.append({"size": name, "pixels": height * width, "cells": pixels // 16, "pair": (src, bgr)})
    times = [[] for _ in runs]
    for turn in range(-1, args.rounds):
        for run, seconds in zip(runs, times):
            refine = Refine(pixels=run["cells"] * 16).at(*run["pair"][0].shape[:2])
            start = time.perf_counter()
            engine(*run["pair"], refine)
            if turn >= 0:
                seconds.append(time.perf_counter() - start)
    for run, seconds in zip(runs, times):
        run["seconds"] = statistics.median(seconds)
        del run["pair"]
    terms = np.array([[1, run["pixels"], run["cells"]] for run in runs], np.float64)
    seconds = np.array([run["seconds"] for run in runs])
    factors = np.linalg.lstsq(terms / seconds[:, None], np.ones(len(runs)), rcond=None)[0]  # of least relative error
    for run, fitted in zip(runs, terms @ factors):
        run["fitted"] = float(fitted)
    _print(engine.name, runs, factors)
    return runs


def _print(engine, runs, factors):
    print(f"engine {engine}, seconds a frame (fitted)")
    print("| size | " + " | ".join(f"{pixels:,} pixels refined" for pixels in PIXELS) + " |")
    print("|---|" + "---|" * len(PIXELS))
    for name in SIZES:
        row = [f"{run['seconds']:.3f} ({run['fitted']:.3f})" for run in runs if run["size"] == name]
        print(f"| {name} | " + " | ".join(row) + " |")
    ratios = [run["seconds"] / run["fitted"] for run in runs]
    constant, per_pixel, per_cell = factors
    print(
        f"time = {constant * 1e3:.1f} ms + {per_pixel * 1e9:.2f} ns a pixel + {per_cell * 1e6:.2f} us a cell; "
        f"measured / fitted {min(ratios):.2f} .. {max(ratios):.2f}",
        file=sys.stdout,
    )
