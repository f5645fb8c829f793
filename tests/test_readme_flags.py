"""Both READMEs tell of every flag, name only files that exist, and have the same headings and commands."""

import argparse
import importlib
import re
from pathlib import Path

import pytest

from utils.system.cpu import cores

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = [
    *("predict", "eval", "train"),
    *(f"tools.{path.stem}" for path in sorted(ROOT.glob("tools/*.py")) if "ArgumentParser(" in path.read_text()),
]
# English headings below which a program's table stands; all others are in one table, by name.
PLACES = {
    "predict": ("Matte pictures", "Videos"),
    "eval": ("Evaluate",),
    "train": ("Train", "Stages"),
    "tools.app": ("Web page",),
    "tools.webcam": ("Webcam",),
}
TOOLS = "Flags of the tools"
MADE = ("output", "data", "checkpoint", "log", "photos", "backgrounds", "frames", "scenes", "DATA")  # by the user
READMES = {"en": ROOT / "README.md", "zh": ROOT / "README_cn.md"}


class Captured(BaseException):
    """Carries a program's parser away just before it would parse."""


@pytest.fixture(scope="module")
def parsers():
    """Name of a program and its command, "tools.benchmark growth" -> its ArgumentParser, without running anything."""
    ask, parse = ["--captured"], argparse.ArgumentParser.parse_known_args

    def capture(self, args=None, namespace=None):
        if args == ask:
            raise Captured(self)
        return parse(self, args, namespace)

    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_known_args", capture)
        for program in PROGRAMS:
            with pytest.raises(Captured) as captured:
                importlib.import_module(program).main(ask)
            (parser,) = captured.value.args
            commands = [a.choices for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
            for command, its in commands[0].items() if commands else [("", parser)]:
                found[f"{program} {command}".strip()] = its
    return found


def flags_of(parser):
    return [action for action in parser._actions if action.option_strings and action.dest != "help"]


def without_code(text):
    return re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)


def sections(language):
    """List of (level, title, text up to the next heading), the English titles in both languages: places are equal."""
    text = READMES[language].read_text(encoding="utf-8")
    code = [match.span() for match in re.finditer(r"^```.*?^```$", text, flags=re.M | re.S)]
    heads = [
        match
        for match in re.finditer(r"^(#+) (.+)$", text, flags=re.M)
        if not any(start <= match.start() < end for start, end in code)
    ]
    ends = [match.start() for match in heads[1:]] + [len(text)]
    found = [(len(m[1]), m[2].strip(), text[m.end() : end]) for m, end in zip(heads, ends)]
    if language == "en":
        return found
    titles = [title for _, title, _ in sections("en")]
    assert len(titles) == len(found), "the READMEs have not the same number of headings"
    return [(level, title, text) for (level, _, text), title in zip(found, titles)]


def rows_of(program, language):
    """Table rows, as lists of cells, that are about a program, such as "tools.benchmark growth"."""
    module, _, command = program.partition(" ")
    places = PLACES.get(module, (TOOLS,))
    assert set(places) <= {title for _, title, _ in sections(language)}
    rows = [
        [cell.strip() for cell in line.strip("| ").split(" | ")]
        for _, title, text in sections(language)
        if title in places
        for line in text.splitlines()
        if line.startswith("| ")
    ]
    if module in PLACES:
        return rows
    tool = f"{module.removeprefix('tools.')}.py"
    return [row[1:] for row in rows if f"`{tool}`" in row[0] and (not command or f"`{command}`" in row[0])]


@pytest.mark.parametrize("language", READMES)
def test_every_flag_stands_in_a_table_with_its_default(parsers, language):
    missing = []
    for program, parser in parsers.items():
        rows = rows_of(program, language)
        for action in flags_of(parser):
            for flag in action.option_strings:
                about = [row for row in rows if re.search(rf"{flag}(?![\w-])", row[0] + row[-1])]
                if not about:
                    missing.append(f"{program} {flag}")
                elif missing_default := undocumented_default(action, about):
                    missing.append(f"{program} {flag}: {missing_default}")
    assert not missing, missing


