"""Processor settings that Paddle reads only once, when it is imported: import this module first.

Intel's MKL, which Paddle's CPU build ships, takes a slow path on other makers' processors unless told otherwise:
with MKL_DEBUG_CPU_TYPE=5 a matrix product on an AMD processor is about three times as fast, and Intel processors
ignore the variable. OpenMP's own default for the number of threads counts hyper-threads and ignores limits set on
the process. Both variables are left alone where the user has set them.
"""

import os
import zlib  # noqa: F401  Paddle 2.6.2 brings a zlib that PNG readers fail with, unless Python's is loaded before it

os.environ.setdefault("MKL_DEBUG_CPU_TYPE", "5")
os.environ.setdefault(
    "OMP_NUM_THREADS", str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
)
