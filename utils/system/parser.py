"""Flags of programs: argparse, whose errors are said as all others are."""

import argparse

from utils.system.errors import UsageError


class Parser(argparse.ArgumentParser):
    """argparse's, whose help keeps the lines of a description, and whose errors are UsageErrors."""

    def __init__(self, description=None, **options):
        super().__init__(description=description, formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def error(self, message):
        raise UsageError(f"{message}; --help names all flags")
