"""Every format reads back as what was written: alpha, colours, times, sound."""

import sys
from fractions import Fraction

import cv2
import numpy as np
import pytest

pytest.importorskip("av", reason="PyAV (requirements/video.txt)")

from dataset.picture import read_alpha, read_photo, read_rgb
from tests.video_files import BEEP, RATE, beep_of, frames, planes_of, psnr, times_of, write_clip
from utils.picture.write import STILLS
from utils.system.command_line import UsageError
from utils.system.notes import say
from utils.video import reader as video_reader
from utils.video.reader import Frame, open_clip
from utils.video.writer import FORMATS, VIDEO, check_format, open_writer, plane

SIZE = (95, 127)  # odd
ALPHAS = frames(8, *SIZE)[1]
# Soft edges, and every level somewhere.
ALPHAS = [cv2.GaussianBlur(pha, (0, 0), 3) for pha in ALPHAS[:-1]] + [np.resize(np.arange(256, dtype=np.uint8), SIZE)]
COLOURS = frames(8, *SIZE)[0]
TIMES = [Fraction(ticks, 90_000) for ticks in (0, 3003, 9000, 9100, 20000, 45000, 90000, 93003)]


class Clip:
    """What a writer asks of its source."""

    path = None
    rate, time_base, sample_aspect = RATE, Fraction(1, 90_000), Fraction(1)

    def __init__(self, folder):
        self.path = folder


def write(path, output_format, pictures, clip, sound=False):
    channels = 1 if pictures[0].ndim == 2 else pictures[0].shape[2]
    with open_writer(path, output_format, clip, channels, sound) as writer:
        for number, picture in enumerate(pictures):
            writer.write(picture, Frame(number, TIMES[number], None, None))
    return writer


def cut_outs():
    return [np.dstack([fgr, pha]) for fgr, pha in zip(COLOURS, ALPHAS)]


def test_prores_keeps_alpha_exactly(tmp_path):
    write(tmp_path / "a.mov", "mov", cut_outs(), Clip(tmp_path))
    decoded = planes_of(tmp_path / "a.mov")
    assert len(decoded) == 8 and decoded[0].format.name.startswith("yuva444p1")
    for frame, pha in zip(decoded, ALPHAS):
        full = 2 ** int(frame.format.name[8:10]) - 1
        np.testing.assert_array_equal(np.rint(plane(frame, 3) * (255 / full)), pha)


def test_vp9_keeps_alpha_above_40_db(tmp_path):
    write(tmp_path / "a.webm", "webm", cut_outs(), Clip(tmp_path))
    decoded = planes_of(tmp_path / "a.webm", with_alpha=True)
    assert len(decoded) == 8 and (decoded[0].height, decoded[0].width) == SIZE
    assert min(psnr(plane(frame, 3), pha) for frame, pha in zip(decoded, ALPHAS)) > 40


@pytest.mark.parametrize("output_format", sorted(VIDEO))
def test_alpha_as_grey_video_is_kept_above_40_db(tmp_path, output_format):
    write(tmp_path / f"a.{output_format}", output_format, ALPHAS, Clip(tmp_path))
    for frame, pha in zip(open_clip(tmp_path / f"a.{output_format}"), ALPHAS):
        rgb = frame.rgb()[: SIZE[0], : SIZE[1]]
        assert psnr(rgb, np.dstack([pha] * 3)) > 40


@pytest.mark.parametrize("output_format", sorted(VIDEO))
def test_colours_come_back(tmp_path, output_format):
    writer = write(tmp_path / f"a.{output_format}", output_format, COLOURS, Clip(tmp_path))
    clip = open_clip(tmp_path / f"a.{output_format}")
    assert (clip.height, clip.width) == ((96, 128) if output_format == "mp4" else SIZE)
    assert len(writer.notes) == (output_format == "mp4")
    for frame, picture in zip(clip, COLOURS):
        rgb = frame.rgb()[: SIZE[0], : SIZE[1]]
        assert psnr(rgb, picture) > 30  # halved colours at the odd rim
        assert np.abs(rgb.astype(int).mean((0, 1)) - picture.mean((0, 1))).max() < 1  # the same matrix both ways


