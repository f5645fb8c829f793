"""The flags of predict.py."""

import argparse
from pathlib import Path

from utils.alignment import MODES as ALIGN_MODES
from utils.command_line import UsageError
from utils.engine_choice import ENGINES, PRECISIONS
from utils.match_background import EXPOSURE_MODES
from utils.matte_video import add_video_arguments, is_clip

IMAGES = Path(__file__).resolve().parent.parent / "image"
SAMPLE_SRC, SAMPLE_BGR = IMAGES / "sample_src.jpg", IMAGES / "sample_bgr.jpg"
OUTPUT_TYPES = ("pha", "fgr", "com", "err", "ref", "debug")


def parse(argv, description):
    """Parse and check the flags; src, bgr and output_dir have their defaults filled in.

    Raises UsageError, or SystemExit (argparse).
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--src", help="picture with the subject, folder of pictures, or video (default: sample pair)")
    parser.add_argument("--bgr", help="the same scene without the subject: a picture, or a folder paired by file name")
    parser.add_argument("--model-path", help="weights, .pdparams or official .pth (default: the shipped ones)")
    parser.add_argument(
        "--model-backbone",
        choices=("mobilenetv2", "resnet50", "resnet101"),
        help="default: what the weights are for",
    )
    parser.add_argument(
        "--backbone-scale", type=float, help="coarse size / picture size, at most 0.5 (default: by picture size)"
    )
    parser.add_argument("--refine-mode", choices=("sampling", "thresholding", "full"), default="sampling")
    parser.add_argument(
        "--refine-sample-pixels", type=int, help="pixels refined in each picture, sampling (default: by picture size)"
    )
    parser.add_argument(
        "--refine-threshold", type=float, default=0.1, help="predicted error that is refined, thresholding (0.1)"
    )
    parser.add_argument(
        "--align", choices=ALIGN_MODES, default="auto", help="lay the background over the source (auto: if they differ)"
    )
    parser.add_argument(
        "--match-exposure", choices=EXPOSURE_MODES, default="auto", help="bring the background to the source's exposure"
    )
    parser.add_argument("--output-dir", help="default: image/ for the sample pair, else output/")
    parser.add_argument(
        "--output-types", nargs="+", choices=OUTPUT_TYPES, default=["pha", "fgr", "com"], help="default: pha fgr com"
    )
    parser.add_argument(
        "--target-bgr", help="put the subject before this in com: a colour (#00ff00, white), picture or video"
    )
    parser.add_argument("--skip-existing", action="store_true", help="leave out what has all its results already")
    parser.add_argument(
        "--engine", choices=ENGINES, default="auto", help="what computes (default: the fastest that works here)"
    )
    parser.add_argument(
        "--precision", choices=PRECISIONS, default="float32", help="bfloat16: faster where the processor has it"
    )
    parser.add_argument("--device", help="cpu, gpu or gpu:N (default: a GPU if Paddle has one)")
    shared = set(vars(parser.parse_args([])))
    add_video_arguments(parser)
    args = parser.parse_args(argv)
    if (args.src is None) != (args.bgr is None):
        raise UsageError("--src and --bgr belong together: give the picture with the subject and the one without")
    if args.backbone_scale is not None and not 0 < args.backbone_scale <= 0.5:
        raise UsageError(f"--backbone-scale must be above 0 and at most 0.5, not {args.backbone_scale}")
    if args.target_bgr and "com" not in args.output_types:
        raise UsageError("--target-bgr is what com is put before: add com to --output-types")
    if not has_frames(args):
        for name in set(vars(args)) - shared:
            if getattr(args, name) != parser.get_default(name):
                raise UsageError(f"--{name.replace('_', '-')} is for videos, and --src names none")
    if args.src is None:
        args.src, args.bgr = SAMPLE_SRC, SAMPLE_BGR
        args.output_dir = args.output_dir or IMAGES
    args.output_dir = Path(args.output_dir or "output")
    return args


def has_frames(args):
    """Whether --src is a video, or a folder of its frames, rather than pictures with a background each."""
    if args.src is None:
        return False
    if is_clip(args.src):
        return True
    frames = args.bgr == "auto" or is_clip(args.bgr)
    if frames and not Path(args.src).is_dir():
        raise UsageError(f"--bgr {args.bgr} goes with a video or a folder of frames, and --src {args.src} is neither")
    return frames
