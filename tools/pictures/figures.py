"""Draw the pictures of the READMEs and the model card: python -m tools.pictures.figures {readme,spill,failures}

readme    the sample pair: source, captured background, alpha, the cut-out over the squares that mean transparency
spill     the sample's subject, photographed in front of a green screen, over another background with and without the
          screen's light on its rim; printed is how far the rim is from the subject's true colours
failures  where the shipped weights fail: a fine pattern whose empty shot is 1.5 pixels aside; a small, dark, strongly
          compressed frame in front of a wall like the clothes. Printed is alpha's mean absolute error
"""

import sys
from pathlib import Path

from utils.system.cpu import prepare

prepare()

import cv2
import numpy as np

from dataset.drawn import noisy
from dataset.people.dataset import jpeg
from utils.evaluation.composites import cut_out
from utils.picture.blend import blend
from utils.picture.contact_sheet import contact_sheet
from utils.picture.foreground import clean_foreground
from utils.picture.resize import fit
from utils.picture.sample_pair import IMAGES, read_sample_pair
from utils.picture.write import write_picture
from utils.predictor import Matting
from utils.system.command_line import command_line
from utils.system.parser import Parser

NOISE = 3.0  # levels of 255
DETAIL = (slice(50, 210), slice(170, 383))  # rows and columns around the hair


@command_line
def main(argv=None):
    parser = Parser(__doc__)
    parser.add_argument("figure", choices=FIGURES, help="which one")
    parser.add_argument("--output", type=Path, help="picture to write, .jpg or .png (default: where it belongs)")
    args = parser.parse_args(argv)
    draw, path = FIGURES[args.figure]
    write_picture(args.output or path, draw(Matting(), np.random.default_rng(0)))
    print(args.output or path)


def draw_readme(matting, _):
    """Rows of pictures, uint8 (H, W, 3), as every draw_* gives them."""
    src, bgr = read_sample_pair()
    matte = matting(src, bgr)
    squares = np.where((np.indices(matte.pha.shape) // 24).sum(0) % 2, 255, 210).astype(np.uint8)
    checks, pha = (cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB) for grey in (squares, matte.pha))
    panels = [fit(x[:, 360:], (360, 460)) for x in (src, bgr, pha, blend(matte.com[..., :3], matte.pha, checks))]
    return np.hstack([np.pad(x, ((0, 0), (0, 8), (0, 0)), constant_values=255) for x in panels])[:, :-8]


def draw_spill(matting, rng):
    fgr, pha = cut_out()
    screen, target = (np.full_like(fgr, colour) for colour in ((32, 176, 64), (232, 228, 220)))
    src, bgr = (noisy(picture, rng, 2.0) for picture in (blend(fgr, pha, screen), screen))
    matte = matting(src, bgr)
    cleaned, pha = clean_foreground(matte.pha, src, bgr)
    rim = (matte.pha > 13) & (matte.pha < 242)
    wanted = blend(fgr, matte.pha, target)[rim].astype(int)
    colours = {"the photograph's colours": src, "the network's foreground": matte.fgr, "its rim cleaned": cleaned}
    for name, picture in colours.items():
        off = np.abs(blend(picture, matte.pha, target)[rim] - wanted).mean()
        print(f"{name}: {off:.1f} levels of 255 from the true colours")
    titles = ["photograph", "the photograph's colours", "its rim cleaned"]
    pictures = [src, blend(src, matte.pha, target), blend(cleaned, pha, target)]
    return contact_sheet([pictures, [picture[DETAIL] for picture in pictures]], ["", "detail"], titles, height=300)


def draw_failures(matting, rng):
    fgr, pha = cut_out()
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


FIGURES = {
    "readme": (draw_readme, IMAGES / "readme_sample.jpg"),
    "spill": (draw_spill, IMAGES / "green_spill.jpg"),
    "failures": (draw_failures, IMAGES.parent / "model" / "weights" / "failures.jpg"),
}


if __name__ == "__main__":
    sys.exit(main())
