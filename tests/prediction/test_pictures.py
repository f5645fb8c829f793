"""Shares, results that exist, backgrounds that are read once: a folder's pairs, without the network."""

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from dataset.picture import PictureError, read_alpha, read_photo, read_rgb
from tests.background.test_align import room
from utils.background.match import Correction
from utils.picture.write import write_picture
from utils.prediction import loop
from utils.prediction import pairs as module
from utils.prediction.loop import Capture, matte_all
from utils.prediction.outputs import Output, output_paths
from utils.prediction.pairs import PairSource, PictureSink, plan
from utils.prediction.target import open_target
from utils.predictor import Matte
from utils.system.command_line import UsageError, printer
from utils.system.notes import Note

SIZE = (72, 96)
TYPES = ("pha", "fgr", "com")


class DrawnMatting:
    """Stands in for Matting: the subject is what differs from the background; notes how it was called."""

    def __init__(self, fails_at=()):
        self.backgrounds, self.foregrounds, self.calls, self.fails_at = [], [], 0, fails_at

    def __call__(self, src, bgr, foreground=True):
        assert threading.current_thread() is threading.main_thread()
        if not self.backgrounds or bgr is not self.backgrounds[-1]:
            self.backgrounds.append(bgr)
        self.calls += 1
        if self.calls in self.fails_at:
            raise MemoryError
        self.foregrounds.append(foreground)
        pha = np.uint8(cv2.absdiff(src, bgr).max(axis=2) > 60) * 255
        return Matte(pha, src if foreground else None, None, lambda: pha / 255, lambda: pha / 255)


@pytest.fixture
def folder(tmp_path):
    """src/0.png .. src/4.png, and their background bgr.png."""
    bgr = room(*SIZE, seed=3)
    write_picture(tmp_path / "bgr.png", bgr)
    for i in range(5):
        src = bgr.copy()
        src[20:50, 10 + 8 * i : 40 + 8 * i] = 255 - bgr[20:50, 10 + 8 * i : 40 + 8 * i] // 2
        write_picture(tmp_path / "src" / f"{i}.png", src)
    return tmp_path


def planned(folder, types=TYPES, skip_existing=False, src="src", bgr="bgr.png", out="out", **share):
    """What is to be done, and the notes on it."""
    notes = []
    output = Output(folder / out, tuple(types), skip_existing=skip_existing)
    return plan(folder / src, folder / bgr, output, **share, tell=notes.append)[0], notes


def matte_pairs(matting, targets, *correction, target=None, in_batch=True):
    """Paths that failed, and times, as predict.py does it."""
    source = PairSource(targets, Correction(*correction), in_batch)
    failed, times = matte_all(matting, source, PictureSink(targets, target, printer()), printer())
    return [pair.src for pair in failed], times


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in Path(folder).rglob("*") if p.is_file())


@pytest.fixture
def reads(monkeypatch):
    """Names of the files that were read."""
    names = []

    def noting(true):
        return lambda path, *args: names.append(Path(path).name) or true(path, *args)

    for reader in ("read_rgb", "read_photo"):
        monkeypatch.setattr(module, reader, noting(getattr(module, reader)))
    return names


def test_every_result_of_every_pair_is_written(folder, capsys):
    targets, notes = planned(folder)
    failed, times = matte_pairs(DrawnMatting(), targets)
    assert (failed, times.count, notes) == ([], 5, [])
    assert files(folder / "out") == [f"{kind}/{i}.png" for kind in sorted(TYPES) for i in range(5)]
    for i in range(5):
        pha = read_alpha(folder / "out" / "pha" / f"{i}.png")
        assert pha[35, 25 + 8 * i] == 255 and pha[10, 10] == 0
        np.testing.assert_array_equal(read_photo(folder / "out" / "com" / f"{i}.png").alpha, pha)
    written = [f"  {path}" for paths in targets.values() for path in paths.values()]
    assert capsys.readouterr().out.splitlines() == written


def test_one_background_is_read_and_prepared_once(folder, reads):
    matting = DrawnMatting()
    matte_pairs(matting, planned(folder)[0])
    assert sorted(reads) == ["0.png", "1.png", "2.png", "3.png", "4.png", "bgr.png"]
    assert len(matting.backgrounds) == 1


