"""predict.py on folders: what exists is skipped, several processes share the work, and dead ones leave whole files."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import predict
from dataset.picture import read_alpha, read_photo, read_rgb
from tests.prediction.test_pictures import DrawnMatting
from tests.prediction.test_predictor import scene
from utils.picture.write import write_picture

ROOT = Path(__file__).resolve().parents[2]
COUNT = 12
KINDS = ("com", "fgr", "pha")


@pytest.fixture
def folder(tmp_path):
    """src/00.png .. src/11.png, each a little different, and bgr.png."""
    src, bgr = scene(176, 168)
    write_picture(tmp_path / "bgr.png", bgr)
    for i in range(COUNT):
        write_picture(tmp_path / "src" / f"{i:02d}.png", np.vstack([src[:130], np.roll(src[130:], 3 * i, axis=1)]))
    return tmp_path


def flags(folder, *more):
    return [
        str(x) for x in ("--src", folder / "src", "--bgr", folder / "bgr.png", "--output-dir", folder / "out", *more)
    ]


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in Path(folder).rglob("*") if p.is_file())


def whole(folder):
    """Read all results; returns their names. Fails where one is cut off, or where something else lies about."""
    for name in files(folder):
        assert read_rgb(folder / name).shape == (176, 168, 3)
    return files(folder)


def wait_for_a_result(process, folder, name="*.png"):
    while not any(Path(folder).rglob(name)):
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


def test_a_second_run_does_only_what_is_missing(folder, capsys):
    for name in files(folder / "src")[3:]:
        (folder / "src" / name).unlink()
    few = flags(folder, "--skip-existing", "--output-types", "pha", "--engine", "paddle", "--backbone-scale", "0.5")
    assert predict.main(few) == 0
    said = capsys.readouterr().out
    assert "skipped 0 of 3 pairs" in said and "\n3 of 3 pairs in " in said
    (folder / "out" / "pha" / "01.png").unlink()
    kept = (folder / "out" / "pha" / "02.png").stat().st_mtime_ns
    assert predict.main(few) == 0
    said = capsys.readouterr().out
    assert "skipped 2 of 3 pairs" in said and "01.png" in said and "02.png" not in said
    assert predict.main(few) == 0
    assert capsys.readouterr().out == "skipped 3 of 3 pairs, whose results exist\n"  # not even the network is opened
    assert files(folder / "out") == ["pha/00.png", "pha/01.png", "pha/02.png"]
    assert (folder / "out" / "pha" / "02.png").stat().st_mtime_ns == kept


def test_composite_before_a_colour(folder):
    one = ["--src", folder / "src" / "00.png", "--bgr", folder / "bgr.png", "--output-dir", folder / "out"]
    one += ["--target-bgr", "#ff0000", "--output-types", "pha", "fgr", "com", "--backbone-scale", "0.5"]
    assert predict.main([str(x) for x in one]) == 0
    com, fgr = read_rgb(folder / "out" / "00_com.png"), read_rgb(folder / "out" / "00_fgr.png")
    pha = read_alpha(folder / "out" / "00_pha.png")
    assert (com[pha == 0] == (255, 0, 0)).all() and (pha == 0).any()
    np.testing.assert_array_equal(com[pha == 255], fgr[pha == 255])


@pytest.mark.parametrize(
    ("src", "bgr"),
    [("clip.mp4", "bgr.png"), ("clip.MOV", "auto"), ("src", "auto"), ("src", "empty.mp4")],
)
def test_videos_and_folders_of_frames_are_handed_over(folder, monkeypatch, src, bgr):
    seen = []
    monkeypatch.setattr(predict, "matte_clips", lambda args, tell: seen.append(args) or 3)
    monkeypatch.chdir(folder)
    assert predict.main(["--src", src, "--bgr", bgr, "--skip-existing"]) == 3
    (args,) = seen
    assert (args.clips, args.bgr, args.output.skip_existing) == ([Path(src)], bgr, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--bgr", "auto"], "--bgr auto goes with a video or a folder of frames"),
        (["--bgr", "empty.mp4"], "--bgr empty.mp4 goes with a video or a folder of frames"),
        (["--output-format", "mov"], "--output-format mov is for videos"),
        (["--save-bgr"], "--save-bgr is for videos"),
        (["--target-bgr", "white", "--output-types", "pha"], "add com to --output-types"),
        (["--target-bgr", "no colour"], "--target-bgr no colour"),
    ],
)
def test_flags_that_do_not_go_together(folder, arguments, words, capsys):
    one = ["--src", str(folder / "src" / "00.png"), "--bgr", str(folder / "bgr.png")]
    assert predict.main([*one, "--output-dir", str(folder / "out"), *arguments]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ") and words in said and said.count("\n") == 1
    assert not (folder / "out").exists()


def test_a_folder_of_clips_is_matted_clip_by_clip(tmp_path, monkeypatch, capsys):
    pytest.importorskip("av", reason="PyAV (requirements/video.txt)")
    from tests.prediction.test_clip import Difference
    from tests.video_files import frames, write_clip
    from tests.video_files import scene as room

    monkeypatch.setattr(predict, "open_matting", lambda *_: opened.append(1) or Difference())
    opened = []
    write_picture(tmp_path / "bgr.png", room())
    (tmp_path / "clips").mkdir()
    for name in ("a.mp4", "b.mov"):
        write_clip(tmp_path / "clips" / name, frames(4)[0])
    command = ["--src", tmp_path / "clips", "--bgr", tmp_path / "bgr.png", "--output-dir", tmp_path / "out"]
    command = [str(x) for x in [*command, "--output-types", "pha"]]
    (tmp_path / "clips" / "list.txt").touch()
    assert predict.main(command) == 0 and len(opened) == 1
    assert "passed over, as they cannot be read: 1 .txt" in capsys.readouterr().err
    assert files(tmp_path / "out") == ["a_pha.mp4", "b_pha.mp4"]
    (tmp_path / "clips" / "a.mp4").write_bytes(b"no clip")
    assert predict.main([*command, "--output-dir", str(tmp_path / "again")]) == 1
    assert files(tmp_path / "again") == ["b_pha.mp4"] and "failed: " in capsys.readouterr().err
    (tmp_path / "clips" / "b.mp4").touch()
    assert predict.main(command) == 1 and "rename one of them" in capsys.readouterr().err


def test_what_a_folder_is_passed_over_for_is_named_once(folder, monkeypatch, capsys):
    """Files beside pictures are named; pictures and clips among them were wanted, which the exit code tells."""
    for name in files(folder / "src")[2:]:
        (folder / "src" / name).unlink()
    monkeypatch.setattr(predict, "open_matting", lambda *_: DrawnMatting())
    few = flags(folder, "--output-types", "pha")
    (folder / "src" / "notes.txt").touch()
    assert predict.main(few) == 0 and "as they cannot be read: 1 .txt" in capsys.readouterr().err
    for name in ("c.psd", "d.PSD", ".hidden.psd"):
        (folder / "src" / name).touch()
    assert predict.main(few) == 1
    assert capsys.readouterr().err.count("as they cannot be read: 2 .psd, 1 .txt") == 1
    for name in ("00.png", "01.png"):
        (folder / "src" / name).unlink()
    assert predict.main(few) == 1 and "holds no pictures, but 2 .psd, 1 .txt" in capsys.readouterr().err


def test_a_clip_without_a_background_is_told_of_auto(capsys):
    assert predict.main(["--src", "clip.mp4"]) == 1 and "--bgr auto" in capsys.readouterr().err


@pytest.mark.parametrize(("flag", "left"), [([], 0), (["--keep-islets"], 60)])
def test_islets_go_unless_they_are_to_be_kept(folder, monkeypatch, flag, left):
    class Specked(DrawnMatting):
        def __call__(self, *pictures):
            matte = super().__call__(*pictures)
            matte.pha[0, 0] = 60
            return matte

    monkeypatch.setattr(predict, "open_matting", lambda *_: Specked())
    one = ["--src", str(folder / "src" / "00.png"), "--bgr", str(folder / "bgr.png"), "--output-dir", str(folder)]
    assert predict.main([*one, *flag]) == 0
    pha, of_com = read_alpha(folder / "00_pha.png"), read_photo(folder / "00_com.png").alpha
    assert pha[0, 0] == left and pha.max() == 255 and np.array_equal(of_com, pha)


def test_a_video_cannot_be_split_over_ranks(folder, monkeypatch, capsys):
    monkeypatch.setenv("PADDLE_TRAINER_ID", "1")
    monkeypatch.setenv("PADDLE_TRAINERS_NUM", "2")
    assert predict.main(["--src", "clip.mp4", "--bgr", "auto"]) == 1
    assert "one video" in capsys.readouterr().err


def test_bad_pictures_do_not_make_the_launcher_stop_the_other_ranks(folder, monkeypatch, capsys):
    """It stops all as soon as one ends with another code than 0; without the launcher the code tells."""
    for name in files(folder / "src"):
        (folder / "src" / name).write_bytes(b"nothing")
    monkeypatch.setenv("PADDLE_TRAINER_ID", "1")
    monkeypatch.setenv("PADDLE_TRAINERS_NUM", "3")
    assert predict.main(flags(folder)) == 1
    monkeypatch.setenv("PADDLE_LOCAL_SIZE", "3")
    assert predict.main(flags(folder)) == 0
    out, err = capsys.readouterr()
    assert "rank 1 of 3: 4 of 12 pairs" in out and err.count("error: 4 of 4 pairs failed") == 2


def test_sigterm_leaves_whole_files_and_says_so(folder):
    environ = {**os.environ, "PADDLE_TRAINER_ID": "0", "PADDLE_TRAINERS_NUM": "1"}
    command = [sys.executable, "predict.py", *flags(folder)]
    process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=-1, stderr=-1, text=True)
    wait_for_a_result(process, folder / "out" / "pha")
    process.terminate()
    _, err = process.communicate(timeout=120)
    assert process.returncode == 143 and err.endswith("interrupted: what was finished is kept\n")
    names = whole(folder / "out")
    done = [name[4:] for name in names if name.startswith("com/")]
    assert names == [f"{kind}/{name}" for kind in KINDS for name in done] and 0 < len(done) < COUNT


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux's /proc to find the rank to kill")
def test_two_launched_processes_do_the_work_of_one_also_after_one_died(folder, monkeypatch, capsys):
    launcher = [sys.executable, "-m", "paddle.distributed.launch", "--nproc_per_node", "2"]
    launcher += ["--log_dir", str(folder / "log"), "predict.py"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PADDLE_", "OMP_"))}
    command = [*launcher, *flags(folder)]
    process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=-1, stderr=subprocess.STDOUT, text=True)
    wait_for_a_result(process, folder / "out", "01.png")  # of the second rank
    os.kill(rank_process(process.pid, 1), signal.SIGKILL)
    said, _ = process.communicate(timeout=120)
    assert process.returncode != 0 and "rank 1 status failed" in said
    assert "rank 0 of 2: 6 of 12 pairs" in (folder / "log" / "workerlog.0").read_text()
    for path in (folder / "out").rglob(".*.tmp.png"):  # what the killed one was about to write
        path.unlink()
    assert 0 < len(whole(folder / "out")) < 3 * COUNT
    times = {path: path.stat().st_mtime_ns for path in (folder / "out").rglob("*.png")}
    done = {path.stem for path in times if all((folder / "out" / kind / path.name).exists() for kind in KINDS)}

    monkeypatch.setenv("PADDLE_TRAINERS_NUM", "2")
    for rank in "01":  # nothing passes between them
        monkeypatch.setenv("PADDLE_TRAINER_ID", rank)
        assert predict.main(flags(folder, "--skip-existing")) == 0
    for name in ("PADDLE_TRAINERS_NUM", "PADDLE_TRAINER_ID"):
        monkeypatch.delenv(name)
    assert whole(folder / "out") == [f"{kind}/{i:02d}.png" for kind in KINDS for i in range(COUNT)]
    assert all(path.stat().st_mtime_ns == time for path, time in times.items() if path.stem in done)
    skipped = [int(line.split()[1]) for line in capsys.readouterr().out.splitlines() if line.startswith("skipped")]
    assert len(skipped) == 2 and sum(skipped) == len(done)

    assert predict.main(flags(folder, "--output-dir", str(folder / "one"))) == 0
    assert files(folder / "one") == files(folder / "out")
    for name in files(folder / "one"):
        one, two = (read_rgb(folder / side / name).astype(int) for side in ("one", "out"))
        assert np.abs(one - two).max() <= 1, name  # threads add up in another order


def rank_process(launcher, rank):
    """Number of the launcher's child that is a rank."""
    for child in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split():
        if f"PADDLE_TRAINER_ID={rank}\0" in Path(f"/proc/{child}/environ").read_text():
            return int(child)
    raise AssertionError(f"the launcher has no rank {rank}")
