"""tools/webcam.py without a camera: files, a capture that is drawn here, and a window that is none."""

import re
import types
from fractions import Fraction

import cv2
import numpy as np
import pytest

from dataset.picture import PictureError, find_pictures, read_rgb
from tests.prediction.test_predictor import scene
from tools import webcam
from tools.webcam import Camera, Studio
from utils.picture.write import write_picture
from utils.prediction.target import open_target
from utils.video.reader import open_clip

SRC, BGR = scene(176, 168)
RED = np.uint8([255, 0, 0])


def noisy(picture, seed):
    noise = np.random.default_rng(seed).normal(0, 6, picture.shape)
    return np.clip(picture + noise, 0, 255).round().astype(np.uint8)


class Cut:
    """A matting that takes what differs from the background."""

    engine = "none"

    def __call__(self, src, bgr, foreground=True):
        self.bgr = bgr
        differs = np.abs(src.astype(int) - bgr).max(axis=2) > 60
        return types.SimpleNamespace(pha=differs.astype(np.uint8) * 255, fgr=src)


class Capture:
    """What OpenCV gives of a camera."""

    def __init__(self, frames):
        self.frames, self.values = list(frames), {cv2.CAP_PROP_FPS: 29.97}

    def read(self):
        return (True, self.frames.pop(0)) if self.frames else (False, None)

    def get(self, flag):
        return self.values.get(flag, 0.0)

    def set(self, flag, value):
        self.values[flag] = value
        return True

    def release(self):
        self.released = True


def run(*arguments):
    try:
        return webcam.main([str(argument) for argument in arguments])
    except SystemExit as stop:
        return stop.code


@pytest.fixture
def average_of(monkeypatch):
    return lambda frames: monkeypatch.setattr(webcam, "AVERAGED", frames)


@pytest.fixture
def clip(tmp_path):
    """A folder of frames: three of the empty scene, two with somebody in it."""
    for number, picture in enumerate((BGR, BGR, BGR, SRC, SRC)):
        write_picture(tmp_path / "clip" / f"{number}.png", noisy(picture, min(number, 3)))  # the last two are equal
    return tmp_path / "clip"


def test_background_is_captured_at_the_start_and_the_subject_put_before_the_target(clip, tmp_path, average_of, capsys):
    out = tmp_path / "out"
    average_of(3)
    assert run("--source", clip, "--no-window", "--output", out, "--target-bgr", "#ff0000") == 0
    frames = [read_rgb(path) for path in find_pictures(out)]
    assert len(frames) == 5
    assert (frames[0] == RED).all() and (frames[1] == RED).all(), "shown before there is a background"
    assert (frames[2] == RED).mean() > 0.95, "the empty scene"
    subject = (frames[3] != RED).any(axis=2)
    assert 0.02 < subject.mean() < 0.9
    assert np.median(np.abs(frames[3][subject].astype(int) - SRC[subject])) < 12
    assert "3 frames matted" in capsys.readouterr().out


def test_ctrl_c_completes_a_recording(clip, tmp_path, average_of, monkeypatch, capsys):
    pytest.importorskip("av", reason="PyAV (requirements/video.txt)")
    average_of(1)
    show, frames = Studio.frame, []

    def interrupted(studio, *frame):
        if len(frames) == 4:
            raise KeyboardInterrupt
        frames.append(show(studio, *frame))
        return frames[-1]

    monkeypatch.setattr(Studio, "frame", interrupted)
    out = tmp_path / "out.mp4"
    assert run("--source", clip, "--no-window", "--output", out) == 130
    assert sum(1 for _ in open_clip(out)) == 4
    said = capsys.readouterr()
    assert "4 frames matted" in said.out and said.err.endswith("interrupted: what was finished is kept\n")


def test_background_is_the_mean_of_the_frames_after_the_delay():
    studio = Studio(Cut(), open_target("#ff0000"), delay=1)
    assert studio.message(0) == "press B to capture the background"
    studio.capture(0)
    for number in range(40):
        studio.frame(noisy(BGR if number >= 10 else SRC, number), Fraction(number, 10))
        if number == 2:
            assert studio.message(Fraction(2, 10)) == "leave the picture: 1 s"
    assert studio.background is not None and studio.message(4) == ""
    exact = np.mean([noisy(BGR, number) for number in range(10, 18)], axis=0)
    assert np.abs(studio.background.bgr - exact).max() <= 0.5 + 1e-9
    assert studio.matted == 23  # from the last averaged frame on


