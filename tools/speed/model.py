"""Seconds for a frame, peak memory and multiply-accumulates: `tools/benchmark.py model`.

Every contestant runs in a process of its own and answers frame by frame, so that they take turns: what else the machine
does in that minute hits all alike, and ratios are taken within a round.
"""

import json
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import paddle

from dataset.picture import read_rgb
from model import MattingRefine
from utils.engine.backends import FASTEST_FIRST, missing_packages, threads
from utils.engine.presets import Refine, preset
from utils.engine.programs import CoarseProgram, TileProgram
from utils.engine.tiled import TILE_CELLS, TiledMatting
from utils.engine.tiles import CELL
from utils.picture.sample_pair import SAMPLE_BGR, SAMPLE_SRC
from utils.picture.tensor import to_tensor
from utils.weights.load import DEFAULT_WEIGHTS, open_weights, save_weights

TOOLS = Path(__file__).resolve().parent
SIZES = {
    "540p": (540, 960),
    "720p": (720, 1280),
    "hd": (1080, 1920),
    "1440p": (1440, 2560),
    "4k": (2160, 3840),
}
PATCH_MACS = 36 * 42 * 24 * 9 + 16 * 24 * 16 * 9 + 36 * 22 * 12 * 9 + 16 * 12 * 4 * 9  # of the original, for a cell


class Worker:
    """A process that runs a frame for each line that it is sent."""

    def __init__(self, command, env=None):
        self.process = subprocess.Popen([str(x) for x in command], stdin=-1, stdout=-1, text=True, env=env)
        self.answer("ready")

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.answer()

    def answer(self, expected=None):
        while True:
            line = self.process.stdout.readline()
            if not line:
                raise SystemExit(f"error: {' '.join(self.process.args[:2])} ended early, see above")
            line = line.strip()
            if expected is None or line == expected:
                return line

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def measure_model(args):
    """Print one table for each backbone and resolution; returns the rows."""
    rows = []
    for backbone in args.backbones:
        for name in args.sizes:
            with tempfile.TemporaryDirectory() as folder:
                rows += _measure(args, backbone, name, Path(folder))
    return rows


def _measure(args, backbone, name, folder):
    height, width = SIZES[name]
    scale, pixels = preset(height, width)
    pixels = pixels if args.pixels is None else args.pixels
    pair = folder / "pair.npz"
    model, weights = prepare_weights(backbone, folder / "weights.pdparams", folder / "weights.npz")
    src, bgr = benchmark_pair(height, width, args.src, args.bgr)
    np.savez(pair, src=src, bgr=bgr)
    contestants = {}
    for engine in args.engines:
        if engine in FASTEST_FIRST and missing_packages(engine):
            print(f"{engine}: {', '.join(missing_packages(engine))} not installed", file=sys.stderr)
            continue
        for precision in args.precisions if engine == "openvino" else ["float32"]:
            label = engine if precision == "float32" else f"{engine} {precision}"
            command = [sys.executable, "-m", "tools.speed.worker", weights, pair, scale, pixels, engine, precision]
            Worker(command).close()  # fills the cache of exported programs, so that their making is not measured
            worker = Worker(command)
            contestants[f"{label}, alpha and foreground"] = worker, "foreground"
            if engine != "paddle":
                contestants[f"{label}, alpha alone"] = worker, "alpha"
    if args.original_python:
        command = [args.original_python, TOOLS / "original_model.py", backbone, scale, pixels, threads()]
        for kind in ("eager", *["script"] * args.script, *["onnx"] * args.original_onnx):
            # a process for each, so that each has a peak memory of its own
            contestants[f"original, {kind}"] = Worker([*command, folder / "weights.npz", pair]), kind
    times = {label: [] for label in contestants}
    for turn in range(-args.warm_up, args.rounds):
        for label, (worker, kind) in contestants.items():
            seconds = float(worker.ask(kind))
            if turn >= 0:
                times[label].append(seconds)
    rows = []
    reference = times.get("original, eager")
    alphas = {}
    for label, (worker, _) in contestants.items():
        row = {"backbone": backbone, "size": name, "scale": scale, "pixels": pixels, "engine": label}
        row["seconds"] = statistics.median(times[label])
        if reference:
            ratios = np.array(times[label]) / np.array(reference)
            row["ratio"], row["ratio_quartiles"] = float(np.median(ratios)), np.percentile(ratios, [25, 75]).tolist()
            row["ratio_of_fastest"] = min(times[label]) / min(reference)
        row["peak_mib"] = round(float(worker.ask("memory")))
        worker.ask(f"save {folder / 'alpha.npy'}")
        alphas[label] = np.load(folder / "alpha.npy")
        rows.append(row)
    for row in rows if reference else []:
        difference = np.abs(alphas[row["engine"]] - alphas["original, eager"])
        row["alpha_max"], row["alpha_mean"] = float(difference.max()), float(difference.mean())
    for worker in {id(worker): worker for worker, _ in contestants.values()}.values():
        worker.close()
    macs = multiply_accumulates(model, height, width, scale, pixels, src, bgr)
    print(f"\n{backbone}, {width}x{height}, scale {scale:.4g}, {pixels} pixels, {threads()} threads, ", end="")
    print(f"{args.rounds} rounds, {cpu_name()}")
    print(
        f"{macs['cells']} cells, {macs['tiles']} tiles; 10^9 multiply-accumulates: {macs['ours'] / 1e9:.2f}, ", end=""
    )
    print(f"original {macs['original'] / 1e9:.2f}")
    for row in rows:
        print(text_row(row))
    return [{**row, "macs": macs["original" if row["engine"].startswith("original") else "ours"]} for row in rows]


