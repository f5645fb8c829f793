"""Make training data from your own photographs: `python -m tools.make_private_data --src S --bgr B`.

For each picture in S and the picture of the same scene without the person in B (same name, or one for all), the
network's alpha and foreground, as predict.py makes them, are written to OUTPUT/train and, every tenth, to
OUTPUT/valid, in the layout of stage 3. Look through them and delete what is wrong: the network learns from what stays.
"""

import sys
from pathlib import Path

from utils.system.cpu import prepare

prepare()

from utils.prediction.flags import add_network_flags, matting_from
from utils.prediction.loop import matte_all
from utils.prediction.pairs import PairSource, PictureSink, find_pairs
from utils.system.command_line import command_line, printer
from utils.system.files import refuse_to_overwrite
from utils.system.parser import Parser

EVERY = 10  # each tenth pair goes to the validation part


@command_line
def main(argv=None):
    parser = Parser(__doc__)
    add = parser.add_argument
    add("--src", type=Path, required=True, help="folder of pictures with a person")
    add("--bgr", type=Path, required=True, help="folder of the scenes without, same names; or one picture")
    add("--output", type=Path, default=Path("data/private"), help="(default data/private)")
    add_network_flags(parser, "--model-path", "--model-backbone", "--device")
    parser.set_defaults(remove_islets=True)  # as predict.py does: see utils.prediction.flags
    args = parser.parse_args(argv)
    pairs, targets = find_pairs(args.src, args.bgr), {}
    for number, pair in enumerate(pairs):
        folder = args.output / ("valid" if number % EVERY == EVERY - 1 else "train")
        targets[pair] = {kind: folder / kind / f"{pair.name}.png" for kind in ("fgr", "pha")}
    written = (path for paths in targets.values() for path in paths.values())
    refuse_to_overwrite((path for pair in pairs for path in (pair.src, pair.bgr)), written, "another --output")
    source, tell = PairSource(pairs), printer()
    failures, _ = matte_all(matting_from(args, tell), source, PictureSink(targets, tell=tell), tell)
    if len(pairs) < EVERY:
        print(f"fewer than {EVERY} pairs: nothing went to {args.output / 'valid'}, train with --valid-dataset-name")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
