"""The stream keeps order and little in memory, outlives failures, and leaves no thread behind."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import pytest

from utils.prediction import loop

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def no_thread_left_behind():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def alone(function):
    """Call a function of this module in a process of its own, since the interrupt that it sends is the whole process's.

    Interrupts come there also where the tests run in the background, so that the shell has had them ignored.
    """
    lines = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    module = "from tests.prediction import test_loop"
    command = [sys.executable, "-c", f"{lines}; {module}; test_loop.{function.__name__}()"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def raised(item, error):
    raise error


def stream(items, read, network, write, failed=raised, clean=lambda item, result: result):
    return loop.stream(items, read, network, clean, write, failed)


class Step:
    """A step that raises what it is told to for some items, and keeps those that it finished."""

    def __init__(self, error=None, at=()):
        self.error, self.at, self.done, self.threads = error, at, [], set()

    def __call__(self, item, _given=None):
        self.threads.add(threading.get_ident())
        if item in self.at:
            raise self.error
        self.done.append(item)
        return item * 10


def test_every_item_passes_all_steps_in_order_each_in_its_thread():
    read, network, written, network_threads = Step(), Step(), [], set()

    def write(item, result):
        written.append((item, result, threading.get_ident()))

    def compute(item, data):
        network_threads.add(threading.get_ident())
        assert data == item * 10
        return data + 1

    times = stream(range(50), read, compute, write)
    assert [(item, result) for item, result, _ in written] == [(i, i * 10 + 1) for i in range(50)]
    assert network_threads == {threading.get_ident()}
    assert len(read.threads | {thread for *_, thread in written} | network_threads) == 3
    assert times.count == 50 and network.done == []
    assert 0 < max(times.read, times.network, times.write) <= times.wall


def test_no_items_give_no_work():
    assert stream([], Step(), Step(), Step()).count == 0


def test_the_steps_overlap():
    """Each step of an item waits for a step of another item: in turn, one after the other, this would never end."""
    reading, writing = threading.Semaphore(0), threading.Semaphore(0)

    def read(item):
        if item:
            reading.release()

    def network(item, _):
        if item < 4:
            assert reading.acquire(timeout=20)  # the next item is being read meanwhile
        if item:
            writing.release()

    def write(item, _):
        if item < 4:
            assert writing.acquire(timeout=20)  # the next item is in the network meanwhile

    assert stream(range(5), read, network, write).count == 5


@pytest.mark.parametrize("ahead", [1, 2, 5])
@pytest.mark.parametrize("slow", ["network", "write"])
def test_no_more_than_the_promised_items_are_in_memory(ahead, slow, monkeypatch):
    monkeypatch.setattr(loop, "AHEAD", ahead)

    class Data:
        pass

    alive, most = weakref.WeakSet(), []

    def made():
        data = Data()
        alive.add(data)
        return data

    def wait(step):
        if step == slow:
            time.sleep(0.002)
        most.append(len(alive))

    def network(item, data):
        wait("network")
        return data

    stream(range(60), lambda item: made(), network, lambda item, data: wait("write"))
    assert ahead < max(most) <= 2 * ahead + 1


@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_failure_is_reported_where_it_is_called_and_the_rest_goes_on(step):
    steps = [Step(ValueError("no good"), {3, 7}) if i == step else Step() for i in range(3)]
    failed = []
    times = stream(range(10), *steps, lambda item, error: failed.append((item, str(error), threading.get_ident())))
    assert failed == [(i, "no good", threading.get_ident()) for i in (3, 7)]
    assert steps[2].done == [i for i in range(10) if i not in (3, 7)]
    assert times.count == 8


@pytest.mark.parametrize("step", [0, 1, 2])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_without_a_handler_a_failure_stops_everything(step, error):
    steps = [Step(error("no good"), {3}) if i == step else Step() for i in range(3)]
    with pytest.raises(error, match="no good"):
        stream(itertools.count(), *steps)
    assert steps[2].done[:3] == [0, 1, 2]  # what was before it is written
    assert 3 not in steps[2].done and (step == 2 or len(steps[2].done) == 3)
    assert len(steps[0].done) <= 3 + 2 * 2 + 1


@pytest.mark.parametrize("step", [0, 1, 2])
def test_an_interrupt_is_not_taken_for_a_failure_of_an_item(step):
    steps = [Step(KeyboardInterrupt(), {3}) if i == step else Step() for i in range(3)]
    with pytest.raises(KeyboardInterrupt):
        stream(itertools.count(), *steps, lambda item, error: pytest.fail("reported"))
    assert steps[2].done[:3] == [0, 1, 2] and 3 not in steps[2].done


@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_handler_that_raises_stops_everything(step):
    steps = [Step(ValueError("no good"), {3}) if i == step else Step() for i in range(3)]

    def failed(item, error):
        raise RuntimeError("enough") from error

    with pytest.raises(RuntimeError, match="enough"):
        stream(itertools.count(), *steps, failed)
    assert steps[2].done[:3] == [0, 1, 2]


def test_an_error_of_the_items_is_raised_after_what_came_before():
    def items():
        yield from range(3)
        raise OSError("the folder is gone")

    write = Step()
    with pytest.raises(OSError, match="gone"):
        stream(items(), Step(), Step(), write, lambda item, error: pytest.fail("it is no item's"))
    assert write.done == [0, 1, 2]


def test_endless_items_are_advanced_no_further_than_needed():
    taken, write = [], Step()

    def items():
        for i in itertools.count():
            taken.append((i, threading.get_ident()))
            yield i

    def network(item, _):
        if item == 5:
            raise StopAsyncIteration
        return item

    with pytest.raises(StopAsyncIteration):
        stream(items(), Step(), network, write)
    assert 5 <= taken[-1][0] <= 5 + 3
    assert threading.get_ident() not in {thread for _, thread in taken}
    assert write.done == [0, 1, 2, 3, 4]


def test_ctrl_c_lets_the_writer_finish_what_it_was_given():
    alone(interrupt_while_writing)


def interrupt_while_writing():
    given, write = [], Step()

    def slow_write(item, result):
        time.sleep(0.01)
        write(item)

    def network(item, _):
        if item == 6:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)  # the interrupt comes here
        given.append(item)

    with pytest.raises(KeyboardInterrupt):
        stream(itertools.count(), Step(), network, slow_write)
    assert write.done == given == list(range(6))


def test_ctrl_c_wakes_a_stream_that_waits_for_its_reader():
    alone(interrupt_while_reading)


def interrupt_while_reading():
    written, waited = threading.Event(), threading.Event()

    def read(item):
        if item:
            assert written.wait(20)
            os.kill(os.getpid(), signal.SIGINT)
            waited.wait(0.2)

    with pytest.raises(KeyboardInterrupt):
        stream(itertools.count(), read, Step(), lambda item, result: written.set())


def test_times_are_those_of_the_steps():
    times = stream(
        range(5),
        lambda item: time.sleep(0.01),
        lambda item, data: time.sleep(0.03),
        lambda item, result: time.sleep(0.02),
    )
    assert times.read >= 0.05 and times.network >= 0.15 and times.write >= 0.1
    assert max(times.read, times.network, times.write) <= times.wall and times.count == 5
