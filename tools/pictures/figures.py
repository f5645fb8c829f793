"""Draw the pictures of the READMEs and the model card: python -m tools.pictures.figures

readme_sample.jpg is the sample pair: source, captured background, alpha, the cut-out over the squares that mean
transparency. failures.jpg shows where the shipped weights fail: a fine pattern whose empty shot is 1.5 pixels aside; a
small, dark, strongly compressed frame in front of a wall like the clothes. Printed is alpha's mean absolute error.
"""

import sys

from utils.system.cpu import prepare

prepare()

import cv2
import numpy as np

from dataset.drawn import noisy
from dataset.people.dataset import jpeg
from utils.evaluation.composites import cut_out
from utils.picture.blend import blend
from utils.picture.contact_sheet import contact_sheet
from utils.picture.resize import fit
from utils.picture.sample_pair import IMAGES, read_sample_pair
from utils.picture.write import write_picture
from utils.predictor import Matting
from utils.system.command_line import command_line
from utils.system.parser import Parser

NOISE = 3.0  # levels of 255


@command_line
def main(argv=None):
    Parser(__doc__).parse_args(argv)
    matting, card = Matting(), IMAGES.parent / "model" / "weights"
    for path, draw in ((IMAGES / "readme_sample.jpg", draw_readme), (card / "failures.jpg", draw_failures)):
        write_picture(path, draw(matting))
        print(path)


def draw_readme(matting):
    src, bgr = read_sample_pair()
    matte = matting(src, bgr)
    squares = np.where((np.indices(matte.pha.shape) // 24).sum(0) % 2, 255, 210).astype(np.uint8)
    checks, pha = (np.dstack([grey] * 3) for grey in (squares, matte.pha))
    panels = [fit(x[:, 360:], (360, 460)) for x in (src, bgr, pha, blend(matte.com[..., :3], matte.pha, checks))]
    return np.hstack([np.pad(x, ((0, 0), (0, 8), (0, 0)), constant_values=255) for x in panels])[:, :-8]


def draw_failures(matting):
    (fgr, pha), rng = cut_out(), np.random.default_rng(0)
    height, width = pha.shape
    y, x = np.mgrid[:height, :width]
    ramp = np.linspace(-12, 12, width)[None, :, None] + np.linspace(10, -10, height)[:, None, None]
    wall = np.clip(np.float32((214, 84, 52)) + ramp, 0, 255).astype(np.uint8) // 2 + 40  # as the clothes
    pattern = np.dstack([np.where(((x + y // 2) // 5 + (y // 40)) % 2 == 0, 235, 30).astype(np.uint8)] * 3)
    moved = np.float32([[1, 0, 1.5], [0, 1, 0.5]])
    aside = cv2.warpAffine(pattern, moved, (width, height), borderMode=cv2.BORDER_REFLECT)
    small = [fit(picture, (height // 3, width // 3)) * 0.45 for picture in (blend(fgr, pha, wall), wall)]
    dark = [jpeg(noisy(picture, rng, NOISE), 35) for picture in small]
    fine = [noisy(picture, rng, NOISE) for picture in (blend(fgr, pha, pattern), aside)]
    rows, labels = [], []
    for label, (src, bgr) in (("fine pattern, 1.5 pixels aside", fine), ("small, dark, compressed", dark)):
        true, matte = fit(pha, src.shape[:2]), matting(src, bgr)
        labels.append(f"{label}: error {np.abs(matte.pha.astype(int) - true).mean() / 255:.4f}")
        print(labels[-1])
        rows.append([src, bgr, true, matte.pha])
    return contact_sheet(rows, labels, ("photograph", "background", "true alpha", "alpha"), height=270)


if __name__ == "__main__":
    sys.exit(main())
