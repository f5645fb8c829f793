"""Measure how fast parts of this project are.

python -m tools.benchmark data --data-root DATA [--original-python PYTHON]
python -m tools.benchmark model [--original-python PYTHON] [--sizes hd 4k] [--backbones mobilenetv2 resnet50]
python -m tools.benchmark end-to-end [--pairs 100 1000]
python -m tools.benchmark growth
python -m tools.benchmark train-step [--original-python PYTHON]
"""

from utils.system.cpu import prepare

prepare()

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

from model.matting import BACKBONES
from tools.speed.end_to_end import measure_end_to_end
from tools.speed.growth import measure_growth
from tools.speed.model import SIZES, measure_model, report
from tools.speed.training import measure_train_step
from utils.engine.backends import PRECISIONS
from utils.engine.choice import ENGINES, FASTEST_FIRST
from utils.system.command_line import command_line


@command_line
def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    data = commands.add_parser("data", help="training samples per second that one core reads")
    data.add_argument("--data-root", type=Path, default=Path("data"), help="folder of the data sets (default ./data)")
    data.add_argument("--dataset-name", default="videomatte240k", help="foregrounds (default videomatte240k)")
    data.add_argument(
        "--model-type", choices=("base", "refine"), default="base", help="crops of 512 or of 2048 pixels (default base)"
    )
    data.add_argument("--samples", type=int, default=20, help="samples in a round (default 20)")
    data.add_argument("--rounds", type=int, default=7, help="rounds of each loader, alternating (default 7)")
    data.add_argument(
        "--original-python",
        help="Python of an environment with torch, torchvision and backgroundmattingv2, to measure the PyTorch "
        "original's loader on the same files, too",
    )
    data.set_defaults(run=benchmark_data)
    model = commands.add_parser("model", help="seconds for a frame, of each engine and of the PyTorch original")
    model.add_argument("--backbones", nargs="+", choices=BACKBONES, default=["mobilenetv2"], help="default mobilenetv2")
    model.add_argument("--sizes", nargs="+", choices=SIZES, default=["hd", "4k"], help="default hd 4k")
    model.add_argument(
        "--engines", nargs="+", choices=ENGINES[1:], default=list(FASTEST_FIRST), help="default: all but paddle"
    )
    model.add_argument(
        "--precisions",
        nargs="+",
        choices=PRECISIONS,
        default=["float32"],
        help="of openvino (default float32)",
    )
    model.add_argument("--pixels", type=int, help="refined pixels (default: by size, 80,000 at HD, 320,000 at 4K)")
    model.add_argument("--rounds", type=int, default=20, help="frames of each, taking turns (default 20)")
    model.add_argument("--warm-up", type=int, default=2, help="frames of each before that (default 2)")
    model.add_argument("--original-python", help="Python of an environment with torch and backgroundmattingv2")
    model.add_argument("--script", action="store_true", help="run the original as TorchScript, too")
    model.add_argument("--original-onnx", action="store_true", help="run its ONNX export in ONNX Runtime, too")
    growth = commands.add_parser("growth", help="seconds for a frame over sizes and refined pixels")
    growth.add_argument("--rounds", type=int, default=7, help="frames of each, taking turns (default 7)")
    growth.add_argument("--engine", choices=FASTEST_FIRST, default="inference", help="default inference")
    train_step = commands.add_parser("train-step", help="seconds of a training step of the base network")
    train_step.add_argument("--backbone", choices=BACKBONES, default="mobilenetv2", help="default mobilenetv2")
    train_step.add_argument("--batch", type=int, default=8, help="pictures in a step (default 8)")
    train_step.add_argument("--size", type=int, default=256, help="pixels on a side (default 256)")
    train_step.add_argument("--rounds", type=int, default=5, help="steps of each, taking turns (default 5)")
    train_step.add_argument("--original-python", help="Python of an environment with torch and backgroundmattingv2")
    train_step.add_argument("--json", action="store_true", help="print all numbers as JSON, too")
    train_step.set_defaults(run=lambda args: report(args, measure_train_step(args)))
    end_to_end = commands.add_parser("end-to-end", help="predict.py on a folder: read, compute, write")
    end_to_end.add_argument("--pairs", type=int, nargs="+", default=[100], help="one run for each count (default 100)")
    end_to_end.add_argument("--one-background", action="store_true", help="one that serves all, not a folder of them")
    end_to_end.add_argument("--size", choices=SIZES, default="hd", help="of the picture (default hd)")
    end_to_end.add_argument("--engine", choices=ENGINES, default="auto", help="default auto")
    end_to_end.add_argument("--output-types", nargs="+", default=["pha", "fgr", "com"], help="default pha fgr com")
    for command, measure in (
        (model, measure_model),
        (end_to_end, measure_end_to_end),
        (growth, measure_growth),
    ):
        command.add_argument("--src", help="picture with a subject, brought to each size (default: the sample pair)")
        command.add_argument("--bgr", help="its background (default: the sample pair's)")
        command.add_argument("--json", action="store_true", help="print all numbers as JSON, too")
        command.set_defaults(run=lambda args, measure=measure: report(args, measure(args)))
    args = parser.parse_args(argv)
    args.run(args)


def benchmark_data(args):
    """Print the median processor time of a sample of our loader and, if asked, of the original's, on one thread each.

    Ours makes complete composites; of the original only what its loader does is timed: the crops of foreground, alpha
    and background, before they are composed on the GPU.
    """
    from dataset.composite import RECIPES, CompositeDataset
    from dataset.data_path import data_folder, open_backgrounds, open_foregrounds
    from utils.training.data import prepare_worker

    prepare_worker()
    foregrounds = open_foregrounds(args.data_root, args.dataset_name, "train")
    dataset = CompositeDataset(foregrounds, open_backgrounds(args.data_root, "train"), RECIPES[args.model_type])
    folders = [str(data_folder(args.data_root, name, "train").resolve()) for name in (args.dataset_name, "backgrounds")]
    original = None
    if args.original_python:
        command = [
            args.original_python,
            str(Path(__file__).parent / "speed" / "original_loader.py"),
            *folders,
            args.model_type,
        ]
        original = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    times = {"this project": [], "original": []}
    for round_number in range(args.rounds + 1):  # the first one warms up
        start = time.process_time()
        for i in range(args.samples):
            dataset[0, round_number, (round_number * args.samples + i) % len(foregrounds)]
        times["this project"].append((time.process_time() - start) / args.samples)
        if original:
            original.stdin.write(f"{args.samples}\n")
            original.stdin.flush()
            answer = original.stdout.readline()
            if not answer:
                raise SystemExit(f"error: {args.original_python} could not run the original's loader, see above")
            times["original"].append(float(answer))
    if original:
        original.stdin.close()
        original.wait()
    medians = {name: statistics.median(values[1:]) for name, values in times.items() if values}
    print(f"{args.model_type}, {args.dataset_name}, {args.rounds} rounds of {args.samples} samples, one thread")
    for name, median in medians.items():
        print(f"{name:>14}: {median * 1000:7.1f} ms a sample, {1 / median:6.1f} samples/s")
    if original:
        print(f"{'ratio':>14}: {medians['original'] / medians['this project']:.1f}")


if __name__ == "__main__":
    sys.exit(main())
