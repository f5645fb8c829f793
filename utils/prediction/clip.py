"""Matte a clip: frames in; videos or sequences of pictures out, with the clip's time stamps and sound."""

import sys
import time
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from dataset.picture import PictureError, read_rgb
from utils.background.checks import background_warnings, match_size, scene_warnings
from utils.background.estimate import empty_scene, scene_behind, unsure_warning
from utils.background.follow import ClipBackground
from utils.picture.write import write_picture
from utils.prediction.outputs import needs_foreground, picture_of
from utils.prediction.pipeline import stream
from utils.prediction.smooth import Smoother
from utils.prediction.target import open_target
from utils.system.errors import UsageError, user_message
from utils.system.files import refuse_to_overwrite
from utils.video.reader import is_clip, open_clip
from utils.video.writer import PICTURES, VIDEO, check_format, open_writer

AUTO = "auto"
GREEN = "#78ff9b"  # behind the composite where the format has no alpha, as in the original's videos
SOUNDING = ("com", "fgr")
RIM = 9  # pixels of colour kept around the subject, so that a lossy video does not smear black into its edges


def matte_video(
    matting,
    src,
    bgr,
    folder,
    types=("pha", "fgr", "com"),
    output_format=None,
    target_bgr=None,
    align="auto",
    match_exposure="auto",
    smooth=False,
    frame_rate=None,
    save_bgr=False,
    skip_existing=False,
):
    """Matte a clip and write what was asked for; prints what was done.

    Args:
        matting: utils.predictor.Matting.
        src: video, or folder of its frames.
        bgr: picture, video or folder of frames of the empty scene; or `"auto"`: estimated from the clip.
        folder: where results go, see output_paths.
        types: of utils.prediction.outputs.OUTPUT_TYPES.
        output_format: of utils.video.writer.FORMATS; None: mp4 for a video, png for a folder.
        target_bgr: what `com` is put before, see utils.prediction.target.open_target; None: a cut-out, green in mp4.
        align, match_exposure: see utils.background.match.
        smooth: average alpha over time.
        frame_rate: Fraction, pictures a second in a folder of frames; None: 30.
        save_bgr: also write the background, and for `"auto"` where it is unsure.
        skip_existing: leave out videos, or pictures of a sequence, that exist.

    Returns:
        exit code: 0, or 1 if frames were left out.

    Raises:
        UsageError, PictureError, OSError: nothing can be done or written. KeyboardInterrupt: after what was matted so
        far has been completed.
    """
    if str(src).isdigit():
        raise UsageError(f"--src {src} is a camera: python -m tools.webcam --camera {src}")
    clip, folder = open_clip(src, frame_rate), Path(folder)
    output_format = output_format or ("png" if clip.path.is_dir() else "mp4")
    check_format(output_format)
    target = open_target(target_bgr) if target_bgr else None
    if target is None and "com" in types and VIDEO.get(output_format, (0, 0, True))[2] is None:
        target = open_target(GREEN)
        print(f"com is put before {GREEN}, as {output_format} has no alpha: --target-bgr, or --output-format mov")
    paths = output_paths(folder, clip.path, types, output_format)
    refuse_to_overwrite([src, bgr, target_bgr], paths.values())
    if skip_existing and output_format in VIDEO:
        paths = {kind: path for kind, path in paths.items() if not path.exists()}
        if not paths:
            print(f"{clip.path}: nothing is missing")
            return 0
    captured = read_background(clip, bgr, folder if save_bgr else None)
    background = ClipBackground(matting, captured, align, match_exposure)
    smoother = Smoother() if smooth else None
    return _run(matting, clip, background, smoother, paths, output_format, target, skip_existing)


def output_paths(folder, source, kinds, output_format):
    """Output type -> FOLDER/NAME_TYPE.mp4, or the folder FOLDER/NAME_TYPE of a sequence."""
    name = source.resolve().name if source.is_dir() else source.stem
    suffix = f".{output_format}" if output_format in VIDEO else ""
    return {kind: folder / f"{name}_{kind}{suffix}" for kind in kinds}


