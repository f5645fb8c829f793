"""Show what the predicted foreground is good for: python -m tools.pictures.spill --output image/green_spill.jpg

The sample's subject stands before a green screen. Put before another background with the photograph's own colours its
rim stays green; as `--target-bgr` does it, it does not. The numbers printed are how far the rim, where alpha is between
5 and 95 %, is from the colours that the subject's true colours give with the same alpha.
"""

import argparse
import sys
from pathlib import Path

from utils.system.cpu import prepare

prepare()

import numpy as np

from dataset.drawn import noisy
from utils.evaluation.demonstration import cut_out
from utils.picture.blend import blend, over
from utils.picture.contact_sheet import contact_sheet
from utils.picture.write import write_picture
from utils.prediction.target import open_target
from utils.predictor import Matting
from utils.system.command_line import command_line

SCREEN, TARGET = "#20b040", "#e8e4dc"
NOISE = 2.0  # levels of 255
DETAIL = (slice(50, 210), slice(170, 383))  # rows and columns around the hair


@command_line
def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="picture to write, .jpg or .png")
    args = parser.parse_args(argv)
    fgr, pha = cut_out()
    rng = np.random.default_rng(0)
    screen, target = (open_target(colour).frame(0, *pha.shape) for colour in (SCREEN, TARGET))
    src, bgr = (noisy(picture, rng, NOISE) for picture in (blend(fgr, pha, screen), screen))
    matte = Matting()(src, bgr)
    composites = {
        "the photograph's colours": blend(src, matte.pha, target),
        "the network's foreground": blend(matte.fgr, matte.pha, target),
        "--target-bgr": over(matte.fgr, matte.pha, target),
    }
    rim = (matte.pha > 13) & (matte.pha < 242)
    wanted = blend(fgr, matte.pha, target)[rim].astype(int)
    for name, picture in composites.items():
        print(f"{name}: {np.abs(picture[rim] - wanted).mean():.1f} levels of 255 from the true colours")
    shown = ["the photograph's colours", "--target-bgr"]
    pictures = [src, *(composites[name] for name in shown)]
    titles = ["photograph", *shown]
    rows = [pictures, [picture[DETAIL] for picture in pictures]]
    write_picture(args.output, contact_sheet(rows, ["", "detail"], titles, height=300))
    print(args.output)


if __name__ == "__main__":
    sys.exit(main())
