"""Make a small procedural data set in the layout that train.py reads: `python -m tools.make_lite_data --output DIR`.

Drawn figures (head, hair with loose strands, patterned clothes) whose alpha is the exact share of each pixel that they
cover, and drawn rooms, landscapes and night lights as backgrounds. It is meant for trying the software, for tests and
for `sh run.sh lite`; a network trained on it alone does not know real people.
"""

import sys
from pathlib import Path

import numpy as np

from dataset.drawn import background, figure
from utils.picture.write import write_picture
from utils.system.command_line import command_line
from utils.system.parser import Parser

COUNTS = {  # folder -> number of figures
    "videomatte240k/train": 48,
    "videomatte240k/valid": 8,
    "distinctions646/train": 32,
    "distinctions646/valid": 8,
    "private/train": 24,
    "private/valid": 8,
    "photomatte85": 8,
}
BACKGROUNDS = {"backgrounds/train": 48, "backgrounds/valid": 12}


@command_line
def main(argv=None):
    parser = Parser(__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder to write to")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same pictures (default 0)")
    parser.add_argument("--height", type=int, default=384, help="height of a figure in pixels (default 384)")
    args = parser.parse_args(argv)
    for number, (folder, count) in enumerate(COUNTS.items()):
        for i in range(count):
            fgr, pha = figure(np.random.default_rng([args.seed, 0, number, i]), args.height, args.height * 5 // 6)
            if folder == "photomatte85":  # distributed as RGBA pictures
                write_picture(args.output / folder / f"{i:04d}.png", np.dstack([fgr, pha]))
            else:
                write_picture(args.output / folder / "fgr" / f"{i:04d}.jpg", fgr)
                write_picture(args.output / folder / "pha" / f"{i:04d}.png", pha)
    for number, (folder, count) in enumerate(BACKGROUNDS.items()):
        for i in range(count):
            rng = np.random.default_rng([args.seed, 1, number, i])
            write_picture(args.output / folder / f"{i:04d}.jpg", background(rng, args.height, args.height))
    print(f"{sum(COUNTS.values())} figures and {sum(BACKGROUNDS.values())} backgrounds in {args.output}")


if __name__ == "__main__":
    sys.exit(main())
