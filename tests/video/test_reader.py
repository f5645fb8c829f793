"""Reading clips: every frame once, upright, with its own time, whatever the file is like."""

import os
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from dataset.picture import PictureError
from tests.video_files import RATE, frames, psnr, times_of, turn, write_clip
from tests.web.hostile import moving
from utils.picture.write import write_picture
from utils.system.errors import UsageError
from utils.system.notes import Note
from utils.video import reader as video_reader
from utils.video.hdr import BT2020, LUMINANCE, PEAK, TO_BT709, WHITE
from utils.video.reader import convert, open_clip

PICTURES = frames(12)[0]


@pytest.mark.parametrize("name, encoder", [("a.mp4", "libx264"), ("a.webm", "libvpx-vp9"), ("a.avi", "mpeg4")])
def test_frames_come_in_order_with_their_times(tmp_path, name, encoder):
    clip = open_clip(write_clip(tmp_path / name, PICTURES, encoder=encoder, options={"crf": "10", "qmax": "12"}))
    assert (clip.height, clip.width, clip.expected) == (96, 128, 12)
    assert abs(clip.rate - RATE) < 0.1
    read = [(frame.number, float(frame.time), frame.rgb()) for frame in clip]
    assert [number for number, _, _ in read] == list(range(12))
    np.testing.assert_allclose([time for _, time, _ in read], np.arange(12) / float(RATE), atol=2e-3)
    assert min(psnr(rgb, picture) for (_, _, rgb), picture in zip(read, PICTURES)) > 25
    assert len(list(clip)) == 12  # and once more from the beginning


def test_variable_frame_rate_keeps_each_time(tmp_path):
    times = [0, 1500, 9000, 9900, 45000, 45003, 90000]
    clip = open_clip(write_clip(tmp_path / "vfr.mp4", PICTURES[:7], times))
    np.testing.assert_allclose([float(frame.time) for frame in clip], np.array(times) / 90_000, atol=1e-3)
    assert [frame.time for frame in clip] == [Fraction(time, 90_000) for time in times]


def test_times_count_from_the_files_beginning(tmp_path):
    path = write_clip(tmp_path / "late.ts", PICTURES, [900_000 + 3003 * i for i in range(12)])
    assert times_of(path)[0] >= 10
    times = [frame.time for frame in open_clip(path)]
    assert times[0] == 0 and times[-1] == Fraction(11 * 3003, 90_000)


@pytest.mark.parametrize(
    "matrix, turned",
    [
        ((0, 1, -1, 0), lambda x: np.rot90(x, -1)),
        ((-1, 0, 0, -1), lambda x: np.rot90(x, 2)),
        ((0, -1, 1, 0), np.rot90),
        ((-1, 0, 0, 1), lambda x: x[:, ::-1]),
        ((1, 0, 0, -1), lambda x: x[::-1]),
        ((0, 1, 1, 0), lambda x: x.transpose(1, 0, 2)),
    ],
    ids=["clockwise", "half", "anticlockwise", "mirrored", "flipped", "transposed"],
)
def test_display_matrix_is_applied(tmp_path, matrix, turned):
    path = write_clip(tmp_path / "turned.mp4", PICTURES[:2], options={"crf": "5"})
    turn(path, matrix)
    clip = open_clip(path)
    expected = turned(PICTURES[1])
    assert (clip.height, clip.width) == expected.shape[:2]
    picture = [frame.rgb() for frame in clip][1]
    assert picture.flags.c_contiguous and psnr(picture, expected) > 30


@pytest.mark.parametrize("size", [(95, 127), (97, 131)])
def test_odd_sizes_come_out_the_same_every_time(tmp_path, size):
    pictures = frames(6, *size)[0]
    path = write_clip(tmp_path / "odd.webm", pictures, encoder="libvpx-vp9", options={"crf": "4", "b": "0"})
    first = [frame.rgb() for frame in open_clip(path)]
    assert first[0].shape[:2] == size
    assert min(psnr(*pair) for pair in zip(first, pictures)) > 30
    for _ in range(3):
        for one, other in zip(first, open_clip(path)):
            np.testing.assert_array_equal(one, other.rgb())


