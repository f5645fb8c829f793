"""The sound of a clip on its way into another file: copied where the container holds it, else encoded anew."""

from fractions import Fraction

from utils.system.errors import UsageError
from utils.system.notes import Note
from utils.video.reader import clip_start, import_av, open_container

# What each container holds as it is; anything else becomes the codec named first.
SOUND = {
    "mp4": ("aac", "mp3", "ac3", "eac3", "alac"),
    "mov": ("pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "aac", "mp3", "ac3", "eac3", "alac"),
    "webm": ("libopus", "opus", "vorbis"),
}
OPUS_RATE = 48_000
GAP = 0.1  # seconds without sound that are kept as such when it is encoded anew


def av_errors():
    """The exceptions of PyAV, as a tuple for `except`."""
    return (import_av().error.FFmpegError,)


def open_sounds(clip, container, output_format):
    """The clip's sound tracks on their way into an opened video: a CopiedSound or EncodedSound each, in their order."""
    if clip.path.is_dir():
        return []
    with open_container(clip.path) as source:
        count = len(source.streams.audio)
    tracks = []
    try:
        for number in range(count):
            tracks.append(_open_sound(clip, number, container, SOUND[output_format]))
    except BaseException:
        for track in tracks:
            track.close()
        raise
    return tracks


def _open_sound(clip, number, container, wanted):
    source = open_container(clip.path)
    stream = source.streams.audio[number]
    start, end = clip.span
    if start:
        source.seek(int((start + clip_start(source)) * 1_000_000))
    try:
        if codec_name(stream) in wanted:
            return CopiedSound(source, stream, container, clip.span)
        return EncodedSound(source, stream, container, wanted[0], clip.span)
    except av_errors() as error:
        source.close()
        container_has = f"the sound ({codec_name(stream)}) cannot be copied ({error.strerror})"
        raise UsageError(f"{clip.path}: {container_has}: choose --output-format mov") from None


def codec_name(stream):
    """FFmpeg's name of a stream's codec, whichever of its decoders would read it: "mp3", not "mp3float"."""
    codec = stream.codec_context.codec
    return getattr(codec, "canonical_name", codec.name)


class CopiedSound:
    """Packets of sound, copied as they are."""

    def __init__(self, source, stream, container, span):
        self.source, self.container, self.notes = source, container, []
        self.stream = container.add_stream_from_template(stream)
        self.packets = source.demux(stream)
        self.offset = round((clip_start(source) + span[0]) / stream.time_base)
        self.end = span[1] and span[1] - span[0]
        self.waiting = self._next()

    def copy(self, end):
        """Copy what begins before `end`, seconds; None: everything."""
        end = self.end if end is None else end
        while self.waiting is not None and (end is None or self.waiting.pts * self.waiting.time_base < end):
            packet, self.waiting = self.waiting, self._next()
            packet.stream = self.stream
            self.container.mux(packet)

    def finish(self):
        pass

    def close(self):
        self.source.close()

    def _next(self):
        try:
            for packet in self.packets:
                if packet.pts is not None and packet.pts >= self.offset:
                    packet.pts -= self.offset
                    packet.dts = packet.pts if packet.dts is None else packet.dts - self.offset
                    return packet
        except av_errors():  # a file that is cut off
            pass
        return None


class EncodedSound:
    """Sound that the container cannot hold as it is: decoded and encoded anew."""

    def __init__(self, source, stream, container, encoder, span):
        av = import_av()
        rate, layout = stream.codec_context.sample_rate, stream.codec_context.layout.name
        rate = OPUS_RATE if encoder == "libopus" else rate
        self.source, self.container = source, container
        self.notes = [Note("sound_encoded", old=codec_name(stream), new=encoder)]
        self.stream = container.add_stream(encoder, rate=rate, layout=layout)
        context = self.stream.codec_context
        context.time_base = Fraction(1, rate)
        context.open()
        # A codec with frames of any length reports 0.
        self.resampler = av.AudioResampler(context.format, context.layout, rate, context.frame_size or None)
        self.offset = round((clip_start(source) + span[0]) / stream.time_base)
        self.end = span[1] and span[1] - span[0]
        self.frames = self._decode(stream)
        self.waiting = next(self.frames, None)
        self.samples = None

    def copy(self, end):
        """Encode what begins before `end`, seconds; None: everything."""
        end = self.end if end is None else end
        while self.waiting is not None and (end is None or self.waiting.pts * self.waiting.time_base < end):
            frame, self.waiting = self.waiting, next(self.frames, None)
            self._encode(self.resampler.resample(frame))

    def finish(self):
        self._encode(self.resampler.resample(None))
        self._encode([None])

    def close(self):
        self.source.close()

    def _encode(self, frames):
        for frame in frames:
            if frame is not None:
                # Samples are counted, since the stamps of some files jitter; only a gap moves the count.
                stamp = round(frame.pts * frame.time_base * frame.sample_rate)
                if self.samples is None or stamp - self.samples > GAP * frame.sample_rate:
                    self.samples = stamp
                frame.pts, frame.time_base = self.samples, Fraction(1, frame.sample_rate)
                self.samples += frame.samples
            for packet in self.stream.encode(frame):
                self.container.mux(packet)

    def _decode(self, stream):
        try:
            for frame in self.source.decode(stream):
                if frame.pts is not None and frame.pts >= self.offset:
                    frame.pts -= self.offset
                    yield frame
        except av_errors():  # a file that is cut off
            pass
