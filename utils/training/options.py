"""Command line of train.py, the published stages, and the checks that can be made before anything starts."""

import argparse
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

from dataset.composite import RECIPES
from dataset.folders import SOURCES, canonical_name
from model import BACKBONES, MODES
from utils.system.cpu import cores
from utils.system.errors import UsageError
from utils.system.files import refuse_to_overwrite
from utils.system.parser import Parser, names_of
from utils.training.people import PEOPLE

LAST, BEST = "last.pdparams", "best.pdparams"  # checkpoints, in a training's folder
# What the published stages set where nothing is given: the schedule of the first Paddle reproduction, refine training
# from scratch, one learning rate, Adam, batches of two. A stage starts from the best weights of the one before.
STAGES = {
    1: {"dataset_name": "videomatte240k", "epoch_end": 1, "learning_rate": "0.0001"},
    2: {"dataset_name": "distinctions646", "epoch_end": 300, "learning_rate": "5e-05", "pretrain": "stage1"},
    3: {"dataset_name": "private", "epoch_end": 300, "learning_rate": "3e-05", "pretrain": "stage2"},
}
# Learning rates of each part in the original's training scripts, `--learning-rate paper`.
PAPER_RATES = {
    "base": {"backbone": 1e-4, "aspp": 5e-4, "decoder": 5e-4},
    "refine": {"backbone": 5e-5, "aspp": 5e-5, "decoder": 1e-4, "refiner": 3e-4},
}
BATCH_SIZES = {"base": 8, "refine": 2}
ORIGINAL = SimpleNamespace(learning_rate="1e-4", shares={}, weight_decay=None, clip_grad_norm=0.0)  # see PEOPLE
# The same of the original's scripts, which are known by a flag that nothing else has: weights to start from.
SCRIPTS = {
    "model_pretrain_initialization": {"model_type": "base", "batch_size": 8},
    "model_last_checkpoint": {"model_type": "refine", "batch_size": 4},
}
INTERVALS = {"log_train_loss": 10, "log_train_images": 1000, "log_valid": 2000, "checkpoint": 2000}
LEAST = {"batch_size": 2, "num_workers": 0, "valid_samples": 1, "valid_size": 64, "seed": 0}
LEAST.update({f"{name}_interval": 1 for name in INTERVALS})
# What must be the same when a training goes on, or its losses would not be those of an uninterrupted one.
FIXED = ["model_type", "model_backbone", "model_refine_kernel_size", "dataset_name", "batch_size", "seed", "crop_size"]
FIXED += ["learning_rate", "laplacian", "clip_grad_norm", "recipe"]
LENGTH = ["epoch_start", "epoch_end", "max_steps"]  # and these, where the rate falls to 0 at the end


def parser():
    """The argparse parser of train.py."""
    parse = Parser(prog="train.py")
    add = parse.add_argument_group("what is trained, on what").add_argument
    add("--stage", type=int, choices=STAGES, help="take data set, epochs, rate, start and name from the stage table")
    text = "composites, loss and schedule (default original); people: those of the shipped weights"
    add("--recipe", choices=("original", "people"), default="original", help=text)
    add("--dataset-name", help=f"one of {', '.join(name for name in SOURCES if name != 'backgrounds')}")
    add("--valid-dataset-name", help="data set for validation (default: the training data set)")
    add("--data-root", type=Path, default=Path("data"), help="folder of the data sets (default ./data)")
    add("--model-type", choices=("base", "refine"), help="network to train (default refine)")
    add("--base-epochs", type=int, default=0, metavar="N", help="first N epochs of the base network alone (paper: 8)")
    add("--pretrain", metavar="FILE", help="start from weights (.pdparams, .pth, an encoder) or an earlier training")
    add("--model-pretrain-initialization", metavar="FILE", help="as the original's train_base: docs/from_pytorch.md")
    add("--model-last-checkpoint", metavar="FILE", help="as the original's train_refine, wins over the former")
    add("--resume", action="store_true", help="go on from checkpoint/NAME/last if it is there")

    add = parse.add_argument_group("network").add_argument
    add("--model-backbone", choices=BACKBONES, default="resnet50", help="encoder (default resnet50)")
    add(*names_of("--backbone-scale"), type=float, default=0.25, help="coarse scale (default 0.25)")
    add(*names_of("--refine-mode"), choices=MODES, default="sampling", help="the cells refined (default sampling)")
    add(*names_of("--refine-sample-pixels"), type=int, default=80_000, help="pixels refined a picture (default 80000)")
    names = *names_of("--refine-threshold"), "--model-refine-thresholding"
    add(*names, type=float, default=0.7, help="predicted error above which a cell is refined (default 0.7)")
    add("--model-refine-kernel-size", type=int, choices=(1, 3), default=3, help="the refiner's (default 3)")

    add = parse.add_argument_group("schedule").add_argument
    add("--epoch-end", "--epoch_end", type=int, help="number of epochs, counted from 0 (default: the stage's)")
    add("--epoch-start", type=int, default=0, help="number of the first epoch (default 0)")
    add("--max-steps", type=int, default=0, help="stop after so many steps (default 0: no limit)")
    add("--batch-size", type=int, help="pictures in a step, over all processes (default 2, base 8)")
    add("--learning-rate", help="a number for all parts, or 'paper' for the original's (default 1e-4, people 3e-4)")
    add("--laplacian", action=argparse.BooleanOptionalAction, help="Laplacian term in the loss (default on)")
    add("--clip-grad-norm", type=float, help="largest norm of the gradient, 0: not clipped (default 0, people 5)")
    kinds, text = ("auto", "off", "float16", "bfloat16"), "mixed precision (default auto: float16 on a GPU)"
    add("--amp", nargs="?", choices=kinds, const="float16", default="auto", help=text)
    text = "sides of the crops, LOW..HIGH-1 pixels (default 1024 2048, base 256 512, people 352 545)"
    add("--crop-size", type=int, nargs=2, metavar=("LOW", "HIGH"), help=text)
    add("--seed", type=int, default=0, help="every random number follows from it (default 0)")

    add = parse.add_argument_group("machine").add_argument
    add("--device", help="cpu, gpu, gpu:1 ... (default: a GPU if there is one)")
    workers = max(1, min(16, cores() - 1))
    add("--num-workers", type=int, default=workers, help="readers of each process (default: cores - 1, at most 16)")

    add = parse.add_argument_group("what is written").add_argument
    add("--model-name", help="folder below checkpoint/ and log/ (default: the stage's name)")
    add("--checkpoint-dir", type=Path, default=Path("checkpoint"), help="(default ./checkpoint)")
    add("--log-dir", type=Path, default=Path("log"), help="(default ./log)")
    for name, steps in INTERVALS.items():
        add(flag(f"{name}_interval"), type=int, default=steps, metavar="STEPS", help=f"(default {steps})")
    add("--valid-samples", type=int, default=50, help="pictures of a validation (default 50)")
    add("--valid-size", type=int, help="their side in pixels (default: HIGH of --crop-size)")
    return parse


