"""How time grows with pixels and with refined cells: `tools/benchmark.py growth`."""

import statistics
import sys
import time

import numpy as np

from tools.speed.model import SIZES, benchmark_pair
from utils.engine.presets import preset
from utils.predictor import Matting

PIXELS = (0, 20_000, 80_000, 320_000)


def measure_growth(args):
    """Time an engine over all sizes and numbers of refined pixels, taking turns, and fit a + b * pixels + c * cells.

    As many cells are refined as are asked for, whether the coarse network expects an error there or not. The coarse
    network always sees 480 pixels on the long side, so that its share is the constant one.

    Returns:
        list of dict: size, pixels, cells, seconds (median), fitted.
    """
    matting = Matting(device="cpu", engine=args.engine)
    tiled = matting.tiled
    if tiled is None:
        raise SystemExit("error: no engine works here: growth measures the engines, not --engine paddle")
    runs = []
    for name, (height, width) in SIZES.items():
        src, bgr = benchmark_pair(height, width, args.src, args.bgr)
        background = tiled.background(bgr, preset(height, width)[0])
        for pixels in PIXELS:
            if pixels <= height * width:
                runs.append({"size": name, "pixels": height * width, "cells": pixels // 16, "pair": (src, background)})
    times = [[] for _ in runs]
    for turn in range(-1, args.rounds):
        for run, seconds in zip(runs, times):
            start = time.perf_counter()
            tiled(*run["pair"], "sampling", run["cells"] * 16, 0, prevent_oversampling=False)
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
    _print(matting.engine, runs, factors)
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