def read_background(clip, spec, save_to=None):
    """The background that a clip is matted with: uint8 (H, W, 3), RGB, of the clip's size.

    Args:
        clip: see open_clip.
        spec: `auto`: estimated from the clip; else a picture, or a video or folder of frames of the empty scene.
        save_to: folder for NAME_bgr.png and, for `auto`, NAME_unsure.png; None for neither.
    """
    unsure = None
    if str(spec) == AUTO:
        start = time.perf_counter()
        bgr, unsure = scene_behind(clip)
        print(f"background estimated from {clip.path} in {time.perf_counter() - start:.1f} s")
        warning = unsure_warning(unsure)
    else:
        bgr = empty_scene(open_clip(spec)) if Path(spec).is_dir() or is_clip(spec) else read_rgb(spec)
        bgr, warning = match_size(np.empty((clip.height, clip.width, 0)), bgr, clip.path, spec)
    if warning:
        print(f"warning: {clip.path}: {warning}", file=sys.stderr)
    if save_to:
        name = output_paths(save_to, clip.path, ("bgr", "unsure"), "png")
        for path, picture in ((name["bgr"], bgr), (name["unsure"], unsure)):
            if picture is not None:
                write_picture(path.with_name(f"{path.name}.png"), picture)
                print(f"  {path}.png")
    return bgr


def _run(matting, clip, background, smoother, paths, output_format, target, skip_existing):
    """Read, matte and write every frame; returns the exit code."""
    deep = PICTURES.get(output_format, (None, False))[1]
    in_colour = {"fgr": 3, "com": 4 if target is None else 3, "debug": 3}
    with_foreground, with_pictures = needs_foreground(paths), "debug" in paths
    written, failed, looks, interrupted = [], [], [], None
    bar = tqdm(total=clip.expected, unit="frame", disable=None)

    def network(frame, src):
        prepared = background(src)
        matte = matting(src, prepared, with_foreground)
        matte = smoother(src, matte) if smoother else matte
        done = background.frames
        if done & (done - 1) == 0:  # a few looks, ever rarer, at whether the background fits
            seen = prepared.picture
            looks.append(scene_warnings(src, seen) or background_warnings(src, seen, matte.pha))
        bar.update()
        return matte, (src, prepared.picture) if with_pictures else (None, None)  # full pictures are not to be kept

    def write(frame, result):
        matte, pictures = result
        for kind, writer in writers.items():
            writer.write(_picture(kind, matte, pictures, frame, target, deep, output_format in VIDEO), frame)
        written.append(frame.number)

    def leave_out(frame, error):
        if not isinstance(error, PictureError):
            raise error
        bar.write(f"failed: {user_message(error)}", file=sys.stderr)
        failed.append(frame)

    with ExitStack() as stack:
        stack.enter_context(bar)
        writers = {
            kind: stack.enter_context(
                open_writer(path, output_format, clip, in_colour.get(kind, 1), sound=kind in SOUNDING)
            )
            for kind, path in paths.items()
        }
        resume = skip_existing and output_format in PICTURES
        frames = (f for f in clip if not (resume and all([writer.has(f) for writer in writers.values()])))
        start = time.perf_counter()
        try:
            times = stream(frames, lambda frame: frame.rgb(), network, write, leave_out)
            busy = f": reading took {times.read:.1f} s, the network {times.network:.1f} s, writing {times.write:.1f} s"
        except KeyboardInterrupt as stop:
            if not written:
                raise
            interrupted, busy = stop, ""
            for writer in writers.values():
                writer.whole = False
        seconds = time.perf_counter() - start
        if failed and not written:
            raise PictureError(f"{clip.path}: not one of its {len(failed)} frames could be read")
    speed = f" ({len(written) / seconds:.2f} a second)" if written else ""
    print(f"{clip.path} {clip.width}x{clip.height}: {len(written)} frames in {seconds:.1f} s{speed}{busy}")
    _report(clip, background, looks, writers, paths)
    if failed:
        print(f"error: {len(failed)} frames could not be read and were left out", file=sys.stderr)
    if interrupted:
        raise interrupted
    return 1 if failed else 0


def _report(clip, background, looks, writers, paths):
    """Print what was done to the background, what to know of the files, and where they are."""
    for line in dict.fromkeys([*background.notes, *(note for writer in writers.values() for note in writer.notes)]):
        print(f"  {line}")
    suspicious = [look for look in looks if look]
    for line in background.warnings + (suspicious[-1] if 2 * len(suspicious) > len(looks) else []):
        print(f"warning: {clip.path}: {line}", file=sys.stderr)
    for path in paths.values():
        print(f"  {path}")


def _picture(kind, matte, pictures, frame, target, deep, lossy):
    """What a writer gets of a matte: the type's picture; of a deep format floats of 0..1, where alpha is in it."""
    if kind == "pha" and deep:
        return matte.pha_float
    if kind == "com" and target is None and lossy:
        near = cv2.dilate(matte.pha, np.ones((RIM, RIM), np.uint8))
        return np.dstack([cv2.copyTo(matte.fgr, near), matte.pha])
    if kind == "com" and target is None and deep:
        return np.dstack([np.float32(matte.com[..., :3]) / 255, matte.pha_float])
    return picture_of(kind, matte, *pictures, target, frame.time)