def flag(name):
    """The flag of an argument: epoch_end -> --epoch-end."""
    return f"--{name.replace('_', '-')}"


def parse_jobs(argv=None):
    """Trainings that a command line asks for, complete and checked: one, or the base and then the refine training.

    Returns a list of argparse.Namespace. Raises UsageError.
    """
    args = parser().parse_args(argv)
    for name, defaults in SCRIPTS.items():
        if getattr(args, name):
            args.pretrain = getattr(args, name)
            _fill(args, learning_rate="paper", laplacian=False, **defaults)
    if args.stage:
        _fill(args, model_name=f"stage{args.stage}", **STAGES[args.stage])
    for name in ("dataset_name", "epoch_end", "model_name"):
        if getattr(args, name) is None:
            raise UsageError(f"{flag(name)} is missing: give it, or a --stage, which has one")
    args.dataset_name = canonical_name(args.dataset_name)
    args.valid_dataset_name = canonical_name(args.valid_dataset_name or args.dataset_name)
    if not args.base_epochs or args.model_type == "base":
        return [_complete(args)]
    base = argparse.Namespace(**vars(args))
    base.model_type, base.model_name = "base", f"{args.model_name}-base"
    base.epoch_start, base.epoch_end, base.batch_size, base.crop_size = 0, args.base_epochs, None, None
    args.pretrain = base.model_name
    return [_complete(base), _complete(args)]


def _fill(args, **defaults):
    """Set what was not given."""
    for name, value in defaults.items():
        if getattr(args, name) is None:
            setattr(args, name, value)


def _complete(args):
    """Fill in the defaults that depend on the network's type, check the numbers, and return the same arguments."""
    _fill(args, model_type="refine", laplacian=True)
    people, kind = args.recipe == "people", args.model_type
    recipe, numbers = RECIPES["people" if people else kind], PEOPLE if people else ORIGINAL
    _fill(args, batch_size=BATCH_SIZES[kind], crop_size=[recipe.lowest, recipe.canvas])
    _fill(args, learning_rate=numbers.learning_rate, clip_grad_norm=numbers.clip_grad_norm)
    low, high = args.crop_size
    paper, rate = args.learning_rate == "paper" and not people, 0.0
    with suppress(ValueError):
        rate = float(args.learning_rate)
    shares = {part: numbers.shares.get(part, 1.0) for part in PAPER_RATES[kind]}
    args.rates = PAPER_RATES[kind] if paper else {part: rate * share for part, share in shares.items()}
    args.weight_decay, args.valid_size = numbers.weight_decay, (args.valid_size or high) // 4 * 4
    args.fixed = {name: getattr(args, name) for name in FIXED + LENGTH * people}
    names = args.dataset_name, args.valid_dataset_name
    checks = [
        ("backgrounds" not in names, "--dataset-name backgrounds has no subjects: name a data set of foregrounds"),
        (32 <= low < high, f"--crop-size {low} {high}: LOW must be at least 32 and below HIGH"),
        (0 < args.backbone_scale <= 0.5, "--model-backbone-scale must lie in 0..0.5, 0 excluded"),
        (args.epoch_start < args.epoch_end, "--epoch-end must lie above --epoch-start"),
        (paper or 0 < rate < 1, f"--learning-rate {args.learning_rate}: give a number between 0 and 1, or 'paper'"),
        (not people or kind == "refine", "--recipe people trains the whole network: --model-type refine"),
        (not people or args.model_refine_kernel_size == 3, "--recipe people needs --model-refine-kernel-size 3"),
        (not people or args.pretrain, "--recipe people goes on from trained weights: name them with --pretrain"),
        *((getattr(args, name) >= least, f"{flag(name)} must be at least {least}") for name, least in LEAST.items()),
    ]
    for holds, message in checks:
        if not holds:
            raise UsageError(message)
    folder = args.checkpoint_dir / args.model_name
    refuse_to_overwrite([args.pretrain], [folder / LAST, folder / BEST], "another --model-name")
    return args
