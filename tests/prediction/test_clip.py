"""Clips from beginning to end, with a stand-in for the network: what is written, what is kept, what is said."""

import argparse
import os
import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("av", reason="PyAV (requirements/video.txt)")

import predict
from dataset.colour import in_type
from dataset.picture import Photo, PictureError, read_alpha, read_photo, read_rgb
from tests.video_files import BEEP, RATE, beep_of, frames, planes_of, psnr, scene, times_of, write_clip
from utils.background.estimate import quiet_scene
from utils.background.match import Correction
from utils.picture.foreground import clean_foreground
from utils.picture.write import write_picture
from utils.prediction import clip as module
from utils.prediction.clip import ClipJob
from utils.prediction.options import frame_rate, parse, seconds
from utils.prediction.outputs import Output
from utils.predictor import Matte
from utils.system.command_line import UsageError, printer
from utils.video import reader
from utils.video.reader import Frame, is_clip, open_clip
from utils.video.writer import plane

REPOSITORY = Path(__file__).resolve().parents[2]
COUNT = 12
AS_IT_IS = Correction(alpha=False)


class Difference:
    """Takes what differs from the background for the subject; remembers its alphas."""

    def __init__(self, stop_at=None):
        self.alphas, self.backgrounds, self.stop_at = [], [], stop_at
        self.device, self.engine, self.backbone, self.weights = "cpu", "none", "none", "none"

    def __call__(self, src, bgr, foreground=True):
        if len(self.alphas) == self.stop_at:
            raise KeyboardInterrupt
        if not self.backgrounds or bgr is not self.backgrounds[-1]:
            self.backgrounds.append(bgr)
        apart = cv2.GaussianBlur(cv2.absdiff(src, bgr).max(axis=-1).astype(np.float32), (0, 0), 1.5)
        pha = np.clip(6 * apart - 100, 0, 255) / 255
        self.alphas.append(np.rint(pha * 255).astype(np.uint8))
        fgr = src.copy() if foreground else None
        return Matte(self.alphas[-1], fgr, lambda: pha, lambda: pha * 0 + 0.5, lambda: pha * 0 + 1)


def matte(src, bgr, folder, matting=None, rate=None, force=False, correction=AS_IT_IS, bgr_time=None, **wanted):
    """Exit code of a clip, as predict.py runs it; `wanted` are fields of Output."""
    tell = printer()
    job = ClipJob(
        open_clip(src, rate, tell), str(bgr), Output(Path(folder), **wanted), correction, bgr_time, force, tell
    )
    return job.run(matting or Difference()) if job.paths else 0


@pytest.fixture
def clip(tmp_path):
    write_picture(tmp_path / "back.png", scene())
    return write_clip(tmp_path / "clip.mp4", frames(COUNT)[0], sound="aac", options={"crf": "8"})


def run(clip, bgr=None, matting=None, **wanted):
    matting, folder = matting or Difference(), clip.parent / "out"
    return matting, folder, matte(clip, bgr or clip.parent / "back.png", folder, matting, **wanted)


def test_mp4_is_the_default_with_sound_and_times(clip, capsys):
    matting, folder, code = run(clip)
    assert code == 0 and sorted(path.name for path in folder.iterdir()) == [
        "clip_com.mp4",
        "clip_fgr.mp4",
        "clip_pha.mp4",
    ]
    assert len(matting.backgrounds) == 1  # the camera stood still
    for kind in ("com", "fgr", "pha"):
        np.testing.assert_allclose(times_of(folder / f"clip_{kind}.mp4"), times_of(clip), atol=1e-6)
    assert abs(beep_of(folder / "clip_com.mp4")[0] - BEEP / RATE) < 0.003
    assert beep_of(folder / "clip_fgr.mp4")[1] == "aac" and beep_of(folder / "clip_pha.mp4")[1] is None
    for frame, pha in zip(open_clip(folder / "clip_pha.mp4"), matting.alphas):
        assert psnr(frame.rgb()[..., 1], pha) > 40
    corner = next(iter(open_clip(folder / "clip_com.mp4"))).rgb()[-10:, -10:]
    assert np.abs(corner.astype(int) - (0x78, 0xFF, 0x9B)).max() < 12
    printed = capsys.readouterr().out
    assert "12 frames" in printed and "clip_com.mp4" in printed and "--target-bgr" in printed


