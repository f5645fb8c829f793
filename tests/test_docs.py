"""What the documents say holds: flags, commands, links, files; both languages say the same; the READMEs stay short."""

import re
import shlex
from pathlib import Path

import pytest

from tools import flags

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = (".", "docs", "image", "model/weights", "tests")
DOCUMENTS = {str(path.relative_to(ROOT)): path for folder in FOLDERS for path in sorted((ROOT / folder).glob("*.md"))}
FILES = {path.name for room in ("tools", "utils", "tests") for path in (ROOT / room).rglob("*.*")}
PAIRS = [name for name in DOCUMENTS if name.replace(".md", "_cn.md") in DOCUMENTS]
MADE = ("output", "data", "checkpoint", "log", "photos", "backgrounds", "frames", "scenes", "DATA", "my")  # by the user
FOREIGN = {  # flags of other programs
    *("--nproc_per_node", "--log_dir", "--logdir", "--no-deps", "--cov", "--index-url", "--only", "--minutes"),
    *("--force-reinstall", "--only-binary", "--extra-index-url", "--no-install-recommends", "--help", "--dist"),
}
LINES, BYTES = 260, 17_000  # of a README


@pytest.fixture(scope="module")
def parsers():
    """Name of a program and its command, "tools.benchmark growth" -> its ArgumentParser."""
    return flags.parsers()


def text_of(name):
    return DOCUMENTS[name].read_text(encoding="utf-8")


def without_code(text):
    return re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)


def anchor(title):
    """GitHub's name for a heading."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


def anchors(path):
    return {anchor(title) for title in re.findall(r"^#+ (.+)$", without_code(path.read_text("utf-8")), flags=re.M)}


def sections(name):
    """List of (level, text up to the next heading)."""
    text = text_of(name)
    code = [match.span() for match in re.finditer(r"^```.*?^```$", text, flags=re.M | re.S)]
    heads = [
        match
        for match in re.finditer(r"^(#+) (.+)$", text, flags=re.M)
        if not any(start <= match.start() < end for start, end in code)
    ]
    ends = [match.start() for match in heads[1:]] + [len(text)]
    return [(len(match[1]), text[match.end() : end]) for match, end in zip(heads, ends)]


def commands(text):
    """What stands in code blocks, without remarks and without the strings that a reader's language decides."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.M | re.S)
    blocks += [("", block) for block in re.findall(r"(?:^    \S.*\n)+", without_code(text), flags=re.M)]
    return [
        (kind, [re.sub(r"(^|\s+)#.*|\s+$", "", line).replace('"zh"', '"en"') for line in block.splitlines()])
        for kind, block in blocks
        if kind != "text"
    ]


def test_the_page_of_flags_is_that_of_the_programs(parsers):
    assert text_of("docs/flags.md") == flags.page(parsers), "run: python -m tools.flags"


def test_help_explains_every_flag_and_its_default(parsers):
    missing = []
    for program, parser in parsers.items():
        for action in flags.flags_of(parser):
            said = action.help or ""
            states_default = "default" in said or action.default in (None, False, []) or action.const is False
            if not said or not (states_default or not action.option_strings):
                missing.append(f"{program} {action.option_strings or action.dest}: {said!r}")
    assert not missing, missing


def test_no_flag_is_without_effect(parsers):
    """A flag that nobody reads is known to its parser alone: its name is no attribute anywhere."""
    paths = [path for room in ("utils", "tools") for path in (ROOT / room).rglob("*.py")]
    text = "\n".join(path.read_text("utf-8") for path in (*paths, *(ROOT / f"{door}.py" for door in flags.DOORS)))
    unread = [
        f"{program} {action.dest}"
        for program, parser in parsers.items()
        for action in flags.flags_of(parser)
        if not re.search(rf"\.{action.dest}\b|[\"']{action.dest}[\"']", text)
    ]
    assert not unread, unread


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_and_named_files_exist(name):
    path, text = DOCUMENTS[name], text_of(name)
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(text)):
        if "://" in target:
            continue
        file, _, heading = target.partition("#")
        linked = (path.parent / file).resolve() if file else path
        assert linked.exists(), f"{target} does not exist"
        assert not heading or heading in anchors(linked), f"no heading for {target}"
    for file in re.findall(r"(?<![\w/.-])((?:[\w.-]+/)*[\w-]+\.(?:py|sh|txt|ipynb))(?![\w/])", text):
        made = file.split("/")[0] in MADE or file in ("timestamps.txt", "log.txt")
        known = (ROOT / file).exists() or (path.parent / file).exists() or Path(file).name in FILES
        assert made or known, f"{file} does not exist"


@pytest.mark.parametrize("name", sorted(DOCUMENTS.keys() - {"CHANGELOG.md"}))  # which tells of former ones
def test_every_flag_that_is_named_exists(name, parsers):
    """In a command: a flag of that program; in a sentence: of any."""
    known = {flag for parser in parsers.values() for action in parser._actions for flag in action.option_strings}
    text = text_of(name)
    named = set(re.findall(r"(?<![\w-])--[a-z][\w-]+", without_code(text)))
    assert named <= known | FOREIGN, named - known - FOREIGN
    for _, lines in commands(text):
        for command in "\n".join(lines).replace("\\\n", " ").splitlines():
            program, of_it = program_of(command, parsers)
            if program:
                wrong = {word.partition("=")[0] for word in of_it if re.match(r"--[a-z]", word)} - FOREIGN
                wrong -= {flag for action in parsers[program]._actions for flag in action.option_strings}
                assert not wrong, f"{program} has no {wrong}: {command}"


def program_of(command, parsers):
    """The program that a line of shell starts, and its words; None where it is none of ours."""
    match = re.search(r"(?:python (?:\S+=\S+ )?-m (tools\.[\w.]+)|(?<![\w/])(predict|eval|train)\.py)(.*)$", command)
    if not match:
        return None, []
    try:
        words = shlex.split(match[3].partition("&&")[0])
    except ValueError:
        words = match[3].split()
    program = match[1] or match[2]
    return next(
        (name for name in (f"{program} {words[0] if words else ''}".strip(), program) if name in parsers), None
    ), words


@pytest.mark.parametrize("name", PAIRS)
def test_both_languages_have_the_same_headings_and_commands(name):
    english, chinese = sections(name), sections(name.replace(".md", "_cn.md"))
    assert [level for level, _ in english] == [level for level, _ in chinese]
    for (_, mine), (_, theirs) in zip(english, chinese):
        assert commands(mine) == commands(theirs)
        flags_named = [set(re.findall(r"(?<![\w-])--[a-z][\w-]+", text)) for text in (mine, theirs)]
        assert flags_named[0] == flags_named[1], mine[:60]
        figures = [re.findall(r"!\[.*?\]\((.+?)\)", text) for text in (mine, theirs)]
        assert figures[0] == [figure.replace("_cn.", ".") for figure in figures[1]], mine[:60]


@pytest.mark.parametrize("name", ["README.md", "README_cn.md"])
def test_the_readme_is_read_in_five_minutes(name):
    text = text_of(name)
    assert len(text.splitlines()) <= LINES and len(text.encode("utf-8")) <= BYTES
