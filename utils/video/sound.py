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


def open_sounds(clip, container, output_format, stack):
    """The clip's sound tracks on their way into an opened video: a Sound each, in their order.

    What they read is closed with `stack`, an ExitStack. The clip is told of those that cannot be read, which are left
    out.
    """
    if clip.path.is_dir():
        return []
    with open_container(clip.path) as source:
        contexts = [stream.codec_context for stream in source.streams.audio]
        # FFmpeg knows the codec, and the track how fast and in how many channels it is to be played.
        known = [x is not None and x.sample_rate > 0 and x.layout.nb_channels > 0 for x in contexts]
    if not all(known):  # as the spatial sound beside the ordinary one in clips of some phones
        clip.tell(Note("sound_unknown", count=known.count(False)))
    wanted = SOUND[output_format]
    return [Sound(clip, track, container, wanted, stack) for track, is_known in enumerate(known) if is_known]


def codec_name(stream):
    """FFmpeg's name of a stream's codec, whichever of its decoders would read it: "mp3", not "mp3float"."""
    codec = stream.codec_context.codec
    return getattr(codec, "canonical_name", codec.name)


class Sound:
    """A track on its way: what lies in the clip's span, from the span's beginning on, taken up to where it is wanted.

    Args: clip where it is; track its number among the sounds there; container the opened video; wanted names of the
    codecs that this holds; stack ExitStack that closes what is opened. `notes`: list of Notes.
    """

    def __init__(self, clip, track, container, wanted, stack):
        source, (start, end) = stack.enter_context(open_container(clip.path)), clip.span
        stream = source.streams.audio[track]
        if start:
            source.seek(int((start + clip_start(source)) * 1_000_000))
        self.container, self.notes, name = container, [], codec_name(stream)
        self.offset, self.end = round((clip_start(source) + start) / stream.time_base), end and end - start
        self.last = self.kind = self.resampler = None
        try:
            if name in wanted:
                self.take, self.items = self._copied, source.demux(stream)
                self.waiting = self._next()
                self.stream = container.add_stream_from_template(stream)
            else:
                self.take, self.items = self._encoded, clip.decode(source, stream)
                self._open_encoder(stream.codec_context, wanted[0])
                self.waiting = self._next()
                self.notes.append(Note("sound_encoded", old=name, new=wanted[0]))
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
        try:
            for item in self.items:
                if item.pts is not None and item.pts >= self.offset:
                    item.pts -= self.offset
                    return item
        except import_av().error.FFmpegError:  # a file that is cut off
            pass
        return None

    def _copied(self, packet):
        if self.last is not None and packet.pts <= self.last:  # recordings that were joined, or damage: as the frames
            packet.pts = self.last + max(packet.duration or 0, 1)
        self.last = packet.dts = packet.pts
        packet.stream = self.stream
        self.container.mux(packet)

    def _open_encoder(self, source, encoder):
        rate = 48_000 if encoder == "libopus" else source.sample_rate
        self.stream = self.container.add_stream(encoder, rate=rate, layout=source.layout.name)
        context = self.stream.codec_context
        context.time_base = Fraction(1, rate)
        context.open()
        # A codec with frames of any length reports 0.
        self.wanted = context.format, context.layout, rate, context.frame_size or None

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