def undocumented_default(action, rows):
    """The default that no row states, or None; those of machine, path of the repository and `off` have words."""
    if action.default in (None, True, False, []) or Path(str(action.default)).is_absolute():
        return None
    if (action.dest, action.default) == ("num_workers", max(1, min(16, cores() - 1))):
        return None
    parts = action.default if isinstance(action.default, (list, tuple)) else [action.default]
    if action.dest == "engines":
        return None  # all but the slowest, which the row says in words
    said = " ".join(" ".join(row) for row in rows).replace(",", "")
    wanted = [f"{part:g}" if isinstance(part, float) else str(part) for part in parts]
    left = [part for part in wanted if not re.search(rf"(?<![\w.]){re.escape(part)}(?![\w.])", said)]
    return f"default {' '.join(left)}" if left else None


def test_help_explains_every_flag_and_its_default(parsers):
    missing = []
    for program, parser in parsers.items():
        for action in flags_of(parser):
            said = action.help or ""
            states_default = "default" in said or action.default in (None, False, []) or action.const is False
            if not said or not states_default:
                missing.append(f"{program} {action.option_strings[0]}: {said!r}")
    assert not missing, missing


def test_no_flag_is_without_effect(parsers):
    """A flag that nobody reads is known to its parser alone: its name is no attribute in the program or in utils/."""
    rooms = "\n".join(path.read_text() for path in (ROOT / "utils").rglob("*.py"))
    unread = []
    for program, parser in parsers.items():
        path = ROOT / f"{program.split()[0].replace('.', '/')}.py"
        text = rooms + "".join(part.read_text() for part in (ROOT / "tools").rglob("*.py"))
        text += path.read_text()
        for action in flags_of(parser):
            if not re.search(rf"\.{action.dest}\b|[\"']{action.dest}[\"']", text):
                unread.append(f"{program} {action.option_strings[0]}")
    assert not unread, unread


@pytest.mark.parametrize("language", READMES)
def test_links_and_named_files_exist(language):
    path = READMES[language]
    text = path.read_text(encoding="utf-8")
    anchors = {anchor(title) for title in re.findall(r"^#+ (.+)$", text, flags=re.M)}
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in anchors, f"no heading for {target}"
        elif "://" not in target:
            assert (ROOT / target).exists(), f"{target} does not exist"
    for name in re.findall(r"(?<![\w/.-])((?:[\w.-]+/)*[\w-]+\.(?:py|sh|txt|ipynb))(?![\w/])", text):
        known = [ROOT / name, *(path for top in ("tools", "utils") for path in (ROOT / top).rglob(Path(name).name))]
        made = name.split("/")[0] in MADE or name == "timestamps.txt"
        assert made or any(path.exists() for path in known), f"{name} does not exist"


def anchor(title):
    """GitHub's name for a heading."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


def commands(text):
    """What stands in code blocks, without remarks and without strings that a reader's language decides."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.M | re.S)
    blocks += [("", block) for block in re.findall(r"(?:^    \S.*\n)+", without_code(text), flags=re.M)]
    return [
        (kind, [re.sub(r"\s+#.*|\s+$", "", line) for line in block.splitlines()])
        for kind, block in blocks
        if not block.startswith("predict.py  eval.py")  # the picture of the folders
    ]


def test_both_readmes_have_the_same_headings_and_commands():
    for (level, title, english), (other, _, chinese) in zip(sections("en"), sections("zh")):
        assert level == other, title
        pairs = zip(commands(english), commands(chinese))
        assert len(commands(english)) == len(commands(chinese)), title
        for mine, theirs in pairs:
            assert swapped(mine) == swapped(theirs), title
        flags = [set(re.findall(r"(?<![\w-])--[a-z][\w-]+", text)) for text in (english, chinese)]
        assert flags[0] == flags[1], f"{title}: {flags[0] ^ flags[1]}"
        figures = [re.findall(r"!\[.*?\]\((.+?)\)", text) for text in (english, chinese)]
        assert figures[0] == [name.replace("_cn.", ".") for name in figures[1]], title


def swapped(block):
    """The language that a program asks for is the reader's."""
    return [line.replace('"zh"', '"en"') for line in block[1]]
