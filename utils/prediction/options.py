"""The flags of predict.py."""

import argparse
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

from dataset.picture import find_pictures, limit_megapixels
from utils.background.align import MODES as ALIGN_MODES
from utils.background.match import EXPOSURE_MODES, Correction
from utils.picture.sample_pair import IMAGES, SAMPLE_BGR, SAMPLE_SRC
from utils.picture.write import require
from utils.prediction.flags import add_network_flags
from utils.prediction.outputs import OUTPUT_TYPES, Output
from utils.system.errors import UsageError
from utils.system.parser import Parser, add_without_effect, names_of
from utils.video.reader import frames_in, is_clip, numbered
from utils.video.writer import FORMATS, VIDEO


def parse(argv, description):
    """Parse and check the flags.

    Returns argparse's Namespace; src and bgr have their defaults filled in; with `output`,
    utils.prediction.outputs.Output; `correction`, utils.background.match.Correction; `clips`, a list of videos and
    folders of frames, empty where --src names pictures; and `numbered`, whether the names of its pictures alone say
    that a folder is a clip. Raises UsageError.
    """
    epilog = "With the variable MATTING_DEBUG set, an error is printed with its traceback."
    parser = Parser(description, epilog=epilog)
    add = parser.add_argument
    add(*names_of("--src"), help="picture with the subject, folder of pictures, or video (default: sample pair)")
    add(*names_of("--bgr"), help="the same scene without the subject: a picture, or a folder paired by file name")
    add_network_flags(parser)
    auto = {"default": "auto"}
    add("--align", choices=ALIGN_MODES, **auto, help="move the background to where the source has it (default auto)")
    add("--match-exposure", choices=EXPOSURE_MODES, **auto, help="bring it to the source's exposure (default auto)")
    add("--keep-islets", action="store_true", help="keep alpha as the network gave it, rim and weak specks and all")
    add("--output-dir", help="default: image/ for the sample pair, else output/")
    types = {"nargs": "+", "choices": OUTPUT_TYPES, "default": ["pha", "fgr", "com"]}
    add(*names_of("--output-types"), **types, help="default: pha fgr com")
    add(*names_of("--target-bgr"), help="new background of com: a colour (#00ff00, white), picture or video")
    add(
        "--output-format",
        choices=FORMATS,
        type=lambda text: {"video": "mp4", "image_sequences": "png"}.get(text, text),  # the original's names
        help="of clips mp4 H.264, mov ProRes 4444 and webm VP9 with alpha; of pictures, and of each frame of a clip, "
        "png, png16, tiff, tiff16, exr, webp, jpg (default mp4 for a video, else png)",
    )
    add("--verbose", action="store_true", help="also print figures on what was corrected, and times")
    add("--skip-existing", action="store_true", help="leave out what has all its results already")
    add = parser.add_argument_group("pictures").add_argument
    of_pictures = [
        add("--crop", nargs="?", type=int, const=32, metavar="MARGIN", help="cut to the subject (margin 32 pixels)"),
        add("--keep-location", action="store_true", help="let results say where the photograph was taken"),
        add("--max-megapixels", type=float, help="refuse pictures of more million pixels (default 89)"),
    ]
    add = parser.add_argument_group(
        "videos",
        "--src clip.mp4, a folder of clips, or one of frames: with --bgr auto or a video, with one of these "
        "flags or a video as --output-format, or numbered without gaps as shot.0001.exr is",
    ).add_argument
    of_videos = [
        add("--frame-rate", type=frame_rate, help="pictures a second of a folder: 25 or 30000/1001 (default 30)"),
        add("--video-resize", nargs=2, type=int, metavar=("W", "H"), help="bring a video's frames to this size first"),
        add("--start", type=seconds, help="begin there: seconds, or hh:mm:ss.ff"),
        add("--end", type=seconds, help="end there, of the clip's time (default: with the clip)"),
        add("--bgr-time", nargs=2, type=seconds, metavar=("FROM", "TO"), help="part of the video --bgr with nobody"),
        add("--save-bgr", action="store_true", help="also write the background that was made, and where it is unsure"),
        add("--force", action="store_true", help="go on with a background that looks like another scene's"),
    ]
    add_without_effect(parser, "--model-type", choices=("mattingrefine", "refine"))
    add_without_effect(parser, "--model-refine-kernel-size", "--num-workers", "--preprocess-alignment", "-y")
    args = parser.parse_args(argv)
    if (args.src is None) != (args.bgr is None):
        auto = " (for a clip whose camera stood still: --bgr auto)" if args.bgr is None else ""
        raise UsageError(f"--src and --bgr belong together: give a picture with the subject and one without{auto}")
    if args.target_bgr and "com" not in args.output_types:
        raise UsageError("--target-bgr is what com is composited over: add com to --output-types")
    given = [[x for x in actions if getattr(args, x.dest) != x.default] for actions in (of_pictures, of_videos)]
    args.clips = clips_of(args.src, args.bgr, given[1] or args.output_format in VIDEO)
    one_plate = args.src is not None and Path(args.src).is_dir() and not Path(args.bgr).is_dir()
    args.numbered = one_plate and not args.clips and not given[0] and numbered(frames_in(args.src))
    if args.numbered:
        args.clips = [Path(args.src)]
    kind, wrong = ("pictures", given[0]) if args.clips else ("videos", given[1])
    if wrong:
        raise UsageError(f"{wrong[0].option_strings[0]} is for {kind}, and --src names none")
    if args.output_format in VIDEO and not args.clips:
        raise UsageError(f"--output-format {args.output_format} is for videos, and --src names none")
    if args.output_format == "jpg" and "com" in args.output_types and not args.target_bgr:
        raise UsageError("--output-format jpg has no transparency for com: pass --target-bgr, or choose png or webp")
    if args.output_format in ("exr", "tiff16"):
        require("OpenEXR" if args.output_format == "exr" else "tifffile")
    if args.crop is not None and args.crop < 0:
        raise UsageError(f"--crop {args.crop} is no margin: give pixels, 0 or more")
    if args.video_resize and (min(args.video_resize) < 4 or any(path.is_dir() for path in args.clips)):
        raise UsageError("--video-resize gives the frames of a video file a size of W x H pixels, at least 4 x 4")
    if args.frame_rate and not any(path.is_dir() for path in args.clips):
        raise UsageError("--frame-rate is for a folder of frames: a video has times of its own")
    if args.bgr_time and not (is_clip(args.bgr) or Path(args.bgr).is_dir()):
        raise UsageError(f"--bgr-time is part of a video as --bgr, and --bgr {args.bgr} is none")
    if args.src is None:
        args.src, args.bgr = SAMPLE_SRC, SAMPLE_BGR
        args.output_dir = args.output_dir or IMAGES
    args.remove_islets = not args.keep_islets
    args.correction = Correction(args.align, args.match_exposure, args.remove_islets)
    wanted = tuple(args.output_types), args.output_format, args.target_bgr
    args.output = Output(Path(args.output_dir or "output"), *wanted, args.skip_existing, args.save_bgr, args.crop)
    if args.max_megapixels:
        limit_megapixels(args.max_megapixels)
    return args


