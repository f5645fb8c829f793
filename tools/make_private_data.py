"""Make training data from your own photographs: `python tools/make_private_data.py --src S --bgr B`.

For each picture in S and the picture of the same scene without the person in B (same name, or one for all), the
network's alpha and foreground are written to OUTPUT/train and, every tenth, to OUTPUT/valid, in the layout of stage 3.
Look through them and delete what is wrong: the network learns from what stays.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import utils.cpu  # noqa: F401  isort: skip

from dataset.picture import PictureError, find_pictures, read_rgb
from utils.command_line import UsageError, command_line
from utils.files import write_picture
from utils.predictor import Matting

EVERY = 10  # each tenth pair goes to the validation part


@command_line
def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--src", type=Path, required=True, help="folder of pictures with a person")
    parser.add_argument(
        "--bgr", type=Path, required=True, help="folder of the scenes without, same names; or one picture"
    )
    parser.add_argument("--output", type=Path, default=Path("data/private"), help="(default data/private)")
    parser.add_argument("--weights", help="weights to make the alphas with (default: those that come with the program)")
    parser.add_argument("--model-backbone", choices=("resnet50", "resnet101", "mobilenetv2"), default="mobilenetv2")
    parser.add_argument("--device", help="cpu, gpu, gpu:1 ... (default: a GPU if there is one)")
    args = parser.parse_args(argv)
    pairs = find_pairs(args.src, args.bgr)
    matter = Matting(args.weights, backbone=args.model_backbone, device=args.device)
    failures = 0
    for number, (name, src_path, bgr_path) in enumerate(pairs):
        folder = args.output / ("valid" if number % EVERY == EVERY - 1 else "train")
        try:
            src, bgr = read_rgb(src_path), read_rgb(bgr_path)
            if src.shape != bgr.shape:
                raise PictureError(f"{bgr_path} is of another size than {src_path}: take both with the same camera")
            result = matter(src, bgr)
        except PictureError as error:
            failures += 1
            print(f"error: {error}", file=sys.stderr)
            continue
        write_picture(folder / "fgr" / f"{name}.png", result.fgr)
        write_picture(folder / "pha" / f"{name}.png", result.pha)
        print(f"{number + 1}/{len(pairs)} {folder / 'pha' / name}.png", flush=True)
    if len(pairs) < EVERY:
        print(f"fewer than {EVERY} pairs: nothing went to {args.output / 'valid'}, train with --valid-dataset-name")
    return 1 if failures else 0


def find_pairs(src, bgr):
    """Sorted list of (relative name without suffix, path of src, path of bgr)."""
    sources = {path.relative_to(src).with_suffix("").as_posix(): path for path in find_pictures(src)}
    if not sources:
        raise UsageError(f"--src {src} holds no pictures")
    if bgr.is_file():
        return [(name, path, bgr) for name, path in sorted(sources.items())]
    backgrounds = {path.relative_to(bgr).with_suffix("").as_posix(): path for path in find_pictures(bgr)}
    missing = sorted(sources.keys() - backgrounds.keys())
    if missing:
        raise UsageError(f"--bgr {bgr} lacks {len(missing)} of {len(sources)} names, first {missing[0]}")
    return [(name, path, backgrounds[name]) for name, path in sorted(sources.items())]


if __name__ == "__main__":
    sys.exit(main())
