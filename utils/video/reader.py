"""Frames of a video file or of a folder of pictures, one after the other: never sought by number, never all in memory.

for frame in open_clip("clip.mp4"):  # PyAV reads whatever FFmpeg reads
    frame.time, frame.rgb()  # seconds, uint8 (H, W, 3)
"""

import itertools
import math
import re
import struct
from contextlib import suppress
from fractions import Fraction
from functools import lru_cache, partial
from pathlib import Path
from typing import Callable, NamedTuple, Optional

import cv2
import numpy as np

from dataset.errors import install
from dataset.picture import Photo, PictureError, find_pictures, read_photo
from utils.picture.resize import fit
from utils.system.errors import UsageError, needed
from utils.system.notes import Note, once, silent
from utils.video.hdr import HLG, PQ, WHITE_OF_GBRP16, tone_map

CLIP_SUFFIXES = tuple(
    ".mp4 .mov .m4v .mkv .webm .avi .mts .m2ts .ts .mpg .mpeg .wmv .asf .flv .f4v .3gp .3g2 .ogv .mxf .vob .y4m .gif "
    ".h264 .264 .hevc .h265".split()
)
DPX = ".dpx"  # read here, frame by frame
FRAME_RATE = Fraction(30)  # of a folder of pictures, and where a file states none
BT709, BT601 = 1, 5  # FFmpeg's numbers
EXACT = 2 | 0x40000 | 0x2000  # SWS_BILINEAR | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT


class Frame(NamedTuple):
    """One picture of a clip."""

    number: int  # counted from 0
    time: Fraction  # seconds from the clip's beginning
    name: Optional[str]  # of the picture's file without suffix, in a folder
    photo: Callable  # of a bool: decodes it to a dataset.picture.Photo, upright; with all the clip's bits if it is True

    def rgb(self):
        """The picture, uint8 (H, W, 3), RGB."""
        return self.photo(False).rgb


def import_av():
    """The module `av` (PyAV, which brings FFmpeg); raises UsageError that says what to install where it is missing."""
    return needed("av", f"videos need PyAV: {install('video')}, or give a folder of pictures, a frame each")


def is_clip(path):
    """Whether a path names a video, by its suffix."""
    return Path(path).suffix.lower() in CLIP_SUFFIXES


def open_clip(path, frame_rate=None, tell=silent, start=None, end=None, size=None):
    """Open a video file or a folder of pictures.

    Args:
        path: file, or folder whose pictures are the frames, in the order of their names (`f2` comes before `f10`).
        frame_rate: pictures a second in a folder, None: 30; not used for files.
        tell: function of a utils.system.notes.Note, for what is found while it is read.
        start, end: seconds, of the clip's own time: frames before `start` and from `end` on are left out, and times
            count from `start`; None means the whole clip.
        size: (width, height) that the frames of a file are brought to, in square pixels; None: their own.

    Returns:
        Clip: iterate it, as often as wanted, to get its Frames. Its attributes: `path`; `height`, `width` (upright);
        `rate`, Fraction, frames a second on average; `time_base`, Fraction of a second that every time is a multiple
        of; `sample_aspect`, Fraction, width of a pixel relative to its height; `expected`, about how many frames it
        has, for showing progress, or None; `span`, the Fractions of `start` (0) and `end` (or None); and
        `part(start, end)`, a clip of its own.

    Raises PictureError: there is no such file, or it holds no video that can be read. UsageError: no frame is in the
    span, or PyAV is missing.
    """
    path = Path(path)
    if not path.exists():
        raise PictureError(f"{path} does not exist: check the name")
    return FolderClip(path, start, end, frame_rate) if path.is_dir() else FileClip(path, start, end, size, tell)


class Clip:
    """What clips have in common; see open_clip. `options`: what a part of a clip is opened with, too."""

    def __init__(self, path, start, end, **options):
        self.path, self.options = path, options
        self.span = Fraction(start or 0), None if end is None else Fraction(end)
        self._need(self.span[0] >= 0 and (end is None or self.span[1] > self.span[0]))

    def _need(self, frames):
        """Raise UsageError where no frames lie in the span."""
        if not frames:
            start, end = self.span
            between = f"{float(start or 0):g} s and {'its end' if end is None else f'{float(end):g} s'}"
            raise UsageError(f"{self.path} has no frames between {between}: check the times against its length")

    def part(self, start, end):
        """The clip between two times of its own, seconds; see open_clip."""
        ends = [None if end is None else self.span[0] + Fraction(end), self.span[1]]
        end = min((at for at in ends if at is not None), default=None)
        return type(self)(self.path, self.span[0] + Fraction(start or 0), end, **self.options)


