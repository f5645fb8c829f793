"""What the subject is composited over: colours, pictures that cover, videos that start again."""

import numpy as np
import pytest

from dataset.picture import PictureError
from utils.picture.resize import cover
from utils.picture.write import write_picture
from utils.prediction.target import open_target
from utils.system.command_line import UsageError


@pytest.mark.parametrize("spec, colour", [("#00ff00", (0, 255, 0)), ("white", (255,) * 3), ("rgb(1,2,3)", (1, 2, 3))])
def test_colours_fill_the_size(spec, colour):
    frame = open_target(spec).frame(0, 5, 7)
    assert frame.shape == (5, 7, 3) and frame.dtype == np.uint8
    assert (frame == colour).all()


def test_picture_covers_and_is_cut_evenly(tmp_path):
    picture = np.zeros((20, 60, 3), np.uint8)
    picture[:, 20:40] = 200
    write_picture(tmp_path / "wide.png", picture)
    target = open_target(tmp_path / "wide.png")
    assert (target.frame(0, 10, 10) == 200).all()  # the middle third
    assert target.frame(0, 40, 120).shape == (40, 120, 3)  # then another size
    assert target.frame(0, 10, 10) is target.frame(1, 10, 10)


@pytest.mark.parametrize("size", [(7, 13), (13, 7), (1, 50), (50, 1), (20, 20)])
def test_cover_gives_exactly_the_size(size):
    assert cover(np.zeros((20, 31, 3), np.uint8), *size).shape == (*size, 3)


def test_video_is_shown_by_time_and_starts_again(tmp_path):
    for number in range(4):
        write_picture(tmp_path / f"{number}.png", np.full((4, 6, 3), 50 * number, np.uint8))
    target = open_target(tmp_path)  # 30 a second
    at = [0, 0.5, 1, 1.5, 2.9, 3, 3.5, 4, 5.2, 9, 30]  # in frames
    shown = [int(target.frame(t / 30 + 1e-6, 4, 6)[0, 0, 0]) // 50 for t in at]
    assert shown == [0, 0, 1, 1, 2, 3, 3, 0, 1, 1, 2]


def test_video_file(tmp_path):
    pytest.importorskip("av", reason="PyAV (requirements/video.txt)")
    from tests.video_files import RATE, frames, psnr, write_clip

    pictures = frames(6)[0]
    target = open_target(write_clip(tmp_path / "t.mp4", pictures, options={"crf": "5"}))
    for number in (0, 1, 4, 5, 6, 7, 17):
        assert psnr(target.frame(number / RATE, 96, 128), pictures[number % 6]) > 30


def test_what_is_neither_file_nor_colour_names_the_flag():
    with pytest.raises(UsageError, match="--target-bgr beech.jpg"):
        open_target("beech.jpg")


def test_damaged_picture_is_named(tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    with pytest.raises(PictureError, match="bad.jpg"):
        open_target(tmp_path / "bad.jpg")
