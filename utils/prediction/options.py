"""The flags of predict.py."""

import argparse
from fractions import Fraction
from pathlib import Path

from utils.background.align import MODES as ALIGN_MODES
from utils.background.match import EXPOSURE_MODES
from utils.picture.sample_pair import IMAGES, SAMPLE_BGR, SAMPLE_SRC
from utils.prediction.flags import SETTINGS, add_network_flags
from utils.prediction.outputs import OUTPUT_TYPES
from utils.predictor import check_backbone_scale
from utils.system.errors import UsageError
from utils.video.reader import is_clip
from utils.video.writer import FORMATS


def parse(argv, description):
    """Parse and check the flags; src, bgr and output_dir have their defaults filled in, frame_rate is a Fraction.

    Raises UsageError, or SystemExit (argparse).
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--src", help="picture with the subject, folder of pictures, or video (default: sample pair)")
    parser.add_argument("--bgr", help="the same scene without the subject: a picture, or a folder paired by file name")
    add_network_flags(parser, *SETTINGS)
    parser.add_argument(
        "--align",
        choices=ALIGN_MODES,
        default="auto",
        help="lay the background over the source (default auto: if they differ)",
    )
    parser.add_argument(
        "--match-exposure",
        choices=EXPOSURE_MODES,
        default="auto",
        help="bring the background to the source's exposure (default auto: if they differ)",
    )
    parser.add_argument("--output-dir", help="default: image/ for the sample pair, else output/")
    parser.add_argument(
        "--output-types", nargs="+", choices=OUTPUT_TYPES, default=["pha", "fgr", "com"], help="default: pha fgr com"
    )
    parser.add_argument(
        "--target-bgr", help="put the subject before this in com: a colour (#00ff00, white), picture or video"
    )
    parser.add_argument("--skip-existing", action="store_true", help="leave out what has all its results already")
    add_network_flags(parser, "--engine", "--precision", "--device")
    of_videos = add_video_flags(parser)
    args = parser.parse_args(argv)
    if (args.src is None) != (args.bgr is None):
        raise UsageError("--src and --bgr belong together: give the picture with the subject and the one without")
    check_backbone_scale(args.backbone_scale)
    if args.target_bgr and "com" not in args.output_types:
        raise UsageError("--target-bgr is what com is put before: add com to --output-types")
    if not has_frames(args.src, args.bgr):
        for action in of_videos:
            if getattr(args, action.dest) != action.default:
                raise UsageError(f"{action.option_strings[0]} is for videos, and --src names none")
    args.frame_rate = frame_rate(args.frame_rate)
    if args.src is None:
        args.src, args.bgr = SAMPLE_SRC, SAMPLE_BGR
        args.output_dir = args.output_dir or IMAGES
    args.output_dir = Path(args.output_dir or "output")
    return args


def add_video_flags(parser):
    """Add the flags that only clips need; returns argparse's actions for them."""
    group = parser.add_argument_group("videos", "--src clip.mp4, or a folder of frames with --bgr auto or a video")
    add = group.add_argument
    return [
        add(
            "--output-format",
            choices=FORMATS,
            help="mp4 H.264; mov ProRes 4444 and webm VP9 with alpha; or pictures (default mp4, png for a folder)",
        ),
        add("--frame-rate", help="pictures a second in a folder of frames: 25 or 30000/1001 (default 30)"),
        add("--smooth", action="store_true", help="average alpha over time, along the motion: less flicker"),
        add("--save-bgr", action="store_true", help="also write the background that was made, and where it is unsure"),
    ]


def frame_rate(text):
    """The flag --frame-rate as a Fraction; None stays None."""
    try:
        rate = None if text is None else Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if rate is not None and not 0 < rate <= 1000:
        raise UsageError(f"--frame-rate {text} is no frame rate: give pictures a second, such as 25 or 30000/1001")
    return rate


def has_frames(src, bgr):
    """Whether --src is a video, or a folder of its frames, rather than pictures with a background each."""
    if src is None:
        return False
    if is_clip(src):
        return True
    frames = bgr == "auto" or is_clip(bgr)
    if frames and not Path(src).is_dir():
        raise UsageError(f"--bgr {bgr} goes with a video or a folder of frames, and --src {src} is neither")
    return frames