def test_alpha_in_the_file_is_the_predicted_one(clip):
    matting, folder, _ = run(clip, format="mov", types=("com",))
    decoded = planes_of(folder / "clip_com.mov")
    assert len(decoded) == COUNT == len(matting.alphas)
    full = 2 ** int(decoded[0].format.name[8:10]) - 1
    for frame, pha in zip(decoded, matting.alphas):
        np.testing.assert_array_equal(np.rint(plane(frame, 3) * (255 / full)), pha)
    matting, folder, _ = run(clip, format="webm", types=("com",))
    decoded = planes_of(folder / "clip_com.webm", with_alpha=True)
    assert min(psnr(plane(frame, 3), pha) for frame, pha in zip(decoded, matting.alphas)) > 40


def test_colours_at_the_edge_do_not_go_black(clip):
    matting, folder, _ = run(clip, format="webm", types=("com",))
    frame = planes_of(folder / "clip_com.webm", with_alpha=True)[0]
    pha = matting.alphas[0]
    edge = (pha > 10) & (pha < 250)
    source = frames(1)[0][0]
    wanted = clean_foreground(pha, source, scene(), correct=False)[0] @ (0.2126, 0.7152, 0.0722)
    error = np.abs(plane(frame, 0).astype(int) - (16 + 219 / 255 * wanted))
    assert error[edge].mean() < 8 and error.mean() < 8


def test_pictures_and_the_rest_of_the_types(clip):
    types = ("pha", "com", "err", "ref", "debug")
    matting, folder, _ = run(clip, format="png", types=types)
    assert len(list((folder / "clip_pha").glob("*.png"))) == COUNT
    np.testing.assert_array_equal(read_alpha(folder / "clip_pha" / "000007.png"), matting.alphas[7])
    np.testing.assert_array_equal(read_photo(folder / "clip_com" / "000007.png").alpha, matting.alphas[7])
    assert read_alpha(folder / "clip_err" / "000007.png")[0, 0] == 128
    assert (folder / "clip_com" / "timestamps.txt").exists()
    assert read_rgb(folder / "clip_debug" / "000000.png").shape[1] == 2 * 128 + 18
    _, folder, _ = run(clip, types=("debug", "err"))
    assert len(times_of(folder / "clip_debug.mp4")) == COUNT == len(times_of(folder / "clip_err.mp4"))


def test_deep_alpha_is_what_the_network_gave(clip):
    _, folder, _ = run(clip, format="png16", types=("pha", "com"))
    pha = cv2.imread(str(folder / "clip_pha" / "000003.png"), cv2.IMREAD_UNCHANGED)
    com = cv2.imread(str(folder / "clip_com" / "000003.png"), cv2.IMREAD_UNCHANGED)
    assert pha.dtype == com.dtype == np.uint16 and len(np.unique(pha % 257)) > 10
    np.testing.assert_array_equal(com[..., 3], pha)


def test_target_is_behind_the_subject_without_its_old_background(clip):
    matting, folder, _ = run(clip, format="png", types=("com", "fgr"), target="#0000ff")
    com = read_rgb(folder / "clip_com" / "000004.png")
    assert com.shape == (96, 128, 3)
    assert (com[matting.alphas[4] == 0] == (0, 0, 255)).all()
    inside = matting.alphas[4] == 255
    np.testing.assert_array_equal(com[inside], read_rgb(folder / "clip_fgr" / "000004.png")[inside])
    _, folder, _ = run(clip, format="mov", types=("com",), target=str(clip))
    assert planes_of(folder / "clip_com.mov")[0].format.name.startswith("yuv4")  # no alpha: it is opaque


def test_background_from_the_clip_itself(clip, capsys):
    matting, folder, code = run(clip, save_bgr=True, format="png", types=("pha",), bgr="auto")
    apart = np.abs(read_rgb(folder / "clip_bgr.png").astype(int) - scene()).max(axis=-1)
    assert code == 0 and (apart > 25).mean() < 0.03
    assert read_alpha(folder / "clip_unsure.png").shape == (96, 128)
    truth = frames(COUNT)[1]
    assert np.mean([np.abs(a.astype(int) - b).mean() for a, b in zip(matting.alphas, truth)]) < 12
    assert "background estimated" in capsys.readouterr().out


