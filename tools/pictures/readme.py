"""Draw the README's first picture from the sample pair: `python -m tools.pictures.readme`.

Source, captured background, alpha and the foreground over a new colour: image/readme_sample.jpg.
"""

import argparse
import sys

from utils.system.cpu import prepare

prepare()

import numpy as np

from utils.picture.blend import blend
from utils.picture.contact_sheet import contact_sheet
from utils.picture.sample_pair import IMAGES, read_sample_pair
from utils.picture.write import write_picture
from utils.predictor import Matting
from utils.system.command_line import command_line

COLOUR = np.uint8([70, 150, 90])


@command_line
def main(argv=None):
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args(argv)
    src, bgr = read_sample_pair()
    matte = Matting()(src, bgr)
    over = blend(matte.fgr, matte.pha, np.broadcast_to(COLOUR, src.shape))
    titles = ("source", "captured background", "alpha", "foreground over a new colour")
    target = IMAGES / "readme_sample.jpg"
    write_picture(target, contact_sheet([[src, bgr, matte.pha, over]], [""], titles, height=270))
    print(target)


if __name__ == "__main__":
    sys.exit(main())
