"""Measure how fast parts of this project are; PYTHON is an environment with torch and backgroundmattingv2.

python -m tools.benchmark model [--original-python PYTHON] [--sizes hd 4k] [--backbones mobilenetv2 resnet50]
python -m tools.benchmark end-to-end [--pairs 100 200] [--frames 300]
python -m tools.benchmark growth
python -m tools.benchmark data --data-root DATA

What is compared takes turns: what else the machine does in that minute hits all alike; ratios are within a round.
"""

from utils.system.cpu import prepare

prepare()

import itertools
import os
import re
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
from dataset.people.dataset import PeopleDataset
from model import BACKBONES, MattingRefine
from tools.speed import worker
from utils.engine.backends import FASTEST_FIRST, threads
from utils.engine.choice import PRECISIONS, open_engine
from utils.engine.presets import Refine, preset
from utils.picture.resize import fit
from utils.picture.sample_pair import read_sample_pair
from utils.picture.write import write_picture
from utils.prediction.flags import add_network_flags
from utils.system.command_line import UsageError, command_line
from utils.system.parser import Parser
from utils.training.data import prepare_worker
from utils.video.reader import import_av
from utils.weights.load import DEFAULT_WEIGHTS, read_state, save_weights

SIZES = {"540p": (540, 960), "720p": (720, 1280), "hd": (1080, 1920), "1440p": (1440, 2560), "4k": (2160, 3840)}
EAGER = "original, eager"
ORIGINALS = {EAGER: "eager", "original, TorchScript": "script", "original, its ONNX in ONNX Runtime": "onnx"}
LINES = {"alpha": ", alpha alone", "foreground": ", alpha and foreground"}  # what our worker is sent, its label
PIXELS = (0, 20_000, 80_000, 320_000)  # refined, of `growth`
PREDICT = Path(__file__).resolve().parents[1] / "predict.py"


@command_line
def main(argv=None):
    parser = Parser(__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name, measure, text):
        commands.add_parser(name, help=text).set_defaults(run=measure)
        return commands.choices[name].add_argument

    add = command("model", measure_model, "seconds for a frame, of each engine and of the PyTorch original")
    add("--rounds", type=int, default=20, help="of all, taking turns (default 20)")
    add("--original-python", metavar="PYTHON", help="measure the PyTorch original, too")
    add("--backbones", nargs="+", choices=BACKBONES, default=["mobilenetv2"], help="default mobilenetv2")
    add("--sizes", nargs="+", choices=SIZES, default=["hd", "4k"], help="default hd 4k")
    add("--engines", nargs="+", choices=FASTEST_FIRST, default=FASTEST_FIRST, help="default: all")
    add("--precisions", "--precision", nargs="+", choices=PRECISIONS, default=PRECISIONS, help="default: both")
    add = command("end-to-end", measure_end_to_end, "predict.py on a folder or a clip: read, compute, write")
    add("--pairs", type=int, nargs="+", default=[100], help="one run for each count (default 100)")
    add("--frames", type=int, nargs="+", help="clips of so many frames in place of pairs")
    add("--size", choices=SIZES, default="hd", help="of the pictures (default hd)")
    add("--output-types", nargs="+", default=["pha", "fgr", "com"], help="default pha fgr com")
    add_network_flags(commands.choices["end-to-end"], "--engine", "--precision")
    add = command("growth", measure_growth, "seconds for a frame over sizes and refined pixels")
    add("--rounds", type=int, default=7, help="of all, taking turns (default 7)")
    add("--engine", choices=FASTEST_FIRST, default="inference", help="default inference")
    add = command("data", measure_data, "training samples that one core reads in a second, of each recipe")
    add("--data-root", type=Path, default=Path("data"), help="folder of the data sets (default ./data)")
    add("--samples", type=int, default=100, help="of each recipe (default 100)")
    args = parser.parse_args(argv)
    args.run(args)


class Worker(subprocess.Popen):
    """A process of tools.speed.worker: call it with a line for the numbers that it answers.

    Raises UsageError if it ends early; it has said why on stderr.
    """

    def __init__(self, command):
        super().__init__([str(x) for x in command], stdin=-1, stdout=-1, text=True)
        while self._answer() != "ready":
            pass

    def __call__(self, line):
        print(line, file=self.stdin, flush=True)
        return [float(number) for number in self._answer().split()]

    def _answer(self):
        if line := self.stdout.readline():
            return line.strip()
        raise UsageError(f"{' '.join(self.args[:3])} ended early, see above")


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
    return [fit(picture, SIZES[size]) for picture in read_sample_pair()]


def measure_model(args):
    """Print a table for each backbone and size: frames a second, and the ratio of the seconds to the original's."""
    for backbone, size in itertools.product(args.backbones, args.sizes):
        with tempfile.TemporaryDirectory() as folder:
            _measure(args, backbone, size, Path(folder))


