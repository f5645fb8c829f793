"""Which of several processes this one is: `python -m paddle.distributed.launch`, or a hand, sets the variables."""

import os

from utils.system.errors import UsageError

LAUNCHED = "PADDLE_LOCAL_SIZE"  # the launcher's processes on this machine


def rank_and_count(environ=os.environ):
    """(rank, number of ranks) of this process; (0, 1) if it is alone.

    Raises UsageError: PADDLE_TRAINER_ID and PADDLE_TRAINERS_NUM do not fit together.
    """
    rank, count = environ.get("PADDLE_TRAINER_ID", "0"), environ.get("PADDLE_TRAINERS_NUM", "1")
    if not (rank.isdecimal() and count.isdecimal() and int(rank) < int(count)):
        given = f"PADDLE_TRAINER_ID={rank} and PADDLE_TRAINERS_NUM={count}"
        raise UsageError(f"{given} do not fit together: ranks are numbered from 0")
    return int(rank), int(count)


def launched(environ=os.environ):
    """Whether Paddle's launcher started this process; it stops all others when one ends with another code than 0."""
    return LAUNCHED in environ


def processes_here(environ=os.environ):
    """How many processes the launcher started on this machine; 1 without it."""
    count = environ.get(LAUNCHED, "1")
    return max(1, int(count)) if count.isdecimal() else 1
