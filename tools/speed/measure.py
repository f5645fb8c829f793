"""Contestants that take turns: what else the machine does in that minute hits all alike; ratios are within a round.

`tools/benchmark.py model` compares seconds for a frame, ours and the original's; `growth` measures them over sizes and
refinement, `data` the reading of samples, and `end-to-end` a folder of pairs, or a clip, as the user of predict.py
runs it.
"""

import itertools
import os
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import paddle

from dataset.composite import RECIPES, CompositeDataset
from dataset.folders import open_data
from model import MattingRefine
from tools.speed import worker
from utils.engine.backends import threads
from utils.engine.choice import open_engine
from utils.engine.presets import Refine, preset
from utils.picture.sample_pair import read_sample_pair
from utils.picture.write import write_picture
from utils.system.errors import UsageError
from utils.training.data import prepare_worker
from utils.video.reader import import_av
from utils.weights.load import DEFAULT_WEIGHTS, open_weights, save_weights

SIZES = {"540p": (540, 960), "720p": (720, 1280), "hd": (1080, 1920), "1440p": (1440, 2560), "4k": (2160, 3840)}
EAGER = "original, eager"
ORIGINALS = {EAGER: "eager", "original, TorchScript": "script", "original, its ONNX in ONNX Runtime": "onnx"}
LINES = {"alpha": ", alpha alone", "foreground": ", alpha and foreground"}  # what our worker is sent, its label
PIXELS = (0, 20_000, 80_000, 320_000)  # refined, of `growth`
SETS = "videomatte240k", "backgrounds"  # of `data`
PREDICT = Path(__file__).resolve().parents[2] / "predict.py"


class Worker:
    """A process of tools.speed.worker: call it with a line for the numbers that it answers.

    Raises UsageError if it ends early; it has said why on stderr.
    """

    def __init__(self, command):
        self.process = subprocess.Popen([str(x) for x in command], stdin=-1, stdout=-1, text=True)
        while self._answer() != "ready":
            pass

    def __call__(self, line):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return [float(number) for number in self._answer().split()]

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise UsageError(f"{' '.join(self.process.args[:3])} ended early, see above")
        return line.strip()

    def close(self):
        self.process.communicate()


def take_turns(contestants, rounds, warm_up=2):
    """Call every contestant once a round, in an order drawn anew: who follows one whose threads still spin is slower.

    Args: contestants: {label: function without arguments -> numbers}; warm_up: rounds that are not counted.
    Returns {label: float array (rounds, numbers)}.
    """
    found = {label: [] for label in contestants}
    labels, random = [*contestants], np.random.default_rng(0)
    for _ in range(warm_up + rounds):
        for i in random.permutation(len(labels)):
            found[labels[i]].append(contestants[labels[i]]())
    return {label: np.array(rows[warm_up:]) for label, rows in found.items()}


def sample_at(size):
    """The sample pair at a size of SIZES: two uint8 (H, W, 3)."""
    height, width = SIZES[size]
    return [cv2.resize(x, (width, height), interpolation=cv2.INTER_CUBIC) for x in read_sample_pair()]


def measure_model(args):
    """Print a table for each backbone and size: frames a second, and the ratio of the seconds to the original's."""
    for backbone, size in itertools.product(args.backbones, args.sizes):
        with tempfile.TemporaryDirectory() as folder:
            _measure(args, backbone, size, Path(folder))


def _measure(args, backbone, size, folder):
    scale, pixels = preset(*SIZES[size])
    weights, archive = prepare_weights(backbone, folder), folder / "original.npz"
    src, bgr = sample_at(size)
    np.savez(folder / "pair.npz", src=src, bgr=bgr)
    given, ours = [scale, pixels, folder], [sys.executable, "-m", worker.__name__]
    commands = {}  # name -> command of a Worker
    for engine in args.engines:
        for precision in args.precisions if engine == "openvino" and weights == DEFAULT_WEIGHTS else ["float32"]:
            name = engine if precision == "float32" else f"{engine} {precision}"
            commands[name] = [*ours, engine, precision, backbone, weights, *given]
    for name, kind in ORIGINALS.items() if args.original_python else ():
        commands[name] = [args.original_python, worker.__file__, "original", kind, backbone, archive, *given]
    workers, contestants, alphas = [], {}, {}
    for name, command in commands.items():
        try:
            if name not in ORIGINALS:
                Worker(command).close()  # fills the cache of exported programs, so that their making is not measured
            workers.append(Worker(command))
        except UsageError as error:
            print(f"left out {name}: {error}", file=sys.stderr)
            continue
        for line, suffix in {"": ""}.items() if name in ORIGINALS else LINES.items():
            contestants[name + suffix] = partial(workers[-1], line)
            alphas[name + suffix] = np.load(folder / "alpha.npy")
    found = take_turns(contestants, args.rounds)
    for process in workers:
        process.close()
    print(f"\n{backbone}, {src.shape[1]}x{src.shape[0]}, scale {scale:.4g}, {pixels} pixels, ", end="")
    print(f"{threads()} threads, {args.rounds} rounds")
    print("| | frames/s | seconds | ratio (middle half) | peak memory | alpha: largest, mean difference |")
    print("|---|---|---|---|---|---|")
    for label, numbers in found.items():
        (seconds, memory), ratio, differs = numbers.T, "-", "-"
        if EAGER in found:
            low, middle, high = np.percentile(seconds / found[EAGER][:, 0], (25, 50, 75))
            ratio, difference = f"{middle:.2f} ({low:.2f}..{high:.2f})", np.abs(alphas[label] - alphas[EAGER])
            differs = f"{difference.max():.0e}, {difference.mean():.0e}"
        median = np.median(seconds)
        print(f"| {label} | {1 / median:.3g} | {median:.3f} | {ratio} | {memory.max():.0f} MiB | {differs} |")


