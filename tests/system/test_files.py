"""Files appear whole or not at all."""

import hashlib
import os
from functools import lru_cache

import pytest

from utils.system.files import atomic_path, real_path, sha256_file, write_json, write_text


def test_atomic_path_renames_on_success_and_makes_the_folder(tmp_path):
    target = tmp_path / "new" / "deep" / "a.txt"
    with atomic_path(target) as temporary:
        assert temporary.parent == target.parent and temporary.suffix == ".txt"
        temporary.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"
    assert os.listdir(target.parent) == ["a.txt"]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, MemoryError])
def test_after_a_failure_the_old_file_stands_and_nothing_else(tmp_path, failure):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(failure), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise failure
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's /dev/full")
def test_a_full_disk_names_the_file_that_the_user_knows(tmp_path):
    target = tmp_path / "a.txt"
    with pytest.raises(OSError, match="No space left") as caught, atomic_path(target) as temporary:
        temporary.symlink_to("/dev/full")
        temporary.write_bytes(b"x")
    assert caught.value.filename == str(target) and os.listdir(tmp_path) == []


def test_atomic_path_refuses_a_folder(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder"), atomic_path(tmp_path):
        raise AssertionError("the block must not start")
    assert os.listdir(tmp_path) == []


def test_atomic_path_takes_the_longest_name(tmp_path):
    target = tmp_path / ("n" * 251 + ".txt")
    write_text(target, "x")
    assert target.read_text() == "x"


def test_real_path_follows_links_of_folders_and_files(tmp_path):
    (tmp_path / "true").mkdir()
    (tmp_path / "true" / "a").touch()
    (tmp_path / "link").symlink_to(tmp_path / "true")
    (tmp_path / "true" / "b").symlink_to("a")
    known = lru_cache(None)(os.path.realpath)
    for name, expected in (("true/a", "a"), ("link/a", "a"), ("link/b", "a"), ("link/../true/new", "new")):
        assert real_path(tmp_path / name, known) == os.path.realpath(tmp_path / "true" / expected)
        assert real_path(tmp_path / name) == real_path(tmp_path / name, known)


def test_an_error_names_the_wanted_file_not_the_temporary_one(tmp_path):
    with pytest.raises(PermissionError) as caught, atomic_path(tmp_path / "a.txt") as temporary:
        raise PermissionError(13, "Permission denied", str(temporary))
    assert caught.value.filename == str(tmp_path / "a.txt")


def test_json_refuses_nan_and_writes_utf_8(tmp_path):
    write_json(tmp_path / "a.json", {"é": 1})
    assert (tmp_path / "a.json").read_bytes() == '{\n  "é": 1\n}\n'.encode()
    with pytest.raises(ValueError):
        write_json(tmp_path / "b.json", float("nan"))
    assert os.listdir(tmp_path) == ["a.json"]


def test_sha256_of_a_file(tmp_path):
    data = os.urandom((1 << 20) + 3)
    (tmp_path / "a").write_bytes(data)
    assert sha256_file(tmp_path / "a") == hashlib.sha256(data).hexdigest()
