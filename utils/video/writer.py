"""Write the frames of a clip: ProRes or VP9 with alpha, H.264, or a sequence of pictures.

A video takes its name only when it is complete; its time stamps are those given, its sound is copied from the clip
where the container holds it, else encoded anew.
"""

from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction

import cv2
import numpy as np

from utils.picture.resize import padded_to_multiples
from utils.picture.write import STILLS, write_picture
from utils.system.errors import UsageError
from utils.system.files import atomic_path, write_text
from utils.system.notes import Note
from utils.video.reader import BT709, clip_start, convert, import_av, open_container, plane

# Quality: an alpha of 8 bits survives H.264 and VP9 at these settings with a PSNR above 40 dB, mostly 50.
VP9 = {"crf": "12", "b": "0", "deadline": "realtime", "cpu-used": "8", "row-mt": "1", "auto-alt-ref": "0"}
VIDEO = {  # suffix -> encoder, pixel formats without and with alpha, options
    "mp4": ("libx264", "yuv420p", None, {"crf": "12", "preset": "superfast"}),
    "mov": ("prores_ks", "yuv444p10le", "yuva444p10le", {"profile": "4444", "vendor": "apl0"}),
    "webm": ("libvpx-vp9", "yuv420p", "yuva420p", VP9),
}
FORMATS = (*VIDEO, *STILLS)
# What each container holds as it is; anything else becomes the codec named first.
SOUND = {
    "mp4": ("aac", "mp3", "ac3", "eac3", "alac"),
    "mov": ("pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "aac", "mp3", "ac3", "eac3", "alac"),
    "webm": ("libopus", "opus", "vorbis"),
}
TIMES, TIMES_HEAD = "timestamps.txt", "# timestamp format v2"


def check_format(output_format):
    """Raise UsageError if what this machine has installed cannot write a format, one of FORMATS."""
    encoder = VIDEO[output_format][0] if output_format in VIDEO else None
    if encoder and encoder not in import_av().codecs_available:
        remedy = "pip install --force-reinstall --only-binary av av, or choose png"
        raise UsageError(f"--output-format {output_format}: the installed PyAV has no encoder {encoder}: {remedy}")


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
        if sound and not clip.path.is_dir():
            writer.sounds = open_sounds(clip, writer, SOUND[output_format], stack)
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
        self.folder, self.suffix, self.notes, self.times = folder, suffix, [], {}

    def has(self, frame):
        """Whether a frame's picture is there already, so that it need not be written."""
        there = self._path(frame).exists()
        if there:  # else once it is written: the run may be stopped before
            self._list(frame)
        return there

    def write(self, picture, frame, like=None):
        self._list(frame)
        write_picture(self._path(frame), picture, like)

    def _list(self, frame):
        if frame.name is None:
            self.times[frame.number] = frame.time

    def _path(self, frame):
        return self.folder / f"{frame.name or format(frame.number, '06d')}{self.suffix}"

    def finish(self):
        if not self.times:
            return
        path, earlier = self.folder / TIMES, 0
        with suppress(OSError, ValueError):  # there is no list, or not one of ours
            head, *lines = path.read_text(encoding="utf-8").splitlines()
            earlier = len(lines) if head == TIMES_HEAD else 0
        # The format that mkvmerge and ffmpeg's helpers read: milliseconds, one line a frame.
        lines = "".join(f"{float(time) * 1000:.3f}\n" for _, time in sorted(self.times.items()))
        write_text(path, f"{TIMES_HEAD}\n{lines}")
        for number in range(max(self.times) + 1, earlier):
            (self.folder / f"{number:06d}{self.suffix}").unlink(missing_ok=True)


class VideoWriter:
    """A video file, written by PyAV and closed with `stack`, an ExitStack; see open_writer.

    `whole`: whether the sound after the last frame belongs to it, too: not after an interruption.
    """

    def __init__(self, path, output_format, clip, channels, stack):
        encoder, opaque, transparent, options = VIDEO[output_format]
        if channels == 1 and output_format == "mp4":
            options = {**options, "preset": "ultrafast"}  # little data in any case
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
        whole = padded_to_multiples(picture, 1 + self.even)
        if self.size is None:
            self.size = self.stream.height, self.stream.width = whole.shape[:2]
            if self.size != picture.shape[:2]:
                self.notes.append(Note("even_sides", height=self.size[0], width=self.size[1]))
        encoded = video_frame(whole, self.stream.pix_fmt)
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


def open_sounds(clip, writer, wanted, stack):
    """The clip's sound tracks on their way into a VideoWriter's file, in their order: a Sound each, see there.

    The clip is told of those that cannot be read, which are left out.
    """
    with open_container(clip.path) as source:
        contexts = [stream.codec_context for stream in source.streams.audio]
        # FFmpeg knows the codec, and the track how fast and in how many channels it is to be played.
        known = [x is not None and x.sample_rate > 0 and x.layout.nb_channels > 0 for x in contexts]
    if not all(known):  # as the spatial sound beside the ordinary one in clips of some phones
        clip.tell(Note("sound_unknown", count=known.count(False)))
    return [Sound(clip, track, writer, wanted, stack) for track, is_known in enumerate(known) if is_known]


class Sound:
    """A track on its way: what lies in the clip's span, from the span's beginning on, taken up to where it is wanted.

    Args: clip where it is; track its number among the sounds there; writer the opened VideoWriter; wanted names of the
    codecs that its file can hold; stack ExitStack that closes what is opened.
    """

    def __init__(self, clip, track, writer, wanted, stack):
        source, (start, end) = stack.enter_context(open_container(clip.path)), clip.span
        stream = source.streams.audio[track]
        if start:
            source.seek(int((start + clip_start(source)) * 1_000_000))
        sound, encoder, self.container = stream.codec_context, wanted[0], writer.container
        name = getattr(sound.codec, "canonical_name", sound.codec.name)  # "mp3", not "mp3float", one of its decoders
        self.offset, self.end = round((clip_start(source) + start) / stream.time_base), end and end - start
        self.last = self.kind = self.resampler = None
        self.take, self.items = self._encoded, clip.decode(source, stream)
        if name in wanted:
            self.take, self.items = self._copied, source.demux(stream)
        self.waiting = self._next()
        try:
            if name in wanted:
                self.stream = self.container.add_stream_from_template(stream)
            else:
                rate = 48_000 if encoder == "libopus" else sound.sample_rate
                self.stream = self.container.add_stream(encoder, rate=rate, layout=sound.layout.name)
                context = self.stream.codec_context
                context.time_base = Fraction(1, rate)
                context.open()
                # A codec with frames of any length reports 0.
                self.wanted = context.format, context.layout, rate, context.frame_size or None
                writer.notes.append(Note("sound_encoded", old=name, new=encoder))
        except import_av().error.FFmpegError as error:
            why = f"the sound ({name}) cannot be copied ({error.strerror})"
            raise UsageError(f"{clip.path}: {why}: choose --output-format mov") from None

    def copy(self, end):
        """Take what begins before `end`, seconds; None: everything."""
        end = self.end if end is None else end
        while self.waiting is not None and (end is None or self.waiting.pts * self.waiting.time_base < end):
            item, self.waiting = self.waiting, self._next()
            self.take(item)

    def finish(self):
        """Write what is still in the encoder."""
        if self.resampler:
            self._encode([*self.resampler.resample(None), None])

    def _next(self):
        with suppress(import_av().error.FFmpegError):  # a file that is cut off
            for item in self.items:
                if item.pts is not None and item.pts >= self.offset:
                    item.pts -= self.offset
                    return item
        return None

    def _copied(self, packet):
        if self.last is not None and packet.pts <= self.last:  # recordings that were joined, or damage: as the frames
            packet.pts = self.last + max(packet.duration or 0, 1)
        self.last = packet.dts = packet.pts
        packet.stream = self.stream
        self.container.mux(packet)

    def _encoded(self, frame):
        kind = frame.format.name, frame.layout.name, frame.sample_rate
        if kind != self.kind:  # broadcasts change from stereo to surround and back
            self.kind, self.resampler = kind, import_av().AudioResampler(*self.wanted)
        self._encode(self.resampler.resample(frame))

    def _encode(self, frames):
        for frame in frames:
            if frame is not None:
                # Samples are counted, since the stamps of some files jitter; only a gap, in seconds, moves the count.
                stamp = round(frame.pts * frame.time_base * frame.sample_rate)
                if self.last is None or stamp - self.last > 0.1 * frame.sample_rate:
                    self.last = stamp
                frame.pts, frame.time_base = self.last, Fraction(1, frame.sample_rate)
                self.last += frame.samples
            self.container.mux(self.stream.encode(frame))


def video_frame(picture, pixel_format):
    """A picture, uint8 (H, W), (H, W, 3) or (H, W, 4), or colours of uint16, for an encoder: BT.709, limited range."""
    av = import_av()
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
    frame = av.VideoFrame(picture.shape[1], picture.shape[0], pixel_format)
    unit = 4 if wide else 1
    levels = np.rint(unit * (16 + np.arange(256) * (219 / 255))).astype(np.uint16 if wide else np.uint8)
    plane(frame, 0)[:] = cv2.LUT(picture, levels)
    plane(frame, 1)[:] = plane(frame, 2)[:] = 128 * unit
    return frame