def test_ten_bits_are_read(tmp_path):
    for pixels in ("yuv422p10le", "yuv420p10le"):
        clip = open_clip(write_clip(tmp_path / "ten.mp4", PICTURES, pixels=pixels, options={"crf": "5"}))
        assert min(psnr(frame.rgb(), picture) for frame, picture in zip(clip, PICTURES)) > 33
        deep = [frame.photo(True).pixels for frame in clip]
        assert deep[0].dtype == np.uint16 and (deep[0] % 257).any()
        assert min(psnr(pixels / 257, picture) for pixels, picture in zip(deep, PICTURES)) > 33


def test_cut_off_file_gives_what_it_has_and_a_warning(tmp_path):
    whole = write_clip(tmp_path / "whole.mkv", frames(60)[0], options={"g": "5", "crf": "5"})
    path = tmp_path / "cut.mkv"
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    told = []
    clip = open_clip(path, tell=told.append)
    count = len([frame.rgb() for frame in clip])
    assert 20 < count < 50 and len(list(clip)) == count
    (note,) = told  # once, however often it is read
    assert (note.kind, note.values["frames"], note.values["about"]) == ("cut_off", count, path)


def test_whole_file_gives_no_warning(tmp_path):
    told = []
    path = write_clip(tmp_path / "a.mp4", PICTURES, sound="aac")
    assert len(list(open_clip(path, tell=told.append))) == 12 and not told


def test_damage_in_the_middle_is_passed_over(tmp_path):
    path = write_clip(tmp_path / "damaged.avi", frames(40)[0], encoder="mjpeg", pixels="yuvj420p")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 3000] = os.urandom(3000)
    path.write_bytes(data)
    assert len(list(open_clip(path))) >= 30


@pytest.mark.parametrize("content", [b"", b"no video " * 100], ids=["empty", "text"])
def test_file_that_is_no_video_is_named(tmp_path, content):
    path = tmp_path / "bad.mp4"
    path.write_bytes(content)
    with pytest.raises(PictureError, match="bad.mp4"):
        open_clip(path)


@pytest.mark.parametrize("error, left", [("InvalidDataError", 10), ("ExternalError", 2)])
def test_packets_that_cannot_be_decoded_are_counted(tmp_path, monkeypatch, error, left):
    """Damaged data is passed over, packet by packet; any other error of the decoder ends the clip. Both are told."""
    import av

    told, path = [], write_clip(tmp_path / "a.avi", PICTURES, encoder="mjpeg", pixels="yuvj420p")
    clip = open_clip(path, tell=told.append)
    read = clip._open

    class Packet:
        def __init__(self, packet, number):
            self.packet, self.number = packet, number

        def decode(self):
            if self.number in (2, 5):
                raise getattr(av.error, error)(1, "damaged")
            return self.packet.decode()

    class Container:
        def __init__(self):
            self.whole = read()

        def __getattr__(self, name):
            return getattr(self.whole, name)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.whole.close()

        def demux(self, stream):
            return (Packet(packet, number) for number, packet in enumerate(self.whole.demux(stream)))

    monkeypatch.setattr(clip, "_open", Container)
    assert len(list(clip)) == left and told[0].kind == "damaged"
    assert told[0].values["places"] in (1, 2)


def test_an_empty_folder_and_a_forbidden_file_are_named(tmp_path, monkeypatch):
    with pytest.raises(PictureError, match="holds no pictures: give a folder"):
        open_clip(tmp_path)

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    path = write_clip(tmp_path / "a.mp4", PICTURES)
    monkeypatch.setattr(video_reader, "open_container", refuse)
    with pytest.raises(
        PictureError, match=r"a.mp4 cannot be read as a video \(Permission denied\): .* change its permissions"
    ):
        open_clip(path)


def test_file_without_its_index_is_named(tmp_path):
    whole = write_clip(tmp_path / "whole.mp4", PICTURES)
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole.read_bytes()[:1000])
    with pytest.raises(PictureError, match="cut.mp4"):
        open_clip(path)


def test_a_codec_that_is_not_known_is_said(tmp_path):
    path = write_clip(tmp_path / "a.mp4", PICTURES)
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))
    with pytest.raises(PictureError, match="a.mp4 holds no picture track that can be read"):
        open_clip(path)


def test_missing_file_and_sound_alone_are_named(tmp_path):
    with pytest.raises(PictureError, match="does not exist"):
        open_clip(tmp_path / "no.mp4")


