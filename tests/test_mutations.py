"""tests/mutations.py, without its minutes: every mutation still fits its file, and the table tells what happened."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

from tests import mutations
from tests.mutations import MIRRORS, MUTATIONS, ROOT, Mutation, mutated
from utils.system.command_line import UsageError


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: f"{mutation.file}: {mutation.new}")
def test_a_mutation_fits_its_file_and_is_still_python(mutation):
    text = mutated(mutation)
    assert ast.dump(ast.parse(text)) != ast.dump(ast.parse((ROOT / mutation.file).read_text(encoding="utf-8")))


def test_the_tables_of_the_page_are_those_of_the_mutations():
    page = (ROOT / "tests/README.md").read_text(encoding="utf-8")
    counts = re.findall(r"^\| (\S+\.py|in all) \| (\d+) \| (\d+) \| (\d+) \|$", page, flags=re.M)
    named = re.findall(r"^\| (\S+\.py) \| `(.*?)` \| `(.*?)` \| `(test_\w+\.py)::(\w+).*` \|$", page, flags=re.M)
    assert f"({len(MUTATIONS)} of them" in page
    made, missed = (Counter(x.file for x in MUTATIONS), Counter(row[0] for row in named))
    made["in all"], missed["in all"] = len(MUTATIONS), len(named)
    assert {name: (int(n), int(noticed), int(late)) for name, n, noticed, late in counts} == {
        name: (made[name], made[name], missed[name]) for name in made
    }
    assert {(file, old, new) for file, old, new, *_ in named} <= {(x.file, x.old, x.new) for x in MUTATIONS}
    for *_, file, test in named:
        (path,) = (ROOT / "tests").rglob(file)
        assert f"def {test}(" in path.read_text(encoding="utf-8"), f"{file} has no {test}"


def test_mirrored_files_exist():
    assert {mutation.file for mutation in MUTATIONS} == set(MIRRORS)
    assert all((ROOT / "tests" / name).is_file() for names in MIRRORS.values() for name in names)


@pytest.mark.parametrize("old, count", [("no such text", 0), ("def ", r"\d\d")])
def test_a_text_that_is_gone_or_not_unique_is_named(old, count):
    with pytest.raises(UsageError, match=f"{old}.* stands {count} times in utils/evaluation/metric.py"):
        mutated(Mutation("utils/evaluation/metric.py", old, ""))


def test_the_table_names_the_test_or_nothing(monkeypatch, capsys):
    calls = []

    def fails_when_unknown_changes(folder, tests):
        calls.append(tests)
        text = Path(folder, "utils/evaluation/metric.py").read_text(encoding="utf-8")
        return "test_metric.py::test_x" if "UNKNOWN = 1\n" in text else None

    changes = [("UNKNOWN = 128", "UNKNOWN = 1"), ("sigma=1.4", "sigma=1.5")]
    monkeypatch.setattr(mutations, "MUTATIONS", [Mutation("utils/evaluation/metric.py", *change) for change in changes])
    monkeypatch.setattr(
        mutations,
        "copy_repository",
        lambda target: mutations.shutil.copytree(
            ROOT / "utils", target / "utils", ignore=mutations.shutil.ignore_patterns("__pycache__")
        ),
    )
    monkeypatch.setattr(mutations, "first_failure", fails_when_unknown_changes)
    assert mutations.main([]) == 1
    said = capsys.readouterr().out
    assert "| `UNKNOWN = 128` | `UNKNOWN = 1` | `test_metric.py::test_x` |" in said
    assert "**nothing**" in said and "1 of 2 mutations were noticed" in said and len(calls) == 3
    assert mutations.main(["--only", "resize"]) == 1
    assert "--only resize" in capsys.readouterr().err