class FolderClip(Clip):
    """Pictures of a folder as frames; see open_clip."""

    def __init__(self, path, start=None, end=None, frame_rate=None):
        super().__init__(path, start, end, frame_rate=frame_rate)
        self.rate = Fraction(frame_rate or FRAME_RATE)
        self.time_base, self.sample_aspect = 1 / self.rate, Fraction(1)
        pictures = frames_in(path)
        if not pictures:
            raise PictureError(f"{path} holds no pictures: give a folder of PNG or JPEG files")
        self.pictures = pictures[slice(*(None if at is None else math.ceil(at * self.rate) for at in self.span))]
        self._need(self.pictures)
        self.expected = len(self.pictures)
        self.height, self.width = read_frame(self.pictures[0]).pixels.shape[:2]

    def __iter__(self):
        for number, picture in enumerate(self.pictures):
            name = picture.relative_to(self.path).with_suffix("").as_posix()
            yield Frame(number, number * self.time_base, name, partial(self._read, picture))

    def _read(self, picture, deep):
        photo = read_frame(picture)
        height, width = photo.pixels.shape[:2]
        if (height, width) != (self.height, self.width):
            sizes = f"{width}x{height}, the first picture {self.width}x{self.height}"
            raise PictureError(f"{picture} is {sizes}: the frames of a clip have one size")
        return photo


def frames_in(folder):
    """The pictures in a folder, those of DPX included, in the order of the numbers in their names: list of Path."""
    found = [*find_pictures(folder), *(path for path in Path(folder).rglob("[!.]*") if path.suffix.lower() == DPX)]
    return sorted(found, key=lambda path: re.sub("[0-9]+", lambda number: number[0].zfill(20), str(path)))


def numbered(paths):
    """Whether files are numbered as the frames of a clip are, as shot.0001.exr, shot.0002.exr and so on.

    That is: 12 or more of one name, whose numbers have equally many digits, three at least, and no gaps; or DPX.
    Cameras number photographs by the rule DCF, as in IMG_0001.JPG: such names are none of a clip.
    """
    if paths and all(path.suffix.lower() == DPX for path in paths):
        return True
    found = [re.fullmatch(r"(.*?)([0-9]{3,})", path.stem) for path in paths]
    if len(paths) < 12 or None in found or re.fullmatch("[A-Z0-9_]{4}[0-9]{4}", paths[0].stem):
        return False
    names = {(path.parent, path.suffix, match[1], len(match[2])) for path, match in zip(paths, found)}
    return len(names) == 1 and all(int(match[2]) == at for at, match in enumerate(found, int(found[0][2])))


def read_frame(path):
    """A picture that is a frame or a plate, as dataset.picture.Photo; of DPX, the numbers as they are."""
    if Path(path).suffix.lower() == DPX:
        clip = FileClip(path)
        return clip.photo(clip.first, True)
    return read_photo(path)


