"""Seconds for a frame, frames a second and peak memory, ours and the original's: `tools/benchmark.py model`.

Every contestant runs in a process of its own, so that each has a peak memory of its own, and answers frame by frame.
"""

import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import paddle

from model import MattingRefine
from tools.speed.contest import SIZES, Worker, sample_at, take_turns
from utils.engine.backends import threads
from utils.engine.presets import preset
from utils.system.errors import UsageError
from utils.weights.load import DEFAULT_WEIGHTS, open_weights, save_weights

ORIGINAL = Path(__file__).resolve().parent / "original.py"
EAGER = "original, eager"
ORIGINALS = {"eager": "eager", "script": "TorchScript", "onnx": "its ONNX in ONNX Runtime"}
LINES = {"alpha": ", alpha alone", "foreground": ", alpha and foreground"}  # what our worker is sent, its label
WARM_UP = 2  # rounds


def measure_model(args):
    """Print a table for each backbone and size: frames a second, and the ratio of the seconds to the original's."""
    for backbone in args.backbones:
        for size in args.sizes:
            with tempfile.TemporaryDirectory() as folder:
                _measure(args, backbone, size, Path(folder))


def _measure(args, backbone, size, folder):
    scale, pixels = preset(*SIZES[size])
    pair, archive, file = folder / "pair.npz", folder / "weights.npz", folder / "alpha.npy"
    weights = prepare_weights(backbone, folder / "weights.pdparams", archive)
    src, bgr = sample_at(size)
    np.savez(pair, src=src, bgr=bgr)
    commands = {}  # name -> command of a Worker, its lines
    ours = [sys.executable, "-m", "tools.speed.worker", weights, pair, scale, pixels]
    for engine in args.engines:
        for precision in args.precisions if engine == "openvino" and weights == DEFAULT_WEIGHTS else ["float32"]:
            name = engine if precision == "float32" else f"{engine} {precision}"
            commands[name] = [*ours, engine, precision], LINES
    for kind in ORIGINALS if args.original_python else []:
        command = [args.original_python, ORIGINAL, "model", kind, backbone, scale, pixels, threads(), archive, pair]
        commands[f"original, {ORIGINALS[kind]}"] = command, {"frame": ""}
    contestants, open_workers = {}, []
    for name, (command, lines) in commands.items():
        try:
            if lines is LINES:
                Worker(command).close()  # fills the cache of exported programs, so that their making is not measured
            open_workers.append((Worker(command), [name + suffix for suffix in lines.values()]))
        except UsageError as error:
            print(f"left out {name}: {error}", file=sys.stderr)
            continue
        contestants.update({name + suffix: partial(open_workers[-1][0], line) for line, suffix in lines.items()})
    times = {label: numbers[:, 0] for label, numbers in take_turns(contestants, args.rounds, WARM_UP).items()}
    memory, alphas = {}, {}
    for worker, labels in open_workers:
        memory.update(dict.fromkeys(labels, worker(f"memory {file}")[0]))
        alphas.update(dict.fromkeys(labels, np.load(file)))
        worker.close()
    print(f"\n{backbone}, {src.shape[1]}x{src.shape[0]}, scale {scale:.4g}, {pixels} pixels, ", end="")
    print(f"{threads()} threads, {args.rounds} rounds")
    print("| | frames/s | seconds | ratio (middle half) | peak memory | alpha: largest, mean difference |")
    print("|---|---|---|---|---|---|")
    for label, seconds in times.items():
        median, ratio, differs = np.median(seconds), "-", "-"
        if EAGER in times:
            low, middle, high = np.percentile(seconds / times[EAGER], (25, 50, 75))
            ratio, difference = f"{middle:.2f} ({low:.2f}..{high:.2f})", np.abs(alphas[label] - alphas[EAGER])
            differs = f"{difference.max():.0e}, {difference.mean():.0e}"
        print(f"| {label} | {1 / median:.3g} | {median:.3f} | {ratio} | {memory[label]:.0f} MiB | {differs} |")


def prepare_weights(backbone, path, archive):
    """Write weights for the original (archive, .npz) and, unless they are the shipped ones, for ours; path of ours.

    Without trained weights for a backbone, random ones serve, with the error channel set to the Laplacian of source
    minus background: so the refined cells lie along contours, as they do with trained weights.
    """
    paddle.seed(0)
    shipped = backbone == "mobilenetv2"
    model = open_weights(DEFAULT_WEIGHTS).build() if shipped else MattingRefine(backbone)
    if not shipped:
        last = model.decoder.conv4
        weight, bias = last.weight.numpy(), last.bias.numpy()
        laplacian = np.float32([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]])
        weight[4], weight[4, -6:-3], weight[4, -3:], bias[4] = 0, laplacian, -laplacian, -0.3
        last.weight.set_value(weight)
        last.bias.set_value(bias)
        save_weights(model, path)
    state = {}
    for name, tensor in model.state_dict().items():
        state[name.replace("._mean", ".running_mean").replace("._variance", ".running_var")] = tensor.numpy()
    np.savez(archive, **state)
    return DEFAULT_WEIGHTS if shipped else path
