"""Show where the shipped weights fail: python -m tools.pictures.failures --output model/weights/failures.jpg

The sample's subject before a fine drawn pattern whose empty shot is 1.5 pixels aside, and in a small, dark, strongly
compressed frame before a wall like the clothes. Printed is alpha's mean absolute error.
"""

import argparse
import sys
from pathlib import Path

from utils.system.cpu import prepare

prepare()

import cv2
import numpy as np

from dataset.drawn import noisy
from utils.evaluation.demonstration import cut_out
from utils.picture.blend import blend
from utils.picture.contact_sheet import contact_sheet
from utils.picture.resize import fit
from utils.picture.write import write_picture
from utils.predictor import Matting
from utils.system.command_line import command_line

SUIT = (214, 84, 52)  # RGB, the subject's clothes
NOISE = 3.0  # levels of 255
TITLES = ("photograph", "background", "true alpha", "alpha")


@command_line
def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="picture to write, .jpg or .png")
    args = parser.parse_args(argv)
    fgr, pha = cut_out()
    rng, matting = np.random.default_rng(0), Matting()
    rows, labels = [], []
    for label, (src, bgr) in cases(fgr, pha, rng).items():
        true = fit(pha, src.shape[:2])
        matte = matting(src, bgr)
        error = np.abs(matte.pha.astype(int) - true).mean() / 255
        labels.append(f"{label}: error {error:.4f}")
        print(labels[-1])
        rows.append([src, bgr, true, matte.pha])
    write_picture(args.output, contact_sheet(rows, labels, TITLES, height=270))
    print(args.output)


def cases(fgr, pha, rng):
    """Pairs by name: {label: (src, bgr)}, uint8 (H, W, 3)."""
    height, width = pha.shape
    ramp = np.linspace(-12, 12, width)[None, :, None] + np.linspace(10, -10, height)[:, None, None]
    wall = np.clip(np.float32(SUIT) + ramp, 0, 255).astype(np.uint8)
    y, x = np.mgrid[:height, :width]
    stripes = np.where(((x + y // 2) // 5 + (y // 40)) % 2 == 0, 235, 30).astype(np.uint8)
    pattern = np.dstack([stripes] * 3)
    aside = cv2.warpAffine(
        pattern, np.float32([[1, 0, 1.5], [0, 1, 0.5]]), (width, height), borderMode=cv2.BORDER_REFLECT
    )
    small = [compressed(picture, rng) for picture in (blend(fgr, pha, wall // 2 + 40), wall // 2 + 40)]
    return {
        "fine pattern, 1.5 pixels aside": (noisy(blend(fgr, pha, pattern), rng, NOISE), noisy(aside, rng, NOISE)),
        "small, dark, compressed": tuple(small),
    }


def compressed(picture, rng):
    """A third of the size, less than half as bright, JPEG quality 35."""
    dark = noisy(fit(picture, tuple(side // 3 for side in picture.shape[:2])) * 0.45, rng, NOISE)
    return cv2.imdecode(cv2.imencode(".jpg", dark, [cv2.IMWRITE_JPEG_QUALITY, 35])[1], cv2.IMREAD_COLOR)


if __name__ == "__main__":
    sys.exit(main())
