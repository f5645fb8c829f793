"""Make training data from your own photographs: `python -m tools.make_private_data --src S --bgr B`.

For each picture in S and the picture of the same scene without the person in B (same name, or one for all), the
network's alpha and foreground are written to OUTPUT/train and, every tenth, to OUTPUT/valid, in the layout of stage 3.
Look through them and delete what is wrong: the network learns from what stays.
"""

import argparse
import sys
from pathlib import Path

from utils.system.cpu import prepare

prepare()

from dataset.picture import PictureError
from utils.picture.write import write_picture
from utils.prediction.flags import add_network_flags, matting_from
from utils.prediction.pairs import find_pairs
from utils.prediction.pictures import PairReader
from utils.system.command_line import UsageError, command_line

EVERY = 10  # each tenth pair goes to the validation part


@command_line
def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--src", type=Path, required=True, help="folder of pictures with a person")
    parser.add_argument(
        "--bgr", type=Path, required=True, help="folder of the scenes without, same names; or one picture"
    )
    parser.add_argument("--output", type=Path, default=Path("data/private"), help="(default data/private)")
    add_network_flags(parser, "--model-path", "--model-backbone", "--device")
    args = parser.parse_args(argv)
    pairs, read = find_pairs(args.src, args.bgr), PairReader(align="off", match_exposure="off")
    matting = matting_from(args)
    failures = 0
    for number, pair in enumerate(pairs):
        folder = args.output / ("valid" if number % EVERY == EVERY - 1 else "train")
        try:
            pictures = read(pair)
        except (PictureError, UsageError) as error:
            failures += 1
            print(f"error: {error}", file=sys.stderr)
            continue
        matte = matting(pictures.src, pictures.bgr)
        write_picture(folder / "fgr" / f"{pair.name}.png", matte.fgr)
        write_picture(folder / "pha" / f"{pair.name}.png", matte.pha)
        print(f"{number + 1}/{len(pairs)} {folder / 'pha' / pair.name}.png", flush=True)
    if len(pairs) < EVERY:
        print(f"fewer than {EVERY} pairs: nothing went to {args.output / 'valid'}, train with --valid-dataset-name")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