def test_folder_is_read_in_the_order_of_its_numbers(tmp_path):
    for number in (10, 9, 100):
        write_picture(tmp_path / f"f{number}.png", np.full((8, 12, 3), number, np.uint8))
    clip = open_clip(tmp_path, Fraction(25))
    assert [(f.name, f.number, f.time, f.rgb()[0, 0, 0]) for f in clip] == [
        ("f9", 0, 0, 9),
        ("f10", 1, Fraction(1, 25), 10),
        ("f100", 2, Fraction(2, 25), 100),
    ]


def test_a_part_of_a_folder_counts_from_its_start(tmp_path):
    for number in range(20):
        write_picture(tmp_path / f"{number}.png", np.full((8, 12, 3), number, np.uint8))
    clip = open_clip(tmp_path, Fraction(25), start=Fraction(1, 5))
    part = clip.part(Fraction(1, 5), Fraction(2, 5))
    assert [(frame.number, frame.rgb()[0, 0, 0]) for frame in part] == [(i, 10 + i) for i in range(5)]
    assert len(list(clip.part(0.5, None))) == 2 and part.rate == 25
    with pytest.raises(UsageError, match="no frames between 0.8 s and its end"):
        open_clip(tmp_path, Fraction(25), start=0.8)


def test_folder_with_pictures_of_two_sizes_names_the_other_one(tmp_path):
    write_picture(tmp_path / "a.png", np.zeros((8, 12, 3), np.uint8))
    write_picture(tmp_path / "b.png", np.zeros((9, 12, 3), np.uint8))
    with pytest.raises(PictureError, match="b.png is 12x9"):
        [frame.rgb() for frame in open_clip(tmp_path)]


def test_untagged_colours_follow_the_height_as_in_players(tmp_path):
    picture = np.zeros((96, 128, 3), np.uint8) + np.array([40, 200, 60], np.uint8)
    small = next(iter(open_clip(write_clip(tmp_path / "a.mp4", [picture], options={"crf": "5"})))).rgb()
    assert np.abs(small.astype(int) - picture).max() <= 3  # PyAV wrote BT.601
    large = cv2.resize(picture, (1280, 720))
    read = next(iter(open_clip(write_clip(tmp_path / "b.mp4", [large], options={"crf": "5"})))).rgb()
    assert 10 < np.abs(read.astype(int) - large).max() < 60


def test_full_range_is_read_as_such(tmp_path):
    path = write_clip(tmp_path / "a.avi", PICTURES[:2], encoder="mjpeg", pixels="yuvj420p", options={"qmax": "2"})
    for frame, picture in zip(open_clip(path), PICTURES):
        assert psnr(frame.rgb(), picture) > 33
        assert np.abs(frame.rgb().astype(int).mean((0, 1)) - picture.mean((0, 1))).max() < 1


def inverse_hlg(picture):
    """SDR colours, uint8, as an HLG signal with BT.2020's primaries would carry them: uint16 (H, W, 3)."""
    light = (picture / 255) ** 2.4 @ np.linalg.inv(np.array(TO_BT709[BT2020])).T * (WHITE / PEAK)
    luminance = light @ LUMINANCE
    scene = light * (np.maximum(luminance, 1e-9) ** (1 / 1.2 - 1))[..., None]
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    signal = np.where(scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c)
    return np.rint(np.clip(signal, 0, 1) * 65535).astype(np.uint16)


def inverse_pq(picture):
    """The same with the PQ curve."""
    light = np.maximum((picture / 255) ** 2.4 @ np.linalg.inv(np.array(TO_BT709[BT2020])).T, 0) * (WHITE / 10_000)
    power = light ** (2610 / 16384)
    signal = ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)
    return np.rint(np.clip(signal, 0, 1) * 65535).astype(np.uint16)