def test_background_from_a_video_of_the_empty_scene(clip):
    empty = write_clip(clip.parent / "empty.mp4", [scene()] * 5, options={"crf": "5"})
    matting, folder, _ = run(clip, save_bgr=True, types=("pha",), bgr=empty)
    assert psnr(read_rgb(folder / "clip_bgr.png"), scene()) > 35
    assert not (folder / "clip_unsure.png").exists()


def test_folder_of_frames_keeps_names_and_leaves_out_what_is_damaged(tmp_path, capsys):
    for number, picture in enumerate(frames(COUNT)[0]):
        write_picture(tmp_path / "shot" / f"take_{number}.png", picture)
    (tmp_path / "shot" / "take_5.png").write_bytes(b"damaged")
    with pytest.raises(PictureError, match="take_5.png"):
        matte(tmp_path / "shot", "auto", tmp_path / "out")
    write_picture(tmp_path / "back.png", scene())
    assert matte(tmp_path / "shot", tmp_path / "back.png", tmp_path / "out") == 1
    names = sorted(path.name for path in (tmp_path / "out" / "shot_pha").iterdir())
    assert names == sorted(f"take_{number}.png" for number in range(COUNT) if number != 5)
    captured = capsys.readouterr()
    assert "take_5.png" in captured.err and "could not be read: 1\n" in captured.err


def test_folder_of_frames_becomes_a_video_at_the_wanted_rate(tmp_path):
    for number, picture in enumerate(frames(4)[0]):
        write_picture(tmp_path / "shot" / f"{number}.png", picture)
    write_picture(tmp_path / "back.png", scene())
    matte(tmp_path / "shot", tmp_path / "back.png", tmp_path / "out", rate=Fraction(24000, 1001), format="mp4")
    times = times_of(tmp_path / "out" / "shot_pha.mp4")
    np.testing.assert_allclose(times, np.arange(4) * 1001 / 24000, atol=1e-6)


def test_existing_results_are_left_alone_on_demand(clip, capsys):
    _, folder, _ = run(clip, types=("pha",))
    stamp = (folder / "clip_pha.mp4").stat().st_mtime_ns
    matting, _, code = run(clip, types=("pha",), skip_existing=True)
    assert code == 0 and not matting.alphas and "nothing is missing" in capsys.readouterr().out
    run(clip, types=("pha", "fgr"), skip_existing=True)
    assert (folder / "clip_pha.mp4").stat().st_mtime_ns == stamp and (folder / "clip_fgr.mp4").exists()
    run(clip, format="png", types=("pha",))
    for number in (2, 3):
        (folder / "clip_pha" / f"00000{number}.png").unlink()
    matting, _, _ = run(clip, format="png", types=("pha",), skip_existing=True)
    assert len(matting.alphas) == 2 and len(list((folder / "clip_pha").glob("*.png"))) == COUNT
    assert len((folder / "clip_pha" / "timestamps.txt").read_text().splitlines()) == COUNT + 1


@pytest.mark.parametrize("output_format", ["mp4", "mov", "webm", "png"])
def test_ctrl_c_leaves_playable_files_of_what_was_done(clip, capsys, output_format):
    with pytest.raises(KeyboardInterrupt):
        run(clip, format=output_format, matting=Difference(stop_at=7), types=("com",))
    folder = clip.parent / "out"
    if output_format == "png":
        assert len(list((folder / "clip_com").glob("*.png"))) == 7
    else:
        np.testing.assert_allclose(
            times_of(folder / f"clip_com.{output_format}"),
            times_of(clip)[:7],
            atol=1e-6 + 1e-3 * (output_format == "webm"),
        )
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]
    assert "7 frames" in capsys.readouterr().out


def test_ctrl_c_before_the_first_frame_leaves_nothing(clip):
    with pytest.raises(KeyboardInterrupt):
        run(clip, matting=Difference(stop_at=0))
    assert list((clip.parent / "out").iterdir()) == []


