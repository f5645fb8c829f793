"""Training samples a second that are read: `tools/benchmark.py data`."""

import itertools
import time

import numpy as np

from dataset.composite import RECIPES, CompositeDataset
from dataset.data_path import data_folder, open_data
from tools.speed.contest import Worker, take_turns
from tools.speed.model import ORIGINAL
from utils.training.data import prepare_worker

FOREGROUNDS, SAMPLES = "videomatte240k", 20  # samples in a round


def measure_data(args):
    """Print the median processor time of a sample of our loader and, if asked, of the original's, on one thread each.

    Ours makes complete composites; of the original only what its loader does is timed: the crops of foreground, alpha
    and background, before they are composed on the GPU.
    """
    prepare_worker()
    foregrounds, backgrounds = (open_data(args.data_root, name, "train") for name in (FOREGROUNDS, "backgrounds"))
    dataset = CompositeDataset(foregrounds, backgrounds, RECIPES[args.model_type])
    steps = itertools.count()

    def ours():
        step, start = next(steps), time.process_time()
        for i in range(SAMPLES):
            dataset[0, step, (step * SAMPLES + i) % len(foregrounds)]
        return [time.process_time() - start]

    contestants = {"this project": ours}
    if args.original_python:
        folders = [data_folder(args.data_root, name, "train").resolve() for name in (FOREGROUNDS, "backgrounds")]
        original = Worker([args.original_python, ORIGINAL, "data", args.model_type, *folders])
        contestants["original"] = lambda: original(SAMPLES)
    found = take_turns(contestants, args.rounds)
    medians = {name: np.median(times) / SAMPLES for name, times in found.items()}
    print(f"{args.model_type}, {args.rounds} rounds of {SAMPLES} samples, one thread")
    for name, median in medians.items():
        print(f"{name:>14}: {median * 1000:7.1f} ms a sample, {1 / median:6.1f} samples/s")
    if args.original_python:
        original.close()
        print(f"{'ratio':>14}: {medians['original'] / medians['this project']:.1f}")