@pytest.mark.parametrize("pixels", ["yuv444p10le", "yuv420p10le"])
@pytest.mark.parametrize("curve, inverse", [("arib-std-b67", inverse_hlg), ("smpte2084", inverse_pq)])
def test_hdr_comes_out_as_the_sdr_original(tmp_path, curve, inverse, pixels):
    """Phones halve the colours: then FFmpeg's way to 16-bit RGB is wrong by a third of the range."""
    patches = np.stack([c for c in np.ndindex(4, 4, 4)]).reshape(4, 16, 3) * 60 + 50
    sdr = np.kron(patches, np.ones((24, 24, 1))).astype(np.uint8)
    parameters = {"x264-params": f"transfer={curve}:colorprim=bt2020:colormatrix=bt2020nc", "qp": "0"}
    path = tmp_path / "hdr.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options=parameters)
        stream.height, stream.width, stream.pix_fmt = *sdr.shape[:2], pixels
        frame = convert(av.VideoFrame.from_ndarray(inverse(sdr), "rgb48le"), pixels, 9)
        container.mux(stream.encode(frame) + stream.encode(None))
    told = []
    frame = next(iter(open_clip(path, tell=told.append)))
    read, deep = frame.rgb(), frame.photo(True)
    assert told == [Note("hdr", about=path)]
    assert deep.pixels.dtype == np.uint16 and np.abs(deep.rgb.astype(int) - read).max() <= 2
    difference = np.abs(read.astype(int) - sdr).reshape(4, 24, 16, 24, 3)[:, 4:-4, :, 4:-4].max(axis=(1, 3))
    assert difference.max() <= 6, difference.max(axis=2)


@pytest.mark.parametrize("top_first", [True, False])
def test_interlaced_frames_lose_their_combs(tmp_path, top_first):
    """Two moments in the lines of one frame: without deinterlacing the edge of what moves is a comb."""
    moments = [np.zeros((96, 128, 3), np.uint8) for _ in range(24)]
    for number, picture in enumerate(moments):
        picture[:, 10 + 4 * number : 30 + 4 * number] = 220
    pictures = []
    for one, other in zip(moments[::2], moments[1::2]):
        first, second = (one, other) if top_first else (other, one)
        woven = first.copy()
        woven[1::2] = second[1::2]
        pictures.append(woven)
    order = "tff" if top_first else "bff"
    path = write_clip(tmp_path / "i.mp4", pictures, options={"x264-params": f"{order}=1", "crf": "4"})
    told = []
    clip = open_clip(path, tell=told.append)
    assert clip.interlaced and told == [Note("interlaced", about=path)]
    read = [frame.rgb().astype(int) for frame in clip]
    assert len(read) == len(pictures)
    combs = [np.abs(x[1:-1] - (x[:-2] + x[2:]) / 2).mean() for x in read[2:-2]]
    woven = [np.abs(x[1:-1].astype(int) - (x[:-2].astype(int) + x[2:]) / 2).mean() for x in pictures[2:-2]]
    assert max(combs) < min(woven) / 4


def test_a_part_of_a_clip_counts_from_its_start(tmp_path):
    clip = write_clip(tmp_path / "a.mp4", frames(60)[0], options={"g": "20", "crf": "8"})
    part = open_clip(clip, start=Fraction(10, 1) / RATE, end=Fraction(25, 1) / RATE)
    read = [(frame.number, frame.time, frame.rgb()) for frame in part]
    assert [number for number, _, _ in read] == list(range(15)) and read[0][1] == 0 and part.expected == 15
    assert min(psnr(rgb, picture) for (_, _, rgb), picture in zip(read, frames(60)[0][10:25])) > 25
    with pytest.raises(UsageError, match="between 500 s and its end"):
        open_clip(clip, start=500)
    with pytest.raises(UsageError, match="has no frames between"):
        open_clip(clip, start=3, end=2)


@pytest.mark.parametrize("suffix", ["ts", "mpg"])
@pytest.mark.parametrize("distance", ["10", "250"])
def test_a_part_begins_at_its_start_where_files_are_sought_by_guesses(tmp_path, suffix, distance):
    """Seeking ends behind the last frame that can be decoded by itself, or where no other follows."""
    clip = write_clip(tmp_path / f"a.{suffix}", frames(60)[0], options={"g": distance, "crf": "8"})
    times, told = [frame.time for frame in open_clip(clip)], []
    read = list(open_clip(clip, tell=told.append, start=times[25]))
    assert [frame.time for frame in read] == [time - times[25] for time in times[25:]] and told == []


def test_a_stream_that_grows_beyond_reason_ends_there(tmp_path):
    pytest.importorskip("av", reason="av is not installed")
    (tmp_path / "a.ts").write_bytes(moving(48, 64, 4) + moving(2200, 2200, 2))
    notes = []
    frames = [frame.rgb() for frame in open_clip(tmp_path / "a.ts", tell=notes.append)]
    assert {frame.shape for frame in frames} == {(48, 64, 3)} and "damaged" in {note.kind for note in notes}
