"""Which of several processes this one is: its share of the work, and of this machine's processor.

`python -m paddle.distributed.launch` sets the environment that is read here; PADDLE_TRAINER_ID and PADDLE_TRAINERS_NUM
set by hand do as well. The processes need not talk to one another. Import this module before utils.cpu, which takes the
whole processor.
"""

import os

LAUNCHED = "PADDLE_LOCAL_SIZE"  # the launcher's processes on this machine


def rank_and_count(environ=os.environ):
    """(rank, number of ranks) of this process; (0, 1) if it is alone.

    Raises:
        UsageError: PADDLE_TRAINER_ID and PADDLE_TRAINERS_NUM do not fit together.
    """
    from utils.command_line import UsageError  # late: it imports NumPy, which reads the number of threads

    rank, count = environ.get("PADDLE_TRAINER_ID", "0"), environ.get("PADDLE_TRAINERS_NUM", "1")
    if not (rank.isdigit() and count.isdigit() and int(rank) < int(count)):
        raise UsageError(
            f"PADDLE_TRAINER_ID={rank} and PADDLE_TRAINERS_NUM={count} do not fit together: ranks are numbered from 0"
        )
    return int(rank), int(count)


def launched(environ=os.environ):
    """Whether Paddle's launcher started this process; it stops all others when one ends with another code than 0."""
    return LAUNCHED in environ


def share_processor(environ=os.environ):
    """Set OMP_NUM_THREADS to cores / the launcher's processes on this machine; leave the user's own setting alone.

    The launcher hands on OMP_NUM_THREADS=1, which Paddle sets when the launcher imports it: that 1 is nobody's wish.
    """
    processes = environ.get(LAUNCHED, "1")
    if processes.isdigit() and int(processes) > 1 and environ.get("OMP_NUM_THREADS", "1") == "1":
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        environ["OMP_NUM_THREADS"] = str(max(1, cores // int(processes)))


share_processor()
