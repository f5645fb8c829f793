"""Frames of a video file or of a folder of pictures, one after the other: never sought by number, never all in memory.

from utils.video.reader import open_clip

clip = open_clip("clip.mp4")
for frame in clip:
    frame.time, frame.rgb()  # seconds, uint8 (H, W, 3)

PyAV (requirements/video.txt) reads whatever FFmpeg reads; without it OpenCV takes its place, which knows no sound.
"""

import math
import struct
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from dataset.picture import PictureError, find_pictures, read_rgb
from utils.picture.resize import fit
from utils.system.errors import install
from utils.system.notes import Note, once, silent

CLIP_SUFFIXES = tuple(
    ".mp4 .mov .m4v .mkv .webm .avi .mts .m2ts .ts .mpg .mpeg .wmv .asf .flv .f4v .3gp .3g2 .ogv .mxf .vob .y4m .gif "
    ".h264 .264 .hevc .h265".split()
)
INSTALL = install("video")
FRAME_RATE = Fraction(30)  # of a folder of pictures, and where a file states none
HD_HEIGHT = 720  # from here on, a file that does not name its colours means BT.709, as players take it
BT709, BT601 = 1, 5  # FFmpeg's numbers
UNTAGGED, MATRICES = (0, 2), (1, 4, 5, 7, 9)
EXACT = 2 | 0x40000 | 0x2000  # SWS_BILINEAR | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT
HDR_CURVES = (16, 18)  # PQ and HLG
TOLERATED = 1.5  # frames that a file may end before the time that its header states


class Frame:
    """One picture of a clip.

    Attributes:
        number: counted from 0.
        time: Fraction, seconds from the clip's beginning.
        name: of the picture's file without suffix, in a folder; else None.
        rgb: function that decodes the picture: uint8 (H, W, 3), RGB, upright.
    """

    __slots__ = ("number", "time", "name", "rgb")

    def __init__(self, number, time, name, rgb):
        self.number, self.time, self.name, self.rgb = number, time, name, rgb


def av_or_none():
    """The module `av` (PyAV), or None where it is not installed or cannot be loaded."""
    try:
        import av

        return av
    except ImportError:
        return None


def is_clip(path):
    """Whether a path names a video: by its suffix, or as a number, which is a camera's."""
    text = str(path)
    return text.isdigit() or Path(text).suffix.lower() in CLIP_SUFFIXES


def open_clip(path, frame_rate=None, tell=silent):
    """Open a video file or a folder of pictures.

    Args:
        path: file, or folder whose pictures are the frames, in the order of their names (`f2` comes before `f10`).
        frame_rate: pictures a second in a folder, None meaning 30; not used for files.
        tell: function of a utils.system.notes.Note, for what is found while it is read.

    Returns:
        Clip: iterate it, as often as wanted, to get its Frames. Its attributes: `path`; `height`, `width` (upright);
        `rate`, Fraction, frames a second on average; `time_base`, Fraction of a second that every time is a multiple
        of; `sample_aspect`, Fraction, width of a pixel relative to its height; `expected`, about how many frames it
        has, for showing progress, or None.

    Raises:
        PictureError: there is no such file, or it holds no video that can be read.
    """
    path = Path(path)
    if not path.exists():
        raise PictureError(f"{path} does not exist: check the name")
    if path.is_dir():
        return FolderClip(path, frame_rate)
    if path.stat().st_size == 0:
        raise PictureError(f"{path} is empty (0 bytes): copy or download it again")
    return FileClip(path, tell) if av_or_none() else OpenCVClip(path, tell)


class FolderClip:
    """Pictures of a folder as frames; see open_clip."""

    def __init__(self, path, frame_rate=None):
        self.path, self.rate = path, Fraction(frame_rate or FRAME_RATE)
        self.time_base, self.sample_aspect = 1 / self.rate, Fraction(1)
        self.pictures = sorted(find_pictures(path), key=_natural)
        if not self.pictures:
            raise PictureError(f"{path} holds no pictures: give a folder of PNG or JPEG files")
        self.expected = len(self.pictures)
        self.height, self.width = read_rgb(self.pictures[0]).shape[:2]

    def __iter__(self):
        for number, picture in enumerate(self.pictures):
            name = picture.relative_to(self.path).with_suffix("").as_posix()
            yield Frame(number, number * self.time_base, name, lambda picture=picture: self._read(picture))

    def _read(self, picture):
        rgb = read_rgb(picture)
        if rgb.shape[:2] != (self.height, self.width):
            sizes = f"{rgb.shape[1]}x{rgb.shape[0]}, the first picture {self.width}x{self.height}"
            raise PictureError(f"{picture} is {sizes}: the frames of a clip have one size")
        return rgb


