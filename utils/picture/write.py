"""Write one picture: the suffix decides the format, and no half-written file stays."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from utils.system.files import atomic_path

CHANNELS = {3: "RGB", 4: "RGBA"}
# OpenCV's encoder, where it can choose the filter: half of Pillow's time for a tenth more bytes.
FAST_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
FAST_PNG += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_AVG] if hasattr(cv2, "IMWRITE_PNG_FILTER") else []
TO_OPENCV = {"RGB": cv2.COLOR_RGB2BGR, "RGBA": cv2.COLOR_RGBA2BGRA}
JPEG = {"quality": 95, "subsampling": 0}
SAVE_OPTIONS = {
    ".png": {"compress_level": 1, "compress_type": 3},  # run lengths: less time, and fewer bytes for mattes
    ".jpg": JPEG,
    ".jpeg": JPEG,
    ".tif": {"compression": "tiff_adobe_deflate"},
    ".tiff": {"compression": "tiff_adobe_deflate"},
    ".bmp": {},
    ".webp": {"lossless": True},
}


def write_picture(path, array):
    """Write a picture; the suffix decides the format.

    Args:
        path: name ending in .png, .jpg, .jpeg, .tif, .tiff, .bmp or .webp.
        array: uint8 (H, W) grey, (H, W, 1) grey, (H, W, 3) RGB, (H, W, 4) RGBA; or uint16 (H, W) grey (PNG, TIFF).

    Raises:
        ValueError: unknown suffix, wrong shape or dtype, or the format cannot hold it (RGBA or uint16 in JPEG).
        OSError: the file cannot be written; nothing is left of it.
    """
    path, array = Path(path), np.asarray(array)
    suffix = path.suffix.lower()
    if suffix not in SAVE_OPTIONS:
        raise ValueError(f"{path}: unknown picture suffix '{path.suffix}', use one of {', '.join(SAVE_OPTIONS)}")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    kind = "grey" if array.ndim == 2 else CHANNELS.get(array.shape[2]) if array.ndim == 3 else None
    wide = array.dtype == np.uint16 and kind == "grey"
    if kind is None or array.size == 0 or not (array.dtype == np.uint8 or wide):
        raise ValueError(
            f"{path}: a picture is uint8 (H, W[, 3 or 4]) or uint16 (H, W), not {array.dtype} {array.shape}"
        )
    if (wide and suffix not in (".png", ".tif", ".tiff")) or (kind == "RGBA" and suffix in (".jpg", ".jpeg", ".bmp")):
        raise ValueError(f"{path}: {suffix} cannot hold {'16 bits' if wide else 'transparency'}, use .png")
    array = np.ascontiguousarray(array)
    with atomic_path(path) as temporary:
        if suffix == ".png" and len(FAST_PNG) > 4:
            array = cv2.cvtColor(array, TO_OPENCV[kind]) if kind in TO_OPENCV else array
            temporary.write_bytes(cv2.imencode(".png", array, FAST_PNG)[1])
        else:
            Image.fromarray(array).save(temporary, **SAVE_OPTIONS[suffix])