def test_interrupt_signal_leaves_a_playable_file(clip):
    """As a user does it: the program in a process of its own, with the signal that Ctrl-C sends."""
    program = (
        "import os, signal, sys; from tests.prediction.test_clip import Difference, matte; "
        "from utils.system.command_line import command_line\n"
        "class Slow(Difference):\n"
        "    def __call__(self, *args):\n"
        "        if len(self.alphas) == 5: os.kill(os.getpid(), signal.SIGINT)\n"
        "        return super().__call__(*args)\n"
        "main = command_line(lambda argv: matte(*argv, matting=Slow(), types=('com',)))\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    folder = clip.parent / "out"
    done = subprocess.run(
        [sys.executable, "-c", program, str(clip), str(clip.parent / "back.png"), str(folder)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert done.returncode == 130 and "what was finished is kept" in done.stderr, done.stderr
    assert 4 <= len(times_of(folder / "clip_com.mp4")) <= 6


def test_error_of_the_network_leaves_no_file(clip):
    class Broken(Difference):
        def __call__(self, *args):
            raise RuntimeError("out of order")

    with pytest.raises(RuntimeError):
        run(clip, matting=Broken())
    assert list((clip.parent / "out").iterdir()) == []


def test_camera_that_moved_is_followed_and_said_so(clip, capsys):
    shaken = [
        np.roll(picture, (number % 4, 2 * number), (0, 1)) for number, picture in enumerate(frames(6, 240, 320)[0])
    ]
    source = write_clip(clip.parent / "shaken.mp4", shaken, options={"crf": "5"})
    write_picture(clip.parent / "large.png", scene(240, 320))
    matting, _, _ = run(source, bgr=clip.parent / "large.png", types=("pha",))
    assert len(matting.backgrounds) >= 4
    assert "the camera moved: the background was followed in" in capsys.readouterr().out


def test_a_background_of_another_scene_is_refused_before_the_work(clip):
    write_picture(clip.parent / "other.png", np.ascontiguousarray(255 - scene()[::-1]))
    matting = Difference()
    with pytest.raises(PictureError, match="other.png: source and background differ in .* pass --force"):
        run(clip, bgr=clip.parent / "other.png", matting=matting)
    assert not matting.alphas and not (clip.parent / "out").exists()


def test_frames_that_fit_are_not_aligned_before_the_work(clip, monkeypatch):
    monkeypatch.setattr(module, "match_background", lambda *_: pytest.fail("aligned twice"))
    assert run(clip, types=("pha",))[2] == 0


def test_a_clip_that_begins_in_the_dark_is_not_refused(tmp_path):
    write_picture(tmp_path / "back.png", scene())
    pictures = frames(30)[0]
    clip = write_clip(tmp_path / "clip.mp4", [np.zeros_like(pictures[0])] * 6 + pictures[6:], options={"crf": "8"})
    assert run(clip, types=("pha",))[2] == 0


def test_the_same_doubt_is_told_once_and_with_the_first_frame(clip, capsys):
    class Watched(Difference):
        def __call__(self, *pictures):
            said.append(capsys.readouterr().err)
            return super().__call__(*pictures)

    said = []
    write_picture(clip.parent / "other.png", np.ascontiguousarray(255 - scene()[::-1]))
    off = Correction("off", "off")
    run(clip, bgr=clip.parent / "other.png", matting=Watched(), types=("pha",), correction=off, force=True)
    said.append(capsys.readouterr().err)
    assert "".join(said).count("warning: ") == 1 and "warning: " in "".join(said[:6])


@pytest.mark.parametrize("empty, warned", [(COUNT, True), (2, False), (8, False)])  # frames 1, 2, 4, 8 are looked at
def test_a_subject_that_is_in_no_frame_is_missed_at_the_end(tmp_path, capsys, empty, warned):
    write_picture(tmp_path / "back.png", scene())
    clip = write_clip(tmp_path / "clip.mp4", [scene()] * empty + frames(COUNT)[0][empty:], options={"crf": "5"})
    run(clip, types=("pha",))
    assert ("may be in the background picture too" in capsys.readouterr().err) == warned


def test_suspicious_background_is_warned_of(clip, capsys):
    write_picture(clip.parent / "other.png", np.ascontiguousarray(255 - scene()[::-1]))
    run(clip, types=("pha",), bgr=clip.parent / "other.png", correction=Correction("off", "off"), force=True)
    assert f"warning: {clip}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wanted, message",
    [
        ({"target": "no.png"}, "--target-bgr no.png"),
        ({"bgr": "no.png"}, "no.png"),
        ({"bgr": "no.mp4"}, "no.mp4"),
    ],
)
def test_bad_flags_are_named_and_nothing_is_written(clip, wanted, message):
    with pytest.raises((UsageError, PictureError), match=message):
        run(clip, **wanted)
    assert not (clip.parent / "out").exists()


@pytest.mark.parametrize("rate", ["0", "1/0", "fast"])
def test_a_rate_that_is_none_is_named(rate):
    with pytest.raises(argparse.ArgumentTypeError, match=f"{rate} is no frame rate"):
        frame_rate(rate)


def test_input_is_not_overwritten(clip):
    source = clip.rename(clip.parent / "a.mp4")
    target = (
        write_clip(clip.parent / "out" / "a_com.mp4", frames(2)[0]) if (clip.parent / "out").mkdir() is None else None
    )
    with pytest.raises(UsageError, match="would be overwritten"):
        run(source, target=str(target))


def test_without_av_the_way_out_is_named(clip, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UsageError, match="pip install -r requirements"):
        run(clip)


def test_clips_are_known_by_their_names():
    assert all(map(is_clip, ("a.mp4", "A.MOV", Path("b/c.mkv"), "d.webm")))
    assert not any(map(is_clip, ("a.png", "folder", "auto", "a.jpg", "clip", "0")))


def test_module_does_not_need_av():
    """The core stays free of what only videos need."""
    program = "import sys; sys.modules['av'] = None; import utils.prediction.clip, utils.prediction.target"
    subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, check=True, capture_output=True)
    assert "av" not in vars(module)


def walking_in(count=30, empty=12):
    """The place alone; somebody comes in from the left and stays: pictures and true alphas."""
    place, rng = scene(), np.random.default_rng(2)
    pictures, alphas = [], []
    for number in range(empty + count):
        pha = np.zeros(place.shape[:2], np.uint8)
        if number >= empty:
            at = min(-15 + 8 * (number - empty), 70)
            cv2.rectangle(pha, (at - 14, 30), (at + 14, 95), 255, -1)
        noise = rng.normal(0, 1, place.shape)
        shown = np.where(pha[..., None] > 0, np.array([200, 60, 90]), place) + noise
        pictures.append(np.clip(shown, 0, 255).astype(np.uint8))
        alphas.append(pha)
    return pictures, alphas


@pytest.mark.parametrize("backwards", [False, True], ids=["begins", "ends"])
def test_an_empty_stretch_of_the_film_is_its_background(tmp_path, backwards, capsys):
    """The person stays longer than the place is empty, so what shows most often would be the person."""
    pictures, alphas = (x[::-1] if backwards else x for x in walking_in())
    clip = write_clip(tmp_path / "film.mp4", pictures, options={"crf": "6"})
    matting, _, code = run(clip, bgr="auto", types=("pha",))
    assert code == 0 and "empty scene" in capsys.readouterr().out
    wrong = [np.abs(pha.astype(int) - true).mean() for pha, true in zip(matting.alphas, alphas)]
    assert max(wrong) < 8


def test_the_empty_stretch_of_a_film_has_the_size_that_is_wanted(tmp_path, monkeypatch, capsys):
    clip, matting = write_clip(tmp_path / "film.mp4", walking_in()[0], options={"crf": "6"}), Difference()
    monkeypatch.setattr(predict, "matting_from", lambda *_: matting)
    wanted = ["--src", str(clip), "--bgr", "auto", "--output-types", "pha", "--output-dir", str(tmp_path)]
    assert predict.main([*wanted, "--video-resize", "64", "48"]) == 0
    assert "empty scene" in capsys.readouterr().out
    assert {picture.shape[:2] for picture in (*matting.alphas, *matting.backgrounds)} == {(48, 64)}


def test_somebody_who_stands_still_at_first_is_not_the_background():
    """What moves first lies in the middle of the picture, so the quiet stretch is no empty one."""
    place = scene()
    pictures = [place.copy() for _ in range(40)]
    for number, picture in enumerate(pictures):
        at = 64 + max(0, number - 12)
        picture[30:, at - 14 : at + 14] = (200, 60, 90)
    assert quiet_scene(FakeClip(pictures)) is None


class FakeClip:
    expected, rate = None, RATE

    def __init__(self, pictures):
        self.pictures = pictures

    def __iter__(self):
        return (
            Frame(number, number / RATE, None, lambda _, picture=picture: Photo(picture))
            for number, picture in enumerate(self.pictures)
        )


def test_a_stretch_of_a_video_is_the_background(tmp_path):
    pictures, alphas = walking_in()
    clip = write_clip(tmp_path / "film.mp4", pictures, options={"crf": "6"})
    matting, _, code = run(clip, bgr=clip, bgr_time=(0, Fraction(3, 10)), types=("pha",), format="png")
    assert code == 0
    assert max(np.abs(pha.astype(int) - true).mean() for pha, true in zip(matting.alphas, alphas)) < 8


def test_times_of_flags():
    assert seconds("75.5") == seconds("1:15.5") == seconds("0:01:15.5") == Fraction(151, 2)
    for wrong in ("a", "1:2:3:4", "-1", "1/0"):
        with pytest.raises(argparse.ArgumentTypeError, match="give seconds"):
            seconds(wrong)


def test_a_part_is_matted_with_its_own_sound(clip):
    matting, folder = Difference(), clip.parent / "out"
    part = open_clip(clip, start=Fraction(5) / RATE)
    code = ClipJob(part, str(clip.parent / "back.png"), Output(folder, ("com",))).run(matting)
    assert code == 0 and len(matting.alphas) == COUNT - 5
    assert abs(beep_of(folder / "clip_com.mp4")[0] - (BEEP - 5) / RATE) < 0.03


def test_a_film_that_was_stopped_is_begun_anew_and_said_so(clip, capsys):
    with pytest.raises(KeyboardInterrupt):
        run(clip, matting=Difference(stop_at=7), types=("pha",))
    capsys.readouterr()
    matting, folder, code = run(clip, types=("pha",), skip_existing=True)
    assert code == 0 and len(matting.alphas) == COUNT == len(times_of(folder / "clip_pha.mp4"))
    assert "clip_pha.mp4 ends after 0.2 of 0.4 s, and is begun anew" in capsys.readouterr().out


def write_deep(folder):
    """Frames of 16 bits, whose levels are no multiples of 257, and one plate; returns the frames."""
    steps = np.arange(128, dtype=np.uint16)[None, :, None] * 3
    pictures = [picture.astype(np.uint16) * 256 + steps for picture in frames(COUNT)[0]]
    for number, picture in enumerate(pictures):
        write_picture(folder / "shot" / f"take.{number:04d}.png", picture)
    write_picture(folder / "back.png", scene().astype(np.uint16) * 256 + steps)
    return pictures


@pytest.mark.parametrize("output_format, suffix", [("png16", "png"), ("tiff16", "tif")])
def test_colours_of_16_bits_stay_so(tmp_path, output_format, suffix):
    if output_format == "tiff16":
        pytest.importorskip("tifffile")
    pictures = write_deep(tmp_path)
    matting = Difference()
    code = matte(tmp_path / "shot", tmp_path / "back.png", tmp_path / "out", matting, format=output_format)
    com = cv2.imread(str(tmp_path / "out" / "shot_com" / f"take.0003.{suffix}"), cv2.IMREAD_UNCHANGED)
    solid = matting.alphas[3] == 255
    assert code == 0 and solid.sum() > 100
    np.testing.assert_array_equal(cv2.cvtColor(com, cv2.COLOR_BGRA2RGBA)[solid][:, :3], pictures[3][solid])


@pytest.mark.parametrize("pixels, deep", [("yuv420p10le", True), ("yuv420p", False)])
def test_colours_of_a_video_have_the_bits_of_its_file(tmp_path, pixels, deep):
    write_picture(tmp_path / "back.png", scene())
    source = write_clip(tmp_path / "clip.mp4", frames(2)[0], pixels=pixels, options={"crf": "2"})
    _, folder, _ = run(source, format="png16", types=("fgr",))
    fgr = cv2.imread(str(folder / "clip_fgr" / "000001.png"), cv2.IMREAD_UNCHANGED)
    assert fgr.dtype == np.uint16 and bool((fgr % 257).any()) == deep


def test_exr_frames_in_and_out_are_linear_and_premultiplied(tmp_path):
    OpenEXR = pytest.importorskip("OpenEXR")
    for number, picture in enumerate(frames(COUNT)[0]):
        write_picture(tmp_path / "shot" / f"shot.{1001 + number}.exr", in_type(picture, np.float32))
    write_picture(tmp_path / "back.exr", in_type(scene(), np.float32))
    matting = Difference()
    back = tmp_path / "back.exr"
    assert matte(tmp_path / "shot", back, tmp_path / "out", matting, format="exr", types=("com", "pha")) == 0
    photo = read_photo(tmp_path / "out" / "shot_com" / "shot.1004.exr")
    solid = matting.alphas[3] == 255
    np.testing.assert_allclose(photo.pixels[solid], in_type(frames(COUNT)[0][3], np.float32)[solid], rtol=2e-3)
    np.testing.assert_allclose(photo.alpha, matting.alphas[3], atol=1)
    stored = OpenEXR.File(str(tmp_path / "out" / "shot_com" / "shot.1004.exr")).channels()["RGBA"].pixels
    assert stored.dtype == np.float16 and not stored[matting.alphas[3] == 0][:, :3].any()


def test_dpx_frames_are_read(tmp_path):
    for number, picture in enumerate(frames(COUNT)[0]):
        write_dpx(tmp_path / "shot" / f"shot.{number:04d}.dpx", picture)
    write_dpx(tmp_path / "back.dpx", scene())
    args = parse(["--src", str(tmp_path / "shot"), "--bgr", str(tmp_path / "back.dpx")], "")
    assert args.clips == [tmp_path / "shot"]
    matting = Difference()
    assert matte(tmp_path / "shot", tmp_path / "back.dpx", tmp_path / "out", matting, format="png16") == 0
    fgr = cv2.imread(str(tmp_path / "out" / "shot_fgr" / "shot.0003.png"), cv2.IMREAD_UNCHANGED)
    solid = matting.alphas[3] == 255
    apart = np.abs(fgr[..., ::-1][solid] / 257 - frames(COUNT)[0][3][solid])
    assert len(list((tmp_path / "out" / "shot_pha").iterdir())) == COUNT and apart.max() < 0.5


def test_a_dpx_frame_is_decoded_once(tmp_path, monkeypatch):
    write_dpx(tmp_path / "one.dpx", scene())
    opened, open_container = [], reader.open_container
    monkeypatch.setattr(reader, "open_container", lambda path: opened.append(path) or open_container(path))
    photo = reader.read_frame(tmp_path / "one.dpx")
    assert photo.pixels.dtype == np.uint16 and np.abs(photo.pixels / 257 - scene()).max() < 0.5
    assert opened == [tmp_path / "one.dpx"]


def write_dpx(path, picture):
    import av

    path.parent.mkdir(exist_ok=True)
    encoder = av.CodecContext.create("dpx", "w")
    encoder.height, encoder.width, encoder.pix_fmt = *picture.shape[:2], "gbrp10le"
    encoder.time_base = Fraction(1, 25)
    frame = av.VideoFrame.from_ndarray(np.rint(picture * (1023 / 255)).astype(np.uint16), "gbrp10le")
    path.write_bytes(b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)]))


