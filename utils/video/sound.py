"""The sound of a clip on its way into another file: copied where the container holds it, else encoded anew."""

from contextlib import ExitStack
from fractions import Fraction
from functools import partial

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


def open_sounds(clip, container, output_format):
    """The clip's sound tracks on their way into an opened video: a CopiedSound or EncodedSound each, in their order.

    The clip is told of those that cannot be read, which are left out.
    """
    if clip.path.is_dir():
        return []
    with open_container(clip.path) as source:
        known = [number for number, stream in enumerate(source.streams.audio) if _is_known(stream.codec_context)]
        unknown = len(source.streams.audio) - len(known)
    if unknown:  # to FFmpeg, as the spatial sound beside the ordinary one in clips of some phones
        clip.tell(Note("sound_unknown", count=unknown))
    with ExitStack() as stack:  # closes those that are open if one cannot be
        tracks = []
        for number in known:
            tracks.append(_open_sound(clip, number, container, SOUND[output_format]))
            stack.callback(tracks[-1].close)
        stack.pop_all()
    return tracks


def _is_known(context):
    """Whether FFmpeg knows a track's codec, and the track how fast and in how many channels it is to be played."""
    return context is not None and context.sample_rate > 0 and context.layout.nb_channels > 0


def _open_sound(clip, number, container, wanted):
    source = open_container(clip.path)
    stream = source.streams.audio[number]
    start, end = clip.span
    if start:
        source.seek(int((start + clip_start(source)) * 1_000_000))
    try:
        if codec_name(stream) in wanted:
            return CopiedSound(source, stream, container, clip.span)
        return EncodedSound(clip, source, stream, container, wanted[0])
    except import_av().error.FFmpegError as error:
        source.close()
        container_has = f"the sound ({codec_name(stream)}) cannot be copied ({error.strerror})"
        raise UsageError(f"{clip.path}: {container_has}: choose --output-format mov") from None


def codec_name(stream):
    """FFmpeg's name of a stream's codec, whichever of its decoders would read it: "mp3", not "mp3float"."""
    codec = stream.codec_context.codec
    return getattr(codec, "canonical_name", codec.name)


class Sound:
    """A track on its way: what lies in the clip's span, from the span's beginning on, taken up to where it is wanted.

    `decode` makes an iterator of packets, or of frames, of the opened source; `notes`: list of Notes.
    """

    def __init__(self, source, stream, container, span, decode):
        self.source, self.container, self.notes = source, container, []
        self.offset = round((clip_start(source) + span[0]) / stream.time_base)
        self.end = span[1] and span[1] - span[0]
        self.items = decode(stream)
        self.waiting = self._next()

    def copy(self, end):
        """Take what begins before `end`, seconds; None: everything."""
        end = self.end if end is None else end
        while self.waiting is not None and (end is None or self.waiting.pts * self.waiting.time_base < end):
            item, self.waiting = self.waiting, self._next()
            self.take(item)

    def finish(self):
        pass

    def close(self):
        self.source.close()

    def _next(self):
        try:
            for item in self.items:
                if item.pts is not None and item.pts >= self.offset:
                    item.pts -= self.offset
                    return item
        except import_av().error.FFmpegError:  # a file that is cut off
            pass
        return None


class CopiedSound(Sound):
    """Packets of sound, copied as they are."""

    def __init__(self, source, stream, container, span):
        super().__init__(source, stream, container, span, source.demux)
        self.stream, self.last = container.add_stream_from_template(stream), None

    def take(self, packet):
        if self.last is not None and packet.pts <= self.last:  # recordings that were joined, or damage: as the frames
            packet.pts = self.last + max(packet.duration or 0, 1)
        self.last = packet.dts = packet.pts
        packet.stream = self.stream
        self.container.mux(packet)


class EncodedSound(Sound):
    """Sound that the container cannot hold as it is: decoded and encoded anew."""

    def __init__(self, clip, source, stream, container, encoder):
        rate, layout = stream.codec_context.sample_rate, stream.codec_context.layout.name
        rate = OPUS_RATE if encoder == "libopus" else rate
        self.stream, self.samples, self.kind = container.add_stream(encoder, rate=rate, layout=layout), None, None
        context = self.stream.codec_context
        context.time_base = Fraction(1, rate)
        context.open()
        # A codec with frames of any length reports 0.
        self.wanted = context.format, context.layout, rate, context.frame_size or None
        super().__init__(source, stream, container, clip.span, partial(clip.decode, source))
        self.notes.append(Note("sound_encoded", old=codec_name(stream), new=encoder))

    def take(self, frame):
        kind = frame.format.name, frame.layout.name, frame.sample_rate
        if kind != self.kind:  # broadcasts change from stereo to surround and back
            self.kind, self.resampler = kind, import_av().AudioResampler(*self.wanted)
        self._encode(self.resampler.resample(frame))

    def finish(self):
        self._encode([*(self.resampler.resample(None) if self.kind else ()), None])

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
