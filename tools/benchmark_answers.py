"""What every worker of `tools/benchmark.py model` answers; needs neither this project's packages nor PyTorch.

Each line on standard input is one command, answered by one line: `memory` prints the peak memory in MiB,
`save FILE.npy` keeps alpha of the last frame, any other runs one frame in that way and prints its seconds.
"""

import re
import resource
import sys
from pathlib import Path

import numpy as np


def peak_memory():
    """MiB. Linux counts this process alone; getrusage there includes the one that started it."""
    try:
        return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text()).group(1)) / 1024
    except (OSError, AttributeError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def answer_commands(run):
    """Answer until standard input ends. run(command) -> seconds, and a function that returns the frame's alpha."""
    alpha = None
    print("ready", flush=True)
    for line in sys.stdin:
        command, *rest = line.split()
        if command == "memory":
            print(peak_memory(), flush=True)
        elif command == "save":
            np.save(rest[0], alpha())
            print("saved", flush=True)
        else:
            seconds, alpha = run(command)
            print(seconds, flush=True)