def prepare_weights(backbone, folder):
    """Write FOLDER/original.npz for the original and, unless the shipped ones serve, weights of ours: path of these.

    Without trained weights for a backbone, random ones serve, with the error channel set to the Laplacian of source
    minus background: so the refined cells lie along contours, as they do with trained weights.
    """
    path = DEFAULT_WEIGHTS
    if backbone == "mobilenetv2":
        model = open_weights(path).build()
    else:
        path = folder / "weights.pdparams"
        paddle.seed(0)
        model = MattingRefine(backbone)
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
    np.savez(folder / "original.npz", **state)
    return path


def measure_growth(args):
    """Time an engine over all sizes and numbers of refined pixels, taking turns; print and fit a + b pixels + c cells.

    As many cells are refined as are asked for, whether the coarse network expects an error there or not. The coarse
    network always sees 480 pixels on the long side, so that its share is the constant one.
    """
    engine = open_engine(DEFAULT_WEIGHTS, engine=args.engine)
    engine.prevent_oversampling = False

    def timed(*frame):
        start = time.perf_counter()
        engine(*frame)
        return time.perf_counter() - start

    pairs = {size: sample_at(size) for size in SIZES}
    runs = {(s, n): partial(timed, *pairs[s], Refine(pixels=n).at(*SIZES[s])) for s in SIZES for n in PIXELS}
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
    print(f"time = {constant:.1f} ms + {per_pixel:.2f} ns a pixel + {per_cell:.2f} us a cell; ", end="")
    print(f"measured / fitted {ratios.min():.2f} .. {ratios.max():.2f}")


def measure_data(args):
    """Print the mean processor time of a sample of our loader, a complete composite, on one thread."""
    prepare_worker()
    foregrounds, backgrounds = (open_data(args.data_root, name, "train") for name in SETS)
    dataset = CompositeDataset(foregrounds, backgrounds, RECIPES[args.model_type])
    start = time.process_time()
    for number in range(args.samples):
        dataset[0, number, number % len(foregrounds)]
    seconds = (time.process_time() - start) / args.samples
    print(f"{args.model_type}: {seconds * 1000:.1f} ms a sample, {1 / seconds:.1f} samples/s on one thread")


def measure_end_to_end(args):
    """Run predict.py on copies of the sample pair; print where it says its time went, the whole time, and memory."""
    make, what = (make_clip, "frames") if args.frames else (make_pairs, "pairs")
    options = [
        "--engine",
        args.engine,
        "--precision",
        args.precision,
        "--output-types",
        *args.output_types,
        "--verbose",
    ]
    if args.refine_sample_pixels is not None:
        options += ["--refine-sample-pixels", args.refine_sample_pixels]
    for count in args.frames or args.pairs:
        with tempfile.TemporaryDirectory() as folder:
            flags = [*make(Path(folder), *sample_at(args.size), count), *options, "--output-dir", f"{folder}/out"]
            start = time.perf_counter()
            with subprocess.Popen([sys.executable, PREDICT, *map(str, flags)], stdout=-1, text=True) as process:
                said = process.stdout.read().splitlines()
                _, process.returncode, used = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - start
        if process.returncode:
            raise UsageError("predict.py has failed, see above")
        print(*(line for line in said if "reading took" in line or f"{what} in" in line), sep="\n")
        print(f"{count} {what}, {args.size}: {seconds:.1f} s with its start, ", end="")
        print(f"peak {used.ru_maxrss / worker.MAXRSS_IN_MIB:.0f} MiB", flush=True)


def make_pairs(folder, src, bgr, count):
    """FOLDER/src and FOLDER/bgr with `count` pictures each; returns predict.py's flags."""
    for name, picture in (("src", src), ("bgr", bgr)):
        write_picture(folder / f"{name}.jpg", picture)
        (folder / name).mkdir()
        for i in range(count):
            os.link(folder / f"{name}.jpg", folder / name / f"{i:05d}_{name}.jpg")  # no names of a clip's frames
    return ["--src", folder / "src", "--bgr", folder / "bgr"]


def make_clip(folder, src, bgr, count):
    """FOLDER/src.mp4 with `count` frames, each with other noise, and a background; returns predict.py's flags."""
    noise = np.random.default_rng(1).integers(-3, 4, (len(src) + 64, *src.shape[1:])).astype(np.int8)
    av = import_av()
    with av.open(f"{folder}/src.mp4", "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(30_000, 1001), options={"crf": "16"})
        stream.height, stream.width = src.shape[:2]
        for number in range(count):
            shift = 7 * number % 64
            picture = cv2.add(src, noise[shift : shift + len(src)], dtype=cv2.CV_8U)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode())
    write_picture(folder / "bgr.png", bgr)
    return ["--src", folder / "src.mp4", "--bgr", folder / "bgr.png"]