def seconds(text):
    """The time of a flag as a Fraction of seconds: 75.5, 1:15.5 and 0:01:15.5 are the same."""
    with suppress(ValueError, ZeroDivisionError):
        parts = [Fraction(part) for part in text.split(":")]
        if len(parts) <= 3 and min(parts) >= 0:
            return sum(part * 60**power for power, part in enumerate(reversed(parts)))
    raise argparse.ArgumentTypeError(f"{text} is no time: give seconds, or hh:mm:ss.ff")


def frame_rate(text):
    """The flag --frame-rate as a Fraction: 25 or 30000/1001."""
    with suppress(ValueError, ZeroDivisionError):
        if 0 < Fraction(text) <= 1000:
            return Fraction(text)
    raise argparse.ArgumentTypeError(f"{text} is no frame rate: give pictures a second, such as 25 or 30000/1001")


def clips_of(src, bgr, wanted=False):
    """What --src names: a video, the videos of a folder without pictures, or a folder of frames; [] for pictures.

    With `wanted`, a folder of pictures is one of frames, whatever its background is.
    """
    if src is None or is_clip(src):
        return [Path(src)] if src else []
    frames, first = bgr == "auto" or is_clip(bgr), {}
    if not Path(src).is_dir():
        if frames:
            raise UsageError(f"--bgr {bgr} goes with a video or a folder of frames, and --src {src} is neither")
        return []
    clips = [path for path in sorted(Path(src).glob("[!.]*")) if is_clip(path) and path.is_file()]
    if not clips or find_pictures(src):
        return [Path(src)] if frames or wanted else []
    for path in clips:
        if first.setdefault(path.stem, path) is not path:
            raise UsageError(f"{path} would write the same files as {first[path.stem]}: rename one of them")
    return clips
