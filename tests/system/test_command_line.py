"""Errors, interrupts and SIGTERM become one line and an exit code."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tqdm import tqdm

from utils.system.command_line import Terminated, UsageError, command_line, terminable

ROOT = Path(__file__).resolve().parents[2]


@command_line
def program(action):
    action()


def stop_this_process():
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(5)


def fail(error):
    raise error


def hidden(error):
    """A library that is interrupted raises an error of its own."""
    try:
        stop_this_process()
    finally:
        raise error


def test_what_bars_lock_is_made_before_anything_can_interrupt_it():
    assert tqdm._lock.locks


@pytest.mark.parametrize(
    ("action", "code", "said"),
    [
        (lambda: None, 0, ""),
        (lambda: fail(UsageError("--flag is wrong,\n pass another")), 1, "error: --flag is wrong, pass another\n"),
        (lambda: fail(KeyboardInterrupt()), 130, "interrupted: what was finished is kept\n"),
        (stop_this_process, 143, "interrupted: what was finished is kept\n"),
        # What Paddle makes of both while it computes a gradient in Python.
        (
            lambda: fail(OSError("(External) Terminated: <EMPTY MESSAGE>")),
            143,
            "interrupted: what was finished is kept\n",
        ),
        (lambda: fail(OSError("(External) KeyboardInterrupt: ")), 130, "interrupted: what was finished is kept\n"),
        (lambda: hidden(AttributeError("_lock")), 143, "interrupted: what was finished is kept\n"),
        (
            lambda: hidden(OSError(28, "No space left", "a.mp4")),
            1,
            "error: a.mp4: No space left (check the path, its permissions and the free space)\n",
        ),
    ],
)
def test_how_a_program_ends(action, code, said, capsys):
    assert program(action) == code
    assert capsys.readouterr().err == said


def test_ctrl_c_during_the_imports_ends_a_program_without_a_traceback(tmp_path):
    """Libraries make an ImportError of an interrupt; here NumPy stands for them."""
    (tmp_path / "numpy.py").write_text(
        "import os, signal, time\n"
        "try:\n    os.kill(os.getpid(), signal.SIGINT)\n    time.sleep(5)\n"
        "except KeyboardInterrupt:\n    raise ImportError('initialization failed')\n"
    )
    environ = {**os.environ, "PYTHONPATH": str(tmp_path)}

    def allow():  # a shell's `&` forbids it
        signal.signal(signal.SIGINT, signal.default_int_handler)

    command = [sys.executable, str(ROOT / "predict.py")]
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, preexec_fn=allow)
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, "", "")


def test_a_program_can_be_interrupted_again_after_its_imports():
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        assert program(lambda: (os.kill(os.getpid(), signal.SIGINT), time.sleep(5))) == 130
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_rank_ends_at_once(monkeypatch):
    """Its peers may keep it waiting in Paddle, where no exception arrives."""
    seen = []
    program(lambda: seen.append(signal.getsignal(signal.SIGTERM)))
    monkeypatch.setenv("PADDLE_TRAINERS_NUM", "2")
    program(lambda: seen.append(signal.getsignal(signal.SIGTERM)))
    assert seen[0] != seen[1] == signal.getsignal(signal.SIGTERM)


def test_a_mistake_of_ours_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        program(lambda: fail(ZeroDivisionError()))


def test_sigterm_is_handled_within_the_block_only():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Terminated), terminable():
        assert signal.getsignal(signal.SIGTERM) != before
        raise Terminated
    assert signal.getsignal(signal.SIGTERM) == before


def test_other_threads_leave_signals_alone():
    before, seen = signal.getsignal(signal.SIGTERM), []

    def work():
        with terminable():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


@pytest.mark.parametrize("late", ["Source(DEFAULT_WEIGHTS).network()", "from paddle import inference"])
def test_sigterm_is_heard_after_the_first_import_of_paddle(tmp_path, late):
    """Of the network, and of an engine whose programs are there already."""
    (tmp_path / "program.py").write_text(
        "import os, signal, sys, time\n"
        "from utils.system.cpu import prepare\nprepare()\n"
        "from utils.engine.choice import Source\n"
        "from utils.system.command_line import command_line\n"
        "from utils.weights.load import DEFAULT_WEIGHTS\n"
        "@command_line\ndef main(argv=None):\n"
        f"    {late}\n    os.kill(os.getpid(), signal.SIGTERM)\n    time.sleep(5)\n"
        "sys.exit(main())\n"
    )
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run([sys.executable, str(tmp_path / "program.py")], env=environ, capture_output=True, text=True)
    assert ended.returncode == 143 and ended.stderr.endswith("interrupted: what was finished is kept\n")
