"""Errors, interrupts and SIGTERM become one line and an exit code."""

import os
import signal
import threading
import time

import pytest

from utils.command_line import Terminated, UsageError, command_line, terminable


@command_line
def program(action):
    action()


def stop_this_process():
    with terminable():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)


def fail(error):
    raise error


@pytest.mark.parametrize(
    ("action", "code", "said"),
    [
        (lambda: None, 0, ""),
        (lambda: fail(UsageError("--flag is wrong,\n pass another")), 1, "error: --flag is wrong, pass another\n"),
        (lambda: fail(KeyboardInterrupt()), 130, "interrupted: what was finished is kept\n"),
        (stop_this_process, 143, "interrupted: what was finished is kept\n"),
    ],
)
def test_how_a_program_ends(action, code, said, capsys):
    assert program(action) == code
    assert capsys.readouterr().err == said


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
