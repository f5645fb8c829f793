"""Rank and threads of one of several processes, from the environment that the launcher sets."""

import pytest

from utils.system.command_line import UsageError
from utils.system.cpu import cores, launched, rank_and_count, set_threads


def test_a_process_by_itself_is_the_only_one():
    assert rank_and_count({}) == (0, 1) and not launched({})


def test_the_launchers_environment_is_read():
    environ = {"PADDLE_TRAINER_ID": "2", "PADDLE_TRAINERS_NUM": "3", "PADDLE_LOCAL_SIZE": "3"}
    assert rank_and_count(environ) == (2, 3) and launched(environ)


@pytest.mark.parametrize(("rank", "count"), [("3", "3"), ("-1", "2"), ("a", "2"), ("0", "many"), ("0", "0"), ("", "1")])
def test_impossible_ranks_are_refused(rank, count):
    with pytest.raises(UsageError, match=f"PADDLE_TRAINER_ID={rank} "):
        rank_and_count({"PADDLE_TRAINER_ID": rank, "PADDLE_TRAINERS_NUM": count})


@pytest.mark.parametrize(
    ("environ", "threads"),
    [
        ({}, str(cores())),
        ({"PADDLE_LOCAL_SIZE": "1"}, str(cores())),
        ({"PADDLE_TRAINERS_NUM": "2"}, str(cores())),  # by hand, perhaps one on each machine
        ({"PADDLE_LOCAL_SIZE": "1", "OMP_NUM_THREADS": "1"}, "1"),
        ({"PADDLE_LOCAL_SIZE": "2"}, str(max(1, cores() // 2))),
        ({"PADDLE_LOCAL_SIZE": "2", "OMP_NUM_THREADS": "1"}, str(max(1, cores() // 2))),
        ({"PADDLE_LOCAL_SIZE": "1000"}, "1"),
        ({"PADDLE_LOCAL_SIZE": "2", "OMP_NUM_THREADS": "7"}, "7"),
    ],
)
def test_ranks_on_one_machine_share_its_processor(environ, threads):
    set_threads(environ)
    assert environ.get("OMP_NUM_THREADS") == threads
