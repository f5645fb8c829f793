"""What the web page makes of an uploaded clip, by way of utils.prediction.clip."""

import itertools
import os

from tools.web.results import parse_colour, result_name
from tools.web.upload import check_weight, read_upload
from tools.web.words import Refused, shown_name
from utils.picture.write import write_picture
from utils.prediction.clip import ClipJob
from utils.prediction.outputs import Output
from utils.video.reader import open_clip

# By their first bytes. FFmpeg reads many more kinds, and some of them (playlists, DASH, concatenations) name other
# files, on this machine or elsewhere, which it would open.
CONTAINERS = ((4, b"ftyp", "mov"), (4, b"moov", "mov"), (0, b"\x1aE\xdf\xa3", "matroska"), (8, b"AVI ", "avi"))
MOST_PIXELS = 4096 * 2304  # of a frame
FRAMES_A_SECOND = 60
PACKETS = 50  # of all tracks, for each frame that a clip may have
TOLERATED = 0.1  # seconds
FORMATS = ("mp4", "webm", "mov")


def matte_clip(matting, asked, correction, limits, folder, tick):
    """Matte an uploaded clip with a Matting, a Correction and Limits; the results are written to a folder, a Path.

    Args:
        asked: dict: `src`, uploaded video; `bgr`, uploaded picture or None: estimated from the clip, whose camera stood
            still; `form`, one of FORMATS; and what mp4 puts the subject before, while the others keep the alpha:
            `colour`, and `target_picture`, an uploaded one or None.
        tick: function of (frames done, frames in all).

    Returns paths of com and pha, and a list of Notes. Raises Refused, PictureError: with what is wrong and the remedy.
    """
    src, bgr, behind = asked["src"], asked["bgr"], asked["target_picture"]
    frames = check_clip(src, limits)
    # Under names of ours: what a visitor calls a picture must not make a video or a folder of it.
    clip = folder / f"{result_name(src)}.mp4"
    os.link(src, clip)
    bgr, before = kept(bgr, folder / "background.png", limits) if bgr else "auto", None
    if asked["form"] == "mp4":
        colour = "#" + bytes(parse_colour(asked["colour"])).hex()
        before = kept(behind, folder / "target.png", limits) if behind else colour
    notes, done = [], 0

    def counted():
        nonlocal done
        done += 1
        if done > frames:  # its index, which was counted, may be anything
            raise Refused("too_many_frames", name=shown_name(src))
        tick(done, frames)

    try:
        output = Output(folder, ("com", "pha"), asked["form"], before)
        job = ClipJob(open_clip(clip, tell=notes.append), bgr, output, correction, tell=notes.append)
        job.run(matting, counted)
    finally:
        for path in (clip, folder / "background.png", folder / "target.png"):
            path.unlink(missing_ok=True)
    return job.paths["com"], job.paths["pha"], notes


def kept(path, name, limits):
    """An uploaded picture, written anew under a name of ours; returns the name."""
    write_picture(name, read_upload(path, limits))
    return name


def check_clip(path, limits):
    """Refuse a clip that is no video of a plain kind, too long or too large; returns how many frames it has.

    Its packets are counted, none is decoded: what its header says of its length may be anything.
    """
    import av

    check_weight(path, limits.clip_megabytes)
    name = shown_name(path)
    with open(path, "rb") as file:
        head = file.read(1 << 20)
    kind = next((kind for at, mark, kind in CONTAINERS if head[at : at + len(mark)] == mark), None)
    if kind is None or b"<mpd" in head.lower():
        raise Refused("no_clip", name=name)
    most = limits.seconds * FRAMES_A_SECOND
    packets, times = 0, {}
    try:
        with av.open(str(path), format=kind, metadata_errors="replace") as container:
            stream = container.streams.video[0]
            width, height = stream.codec_context.width, stream.codec_context.height
            for packet in itertools.islice(container.demux(), PACKETS * most):  # its sound, too, is copied or encoded
                packets += 1
                if packet.size:
                    at = None if packet.pts is None else packet.pts * packet.time_base
                    times.setdefault(packet.stream.index, []).append(at)
            count = len(times.get(stream.index, ()))
    except (av.error.FFmpegError, IndexError, AttributeError, ValueError, OSError):  # no track, or of an unknown codec
        raise Refused("no_clip", name=name) from None
    tracks = [[at for at in track if at is not None] for track in times.values()]
    longest = max((max(track) - min(track) for track in tracks if track), default=0)
    if count > most or packets == PACKETS * most or longest > limits.seconds + TOLERATED:
        raise Refused("too_long", name=name, seconds=limits.seconds, frames=most)
    if count == 0:
        raise Refused("no_clip", name=name)
    if not 0 < width * height <= MOST_PIXELS:
        raise Refused("clip_too_large", name=name, width=width, height=height)
    return count