NAMES = [
    ([f"shot.{n:04d}.png" for n in range(1, 25)], [], True),
    ([f"{n:05d}.jpg" for n in range(100, 124)], [], True),
    ([f"IMG_{n:04d}.jpg" for n in range(1, 25)], [], False),  # a camera's
    ([f"shot.{n:04d}.png" for n in (*range(1, 12), *range(13, 25))], [], False),  # a gap
    ([f"{n}.png" for n in range(1, 25)], [], False),  # not as programs number frames
    ([f"{n:03d}.png" for n in range(1, 5)], [], False),  # few
    ([f"{n:03d}.png" for n in range(1, 5)], ["--frame-rate", "25"], True),
    (["a.png", "b.png"], ["--output-format", "mov"], True),
    (["a.png", "b.png"], ["--output-format", "exr"], False),
    (["a.png", "b.png"], ["--end", "1"], True),
    ([f"shot.{n:04d}.png" for n in range(1, 25)], ["--keep-location"], False),
]


@pytest.mark.parametrize("names, flags, wanted", NAMES)
def test_what_makes_a_clip_of_a_folder_with_one_background(tmp_path, names, flags, wanted):
    (tmp_path / "src").mkdir()
    for name in names:
        (tmp_path / "src" / name).touch()
    args = parse(["--src", str(tmp_path / "src"), "--bgr", "plate.png", *flags], "")
    assert args.clips == ([tmp_path / "src"] if wanted else [])
    assert args.numbered == (wanted and not flags)