@pytest.mark.parametrize("output_format", ["png", "tiff"])
def test_pictures_are_lossless(tmp_path, output_format):
    suffix = STILLS[output_format][0]
    for name, pictures in (("pha", ALPHAS), ("fgr", COLOURS), ("com", cut_outs())):
        write(tmp_path / name, output_format, pictures, Clip(tmp_path))
    for number in (0, 7):
        file = f"{number:06d}{suffix}"
        np.testing.assert_array_equal(read_alpha(tmp_path / "pha" / file), ALPHAS[number])
        np.testing.assert_array_equal(read_rgb(tmp_path / "fgr" / file), COLOURS[number])
        com = read_photo(tmp_path / "com" / file)
        np.testing.assert_array_equal(np.dstack([com.rgb, com.alpha]), cut_outs()[number])


def test_prores_keeps_colours_of_more_than_8_bits(tmp_path):
    ramp = np.broadcast_to(np.linspace(20_000, 22_000, 128)[None, :, None], (96, 128, 3)).astype(np.uint16)
    alpha = np.full((96, 128), 128 * 257, np.uint16)
    write(tmp_path / "a.mov", "mov", [np.dstack([ramp, alpha])], Clip(tmp_path))
    decoded = planes_of(tmp_path / "a.mov")[0]
    bits = int(decoded.format.name[8:10])
    assert len(np.unique(plane(decoded, 0))) > 20  # 9 levels of 8 bits
    np.testing.assert_array_equal(np.rint(plane(decoded, 3) * (255 / (2**bits - 1))), 128)


@pytest.mark.parametrize("output_format, tolerance", [("mp4", 1e-6), ("mov", 1e-6), ("webm", 5.1e-4)])
def test_variable_times_are_kept(tmp_path, output_format, tolerance):
    write(tmp_path / f"a.{output_format}", output_format, ALPHAS, Clip(tmp_path))
    times = times_of(tmp_path / f"a.{output_format}")
    np.testing.assert_allclose(times, [float(time) for time in TIMES], atol=tolerance)


def test_pictures_of_a_video_come_with_their_times_and_without_older_ones(tmp_path):
    write(tmp_path / "pha", "png", ALPHAS, Clip(tmp_path))
    (tmp_path / "pha" / "notes.png").write_bytes(b"the user's")
    write(tmp_path / "pha", "png", ALPHAS[:3], Clip(tmp_path))
    assert sorted(path.name for path in (tmp_path / "pha").glob("*.png")) == [
        *(f"00000{number}.png" for number in range(3)),
        "notes.png",
    ]
    lines = (tmp_path / "pha" / "timestamps.txt").read_text().splitlines()
    assert lines == ["# timestamp format v2", "0.000", "33.367", "100.000"]


def test_the_times_are_of_pictures_that_are_there(tmp_path):
    write(tmp_path / "pha", "png", ALPHAS[:2], Clip(tmp_path))
    with open_writer(tmp_path / "pha", "png", Clip(tmp_path), 1) as writer:
        there = [writer.has(Frame(number, TIMES[number], None, None)) for number in range(6)]
        writer.write(ALPHAS[2], Frame(2, TIMES[2], None, None))  # and then the run was stopped
    assert there == [True, True, False, False, False, False]
    lines = (tmp_path / "pha" / "timestamps.txt").read_text().splitlines()
    assert lines == ["# timestamp format v2", "0.000", "33.367", "100.000"]


SOUND = [
    ("mp4", "aac", "mp4", "aac"),
    ("mp4", "aac", "mov", "aac"),
    ("mp4", "aac", "webm", "opus"),
    ("mov", "pcm_s16le", "mp4", "aac"),
    ("mov", "pcm_s16le", "mov", "pcm_s16le"),
    ("mkv", "libopus", "webm", "opus"),
    ("mkv", "libopus", "mov", "pcm_s16le"),
    ("ts", "mp2", "mp4", "aac"),
]


@pytest.mark.parametrize("container, encoder, output_format, codec", SOUND)
def test_sound_stays_in_sync(tmp_path, container, encoder, output_format, codec):
    source = write_clip(tmp_path / f"src.{container}", frames(16)[0], sound=encoder)
    clip = open_clip(source)
    path = tmp_path / f"out.{output_format}"
    with open_writer(path, output_format, clip, 3, True) as writer:
        for frame in clip:
            writer.write(frame.rgb(), frame)
    began, found = beep_of(path)
    assert found == codec
    assert len(writer.notes) == (codec not in encoder)
    picture = times_of(path)[BEEP]
    assert abs((began - picture) - (beep_of(source)[0] - times_of(source)[BEEP])) < 0.003
    assert abs(began - picture) < 1 / RATE


