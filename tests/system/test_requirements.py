"""requirements/lock.txt is what the requirement files ask for: each line is met, by one version with hashes."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCK = (ROOT / "requirements" / "lock.txt").read_text(encoding="utf-8")
FILES = [ROOT / "requirements.txt", *sorted((ROOT / "requirements").glob("*.txt"))]
NOT_LOCKED = {"gpu.txt", "lock.txt"}  # the former is another package with another index


def lines_of(path):
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("-")]


@pytest.mark.parametrize("path", [path for path in FILES if path.name not in NOT_LOCKED], ids=lambda path: path.name)
def test_the_lock_meets_every_line(path):
    requirements = pytest.importorskip("packaging.requirements", reason="packaging is not installed")
    locked = dict(re.findall(r"^([\w.-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", LOCK, flags=re.M))
    locked = {name.lower().replace("_", "-"): version for name, version in locked.items()}
    for line in lines_of(path):
        wanted = requirements.Requirement(line)
        version = locked.get(wanted.name.lower().replace("_", "-"))
        assert version and wanted.specifier.contains(version), f"{line}: run the command at the head of the lock"


def test_every_locked_version_has_hashes():
    entries = re.split(r"^(?=[\w.-]+(?:\[[^\]]*\])?==)", LOCK, flags=re.M)[1:]
    assert len(entries) > 50 and all("--hash=sha256:" in entry for entry in entries)