def test_a_background_of_another_size_is_resized_once(folder, monkeypatch, capsys):
    write_picture(folder / "bgr.png", cv2.resize(read_rgb(folder / "bgr.png"), (192, 144)))
    true, calls = module.match_size, []
    monkeypatch.setattr(module, "match_size", lambda *pair: calls.append(1) or true(*pair))
    matting = DrawnMatting()
    matte_pairs(matting, planned(folder)[0], "off", "off")
    assert len(calls) == len(matting.backgrounds) == 1
    assert capsys.readouterr().err.count("it was resized") == 5


def test_a_background_that_is_changed_for_a_source_serves_that_source_only(folder, capsys):
    src = read_rgb(folder / "src" / "2.png")
    write_picture(folder / "src" / "2.png", cv2.convertScaleAbs(src, alpha=0.8))
    matting = DrawnMatting()
    matte_pairs(matting, planned(folder)[0])
    first, changed, last = matting.backgrounds
    assert first is last and 0.7 < changed.mean() / first.mean() < 0.9
    assert capsys.readouterr().out.count("the light had changed") == 1


def test_backgrounds_paired_by_name_are_each_their_own(folder):
    for i in range(5):
        write_picture(folder / "backgrounds" / f"{i}.png", read_rgb(folder / "bgr.png"))
    targets, _ = planned(folder, bgr="backgrounds")
    matting = DrawnMatting()
    assert matte_pairs(matting, targets)[1].count == 5 and len(matting.backgrounds) == 5


@pytest.mark.parametrize("types", [["pha"], ["pha", "err", "ref"], ["com"]])
def test_the_network_is_not_asked_for_colours_that_are_solved_for(folder, types, monkeypatch):
    matting, solved = DrawnMatting(), []
    monkeypatch.setattr(loop, "clean_foreground", lambda pha, src, bgr, colours: solved.append(colours) or (src, pha))
    matte_pairs(matting, planned(folder, types)[0])
    assert matting.foregrounds == [False] * 5 and solved == [bool({"fgr", "com"} & set(types))] * 5
    assert files(folder / "out") == [f"{kind}/{i}.png" for kind in sorted(types) for i in range(5)]


def test_the_same_threads_write_all_pairs(folder, monkeypatch):
    """A new thread takes memory of its own, which is kept when it ends."""
    threads = []
    monkeypatch.setattr(module, "write_picture", lambda *_: threads.append(threading.current_thread()))
    matte_pairs(DrawnMatting(), planned(folder)[0])
    assert len(threads) == 15 and len(set(threads)) <= 3


def test_target_background_is_put_behind_the_foreground(folder):
    matte_pairs(DrawnMatting(), planned(folder)[0], target=open_target("#00ff00"))
    com, src = read_rgb(folder / "out" / "com" / "0.png"), read_rgb(folder / "src" / "0.png")
    np.testing.assert_array_equal(com[10, 70], (0, 255, 0))
    np.testing.assert_array_equal(com[35, 25], src[35, 25])


@pytest.mark.parametrize("step", ["read", "network", "write"])
def test_a_pair_that_fails_is_named_and_the_rest_goes_on(folder, step, capsys):
    matting = DrawnMatting()
    if step == "read":
        (folder / "src" / "1.png").write_bytes(b"nothing")
    elif step == "network":
        matting.fails_at = [2]
    else:
        (folder / "out" / "fgr" / "1.png").mkdir(parents=True)
    failed, times = matte_pairs(matting, planned(folder)[0])
    assert failed == [folder / "src" / "1.png"] and times.count == 4
    assert capsys.readouterr().err.startswith("failed: ")
    for kind in ("com", "fgr", "pha"):
        assert {f"{kind}/{i}.png" for i in (0, 2, 3, 4)} <= set(files(folder / "out"))


def test_one_pair_that_fails_raises(folder):
    (folder / "src" / "1.png").write_bytes(b"nothing")
    targets, _ = planned(folder, src="src/1.png")
    with pytest.raises(PictureError, match="1.png is not a picture"):
        matte_pairs(DrawnMatting(), targets, in_batch=False)


