"""Flags of programs: argparse, whose errors are said as all others are, and what the PyTorch original called them."""

import argparse
import sys
from pathlib import Path

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


class Parser(argparse.ArgumentParser):
    """argparse's, whose help keeps the lines of a description, and whose errors are UsageErrors."""

    def __init__(self, description=None, **options):
        super().__init__(description=description, formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def error(self, message):
        raise UsageError(f"{message}; --help names all flags")


class _WithoutEffect(argparse.Action):
    def __call__(self, parser, namespace, values, option_string=None):
        print(f"{option_string} has no effect here", file=sys.stderr)


def names_of(flag):
    """A flag of ours and its names there, as `add_argument` takes them."""
    return (flag, *ALIASES.get(flag, ()))


def add_without_effect(parser, *flags, **options):
    """Let a parser accept flags of the original that make no difference here, for which docs/from_pytorch.md has the
    reasons, and say so on stderr where one is used; `options` are argparse's."""
    text = "of the PyTorch original, without effect"
    for flag in flags:
        parser.add_argument(flag, nargs="?", dest="ignored", action=_WithoutEffect, help=text, **options)


def at_least_1(text):
    """argparse's type of a whole number from 1 on."""
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {text}")
    return int(text)


def file_to_write(text):
    """argparse's type of a file's path that a program writes at its end, which is no folder: told before its work."""
    if Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text} is a folder: give the name of a file to write")
    return Path(text)
