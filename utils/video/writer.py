"""Write the frames of a clip: ProRes or VP9 with alpha, H.264, or a sequence of pictures.

A video takes its name only when it is complete; its time stamps are those given, its sound is copied from the clip.
"""

from contextlib import ExitStack, contextmanager
from fractions import Fraction

import cv2
import numpy as np

from utils.picture.resize import padded
from utils.picture.write import STILLS, write_picture
from utils.system.errors import UsageError
from utils.system.files import atomic_path, write_text
from utils.system.notes import Note
from utils.video.reader import BT709, convert, import_av, plane
from utils.video.sound import open_sounds

# Quality: an alpha of 8 bits survives H.264 and VP9 at these settings with a PSNR above 40 dB, mostly 50.
VP9 = {"crf": "12", "b": "0", "deadline": "realtime", "cpu-used": "8", "row-mt": "1", "auto-alt-ref": "0"}
VIDEO = {  # suffix -> encoder, pixel formats without and with alpha, options
    "mp4": ("libx264", "yuv420p", None, {"crf": "12", "preset": "superfast"}),
    "mov": ("prores_ks", "yuv444p10le", "yuva444p10le", {"profile": "4444", "vendor": "apl0"}),
    "webm": ("libvpx-vp9", "yuv420p", "yuva420p", VP9),
}
FORMATS = (*VIDEO, *STILLS)
TIMES, TIMES_HEAD = "timestamps.txt", "# timestamp format v2"


def check_format(output_format):
    """Raise UsageError if what this machine has installed cannot write a format, one of FORMATS."""
    if output_format in VIDEO:
        av, encoder = import_av(), VIDEO[output_format][0]
        try:
            av.codec.Codec(encoder, "w")
        except ValueError:
            remedy = "pip install --force-reinstall --only-binary av av, or choose png"
            why = f"--output-format {output_format}: the installed PyAV has no encoder {encoder}: {remedy}"
            raise UsageError(why) from None


@contextmanager
def open_writer(path, output_format, clip, channels, sound=False):
    """Open an output; leaving the block without an error completes it, an error leaves no video behind.

    Args:
        path: name of the file; of the folder for a sequence of pictures.
        output_format: one of FORMATS.
        clip: the source, see utils.video.reader.open_clip: size, rate, times and sound are its.
        channels: 1 for alpha and other grey pictures, 3 for RGB, 4 for RGB and alpha.
        sound: whether the video gets the clip's sound, too.

    Yields:
        writer with `write(picture, frame, like=None)`: picture uint8 (H, W), (H, W, 3) or (H, W, 4), not premultiplied,
        for mov also uint16, for a sequence what write_picture takes; frame what the clip gave (its time and name
        count); like, for a sequence, as in write_picture. `writer.notes`: list of Notes.

    Raises UsageError: the format cannot hold it or needs something installed. OSError: it cannot be written.
    """
    check_format(output_format)
    if output_format in STILLS:
        writer = PictureWriter(path, STILLS[output_format][0])
        yield writer
        writer.finish()
        return
    if channels == 4 and VIDEO[output_format][2] is None:
        raise UsageError(f"--output-format {output_format} has no alpha channel: choose mov, webm or png")
    with atomic_path(path) as temporary, ExitStack() as stack:
        writer = VideoWriter(temporary, output_format, clip, channels, stack)
        if sound:
            writer.sounds = open_sounds(clip, writer.container, output_format, stack)
            writer.notes += [note for track in writer.sounds for note in track.notes]
        try:
            yield writer
            writer.finish()
        except import_av().error.FFmpegError as error:
            raise OSError(error.errno or 0, error.strerror or str(error), str(path)) from error


class PictureWriter:
    """One picture a frame, in a folder; of a video's frames also their times. See open_writer.

    Pictures are named as the source's, or by number from 000000. Those numbers of an earlier, longer run that its list
    of times accounts for are deleted at the end, so that the folder holds one clip; nothing else is.
    """

    def __init__(self, folder, suffix):
        self.folder, self.suffix = folder, suffix
        self.notes, self.times = [], {}

    def has(self, frame):
        """Whether a frame's picture is there already, so that it need not be written."""
        there = self.path(frame).exists()
        if there:
            self._note(frame)
        return there

    def path(self, frame):
        return self.folder / f"{frame.name or format(frame.number, '06d')}{self.suffix}"

    def write(self, picture, frame, like=None):
        self._note(frame)
        write_picture(self.path(frame), picture, like)

    def finish(self):
        if not self.times:
            return
        # The format that mkvmerge and ffmpeg's helpers read: milliseconds, one line a frame.
        lines = "".join(f"{float(self.times[number]) * 1000:.3f}\n" for number in sorted(self.times))
        earlier = frames_written(self.folder)
        write_text(self.folder / TIMES, f"{TIMES_HEAD}\n{lines}")
        for number in range(max(self.times) + 1, earlier):
            (self.folder / f"{number:06d}{self.suffix}").unlink(missing_ok=True)

    def _note(self, frame):
        if frame.name is None:
            self.times[frame.number] = frame.time