def test_interrupted_sound_ends_with_the_picture(tmp_path):
    clip = open_clip(write_clip(tmp_path / "src.mp4", frames(60)[0], sound="aac"))
    with open_writer(tmp_path / "out.mp4", "mp4", clip, 3, True) as writer:
        for frame, _ in zip(clip, range(15)):
            writer.write(frame.rgb(), frame)
        writer.whole = False
    assert len(times_of(tmp_path / "out.mp4")) == 15
    with video_reader.import_av().open(str(tmp_path / "out.mp4")) as container:
        assert float(container.duration) / 1e6 < 15 / RATE + 0.05


def copied(source, path, told=None):
    """A clip written again with its sound."""
    clip = open_clip(source, tell=(told if told is not None else []).append)
    with open_writer(path, "mp4", clip, 3, True) as writer:
        for frame in clip:
            writer.write(frame.rgb(), frame)
    return path


@pytest.mark.parametrize("encoder", ["mp3", "mp2"])  # copied, encoded anew
def test_recordings_that_were_joined_keep_their_sound(tmp_path, encoder):
    one = write_clip(tmp_path / "a.ts", frames(16)[0], encoder="mpeg2video", sound=encoder).read_bytes()
    (tmp_path / "b.ts").write_bytes(one + one)
    with video_reader.import_av().open(str(copied(tmp_path / "b.ts", tmp_path / "out.mp4"))) as container:
        seconds = [float(stream.duration * stream.time_base) for stream in container.streams]
    assert np.allclose(seconds, 32 / float(RATE), atol=0.1)


def test_sound_of_an_unknown_kind_is_left_out_and_named(tmp_path):
    path = write_clip(tmp_path / "a.mp4", frames(4)[0], sound="aac")
    path.write_bytes(path.read_bytes().replace(b"mp4a", b"apac").replace(b"esds", b"dapa"))
    told = []
    with video_reader.import_av().open(str(copied(path, tmp_path / "out.mp4", told))) as container:
        assert [stream.type for stream in container.streams] == ["video"]
    assert [say(note) for note in told] == ["sound tracks left out, as their kind is not known: 1"]


def test_sound_that_becomes_stereo_on_the_way_is_kept(tmp_path, monkeypatch):
    path, decode = write_clip(tmp_path / "a.ts", frames(30)[0], sound="mp2"), video_reader.FileClip.decode

    def changing(clip, container, stream):
        resampler = video_reader.import_av().AudioResampler("s16p", "stereo", 48_000)
        for number, frame in enumerate(decode(clip, container, stream)):
            yield from [frame] if stream.type == "video" or number < 10 else resampler.resample(frame)

    monkeypatch.setattr(video_reader.FileClip, "decode", changing)
    with video_reader.import_av().open(str(copied(path, tmp_path / "out.mp4"))) as container:
        assert abs(float(container.streams.audio[0].duration / 48_000) - 30 / RATE) < 0.1


def test_error_leaves_no_video_behind(tmp_path):
    (tmp_path / "a.mov").write_bytes(b"before")
    with pytest.raises(RuntimeError), open_writer(tmp_path / "a.mov", "mov", Clip(tmp_path), 1) as writer:
        writer.write(ALPHAS[0], Frame(0, TIMES[0], None, None))
        raise RuntimeError("of the network")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mov"]
    assert (tmp_path / "a.mov").read_bytes() == b"before"


def test_mp4_with_alpha_is_refused(tmp_path):
    with pytest.raises(UsageError, match="mov, webm or png"), open_writer(tmp_path / "a.mp4", "mp4", Clip(tmp_path), 4):
        pass


@pytest.mark.parametrize("output_format", ["mov", "webm", "mp4"])
def test_without_av_videos_say_what_to_install(tmp_path, monkeypatch, output_format):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UsageError, match="pip install -r requirements/video.txt"):
        check_format(output_format)
    write(tmp_path / "png", "png", ALPHAS[:1], Clip(tmp_path))
    np.testing.assert_array_equal(read_alpha(tmp_path / "png" / "000000.png"), ALPHAS[0])


def test_every_format_is_written_by_something():
    for output_format in FORMATS:
        check_format(output_format)
