"""Training samples that are read, and steps that are made: `tools/benchmark.py data` and `train-step`."""

import os
import sys
import time

import numpy as np

from dataset.composite import RECIPES, CompositeDataset
from dataset.data_path import data_folder, open_backgrounds, open_foregrounds
from tools.speed.contest import Worker, cpu_name, take_turns
from tools.speed.model import ORIGINAL
from utils.engine.backends import threads
from utils.training.data import prepare_worker

AS_IT_COMES = {"MKL_DEBUG_CPU_TYPE": "", "KMP_BLOCKTIME": "200"}  # in place of what utils.system.cpu.prepare sets
FOREGROUNDS, SAMPLES = "videomatte240k", 20  # samples in a round
BACKBONE, BATCH, SIZE = "mobilenetv2", 8, 256


def measure_data(args):
    """Print the median processor time of a sample of our loader and, if asked, of the original's, on one thread each.

    Ours makes complete composites; of the original only what its loader does is timed: the crops of foreground, alpha
    and background, before they are composed on the GPU.
    """
    prepare_worker()
    foregrounds = open_foregrounds(args.data_root, FOREGROUNDS, "train")
    dataset = CompositeDataset(foregrounds, open_backgrounds(args.data_root, "train"), RECIPES[args.model_type])
    samples = iter(range(10**9))

    def ours():
        start = time.process_time()
        for _ in range(SAMPLES):
            number = next(samples)
            dataset[0, number // SAMPLES, number % len(foregrounds)]
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


def measure_train_step(args):
    """Print the median seconds of a step of each contestant, and the median ratio to plain dygraph."""
    ours, sizes = [sys.executable, "-m", "tools.speed.worker", "train-step"], (BACKBONE, BATCH, SIZE)
    plain = {**os.environ, **AS_IT_COMES, "OMP_NUM_THREADS": str(threads())}
    workers = {
        "plain dygraph": Worker([*ours, "plain", *sizes], plain),
        "with settings": Worker([*ours, "settings", *sizes]),
        "this project": Worker([*ours, "ours", *sizes]),
    }
    if args.original_python:
        workers["PyTorch original"] = Worker([args.original_python, ORIGINAL, "train-step", *sizes, threads()])
    times = take_turns(workers, args.rounds)
    for worker in workers.values():
        worker.close()
    print(f"base, {BACKBONE}, batch {BATCH} at {SIZE}x{SIZE}, {threads()} threads, {cpu_name()}")
    reference = times["plain dygraph"][:, 0]
    for name, values in times.items():
        total, forward, backward = np.median(values, axis=0)
        print(
            f"  {name:<18} {total:7.3f} s a step, {BATCH / total:5.2f} images/s; forward and loss {forward:.3f}, "
            f"backward {backward:.3f} s; {np.median(reference / values[:, 0]):.2f} times plain dygraph"
        )