class FileClip:
    """A video file, read by PyAV; see open_clip."""

    def __init__(self, path, tell=silent):
        self.path, self.tell = path, once(tell, path)
        with self._open() as container:
            stream = container.streams.video[0]
            self.time_base = Fraction(stream.time_base)
            self.rate = Fraction(stream.average_rate or stream.guessed_rate or FRAME_RATE)
            self.sample_aspect = Fraction(stream.sample_aspect_ratio or 1)
            self.start = clip_start(container)
            seconds = stream.duration * self.time_base if stream.duration else None
            if seconds is None and container.duration:
                seconds = Fraction(container.duration, 1_000_000)
            first = next(self._decode(container, stream), None)
            curve = int(stream.codec_context.color_trc)
        if first is None:
            raise PictureError(f"{path} holds no frame that can be decoded: copy or download it again")
        self.stated = seconds
        self.expected = round(seconds * self.rate) if seconds else None
        self._turn = upright(first)
        height, width = first.height, first.width
        self.height, self.width = (width, height) if self._turn[0] % 2 else (height, width)
        if self._turn[0] % 2:
            self.sample_aspect = 1 / self.sample_aspect
        if curve in HDR_CURVES:
            self.tell(Note("hdr"))

    def __iter__(self):
        count, last, step = 0, None, max(1, round(1 / self.rate / self.time_base))
        offset = round(self.start / self.time_base)
        with self._open() as container:
            for decoded in self._decode(container, container.streams.video[0]):
                # A frame without a time stamp, or whose stamp does not grow, comes one frame after the last one.
                ticks = None if decoded.pts is None else decoded.pts - offset
                if ticks is None or (last is not None and ticks <= last):
                    ticks = 0 if last is None else last + step
                last, count = ticks, count + 1
                yield Frame(count - 1, ticks * self.time_base, None, lambda decoded=decoded: self._rgb(decoded))
        end = 0 if last is None else last * self.time_base + 1 / self.rate
        if self.stated and end < self.stated - TOLERATED / float(self.rate):
            self.tell(Note("cut_off", frames=count, seconds=float(end), stated=float(self.stated)))

    def _open(self):
        av = av_or_none()
        try:
            container = open_container(self.path)
        except (av.error.FFmpegError, OSError) as error:
            if isinstance(error, PermissionError):
                raise PictureError(f"{self.path} may not be read: change its permissions") from None
            why = error.strerror or type(error).__name__
            raise PictureError(f"{self.path} cannot be read as a video ({why}): copy it again, or convert it") from None
        if not container.streams.video:
            container.close()
            raise PictureError(f"{self.path} holds no picture track: give a video")
        container.streams.video[0].thread_type = "AUTO"
        return container

    def _decode(self, container, stream):
        """Decoded frames in the order of display; a packet that cannot be decoded is passed over."""
        av = av_or_none()
        damaged, packets = 0, container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    break
                yield from packet.decode()
            except av.error.EOFError:
                break
            except av.error.InvalidDataError:
                damaged += 1
                if damaged > 100_000:  # a demuxer that reports the same damage without end
                    break
            except (av.error.FFmpegError, OSError):
                damaged += 1
                break
        if damaged:
            self.tell(Note("damaged", places=damaged))

    def _rgb(self, decoded):
        matrix = int(decoded.colorspace)
        if matrix in UNTAGGED:
            matrix = BT709 if decoded.height >= HD_HEIGHT else BT601
        rgb = convert(decoded, "rgb24", matrix if matrix in MATRICES else BT601).to_ndarray()
        quarters, mirrored = self._turn
        rgb = np.rot90(rgb, quarters)
        rgb = np.ascontiguousarray(rgb[:, ::-1] if mirrored else rgb)
        if rgb.shape[:2] != (self.height, self.width):  # some streams change their size on the way
            rgb = fit(rgb, (self.height, self.width))
        return rgb


