"""Make the sample pair of image/ from two public-domain photographs: `python -m tools.pictures.sample_pair`.

An astronaut's portrait is cut out (closed-form matting inside a band around a drawn outline, foreground colours
estimated) and put before a picture of a rocket on its launch pad. Two exposures of that scene are then taken, with and
without her: each with its own sensor noise and a slightly different exposure and white balance. The true alpha is kept.

Needs `pip install -r requirements/tools.txt`. With VERSIONS the files come out byte for byte; others may change a few
pixels by a grey level.
"""

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

from dataset.errors import install
from utils.picture.write import write_picture
from utils.system.command_line import UsageError, command_line

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = {"scikit-image": "0.26.0", "PyMatting": "1.1.16", "opencv-python-headless": "5.0.0.93"}
HEIGHT, WIDTH = 720, 1280
SEED = 2021

# The portrait (512x512): rows below BOTTOM are cut off by the frame, since the helmet's hinge leaves the picture there.
BOTTOM = 484
SCALE = 1.4
LEFT = 580  # column of the frame where the portrait begins
BRIGHTNESS = (0.93, 0.93, 0.97)  # of the portrait in R, G, B: studio light made to match the evening

# The launch pad (427x640): the part that fills the frame.
PAD_TOP, PAD_LEFT, PAD_WIDTH = 124, 160, 480

# Half widths in pixels of the band whose alpha is computed: loose around the hair, narrow elsewhere.
HAIR_INSIDE, HAIR_OUTSIDE, EDGE = 6, 10, 2
HAIR = ((140, 0), (312, 0), (312, 112), (284, 130), (168, 114), (140, 112))  # region, (x, y) in the portrait
# Outline of the subject in the portrait, (x, y), drawn along its edge.
OUTLINE = """
    200.7,22.9 190.9,30.7 190.2,33.3 185.3,37.2 173.7,42.9 170.3,46.2 160.8,52.7 155.9,57.7 152.6,68.7 152.6,73.3
    153.6,75.7 153.6,91.3 156.7,103.8 166.7,115.1 169.3,116.2 169.7,120.8 173.9,128.3 175.7,130.1 181.3,132.2
    181.6,140.3 182.6,142.7 182.8,146.9 181.8,147.6 172.7,147.6 170.3,148.6 161.7,148.6 153.2,150.7 153.7,151
    145,154.4 138.7,158.1 133.1,162.5 128.7,168.1 125.6,175 122.5,178.7 120,183.1 116.9,185.8 113.7,186 112.5,188.7
    114.4,193.1 115.2,196.2 114.7,199.4 113.1,203.1 109.7,205.9 107.9,207.7 104.4,213.2 100.7,214.9 90.3,226.2
    87.7,226.9 85.3,229.2 75.7,234.9 71.4,240.2 66.7,243.8 59.9,252.7 54.7,262.2 53.2,267.3 49.9,270.7 43.7,282.2
    43.4,284.8 39.6,294.7 38.4,305.8 33.7,315.2 32.4,321.8 28.7,332.2 28.4,335.8 25.6,342.7 25.6,365.3 24.6,367.7
    24.4,371.8 22.7,374.2 22.6,377.3 18.6,390.7 18.6,409.3 19.6,411.7 18.6,417.2 21.4,423.2 23.6,432.7 23.6,439.3
    22.6,441.7 22.6,459.3 23.6,461.7 23.6,469.3 24.6,471.7 25.6,483.3 29.9,495.3 36.2,501.7 36.7,504.8 40.2,509.7
    41,516 511,516 511,487 508,483 507.3,474 506,467 503.2,461 503.5,458 502.2,455.1 498.2,454.4 495.6,451.8
    496.4,447.8 495.4,445.3 495.4,435.7 494.4,433.3 494.4,426.7 493.4,424.3 493.3,421.2 488.3,405.2 478.1,383.7
    455.3,360.9 435.8,350.7 417.8,344.7 407.7,344.6 405.3,343.6 393.7,343.6 391.3,344.6 381.7,344.6 367.2,349.1
    364.7,348.2 363.3,345.3 360.4,343.2 360.4,339.7 359.4,336.8 360.6,333.3 362.4,330.8 357.4,322.3 357.4,310.7
    356.4,308.3 356.4,302.7 352.6,290.8 352.3,286.2 347.6,281.7 345.3,272.2 340.8,264.3 340.1,261.7 331.3,252.9
    324.7,248.2 319.3,242.9 310.7,238.2 303.8,233.3 299.3,219.2 289.1,202.7 276.3,188.9 264.3,178.9 260.7,177.2
    255.6,172.8 255.4,168.7 256.4,166.3 256.6,163.2 257.8,159.7 264.3,148.8 266.7,137.2 267.8,136.4 270.8,136.3
    275.3,134.1 280.8,126.7 290.1,117.3 296.3,106.8 296.6,103.2 300.4,91.3 300.4,81.7 299.4,79.3 299.4,72.7 296.4,65.3
    296.3,58.2 288.1,42.7 284.3,37.8 276.3,30.9 260.3,23.4 258.7,21.7 255.2,21.4 250.8,18.7 247.3,17.6 241.8,18.6
    238.3,17.4 236.2,15.6 227.7,15.6 222.8,17.4 219.2,17.7 211.8,21.4 210.2,21.4 206.9,19.8
"""