def frames_written(folder):
    """How many frames the list of times says that an earlier run has written to a folder; 0 if there is no list."""
    try:
        head, *lines = (folder / TIMES).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return 0
    return len(lines) if head == TIMES_HEAD else 0


class VideoWriter:
    """A video file, written by PyAV and closed with `stack`, an ExitStack; see open_writer.

    `whole`: whether the sound after the last frame belongs to it, too: not after an interruption.
    """

    def __init__(self, path, output_format, clip, channels, stack):
        encoder, opaque, transparent, options = VIDEO[output_format]
        self.notes, self.end, self.step, self.whole = [], Fraction(0), 1 / clip.rate, True
        self.size, self.even, self.sounds = None, output_format == "mp4", []
        # The offset between sound and picture is kept to a tick of the clip, not to a millisecond.
        exact = {"movie_timescale": str(clip.time_base.denominator)} if output_format in ("mp4", "mov") else {}
        self.container = stack.enter_context(import_av().open(str(path), "w", options=exact))
        self.stream = self.container.add_stream(encoder, rate=clip.rate, options=options)
        self.stream.pix_fmt = transparent if channels == 4 else opaque
        self.stream.time_base = clip.time_base
        context = self.stream.codec_context
        context.time_base, context.sample_aspect_ratio, context.thread_type = clip.time_base, clip.sample_aspect, "AUTO"
        context.color_range, context.colorspace = 1, BT709  # limited range
        context.color_primaries, context.color_trc = BT709, BT709

    def write(self, picture, frame, like=None):
        if self.size is None:
            self.size = tuple(side + side % 2 * self.even for side in picture.shape[:2])
            self.stream.height, self.stream.width = self.size
            if self.size != picture.shape[:2]:
                self.notes.append(Note("even_sides", height=self.size[0], width=self.size[1]))
        encoded = video_frame(padded(picture, self.size), self.stream.pix_fmt)
        time_base = self.stream.codec_context.time_base
        encoded.pts, encoded.time_base = round(frame.time / time_base), time_base
        self.container.mux(self.stream.encode(encoded))
        self.end = frame.time + self.step
        for sound in self.sounds:
            sound.copy(self.end)

    def finish(self):
        """Write what is still in the encoders, and the rest of the sound."""
        if self.size is not None:
            self.container.mux(self.stream.encode())
        for sound in self.sounds:
            sound.copy(None if self.whole else self.end)
            sound.finish()


def video_frame(picture, pixel_format):
    """A picture, uint8 (H, W), (H, W, 3) or (H, W, 4), or colours of uint16, for an encoder: BT.709, limited range."""
    av = import_av()
    height, width = picture.shape[:2]
    wide = pixel_format.endswith("10le")
    if picture.ndim == 3:
        name = ("rgb24", "rgba") if picture.dtype == np.uint8 else ("rgb48le", "rgba64le")
        source = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), name[picture.shape[2] - 3])
        frame = convert(source, pixel_format, BT709)
        if picture.shape[2] == 4 and wide:  # by ourselves, since FFmpeg's conversion is one level off in places
            levels = picture[..., 3] >> (8 * (picture.itemsize - 1))
            plane(frame, 3)[:] = (np.arange(256) * 1023 / 255 + 0.5).astype(np.uint16)[levels]
        return frame
    # Brightness alone: no colour conversion, whose rounding differs from version to version.
    frame = av.VideoFrame(width, height, pixel_format)
    unit = 4 if wide else 1
    levels = np.rint(unit * (16 + np.arange(256) * (219 / 255))).astype(np.uint16 if wide else np.uint8)
    plane(frame, 0)[:] = cv2.LUT(picture, levels)
    plane(frame, 1)[:] = plane(frame, 2)[:] = 128 * unit
    return frame