class FileClip(Clip):
    """A video file, read by PyAV; see open_clip."""

    def __init__(self, path, start=None, end=None, size=None, tell=silent):
        super().__init__(path, start, end, size=size)
        self.tell = once(tell, path)
        with self._open() as container:
            stream = container.streams.video[0]
            self.time_base = Fraction(stream.time_base)
            self.rate = Fraction(stream.average_rate or stream.guessed_rate or FRAME_RATE)
            self.sample_aspect = Fraction(stream.sample_aspect_ratio or 1)
            self.start = clip_start(container)
            seconds = (stream.duration or 0) * self.time_base or Fraction(container.duration or 0, 1_000_000)
            curve, primaries = int(stream.codec_context.color_trc), int(stream.codec_context.color_primaries)
            self.first = next(self.decode(container, stream), None)
        if self.first is None:
            raise PictureError(f"{path} holds no frame that can be decoded: copy or download it again")
        self.stated = min(seconds, self.span[1] or seconds)
        self._need(not self.stated or self.stated > self.span[0])
        self.expected = round((self.stated - self.span[0]) * self.rate) if self.stated else None
        self._turn, sides = upright(self.first), (self.first.width, self.first.height)
        if self._turn[0] % 2:
            sides, self.sample_aspect = sides[::-1], 1 / self.sample_aspect
        if size:
            sides, self.sample_aspect = size, Fraction(1)
        self.width, self.height = sides
        self._tone_map, self.interlaced = None, bool(self.first.interlaced_frame)
        if curve in (HLG, PQ):
            self._tone_map = lru_cache(1)(partial(tone_map, curve, primaries))
            self.tell(Note("hdr"))
        if self.interlaced:
            self.tell(Note("interlaced"))

    def __iter__(self):
        count, last, step = 0, None, max(1, round(1 / self.rate / self.time_base))
        offset = round(self.start / self.time_base)
        start, stop = self.span
        with self._open() as container:
            stream = container.streams.video[0]
            frames = self._from_start(container, stream)
            for decoded in deinterlaced(frames, stream) if self.interlaced else frames:
                # A frame without a time stamp, or whose stamp does not grow, comes one frame after the last one.
                ticks = None if decoded.pts is None else decoded.pts - offset
                if ticks is None or (last is not None and ticks <= last):
                    ticks = 0 if last is None else last + step
                last, time = ticks, ticks * self.time_base
                if stop is not None and time >= stop:
                    return
                if time >= start:
                    count += 1
                    yield Frame(count - 1, time - start, None, partial(self.photo, decoded))
        end = 0 if last is None else last * self.time_base + 1 / self.rate
        if self.stated and end < self.stated - 1.5 / float(self.rate):  # frames that may be missing
            self.tell(Note("cut_off", frames=count, seconds=float(end), stated=float(self.stated)))

    def _from_start(self, container, stream):
        """Decoded frames from the last one on that can be decoded by itself and is not behind the span's start."""
        if self.span[0]:
            start = self.span[0] + self.start
            container.seek(int(start * 1_000_000))
            frames = self.decode(container, stream)
            first = next(frames, None)
            if first is not None and first.pts is not None and first.pts * self.time_base <= start:
                return itertools.chain([first], frames)
            container.seek(min(0, int(self.start * 1_000_000)))  # some containers are sought by guesses
        return self.decode(container, stream)

    def _open(self):
        av = import_av()
        try:
            container = open_container(self.path)
        except (av.error.FFmpegError, OSError) as error:
            why, remedy = error.strerror or type(error).__name__, "copy it again, convert it, or change its permissions"
            raise PictureError(f"{self.path} cannot be read as a video ({why}): {remedy}") from None
        context = container.streams.video[0].codec_context if container.streams.video else None
        if context is None:  # also of a codec that FFmpeg does not know
            container.close()
            raise PictureError(f"{self.path} holds no picture track that can be read: give a video, or convert it")
        context.thread_type = "AUTO"
        if context.width and context.height:  # a stream may ask for more memory on the way: beyond that is damage
            context.options = {"max_pixels": str(max(1 << 22, 4 * context.width * context.height))}
        return container

    def decode(self, container, stream):
        """Decoded frames of an opened file's track, in their order; a packet that cannot be decoded is passed over."""
        av = import_av()
        damaged, packets = 0, container.demux(stream)
        while damaged <= 100_000:  # some demuxers report the same damage without end
            try:
                yield from next(packets).decode()
            except (StopIteration, av.error.EOFError):
                break
            except (av.error.FFmpegError, OSError) as error:
                damaged += 1
                if not isinstance(error, av.error.InvalidDataError):
                    break
        if damaged:
            self.tell(Note("damaged", places=damaged))

    def photo(self, decoded, deep):
        """A decoded frame as dataset.picture.Photo, see Frame."""
        matrix = int(decoded.colorspace)
        if matrix not in (BT709, 4, BT601, 7, 9):  # untagged (0, 2) from this height on is BT.709 to players, too
            matrix = BT709 if matrix in (0, 2) and decoded.height >= 720 else BT601
        wide = deep and max(component.bits for component in decoded.format.components) > 8
        if self._tone_map:
            graph = self._tone_map(decoded.width, decoded.height)
            graph.push(convert(decoded, "gbrp16le", matrix))
            decoded = graph.pull()
        if not wide or self._tone_map or decoded.format.is_rgb:
            rgb = convert(decoded, "rgb48le", matrix).to_ndarray() if wide else rgb_of(decoded, matrix)
        else:  # FFmpeg's way from halved colours to rgb48 is wrong, by a third of the range
            rgb = convert(decoded, "gbrp16le", matrix).to_ndarray() * np.float32(65535 / WHITE_OF_GBRP16)
            rgb = np.rint(rgb).clip(0, 65535).astype(np.uint16)
        quarters, mirrored = self._turn
        rgb = np.rot90(rgb, quarters)
        rgb = np.ascontiguousarray(rgb[:, ::-1] if mirrored else rgb)
        if rgb.shape[:2] != (self.height, self.width):  # another is wanted, or the stream's changes on the way
            rgb = fit(rgb, (self.height, self.width))
        return Photo(rgb)


