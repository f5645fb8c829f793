"""Flags of programs: argparse, whose errors are said as all others are, and what the PyTorch original called them."""

import argparse
import sys

from utils.system.errors import UsageError

ALIASES = {  # ours -> theirs
    "--model-path": ("--model-checkpoint",),
    "--backbone-scale": ("--model-backbone-scale",),
    "--refine-mode": ("--model-refine-mode",),
    "--refine-sample-pixels": ("--model-refine-sample-pixels",),
    "--refine-threshold": ("--model-refine-threshold",),
    "--src": ("--images-src", "--video-src"),
    "--bgr": ("--images-bgr", "--video-bgr"),
    "--target-bgr": ("--video-target-bgr",),
    "--output-types": ("--output-type",),
}
WITHOUT_EFFECT = {  # theirs -> argparse's options, and why it makes no difference here
    "-y": ({"nargs": 0}, "results are written over without a question"),
    "--model-refine-kernel-size": ({}, "it is read off the weights"),
    "--model-refine-patch-crop-method": ({}, "all methods are one"),
    "--model-refine-patch-replace-method": ({}, "all methods are one"),
    "--model-type": ({"choices": ("mattingrefine", "refine")}, "the whole network is used always"),
    "--num-workers": ({}, "pictures are read and written beside the network anyway"),
    "--onnx-constant-folding": ({"nargs": "?"}, "engines fold constants as they load a file"),
    "--onnx-verbose": ({"nargs": "?"}, "there is nothing more to be said"),
    "--preprocess-alignment": ({"nargs": 0}, "--align auto, the default, is its successor"),
    "--validate": ({"nargs": 0}, "files are compared with the network anyway"),
}


class Parser(argparse.ArgumentParser):
    """argparse's, whose help keeps the lines of a description, and whose errors are UsageErrors."""

    def __init__(self, description=None, **options):
        super().__init__(description=description, formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def error(self, message):
        raise UsageError(f"{message}; --help names all flags")


class _WithoutEffect(argparse.Action):
    def __call__(self, parser, namespace, values, option_string=None):
        print(f"{option_string} has no effect: {WITHOUT_EFFECT[option_string][1]}", file=sys.stderr)


def names_of(flag):
    """A flag of ours and its names there, as `add_argument` takes them."""
    return (flag, *ALIASES.get(flag, ()))


def add_without_effect(parser, *flags):
    """Let a parser accept some of WITHOUT_EFFECT, and say so on stderr where one is used."""
    group = parser.add_argument_group("flags of the PyTorch original without effect")
    for flag in flags:
        options, why = WITHOUT_EFFECT[flag]
        group.add_argument(flag, dest="ignored", action=_WithoutEffect, help=f"no effect: {why}", **options)


def at_least_1(text):
    """argparse's type of a whole number from 1 on."""
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {text}")
    return int(text)
