"""Matte pairs of pictures: the subject's alpha, foreground and cut-out, at full size.

python predict.py                                          the sample pair in image/
python predict.py --src photo.jpg --bgr background.jpg     one pair
python predict.py --src photos/ --bgr backgrounds/         folders, paired by file name
python predict.py --src photos/ --bgr background.jpg       one background for all
"""

import utils.cpu  # noqa: F401  isort: skip

import argparse
import sys
import time
import warnings
from pathlib import Path

from tqdm import tqdm

from dataset.picture import read_rgb
from utils.alignment import MODES as ALIGN_MODES
from utils.command_line import UsageError, command_line, user_message
from utils.engine_choice import ENGINES, PRECISIONS
from utils.files import write_picture
from utils.match_background import EXPOSURE_MODES, background_warnings, debug_picture, match_background
from utils.pairs import find_pairs
from utils.predictor import Matting
from utils.scene import match_size, scene_warnings

IMAGES = Path(__file__).resolve().parent / "image"
SAMPLE_SRC, SAMPLE_BGR = IMAGES / "sample_src.jpg", IMAGES / "sample_bgr.jpg"
OUTPUT_TYPES = ("pha", "fgr", "com", "err", "ref", "debug")


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--src", help="picture with the subject, or folder of pictures (default: the sample pair)")
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
        "--engine", choices=ENGINES, default="auto", help="what computes (default: the fastest that works here)"
    )
    parser.add_argument(
        "--precision", choices=PRECISIONS, default="float32", help="bfloat16: faster where the processor has it"
    )
    parser.add_argument("--device", help="cpu, gpu or gpu:N (default: a GPU if Paddle has one)")
    args = parser.parse_args(argv)
    if (args.src is None) != (args.bgr is None):
        raise UsageError("--src and --bgr belong together: give the picture with the subject and the one without")
    if args.backbone_scale is not None and not 0 < args.backbone_scale <= 0.5:
        raise UsageError(f"--backbone-scale must be above 0 and at most 0.5, not {args.backbone_scale}")
    return args


@command_line
def main(argv=None):
    args = parse(argv)
    warnings.showwarning = lambda message, *_: print(f"warning: {message}", file=sys.stderr)
    sample = args.src is None
    src, bgr = (SAMPLE_SRC, SAMPLE_BGR) if sample else (args.src, args.bgr)
    pairs = find_pairs(src, bgr)
    folder = Path(args.output_dir or (IMAGES if sample else "output"))
    by_type = Path(src).is_dir()
    targets = {pair: output_paths(folder, pair.name, args.output_types, by_type) for pair in pairs}
    refuse_to_overwrite_inputs(targets)
    matting = Matting(
        args.model_path,
        args.model_backbone,
        args.backbone_scale,
        args.refine_mode,
        args.refine_sample_pixels,
        args.refine_threshold,
        args.device,
        args.engine,
        args.precision,
    )
    print(f"device {matting.device}, engine {matting.engine}, {matting.backbone}, weights {matting.weights}")
    failed = []
    bar = tqdm(pairs, unit="pair", disable=not by_type or not sys.stderr.isatty())
    for pair in bar:
        try:
            for line in matte_pair(matting, pair, targets[pair], args.align, args.match_exposure):
                bar.write(line)
        except Exception as error:
            message = user_message(error)
            if message is None or not by_type:
                raise
            bar.write(f"failed: {message}", file=sys.stderr)
            failed.append(str(pair.src))
    if failed:
        print(f"error: {len(failed)} of {len(pairs)} pairs failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def matte_pair(matting, pair, targets, align="auto", match_exposure="auto"):
    """Matte one pair and write its results; yields the lines to print.

    `targets`: output type -> path; `align`, `match_exposure`: see utils.match_background.
    """
    if pair.problem:
        raise UsageError(pair.problem)
    src, bgr = read_rgb(pair.src), read_rgb(pair.bgr)
    bgr, warning = match_size(src, bgr)
    start = time.perf_counter()
    bgr, match = match_background(src, bgr, align, match_exposure)
    matte = matting(src, bgr)
    yield f"{pair.src} {src.shape[1]}x{src.shape[0]}: {time.perf_counter() - start:.2f} s"
    for line in match.notes:
        yield f"  {line}"
    suspicious = scene_warnings(src, bgr) or background_warnings(src, bgr, matte.pha)
    for line in ([warning] if warning else []) + suspicious:
        yield f"warning: {pair.src}: {line}"
    for kind, path in targets.items():
        write_picture(path, debug_picture(src, bgr, matte.pha) if kind == "debug" else getattr(matte, kind))
        yield f"  {path}"


def output_paths(folder, name, types, by_type):
    """type -> path: FOLDER/TYPE/NAME.png for a folder of sources, FOLDER/NAME_TYPE.png for one picture."""
    return {t: folder / t / f"{name}.png" if by_type else folder / f"{name}_{t}.png" for t in types}


def refuse_to_overwrite_inputs(targets):
    inputs = {path.resolve() for pair in targets for path in (pair.src, pair.bgr) if path}
    for paths in targets.values():
        for path in paths.values():
            if path.resolve() in inputs:
                raise UsageError(f"{path} is one of the input pictures and would be overwritten: pass --output-dir")


if __name__ == "__main__":
    sys.exit(main())
