"""Small video files for the tests, made by PyAV: a disc that moves over a drawn scene; at one frame a beep."""

from fractions import Fraction

import av
import cv2
import numpy as np

from tests.background.test_align import room
from utils.video.reader import BT601, convert

RATE = Fraction(30_000, 1001)
SOUND_RATE = 48_000
BEEP = 10  # number of the frame at which the sound begins
RADIUS = 20


def scene(height=96, width=128):
    """The empty scene: uint8 (H, W, 3)."""
    return cv2.GaussianBlur(room(height, width, 5), (0, 0), 2)


def frames(count, height=96, width=128):
    """The clip's pictures and true alphas: lists of uint8 (H, W, 3) and (H, W)."""
    pictures, alphas = [], []
    for number in range(count):
        pha = np.zeros((height, width), np.uint8)
        cv2.circle(pha, (10 + 12 * number % width, height // 2), RADIUS, 255, -1, cv2.LINE_AA)
        share = pha[..., None] / 255
        pictures.append(
            np.rint(scene(height, width) * (1 - share) + np.array([200, 160, 140]) * share).astype(np.uint8)
        )
        alphas.append(pha)
    return pictures, alphas


def write_clip(path, pictures, times=None, encoder="libx264", sound=None, pixels="yuv420p", options=None):
    """Write a video file: times in 1/90000 s, None meaning 29.97 frames a second; sound an encoder's name or None."""
    time_base = 1 / RATE if times is None else Fraction(1, 90_000)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate=RATE, options=options or {})
        stream.height, stream.width, stream.pix_fmt = *pictures[0].shape[:2], pixels
        stream.time_base = stream.codec_context.time_base = time_base
        track = container.add_stream(sound, rate=SOUND_RATE, layout="mono") if sound else None
        for number, picture in enumerate(pictures):
            frame = convert(av.VideoFrame.from_ndarray(picture, "rgb24"), pixels, BT601)
            frame.pts, frame.time_base = number if times is None else times[number], time_base
            container.mux(stream.encode(frame))
        if track:
            write_beep(container, track, len(pictures) / RATE)
        container.mux(stream.encode())
    return path


def write_beep(container, track, seconds):
    at = np.arange(int(seconds * SOUND_RATE)) / SOUND_RATE
    begins = float(BEEP / RATE)
    loud = (at >= begins) & (at < begins + 0.05)
    samples = np.where(loud, 0.8 * np.sin(2000 * np.pi * at), 0.001 * np.sin(600 * np.pi * at)).astype(np.float32)
    if not track.codec_context.is_open:
        track.codec_context.open()
    size = track.codec_context.frame_size or 1024
    resampler = av.AudioResampler(track.codec_context.format, "mono", SOUND_RATE, size)
    frame = av.AudioFrame.from_ndarray(samples[None], "fltp", "mono")
    frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, 0, Fraction(1, SOUND_RATE)
    for part in [*resampler.resample(frame), *resampler.resample(None), None]:
        container.mux(track.encode(part))


def beep_of(path):
    """Seconds at which the sound of a file becomes loud, and its codec; (None, None) where there is no sound."""
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return None, None
        stream = container.streams.audio[0]
        for frame in container.decode(stream):
            samples = frame.to_ndarray().astype(np.float64).ravel()
            samples = samples / (32768 if "s16" in frame.format.name else 1)
            loud = np.flatnonzero(np.abs(samples) > 0.2)
            if len(loud):
                return float(frame.pts * frame.time_base) + loud[0] / frame.sample_rate, stream.codec_context.name
    return None, None


def times_of(path):
    """Time stamps of a file's frames, in seconds, as FFmpeg reports them."""
    with av.open(str(path)) as container:
        return [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]


def planes_of(path, with_alpha=False):
    """Decoded frames of a file, before any conversion of colours; VP9's alpha needs its own decoder."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if stream.codec_context.name == "vp9" and with_alpha:
            decoder = av.CodecContext.create("libvpx-vp9", "r")
            return [frame for packet in container.demux(stream) for frame in decoder.decode(packet)]
        return list(container.decode(stream))


def turn(path, matrix):
    """Write a display matrix, (a, b, c, d), into an .mp4's track header."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    a, b, c, d = (int(value * 65536) for value in matrix)
    for place, value in zip((0, 1, 3, 4), (a, b, c, d)):
        data[at + 4 * place : at + 4 * place + 4] = value.to_bytes(4, "big", signed=True)
    path.write_bytes(data)


def psnr(one, other):
    """Peak signal to noise ratio of two uint8 pictures in dB."""
    error = np.square(np.float64(one) - np.float64(other)).mean()
    return 10 * np.log10(255**2 / max(error, 1e-9))
