"""How far `--precision bfloat16` is from float32: `tools/benchmark.py precision`."""

import numpy as np

from dataset.picture import PictureError, read_rgb
from utils.prediction.pairs import find_pairs
from utils.predictor import Matting

LIMIT = 5e-4  # mean difference of alpha, of each pair


def measure_precision(args):
    """Print the mean and the largest difference of alpha for each pair, and whether all keep to the limit.

    Returns:
        list of dict: name, mean, max, cells (share of the cells that only one of the two refines).
    """
    rows = []
    reduced, full = (Matting(device="cpu", engine=args.engine, precision=p) for p in ("bfloat16", "float32"))
    for pair in find_pairs(args.src, args.bgr):
        if pair.problem:
            raise PictureError(pair.problem)
        src, bgr = read_rgb(pair.src), read_rgb(pair.bgr)
        a, b = reduced(src, bgr), full(src, bgr)
        difference = np.abs(a.pha_float - b.pha_float)
        row = {"name": str(pair.src), "mean": float(difference.mean()), "max": float(difference.max())}
        rows.append({**row, "cells": float((a.ref != b.ref).mean())})
        print(f"{pair.src}: alpha mean {row['mean']:.1e} max {row['max']:.2f}, other cells {rows[-1]['cells']:.2%}")
    worst = max(row["mean"] for row in rows)
    print(f"largest mean {worst:.1e}, limit {LIMIT:.0e}: {'kept' if worst <= LIMIT else 'broken'}; ", end="")
    print(f"largest difference {max(row['max'] for row in rows):.2f}")
    return rows
