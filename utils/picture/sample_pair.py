"""The pair of pictures that comes with the programs, in image/."""

from pathlib import Path

from dataset.picture import read_rgb

IMAGES = Path(__file__).resolve().parents[2] / "image"
SAMPLE_SRC, SAMPLE_BGR = IMAGES / "sample_src.jpg", IMAGES / "sample_bgr.jpg"
SAMPLE_PHA = IMAGES / "sample_pha_true.png"


def read_sample_pair():
    """src and bgr, uint8 (720, 1280, 3), RGB; raises PictureError if somebody has taken them away."""
    return read_rgb(SAMPLE_SRC), read_rgb(SAMPLE_BGR)