def outline():
    """The corners of OUTLINE: float (N, 2)."""
    return np.array([corner.split(",") for corner in OUTLINE.split()], float)


def polygon(points, size):
    """Boolean (size, size): the inside of a polygon with corners to 1/16 pixel."""
    mask = np.zeros((size, size), np.uint8)
    cv2.fillPoly(mask, [np.rint(np.array(points) * 16).astype(np.int32)], 1, shift=4)
    return mask > 0


def make_trimap(size=512):
    """Float (512, 512): 1 inside the outline, 0 outside, 0.5 in the band around it."""
    margin = 32  # the outline leaves the picture at the bottom: there is no band along the frame
    points = np.clip(outline(), None, size - 0.5)
    inside = np.pad(polygon(points, size), margin, mode="edge").astype(np.uint8)
    to_outside = cv2.distanceTransform(inside, cv2.DIST_L2, 5)[margin:-margin, margin:-margin]
    to_inside = cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)[margin:-margin, margin:-margin]
    hair = polygon(HAIR, size)
    trimap = np.full((size, size), 0.5)
    trimap[to_outside > np.where(hair, HAIR_INSIDE, EDGE)] = 1
    trimap[to_inside > np.where(hair, HAIR_OUTSIDE, EDGE)] = 0
    return trimap


def cut_out(portrait):
    """Closed-form matting (Levin 2008) and multi-level foreground estimation (Germer 2020), both of pymatting.

    Args:
        portrait: uint8 (512, 512, 3).

    Returns:
        (alpha, foreground): float64 (512, 512) and (512, 512, 3), 0..1.
    """
    from pymatting import estimate_alpha_cf, estimate_foreground_ml

    image = portrait / 255.0
    alpha = estimate_alpha_cf(image, make_trimap())
    alpha = np.clip((alpha - 0.04) / 0.92, 0, 1)  # the faint haze that matting leaves in flat areas
    return alpha, estimate_foreground_ml(image, alpha)


def compose(portrait, pad):
    """Place the cut-out in the frame.

    Returns:
        (src, bgr, pha): float32 (720, 1280, 3) noiseless pictures 0..1, and uint8 (720, 1280) alpha.
    """
    alpha, foreground = cut_out(portrait)
    size = round(512 * SCALE)
    height = min(round(BOTTOM * SCALE), HEIGHT)

    def place(array):
        array = cv2.resize(array, (size, size), interpolation=cv2.INTER_CUBIC)[:height]
        frame = np.zeros((HEIGHT, WIDTH, *array.shape[2:]))
        columns = min(size, WIDTH - LEFT)
        frame[HEIGHT - height :, LEFT : LEFT + columns] = array[:, :columns]
        return np.clip(frame, 0, 1)

    pha = np.rint(place(alpha) * 255).astype(np.uint8)
    fgr = place(foreground) * BRIGHTNESS
    pad_height = round(PAD_WIDTH * HEIGHT / WIDTH)
    part = pad[PAD_TOP : PAD_TOP + pad_height, PAD_LEFT : PAD_LEFT + PAD_WIDTH] / 255.0
    bgr = np.clip(cv2.resize(part, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), 0, 1)
    weight = pha[..., None] / 255.0
    return fgr * weight + bgr * (1 - weight), bgr, pha


def photograph(scene, random, exposure=(1.0, 1.0, 1.0)):
    """Expose a scene: uint8 picture with shot and read-out noise of 1 to 2.5 grey levels."""
    scene = np.clip(scene * exposure, 0, 1)
    noise = random.standard_normal(scene.shape) * np.sqrt(0.004**2 + 0.008**2 * scene)
    return np.rint(np.clip(scene + noise, 0, 1) * 255).astype(np.uint8)


@command_line
def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output-dir", type=Path, default=ROOT / "image", help="folder to write to (default image)")
    args = parser.parse_args(argv)
    try:
        import pymatting  # noqa: F401
        from skimage import data
    except ImportError as error:
        raise UsageError(f"the package {error.name} is missing: {install('tools')}") from None
    random = np.random.default_rng(SEED)
    src, bgr, pha = compose(data.astronaut(), data.rocket())
    pictures = {
        "sample_src.jpg": photograph(src, random),
        "sample_bgr.jpg": photograph(bgr, random, exposure=(1.025, 1.02, 1.01)),
        "sample_pha_true.png": pha,
    }
    for name, picture in pictures.items():
        write_picture(args.output_dir / name, picture)
        print(args.output_dir / name)


if __name__ == "__main__":
    sys.exit(main())
