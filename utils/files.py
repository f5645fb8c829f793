"""Files written whole or not at all, and their checksums."""

import errno
import hashlib
import json
import os
import secrets
from contextlib import contextmanager, suppress
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from utils.errors import UsageError

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


@contextmanager
def atomic_path(path):
    """Give a temporary path to write to; it takes the wanted name only if the block ends without an error.

    The temporary file lies in the same folder (made if it is missing), is hidden, and has the same suffix, so that
    writers that choose their format by suffix work. After an error, Ctrl-C included, nothing is left of it, and a
    file that had the wanted name before is untouched.

    Yields:
        Path to write to.

    Raises:
        IsADirectoryError: path is a folder. OSError: the folder cannot be made or written to.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: give the name of a file to write")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(6)}.tmp{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        full = error.filename is None and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        if error.errno and (full or str(error.filename) == str(temporary)):  # name the file that the user knows
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise
    finally:
        with suppress(OSError):  # on a read-only disk even a missing file cannot be deleted
            temporary.unlink(missing_ok=True)


def real_path(path, known=None):
    """A file's path without links, as text; `known`, a dict, keeps its folders' for the next call."""
    folder, name = os.path.split(path)
    if os.path.islink(path):
        return os.path.realpath(path)
    known = {} if known is None else known
    if folder not in known:
        known[folder] = os.path.realpath(folder)
    return os.path.join(known[folder], name)


def refuse_to_overwrite(inputs, outputs):
    """Raise UsageError if one of the paths to write is one of the inputs (None: no file), whatever links lead there."""
    known = {}
    inputs = {real_path(path, known) for path in inputs if path}
    for path in outputs:
        if real_path(path, known) in inputs:
            raise UsageError(f"{path} is an input and would be overwritten: pass --output-dir")


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


def write_text(path, text):
    """Write text as UTF-8, with line ends as they are in the text."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))


def write_json(path, value):
    """Write a value as indented JSON, keys in the order given; NaN and infinity are refused with a ValueError."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def sha256_file(path):
    """SHA-256 of a file's bytes as 64 lower-case hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
