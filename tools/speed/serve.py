"""A process that is measured: ours and, in an environment with PyTorch, the original's. Needs NumPy alone."""

import re
import resource
import sys
from pathlib import Path

import numpy as np

MAXRSS_IN_MIB = 2**20 if sys.platform == "darwin" else 2**10  # getrusage counts bytes there, KiB elsewhere


def serve(run, alpha=None):
    """Say "ready", then answer each line of standard input with the numbers that `run(line)` returns.

    The line `memory FILE` is answered with the peak memory in MiB, and FILE becomes what `alpha()` returns, an array.
    """
    print("ready", flush=True)
    for line in sys.stdin:
        command, _, file = line.strip().partition(" ")
        if command == "memory":
            np.save(file, alpha())
            print(peak_memory(), flush=True)
        else:
            print(*run(command), flush=True)


def peak_memory():
    """MiB. Linux counts this process alone; getrusage there includes the one that started it."""
    try:
        return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text()).group(1)) / 1024
    except (OSError, AttributeError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MAXRSS_IN_MIB