def text_row(row):
    line = f"  {row['engine']:<42} {row['seconds']:7.4f} s  {1 / row['seconds']:5.1f}/s  {row['peak_mib']:6d} MiB"
    if "ratio" in row:
        low, high = row["ratio_quartiles"]
        line += f"  ratio {row['ratio']:.2f} ({low:.2f}..{high:.2f}; fastest of each {row['ratio_of_fastest']:.2f})"
        line += f"  alpha max {row['alpha_max']:.0e} mean {row['alpha_mean']:.0e}"
    return line


def prepare_weights(backbone, path, archive):
    """Write weights for ours (path) and for the original (archive, .npz); returns the model, and the path of ours.

    Without trained weights for a backbone, random ones serve, with the error channel set to the Laplacian of source
    minus background: so the refined cells lie along contours, as they do with trained weights.
    """
    paddle.seed(0)
    model = open_weights(DEFAULT_WEIGHTS).build() if backbone == "mobilenetv2" else MattingRefine(backbone)
    if backbone != "mobilenetv2":
        last = model.decoder.conv4
        weight, bias = last.weight.numpy(), last.bias.numpy()
        weight[4], bias[4] = 0, -0.3
        laplacian = np.float32([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]])
        weight[4, -6:-3], weight[4, -3:] = laplacian, -laplacian
        last.weight.set_value(weight)
        last.bias.set_value(bias)
        save_weights(model, path)
    model.eval()
    suffixes = {"_mean": "running_mean", "_variance": "running_var"}
    state = {}
    for name, tensor in model.state_dict().items():
        head, dot, tail = name.rpartition(".")
        state[head + dot + suffixes.get(tail, tail)] = tensor.numpy()
    np.savez(archive, **state)
    return model, DEFAULT_WEIGHTS if backbone == "mobilenetv2" else path


def benchmark_pair(height, width, src=None, bgr=None):
    """A pair at a size: the given files, or the sample pair."""
    paths = (src or SAMPLE_SRC, bgr or SAMPLE_BGR)
    return [cv2.resize(read_rgb(path), (width, height), interpolation=cv2.INTER_CUBIC) for path in paths]


def multiply_accumulates(model, height, width, scale, pixels, src, bgr):
    """Count convolutions: ours and the original's, with the cells and tiles of this pair."""
    tiles = []

    def coarse(x):
        return [y.numpy() for y in CoarseProgram(model)(paddle.to_tensor(x))]

    def count_tiles(*arrays):
        tiles.append(arrays)
        side = 4 * TILE_CELLS
        return [np.zeros((len(arrays[0]), side // 2, side // 2, 16), np.float32)]

    with paddle.no_grad():
        cells = TiledMatting(coarse, [count_tiles])(src, bgr, Refine(pixels=pixels, scale=scale)).ref[::CELL, ::CELL]
        size = [int(x * scale) for x in (height, width)]
        small = to_tensor(np.zeros((*size, 6), np.uint8))
        ours = convolution_macs(CoarseProgram(model), small)
        if tiles:
            one = convolution_macs(TileProgram(model), *[paddle.to_tensor(x[:1]) for x in tiles[0]])
            ours += one * sum(len(x[0]) for x in tiles)
        original = convolution_macs(_Features(model), small) + np.count_nonzero(cells) * PATCH_MACS
    used = len({(i // TILE_CELLS, j // TILE_CELLS) for i, j in np.argwhere(cells)})
    return {"ours": ours, "original": original, "cells": np.count_nonzero(cells), "tiles": used}


class _Features(paddle.nn.Layer):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model.forward_features(x)


def convolution_macs(layer, *inputs):
    """Multiply-accumulates of all convolutions of a layer for these inputs."""
    total = []

    def count(convolution, _, output):
        total.append(int(np.prod(output.shape)) * int(np.prod(convolution.weight.shape[1:])))

    hooks = [x.register_forward_post_hook(count) for x in layer.sublayers() if isinstance(x, paddle.nn.Conv2D)]
    layer(*inputs)
    for hook in hooks:
        hook.remove()
    return sum(total)


def cpu_name():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def report(args, rows):
    if args.json:
        machine = {"processor": cpu_name(), "threads": threads(), "paddle": paddle.__version__}
        print(json.dumps({"machine": machine, "rows": rows}, indent=1))
