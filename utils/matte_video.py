"""Matte a clip: frames in; videos or sequences of pictures out, with the clip's time stamps and sound."""

import sys
import time
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from dataset.picture import PictureError, read_rgb
from utils.clip_background import empty_scene, scene_behind, unsure_warning
from utils.command_line import UsageError, user_message
from utils.files import write_picture
from utils.match_background import background_warnings, debug_picture
from utils.scene import match_size, scene_warnings
from utils.stream import stream
from utils.target_background import open_target, over
from utils.video_alignment import ClipBackground
from utils.video_reader import CLIP_SUFFIXES, open_clip
from utils.video_smooth import Smoother
from utils.video_writer import FORMATS, PICTURES, VIDEO, check_format, open_writer

AUTO = "auto"
GREEN = "#78ff9b"  # behind the composite where the format has no alpha, as in the original's videos
SOUNDING = ("com", "fgr")
RIM = 9  # pixels of colour kept around the subject, so that a lossy video does not smear black into its edges


def is_clip(path):
    """Whether a path names a video: by its suffix, or as a number, which is a camera's."""
    text = str(path)
    return text.isdigit() or Path(text).suffix.lower() in CLIP_SUFFIXES


def add_video_arguments(parser):
    """Add the flags that only clips need."""
    group = parser.add_argument_group("videos", "--src clip.mp4, or a folder of frames with --bgr auto or a video")
    group.add_argument(
        "--output-format", choices=FORMATS, help="mp4 H.264; mov ProRes 4444 and webm VP9 with alpha; or pictures (mp4)"
    )
    group.add_argument("--frame-rate", help="pictures a second in a folder of frames: 25 or 30000/1001 (default 30)")
    group.add_argument("--smooth", action="store_true", help="average alpha over time, along the motion: less flicker")
    group.add_argument(
        "--save-bgr", action="store_true", help="also write the background that was made, and where it is unsure"
    )


def matte_video(matting, args):
    """Matte the clip that predict.py's arguments name.

    Args:
        matting: utils.predictor.Matting.
        args: src, bgr (picture, video, folder of frames, or `auto`), align, match_exposure, output_dir, output_types,
            target_bgr, skip_existing, and the flags of add_video_arguments.

    Returns:
        exit code: 0, or 1 if frames were left out.

    Raises:
        UsageError, PictureError, OSError: nothing can be done or written. KeyboardInterrupt: after what was matted so
        far has been completed.
    """
    if str(args.src).isdigit():
        raise UsageError(f"--src {args.src} is a camera: python tools/webcam.py --camera {args.src}")
    clip = open_clip(args.src, frame_rate(args.frame_rate))
    output_format = args.output_format or ("png" if clip.path.is_dir() else "mp4")
    check_format(output_format)
    target = open_target(args.target_bgr) if args.target_bgr else None
    if target is None and "com" in args.output_types and VIDEO.get(output_format, (0, 0, True))[2] is None:
        target = open_target(GREEN)
        print(f"com is put before {GREEN}, as {output_format} has no alpha: --target-bgr, or --output-format mov")
    folder = Path(args.output_dir or "output")
    paths = output_paths(folder, clip.path, args.output_types, output_format)
    refuse_to_overwrite([args.src, args.bgr, args.target_bgr], paths.values())
    if args.skip_existing and output_format in VIDEO:
        paths = {kind: path for kind, path in paths.items() if not path.exists()}
        if not paths:
            print(f"{clip.path}: nothing is missing")
            return 0
    bgr = read_background(clip, args.bgr, folder if args.save_bgr else None)
    background = ClipBackground(matting, bgr, args.align, args.match_exposure)
    smoother = Smoother() if args.smooth else None
    return _run(matting, clip, background, smoother, paths, output_format, target, args.skip_existing)


def frame_rate(text):
    """The flag --frame-rate as a Fraction; None stays None."""
    try:
        rate = None if text is None else Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if rate is not None and not 0 < rate <= 1000:
        raise UsageError(f"--frame-rate {text} is no frame rate: give pictures a second, such as 25 or 30000/1001")
    return rate


def output_paths(folder, source, kinds, output_format):
    """Output type -> FOLDER/NAME_TYPE.mp4, or the folder FOLDER/NAME_TYPE of a sequence."""
    name = source.resolve().name if source.is_dir() else source.stem
    suffix = f".{output_format}" if output_format in VIDEO else ""
    return {kind: folder / f"{name}_{kind}{suffix}" for kind in kinds}


def refuse_to_overwrite(inputs, outputs):
    inputs = {Path(path).resolve() for path in inputs if path}
    for path in outputs:
        if path.resolve() in inputs:
            raise UsageError(f"{path} is an input and would be overwritten: pass --output-dir")


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
        bgr, warning = match_size(np.empty((clip.height, clip.width, 0)), bgr)
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
    with_foreground = bool({"fgr", "com"} & set(paths))
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
        return matte, (src, prepared.picture) if "debug" in paths else None

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
    """What a writer gets of a matte: uint8, or floats of 0..1 for the alpha of a deep format."""
    if kind == "pha":
        return matte.pha_float if deep else matte.pha
    if kind == "com" and target is not None:
        return over(matte.fgr, matte.pha, target.frame(frame.time, *matte.pha.shape))
    if kind == "com" and lossy:
        near = cv2.dilate(matte.pha, np.ones((RIM, RIM), np.uint8))
        return np.dstack([cv2.copyTo(matte.fgr, near), matte.pha])
    if kind == "com" and deep:
        return np.dstack([np.float32(matte.com[..., :3]) / 255, matte.pha_float])
    if kind == "debug":
        return debug_picture(*pictures, matte.pha)
    return getattr(matte, kind)
