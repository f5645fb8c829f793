"""Write docs/flags.md, every flag of every program as its own parser explains it: `python -m tools.flags`."""

from utils.system.cpu import prepare

prepare()

import argparse
import importlib
import sys
from contextlib import suppress
from pathlib import Path
from unittest import mock

from utils.picture.write import picture_to_write
from utils.system.command_line import command_line
from utils.system.files import write_text
from utils.system.parser import Parser, file_to_write

ROOT = Path(__file__).resolve().parent.parent
DOORS = ("predict", "eval", "train")
PLACEHOLDERS = {int: "N", float: "X", Path: "PATH", file_to_write: "PATH", picture_to_write: "PATH"}
INTRODUCTION = """# Flags

What each program understands, as `--help` says it. This page is written by `python -m tools.flags`, and compared with
the programs by a test.
"""


def parsers():
    """{program and its command, such as "tools.benchmark growth": its ArgumentParser}, without running anything."""
    tools = sorted(path for path in (ROOT / "tools").rglob("*.py") if "Parser(__doc__)" in path.read_text("utf-8"))
    found = {}
    for program in [*DOORS, *(".".join(path.relative_to(ROOT).with_suffix("").parts) for path in tools)]:
        main = importlib.import_module(program).main
        ended = {"autospec": True, "side_effect": SystemExit}  # just before it would parse
        with mock.patch.object(argparse.ArgumentParser, "parse_known_args", **ended) as parse, suppress(SystemExit):
            main([])
        parser = parse.call_args.args[0]
        commands = [a.choices for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
        for command, its in commands[0].items() if commands else [("", parser)]:
            found[f"{program} {command}".strip()] = its
    return found


def flags_of(parser):
    """argparse's actions for what a user may write, in the order of --help."""
    return [a for a in parser._actions if a.dest != "help" and not isinstance(a, argparse._SubParsersAction)]


def page(found):
    """The text of docs/flags.md for what `parsers` returns."""
    parts = [INTRODUCTION]
    for program, parser in found.items():
        module, _, command = program.partition(" ")
        call = f"{module}.py" if module in DOORS else f"-m {module}"
        rows = "".join(_row(action) for action in flags_of(parser))
        table = f"| flag | meaning |\n|---|---|\n{rows}" if rows else "No flags.\n"
        parts.append(f"## {program.removeprefix('tools.')}\n\n`python {f'{call} {command}'.rstrip()}`\n\n{table}")
    return "\n".join(parts)


def _row(action):
    placeholder = PLACEHOLDERS.get(action.type, action.dest.upper().replace("_", "-"))
    values = argparse.HelpFormatter("")._format_args(action, placeholder)
    written = f"{', '.join(action.option_strings)} {values}".strip()
    return f"| `{written}` | {action.help}{' (required)' * (action.required and bool(action.option_strings))} |\n"


@command_line
def main(argv=None):
    Parser(__doc__).parse_args(argv)
    path = ROOT / "docs" / "flags.md"
    write_text(path, page(parsers()))
    print(path)


if __name__ == "__main__":
    sys.exit(main())