def _measure(args, backbone, size, folder):
    scale, pixels = preset(*SIZES[size])
    weights = prepare_weights(backbone, folder)
    np.savez(folder / "pair.npz", **dict(zip(("src", "bgr"), sample_at(size))))
    given, ours = [scale, pixels, folder], [sys.executable, "-m", worker.__name__]
    commands = {}  # name -> command of a Worker
    for engine in args.engines:
        for precision in args.precisions if engine == "openvino" and weights == DEFAULT_WEIGHTS else ["float32"]:
            name = engine if precision == "float32" else f"{engine} {precision}"
            commands[name] = [*ours, engine, precision, backbone, weights, *given]
    for name, kind in ORIGINALS.items() if args.original_python else ():
        archive = folder / "original.npz"
        commands[name] = [args.original_python, worker.__file__, "original", kind, backbone, archive, *given]
    workers, contestants, alphas = [], {}, {}
    for name, command in commands.items():
        try:
            if name not in ORIGINALS:
                Worker(command).communicate()  # fills the cache of exported programs: their making is not measured
            workers.append(Worker(command))
        except UsageError as error:
            print(f"left out {name}: {error}", file=sys.stderr)
            continue
        for line, suffix in {"": ""}.items() if name in ORIGINALS else LINES.items():
            contestants[name + suffix] = partial(workers[-1], line)
            alphas[name + suffix] = np.load(folder / "alpha.npy")
    found = take_turns(contestants, args.rounds)
    for process in workers:
        process.communicate()
    height, width = SIZES[size]
    print(f"\n{backbone}, {width}x{height}, scale {scale:.4g}, {pixels} pixels, ", end="")
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
    if backbone != "mobilenetv2":
        path = folder / "weights.pdparams"
        paddle.seed(0)
        state = {name: tensor.numpy() for name, tensor in MattingRefine(backbone).state_dict().items()}
        weight, laplacian = state["decoder.conv4.weight"], np.float32([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]])
        weight[4], weight[4, -6:-3], weight[4, -3:] = 0, laplacian, -laplacian
        state["decoder.conv4.bias"][4] = -0.3
        save_weights(state, path)
    theirs = {"._mean": ".running_mean", "._variance": ".running_var"}
    state = {re.sub(r"\._\w+$", lambda x: theirs[x[0]], name): array for name, array in read_state(path).items()}
    np.savez(folder / "original.npz", **state)
    return path


def measure_growth(args):
    """Print an engine's seconds for a frame over all sizes and numbers of refined pixels, taking turns.

    As many cells are refined as are asked for, whether the coarse network expects an error there or not; it always sees
    480 pixels on the long side.
    """
    engine = open_engine(DEFAULT_WEIGHTS, engine=args.engine)
    engine.prevent_oversampling = False

    def timed(*frame):
        start = time.perf_counter()
        engine(*frame)
        return time.perf_counter() - start

    pairs = {size: sample_at(size) for size in SIZES}
    runs = {(s, n): partial(timed, *pairs[s], Refine(pixels=n).at(*SIZES[s])) for s in SIZES for n in PIXELS}
    seconds = {run: f"{np.median(rows):.3f}" for run, rows in take_turns(runs, args.rounds).items()}
    print(f"engine {engine.name}, seconds a frame")
    print("| size | " + " | ".join(f"{pixels:,} pixels refined" for pixels in PIXELS) + " |")
    print("|---|" + "---|" * len(PIXELS))
    for size in SIZES:
        print(f"| {size} | " + " | ".join(seconds[size, pixels] for pixels in PIXELS) + " |")


def measure_data(args):
    """Print the mean processor time of a training's sample of each recipe, a complete composite, on one thread."""
    prepare_worker()
    foregrounds, backgrounds = (open_data(args.data_root, name, "train") for name in ("videomatte240k", "backgrounds"))
    for name, recipe in RECIPES.items():
        samples = (PeopleDataset if name == "people" else CompositeDataset)(foregrounds, backgrounds, recipe)
        start = time.process_time()
        for number in range(args.samples):
            samples[0, number, number % len(foregrounds)]
        seconds = (time.process_time() - start) / args.samples
        print(f"{name}: {seconds * 1000:.1f} ms a sample, {1 / seconds:.1f} samples/s on one core", flush=True)


def measure_end_to_end(args):
    """Run predict.py on copies of the sample pair; print where it says its time went, the whole time, and memory."""
    make, what = (make_clip, "frames") if args.frames else (make_pairs, "pairs")
    options = ["--engine", args.engine, "--precision", args.precision, "--output-types", *args.output_types]
    for count in args.frames or args.pairs:
        with tempfile.TemporaryDirectory() as folder:
            paths = [*make(Path(folder), *sample_at(args.size), count), "--output-dir", f"{folder}/out"]
            start, command = time.perf_counter(), [sys.executable, PREDICT, *paths, *options, "--verbose"]
            with subprocess.Popen(command, stdout=-1, text=True) as process:
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
    random, av = np.random.default_rng(1), import_av()
    with av.open(f"{folder}/src.mp4", "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(30_000, 1001), options={"crf": "16"})
        stream.height, stream.width = src.shape[:2]
        for _ in range(count):
            picture = cv2.add(src, random.integers(-3, 4, src.shape, np.int8), dtype=cv2.CV_8U)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode())
    write_picture(folder / "bgr.png", bgr)
    return ["--src", folder / "src.mp4", "--bgr", folder / "bgr.png"]


if __name__ == "__main__":
    sys.exit(main())
