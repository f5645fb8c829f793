"""Where a frame's time goes: `tools/benchmark.py profile`.

Before: the network in plain dygraph, part by part. After: what an engine and the steps around it take.
"""

import statistics
import time
from collections import defaultdict

import paddle

import model.refiner
import utils.engine.tiled
from tools.speed.model import SIZES, benchmark_pair
from utils.engine.presets import preset
from utils.picture.tensor import to_tensor
from utils.predictor import Matting


class Clock:
    """Sums up the seconds of functions that are wrapped by it; inner ones count for their outer ones, too."""

    def __init__(self):
        self.seconds = defaultdict(float)

    def wrap(self, owner, name, part):
        function = getattr(owner, name)

        def timed(*args, **options):
            start = time.perf_counter()
            try:
                return function(*args, **options)
            finally:
                self.seconds[part] += time.perf_counter() - start

        setattr(owner, name, timed)


def measure_profile(args):
    """Print milliseconds of each part of a frame, medians over the rounds.

    Returns:
        list of dict: when ("before" or "after"), part, seconds.
    """
    height, width = SIZES[args.size]
    src, bgr = benchmark_pair(height, width, args.src, args.bgr)
    rows = []
    for when, profile in (("before: plain dygraph", profile_dygraph), ("after", profile_engine)):
        title, parts = profile(args, src, bgr)
        print(f"\n{when}{title}, {width}x{height}, {args.rounds} rounds: milliseconds")
        total = parts["whole frame"]
        for part, seconds in parts.items():
            print(f"  {part:<38} {seconds * 1e3:8.1f}  {seconds / total:4.0%}")
            rows.append({"when": when, "part": part, "seconds": seconds})
    return rows


def profile_dygraph(args, src, bgr):
    """Seconds of the dygraph network's parts: dict in order of work, and a title."""
    network = Matting(device="cpu", engine="paddle").model
    network.backbone_scale, network.refiner.sample_pixels = preset(*src.shape[:2])
    clock = Clock()
    for layer, part in ((network.backbone, "encoder"), (network.aspp, "ASPP"), (network.decoder, "decoder")):
        clock.wrap(layer, "forward", part)
    refiner = network.refiner
    for owner, name, part in (
        (refiner, "select_cells", "selection"),
        (model.refiner, "_crop", "crop"),
        (refiner, "_half_size", "refiner convolutions"),
        (refiner, "_full_size", "refiner convolutions"),
        (refiner, "_replace", "replace"),
        (model.refiner, "bilinear", "upsampling"),
    ):
        clock.wrap(owner, name, part)
    pictures = to_tensor(src, bgr)

    def frame():
        with paddle.no_grad():
            network(*pictures)

    return "", _medians(clock, frame, args.rounds)


def profile_engine(args, src, bgr):
    """Seconds of the engine's parts. Those of the threads are sums over the threads."""
    matting = Matting(device="cpu", engine=args.engine)
    prepared = matting.background(bgr)
    tiled, clock = matting.tiled, Clock()
    if tiled is None:
        raise SystemExit("error: no engine works here")
    clock.wrap(tiled, "coarse", "encoder, ASPP, decoder")
    for name, part in (
        ("reduce_picture", "coarse picture"),
        ("choose_cells", "selection"),
        ("group_cells", "selection"),
        ("frame_picture", "crop"),
        ("cut", "crop"),
        ("enlarge_into", "upsampling"),
    ):
        clock.wrap(utils.engine.tiled, name, part)
    clock.wrap(tiled, "_refine", "crop, refiner convolutions and replace")
    part = f"refiner convolutions, sum over {len(tiled.tiles)} threads"
    tiled.tiles = [_timed(clock, part, program) for program in tiled.tiles]
    return f": engine {matting.engine}", _medians(clock, lambda: matting(src, prepared), args.rounds)


def _timed(clock, part, program):
    holder = type("Program", (), {"run": staticmethod(program)})
    clock.wrap(holder, "run", part)
    return holder.run


def _medians(clock, frame, rounds):
    parts = defaultdict(list)
    for turn in range(-1, rounds):
        clock.seconds.clear()
        start = time.perf_counter()
        frame()
        clock.seconds["whole frame"] = time.perf_counter() - start
        if turn >= 0:
            for part, seconds in clock.seconds.items():
                parts[part].append(seconds)
    return {part: statistics.median(seconds) for part, seconds in parts.items()}