class OpenCVClip:
    """A video file, read by OpenCV, where PyAV is not installed; see open_clip."""

    def __init__(self, path, tell=silent):
        self.tell, self.path, self.time_base, self.sample_aspect = (
            once(tell, path),
            path,
            Fraction(1, 90_000),
            Fraction(1),
        )
        capture = self._open()
        rate = capture.get(cv2.CAP_PROP_FPS)
        self.stated = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.expected = self.stated if self.stated > 0 else None
        decoded, frame = capture.read()
        capture.release()
        if not decoded:
            raise PictureError(f"{path} cannot be read as a video: copy it again, or {INSTALL} to read more kinds")
        self.rate = nearest_rate(rate) if math.isfinite(rate) and 0 < rate < 1000 else FRAME_RATE
        self.height, self.width = frame.shape[:2]

    def __iter__(self):
        capture, count, last = self._open(), 0, None
        try:
            while capture.grab():
                seconds = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                time = round(seconds / self.time_base) * self.time_base if math.isfinite(seconds) else Fraction(-1)
                if last is not None and time <= last:
                    time = last + 1 / self.rate
                elif last is None:
                    time = max(time, Fraction(0))
                last, count = time, count + 1
                decoded, frame = capture.retrieve()
                if decoded:
                    number = count - 1
                    yield Frame(number, time, None, lambda frame=frame: cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
        finally:
            capture.release()
        if self.stated > count + TOLERATED:
            rate = float(self.rate)
            self.tell(Note("cut_off", frames=count, seconds=count / rate, stated=self.stated / rate))

    def _open(self):
        capture = cv2.VideoCapture(str(self.path))
        if not capture.isOpened():
            raise PictureError(f"{self.path} cannot be read as a video: copy it again, or {INSTALL} to read more kinds")
        return capture


def open_container(path):
    """The file, opened by PyAV. A playlist that passes for a video may name files, but no address of a network."""
    return av_or_none().open(str(path), metadata_errors="replace", options={"protocol_whitelist": "file"})


def convert(frame, pixel_format, matrix):
    """A frame between RGB and brightness with colour differences: exactly, and in one thread.

    FFmpeg's default is 1.5 levels too dark. PyAV 17 and 18 cut the picture into strips, one a thread, and where their
    seams lie at odd rows some pixels come out wrong, not every time; 17.0 cannot be told otherwise and is excluded in
    requirements/video.txt; before, there was one thread and no such argument.

    Args:
        frame: av.VideoFrame.
        pixel_format: what it becomes, by FFmpeg's name.
        matrix: FFmpeg's number of the colours' matrix, BT709 or BT601 or another.
    """
    other = BT601 if matrix == BT709 else BT709  # of the RGB side, where it means nothing: PyAV skips equal ones
    source, target = (matrix, other) if pixel_format.startswith("rgb") else (other, matrix)
    options = {"format": pixel_format, "src_colorspace": source, "dst_colorspace": target, "interpolation": EXACT}
    try:
        return frame.reformat(threads=1, **options)
    except TypeError:
        return frame.reformat(**options)


def clip_start(container):
    """Seconds, Fraction, at which an opened file's earliest track begins: all times are counted from there."""
    return Fraction(container.start_time or 0, 1_000_000)


def upright(decoded):
    """What has to be done to a decoded frame so that it stands upright.

    Returns:
        (quarters, mirrored): anticlockwise quarter turns, numpy.rot90's, then left and right exchanged.

    Source: the display matrix of ISO/IEC 14496-12, [a b u; c d v; x y w]: point (x, y) is shown at (ax + cy, bx + dy).
    """
    for data in decoded.side_data:
        if getattr(data.type, "name", "") == "DISPLAYMATRIX":
            a, b, _, c, d = struct.unpack("=5i", bytes(data)[:20])
            mirrored = a * d - b * c < 0
            if mirrored:  # exchanging left and right at the end: x changes its sign
                a, c = -a, -c
            # What is right in the file, (1, 0), is shown at (a, b), y downwards.
            return round(math.atan2(-b, a) / (math.pi / 2)) % 4, mirrored
    return 0, False


def nearest_rate(rate):
    """The fraction that a rounded frame rate means: 29.97 is 30000/1001, 25.0 is 25."""
    for candidate in (Fraction(round(rate)), Fraction(round(rate * 1.001) * 1000, 1001)):
        if abs(float(candidate) - rate) < 0.005:
            return candidate
    return Fraction(rate).limit_denominator(1001)


def _natural(path):
    """Sorting key that reads numbers in names as numbers."""
    parts, digits = [], ""
    for character in str(path) + "\0":
        if character.isdigit() and character.isascii():
            digits += character
            continue
        if digits:
            parts.append((0, int(digits), ""))
            digits = ""
        parts.append((1, 0, character))
    return parts