def test_it_is_captured_anew(average_of):
    average_of(1)
    studio = Studio(Cut(), open_target("#ff0000"), delay=0)
    studio.capture(0)
    studio.frame(BGR, 0)
    first = studio.background
    assert (studio.frame(SRC, 1)[0, 0] == RED).all()
    studio.capture(2)
    studio.frame(BGR, 2)
    assert studio.background is not first


def test_frames_of_a_camera(monkeypatch):
    frames = [np.full((4, 6, 3), (1, 2, 3), np.uint8)] * 4
    captures = [Capture(frames), Capture([])]
    monkeypatch.setattr(cv2, "VideoCapture", lambda number: captures[number])
    camera = Camera(0, (6, 4))
    assert captures[0].values[cv2.CAP_PROP_FRAME_WIDTH] == 6
    assert (camera.height, camera.width, camera.rate) == (4, 6, Fraction(30000, 1001))
    taken = list(camera)
    assert len(taken) == 3 and (taken[0].rgb()[0, 0] == (3, 2, 1)).all(), "RGB"
    assert all(a.time < b.time for a, b in zip(taken, taken[1:]))
    with pytest.raises(PictureError, match="camera 1 gives no picture"):
        Camera(1)


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--no-window"], "--no-window shows nothing"),
        (["--output", "talk.avi"], "--output talk.avi: end its name in .mp4, .mov or .webm"),
        (["--source", "none.mp4"], "none.mp4 does not exist"),
        (["--target-bgr", "no colour"], "neither a file nor a colour"),
    ],
)
def test_bad_arguments_are_one_line(arguments, said, capsys):
    assert run(*arguments) == 1
    assert said in capsys.readouterr().err


def test_a_recording_replaces_nothing(clip, tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "20240512.png").write_bytes(b"mine")
    (tmp_path / "talk.mp4").write_bytes(b"mine")
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}
    for output in ("photos", "talk.mp4", "clip"):
        assert run("--source", clip, "--output", tmp_path / output, "--no-window") == 1
        assert f"{output} exists: give another name" in capsys.readouterr().err
    assert {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")} == before


def test_window_gives_keys_and_ends_when_it_is_closed(clip, average_of, monkeypatch, capsys):
    average_of(1)
    shown, keys = [], iter([ord("B"), 255, 255])
    monkeypatch.setattr(cv2, "namedWindow", lambda *_: None)
    monkeypatch.setattr(cv2, "resizeWindow", lambda *_: None)
    monkeypatch.setattr(cv2, "imshow", lambda _, picture: shown.append(picture))
    monkeypatch.setattr(cv2, "waitKey", lambda _: next(keys))
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: 0.0 if len(shown) == 3 else 1.0)
    titles = []
    monkeypatch.setattr(cv2, "setWindowTitle", lambda _, title: titles.append(title))
    monkeypatch.setattr(webcam, "RATED", 2)
    monkeypatch.setattr(webcam, "matting_from", lambda *_: Cut())
    assert run("--source", clip, "--target-bgr", "#ff0000") == 0
    assert len(shown) == 3 and "2 frames matted" in capsys.readouterr().out
    (title,) = titles
    assert re.fullmatch(rf"{re.escape(webcam.TITLE)}: [1-9]\d* frames a second", title)
    assert (shown[1][-1, -1] == RED[::-1]).all(), "BGR"
    assert not np.array_equal(shown[0], np.broadcast_to(RED[::-1], shown[0].shape)), "the line of text"


def test_without_windows_it_says_what_to_install(clip, monkeypatch, capsys):
    def none(*_):
        raise cv2.error("The function is not implemented")

    monkeypatch.setattr(cv2, "namedWindow", none)
    assert run("--source", clip) == 1
    assert "pip install opencv-python" in capsys.readouterr().err
