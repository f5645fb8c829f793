"""What matting needs no network for, as a measure for one that has it:

    python -m tools.baselines --data DATA/set --method difference --output output/difference
    python eval.py --data-path DATA/set --pred output/difference

Methods:
    everything   alpha is 1 everywhere: the guess that everything is foreground
    difference   |src - bgr|, blurred, its largest channel, through a soft threshold: the one with the least SAD on
                 this very set is searched for and printed, better than anyone could know beforehand
    closed-form  a trimap from that difference, then closed-form matting (Levin et al. 2008) and multi-level foreground
                 estimation, both from pymatting (requirements/tools.txt)

Writes OUTPUT/pha/NAME.png and OUTPUT/fgr/NAME.png.
"""

import sys
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from dataset.errors import install
from utils.evaluation.metric import sad
from utils.evaluation.samples import StoredSet
from utils.picture.levels import to_levels
from utils.picture.write import write_picture
from utils.system.command_line import command_line
from utils.system.errors import needed
from utils.system.files import refuse_to_overwrite
from utils.system.parser import Parser

THRESHOLDS = (4, 6, 8, 10, 12, 15, 18, 22, 26, 32, 40, 50, 64)  # levels of 255
BLUR = 1.0  # standard deviation in pixels: takes the sensor's noise out of the difference
SPECK = 5  # pixels; side of the median filter that takes out what is smaller than about half of it
BAND = 1 / 64  # of the height: how far a trimap's unknown band reaches to either side of the edge


@command_line
def main(argv=None):
    parser = Parser(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="benchmark set with src and bgr, pha for the search")
    parser.add_argument("--method", choices=METHODS, required=True, help="see above")
    parser.add_argument("--output", type=Path, required=True, help="folder to write to")
    args = parser.parse_args(argv)
    if args.method == "closed-form":
        needed("pymatting", f"--method closed-form needs pymatting: {install('tools')}")
    samples = StoredSet(args.data)
    outputs = [args.output / kind / f"{name}.png" for kind in ("pha", "fgr") for name in samples.names]
    refuse_to_overwrite([], outputs, "another --output", [args.data])
    threshold = None if args.method == "everything" else best_threshold(samples)
    for index in tqdm(range(len(samples)), unit="image", disable=None):
        sample = samples[index]
        pha, fgr = METHODS[args.method](sample.src, sample.bgr, threshold)
        write_picture(args.output / "pha" / f"{sample.name}.png", pha)
        write_picture(args.output / "fgr" / f"{sample.name}.png", fgr)
    print(f"{len(samples)} alphas in {args.output / 'pha'}")


def difference(src, bgr):
    """Largest difference of a channel, blurred: uint8 (H, W, 3) twice -> float32 (H, W), levels of 255."""
    change = cv2.GaussianBlur(src.astype(np.float32) - bgr.astype(np.float32), (0, 0), BLUR)
    return np.abs(change).max(axis=2)


def soften(change, threshold):
    """Alpha uint8 (H, W): 0 up to half the threshold, 1 from one and a half, a ramp between; specks taken out."""
    return cv2.medianBlur(to_levels(change / threshold - 0.5), SPECK)


def best_threshold(samples):
    """The one of THRESHOLDS whose difference mattes have the least mean SAD over all samples, whole picture."""
    errors = np.zeros(len(THRESHOLDS))
    for index in tqdm(range(len(samples)), unit="image", desc="threshold", disable=None):
        sample = samples[index]
        change = difference(sample.src, sample.bgr)
        errors += [sad(soften(change, threshold), sample.pha) for threshold in THRESHOLDS]
    best = int(errors.argmin())
    print(f"best threshold {THRESHOLDS[best]} of 255, mean SAD {errors[best] / len(samples):.3f}")
    return THRESHOLDS[best]


def difference_trimap(src, bgr, threshold):
    """Trimap from the difference: its largest region, holes filled, with a band of unknown pixels about the edge."""
    mask = (soften(difference(src, bgr), threshold) > 127).astype(np.uint8)
    reach = max(2, round(BAND * mask.shape[0]))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, disc)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    if count > 1:
        mask = (labels == 1 + stats[1:, cv2.CC_STAT_AREA].argmax()).astype(np.uint8)
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(mask, outlines, -1, 1, cv2.FILLED)
    return np.where(cv2.erode(mask, disc) > 0, 255, np.where(cv2.dilate(mask, disc) > 0, 128, 0)).astype(np.uint8)


def closed_form(src, bgr, threshold):
    """Alpha uint8 (H, W) and foreground uint8 (H, W, 3) by pymatting."""
    import pymatting

    trimap, picture = difference_trimap(src, bgr, threshold) / 255, src / 255
    # Without a certain foreground and background there is nothing to solve from.
    alpha = pymatting.estimate_alpha_cf(picture, trimap) if {0, 1} <= set(np.unique(trimap).tolist()) else trimap
    return to_levels(alpha), to_levels(pymatting.estimate_foreground_ml(picture, alpha))


METHODS = {  # (src, bgr, threshold) -> pha, fgr
    "everything": lambda src, bgr, threshold: (np.full(src.shape[:2], 255, np.uint8), src),
    "difference": lambda src, bgr, threshold: (soften(difference(src, bgr), threshold), src),
    "closed-form": closed_form,
}


if __name__ == "__main__":
    sys.exit(main())
