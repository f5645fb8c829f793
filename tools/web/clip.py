"""What the web page makes of an uploaded clip, by way of utils.prediction.clip."""

import os

from dataset.picture import PictureError
from tools.web.results import parse_colour, result_name
from tools.web.upload import check_weight, read_upload, shown_name
from tools.web.words import NOTES, Refused, refusal
from utils.picture.write import write_picture
from utils.prediction.clip import ClipJob
from utils.prediction.outputs import Output
from utils.system.errors import UsageError
from utils.video.reader import open_clip

# By their first bytes. FFmpeg reads many more kinds, and some of them (playlists, DASH, concatenations) name other
# files, on this machine or elsewhere, which it would open.
CONTAINERS = ((4, b"ftyp", "mov"), (4, b"moov", "mov"), (0, b"\x1aE\xdf\xa3", "matroska"), (8, b"AVI ", "avi"))
MOST_PIXELS = 4096 * 2304  # of a frame
FRAMES_A_SECOND = 60
PACKETS = 50  # of all tracks, for each frame that a clip may have
TOLERATED = 0.1  # seconds
FORMATS = ("mp4", "webm", "mov")


def matte_clip(matting, given, wanted, correction, limits, folder, tick):
    """Matte an uploaded clip.

    Args:
        matting: Matting.
        given: uploaded video, and uploaded picture or None: estimated from the clip, whose camera stood still.
        wanted: one of FORMATS; and what mp4 puts the subject before, while the others keep the alpha: a colour, and an
            uploaded picture or None.
        correction: utils.background.match.Correction.
        limits: tools.web.upload.Limits.
        folder: Path, empty, which the results are written to.
        tick: function of (frames done, frames in all).

    Returns:
        paths of com and pha, and a list of Notes.

    Raises:
        Refused: with what is wrong and the remedy.
    """
    (src_path, bgr_path), (output_format, colour, behind) = given, wanted
    frames = check_clip(src_path, limits)
    # Under names of ours: what a visitor calls a picture must not make a video or a folder of it.
    clip = folder / f"{result_name(src_path)}.mp4"
    os.link(src_path, clip)
    bgr, before = kept(bgr_path, folder / "background.png", limits) if bgr_path else "auto", None
    if output_format == "mp4":
        colour = "#" + bytes(parse_colour(colour)).hex()
        before = kept(behind, folder / "target.png", limits) if behind else colour
    notes, done = [], 0

    def counted():
        nonlocal done
        done += 1
        if done > frames:  # its index, which was counted, may be anything
            raise Refused("too_many_frames", name=shown_name(src_path))
        tick(done, frames)

    try:
        output = Output(folder, ("com", "pha"), output_format, before)
        job = ClipJob(open_clip(clip, tell=notes.append), bgr, output, correction, tell=notes.append)
        job.run(matting, counted)
    except (PictureError, UsageError) as error:
        raise refusal(error, shown_name(src_path)) from None
    finally:
        for path in (clip, folder / "background.png", folder / "target.png"):
            path.unlink(missing_ok=True)
    return job.paths["com"], job.paths["pha"], [note for note in notes if note.kind in NOTES]


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
    count, packets, spans = 0, 0, {}
    try:
        with av.open(str(path), format=kind, metadata_errors="replace") as container:
            stream = container.streams.video[0]
            width, height = stream.codec_context.width, stream.codec_context.height
            for packet in container.demux():  # its sound, too, is copied or encoded anew as long as it lasts
                packets += packet.size > 0
                count += packet.size > 0 and packet.stream.index == stream.index
                if packet.size and packet.pts is not None:
                    seconds = packet.pts * packet.time_base
                    first, last = spans.get(packet.stream.index, (seconds, seconds))
                    spans[packet.stream.index] = first, last = min(first, seconds), max(last, seconds)
                    seconds = last - first
                    if count > most or packets > PACKETS * most or seconds > limits.seconds + TOLERATED:
                        raise Refused("too_long", name=name, seconds=limits.seconds, frames=most)
    except (av.error.FFmpegError, IndexError, ValueError, OSError) as error:
        if isinstance(error, Refused):
            raise
        raise Refused("no_clip", name=name) from None
    if count == 0:
        raise Refused("no_clip", name=name)
    if not 0 < width * height <= MOST_PIXELS:
        raise Refused("clip_too_large", name=name, width=width, height=height)
    return count
