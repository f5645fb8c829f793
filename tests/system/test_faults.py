"""The fuzzer of tests/faults runs, finds nothing in a few hundred files, and would find what it is for."""

import os
import signal
import subprocess
import time
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.faults import fuzz
from utils.engine import cache as engine_cache
from utils.weights.file import WeightsError

ROOT = Path(__file__).resolve().parents[2]


def some_damaged_files(reader):
    read, valid = fuzz.READERS[reader]
    return fuzz.fuzz(read, list(valid().values()), seed=1, files=100)


@pytest.mark.parametrize("reader", fuzz.READERS)
def test_some_damaged_files_give_results_or_clean_errors(reader):
    with get_context("spawn").Pool(1) as pool:  # a fork of this process would wait for threads of OpenMP that it lacks
        try:
            counts, findings = pool.apply(some_damaged_files, (reader,))
        except ImportError as error:
            pytest.skip(f"{error.name} (requirements/pictures.txt, requirements/video.txt)")
    assert findings == [] and sum(counts.values()) == 100
    assert counts["result"] and (reader == "icc" or any(outcome.startswith("refused") for outcome in counts))


def test_the_fuzzer_sees_errors_endings_and_large_memory():
    def read(path):
        first = path.read_bytes()[0]
        if first < 64:
            raise ZeroDivisionError("a mistake")
        if first < 96:
            os.kill(os.getpid(), signal.SIGSEGV)
        if first < 128:
            bytearray(4 << 30)
        if first < 192:
            raise WeightsError(f"{path} is damaged")

    valid = [bytes([first]) * 40 for first in range(0, 256, 8)]
    counts, findings = fuzz.fuzz(read, valid, seed=0, files=60)
    said = " ".join(what for _, what in findings)
    assert "ZeroDivisionError: a mistake" in said and "SIG" in said and "MemoryError" in said
    assert counts["result"] and counts["refused: is damaged"]


def test_a_user_without_a_home_gets_a_cache_that_is_not_kept(monkeypatch):
    for name in ("MATTING_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(engine_cache.Path, "home", no_home)
    assert str(engine_cache.cache_folder()).startswith(engine_cache.NO_HOME)


def test_run_sh_ends_the_program_that_it_waits_for(tmp_path):
    """A shell that is ended leaves its children running."""
    program = tmp_path / "python"
    program.write_text(
        f"#!/bin/sh\ntrap 'echo ended > {tmp_path}/said; exit 143' TERM\ntouch {tmp_path}/began\n"
        "while :; do sleep 0.05; done\n"
    )
    program.chmod(0o755)
    process = subprocess.Popen(["sh", str(ROOT / "run.sh")], env={**os.environ, "PYTHON": str(program)})
    end = time.monotonic() + 30
    while not (tmp_path / "began").exists() and time.monotonic() < end:
        time.sleep(0.02)
    process.terminate()
    assert process.wait(timeout=30) == 143
    assert (tmp_path / "said").read_text() == "ended\n"