def deinterlaced(frames, stream):
    """Whole frames, at the source's rate, of interlaced ones, by FFmpeg's bwdif; any others pass unchanged."""
    av = import_av()
    graph = av.filter.Graph()
    graph.link_nodes(graph.add_buffer(template=stream), graph.add("bwdif", "mode=0:deint=1"), graph.add("buffersink"))
    graph.configure()
    for frame in itertools.chain(frames, [None]):  # None: the end, which gives back what the filter still holds
        graph.push(frame)
        with suppress(av.error.BlockingIOError, av.error.EOFError):
            while True:
                yield graph.pull()


def open_container(path):
    """The file, opened by PyAV. A playlist that passes for a video may name files, but no address of a network."""
    return import_av().open(str(path), metadata_errors="replace", options={"protocol_whitelist": "file"})


def convert(frame, pixel_format, matrix):
    """A frame between RGB and brightness with colour differences: exactly, and in one thread.

    FFmpeg's default is 1.5 levels too dark. PyAV 17 and 18 cut the picture into strips, one a thread, and where their
    seams lie at odd rows some pixels come out wrong, not every time; 17.0 cannot be told otherwise; 17 is excluded in
    requirements/video.txt; before, there was one thread and no such argument.

    `frame`: av.VideoFrame. `pixel_format`: what it becomes, `matrix`: that of its colours, by FFmpeg's name and number.
    """
    to_rgb = pixel_format.startswith(("rgb", "gbr"))
    # The matrix of the RGB side means nothing, but PyAV skips equal ones. Between RGB and RGB there is none.
    other = matrix if to_rgb and frame.format.is_rgb else BT601 if matrix == BT709 else BT709
    source, target = (matrix, other) if to_rgb else (other, matrix)
    options = {"format": pixel_format, "src_colorspace": source, "dst_colorspace": target, "interpolation": EXACT}
    try:
        return frame.reformat(threads=1, **options)
    except TypeError:
        return frame.reformat(**options)


def rgb_of(frame, matrix):
    """uint8 (H, W, 3), RGB, of an av.VideoFrame; see `convert`. FFmpeg makes planes in half the time, and the same."""
    if frame.format.is_rgb:
        return convert(frame, "rgb24", matrix).to_ndarray()
    planes = convert(frame, "gbrp", matrix)
    green, blue, red = (plane(planes, index) for index in range(3))
    return cv2.merge([red, green, blue])


def plane(frame, index):
    """A plane of a frame to read or write in place: uint8 (H, W), uint16 where it has 10 or 12 bits."""
    part = frame.planes[index]
    dtype = np.dtype("<u2") if frame.format.name.endswith("le") else np.dtype(np.uint8)
    return np.frombuffer(part, dtype).reshape(part.height, -1)[:, : part.width]


def clip_start(container):
    """Seconds, Fraction, at which an opened file's earliest track begins: all times are counted from there."""
    return Fraction(container.start_time or 0, 1_000_000)


def upright(decoded):
    """What makes a decoded frame upright: how many quarter turns anticlockwise, and then whether left and right change.

    Source: the display matrix of ISO/IEC 14496-12, [a b u; c d v; x y w]: point (x, y) is shown at (ax + cy, bx + dy).
    """
    matrix = decoded.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return 0, False
    a, b, _, c, d = struct.unpack("=5i", bytes(matrix)[:20])
    mirrored = a * d - b * c < 0
    # What is right in the file, (1, 0), is shown at (a, b), y downwards; exchanging left and right changes x's sign.
    return round(math.atan2(-b, -a if mirrored else a) / (math.pi / 2)) % 4, mirrored