def test_a_broken_background_of_all_is_one_error_not_one_for_each(folder):
    (folder / "bgr.png").write_bytes(b"nothing")
    with pytest.raises(PictureError, match="bgr.png is not a picture"):
        matte_pairs(DrawnMatting(), planned(folder)[0])


def test_a_mistake_of_ours_stops_a_batch(folder):
    with pytest.raises(TypeError, match="not callable"):
        matte_pairs(None, planned(folder)[0])


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_the_shares_of_all_ranks_are_the_whole(folder, count):
    whole, _ = planned(folder)
    shares = [planned(folder, rank=rank, count=count) for rank in range(count)]
    together = [pair for targets, _ in shares for pair in targets]
    assert sorted(together, key=lambda pair: pair.name) == list(whole) and len(together) == 5
    assert max(len(targets) for targets, _ in shares) - min(len(targets) for targets, _ in shares) <= 1
    if count > 1:
        assert [notes for _, notes in shares] == [
            [Note("rank", rank=rank, count=count, share=len(targets), pairs=5)]
            for rank, (targets, _) in enumerate(shares)
        ]


def test_what_exists_is_skipped_and_what_is_incomplete_is_not(folder):
    matte_pairs(DrawnMatting(), planned(folder)[0])
    (folder / "out" / "fgr" / "3.png").unlink()
    targets, notes = planned(folder, skip_existing=True)
    assert [pair.name for pair in targets] == ["3"]
    assert notes == [Note("skipped", count=4, pairs=5)]
    assert planned(folder, ["pha"], skip_existing=True) == ({}, [Note("skipped", count=5, pairs=5)])


def test_a_pair_that_cannot_be_matted_is_named_again_by_every_run(folder, capsys):
    write_picture(folder / "src" / "0.bmp", read_rgb(folder / "src" / "0.png"))
    for done in (5, 0):
        targets, _ = planned(folder, skip_existing=True)
        failed, times = matte_pairs(DrawnMatting(), targets)
        assert (failed, times.count) == ([folder / "src" / "0.png"], done)
    assert capsys.readouterr().err.count("would write the same files") == 2


def test_shares_do_not_depend_on_what_exists_already(folder):
    """A rank that starts late finds the others' first results, and must still take what they leave to it."""
    early, _ = planned(folder, skip_existing=True, rank=0, count=2)
    matte_pairs(DrawnMatting(), dict(list(early.items())[:1]))
    late, notes = planned(folder, skip_existing=True, rank=1, count=2)
    assert not set(early) & set(late) and len(early) + len(late) == 5
    assert [note.kind for note in notes] == ["rank", "skipped"] and notes[1] == Note("skipped", count=0, pairs=2)


def test_results_below_the_sources_are_no_sources(folder):
    out = folder / "src" / "results"
    for _ in range(2):
        targets, notes = planned(folder, out=out)
        assert [pair.name for pair in targets] == ["0", "1", "2", "3", "4"]
        matte_pairs(DrawnMatting(), targets)
    assert notes == [Note("results_left_out", count=15, about=out)]
    with pytest.raises(UsageError, match="would be overwritten"):
        planned(folder, src=out / "pha", out=out)


def test_links_do_not_hide_that_an_input_would_be_overwritten(folder):
    (folder / "out").mkdir()
    (folder / "out" / "pha").symlink_to(folder / "src")
    with pytest.raises(UsageError, match="would be overwritten"):
        planned(folder)


def test_names_of_results():
    assert output_paths(Path("o"), "a/b", ["pha"], by_type=True) == {"pha": Path("o/pha/a/b.png")}
    assert output_paths(Path("o"), "b", ["pha"]) == {"pha": Path("o/b_pha.png")}


def test_what_is_most_doubtful_is_said_before_what_follows_from_it():
    src, pha = np.full((64, 64, 3), 20, np.uint8), np.zeros((64, 64), np.uint8)
    capture = Capture(None, "a.png", src, 255 - src, [Note("not_aligned", reason="")], None)
    notes = PairSource([]).look(capture, Matte(pha, None, None, None, None))
    assert [note.kind for note in notes] == ["other_scene", "not_aligned"]
