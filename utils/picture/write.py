"""Write one picture: the suffix decides the format, and no half-written file stays.

write_picture("com.png", rgba)                       # uint8 or uint16
write_picture("com.exr", rgba, like=photo)           # float32, linear light; with the photograph's date and camera
"""

import argparse
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from dataset.errors import install
from utils.system.errors import UsageError, needed
from utils.system.files import atomic_path
from utils.system.parser import file_to_write

CHANNELS = {1: "Y", 3: "RGB", 4: "RGBA"}
# OpenCV's encoder, where it can choose the filter: half of Pillow's time for a tenth more bytes.
FAST_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
FAST_PNG += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_AVG] if hasattr(cv2, "IMWRITE_PNG_FILTER") else []
JPEG, TIFF, WEBP = {"quality": 95, "subsampling": 0}, {"compression": "tiff_adobe_deflate"}, {"lossless": True}
SAVE_OPTIONS = {".jpg": JPEG, ".jpeg": JPEG, ".tif": TIFF, ".tiff": TIFF, ".webp": WEBP, ".bmp": {}}  # Pillow's
SUFFIXES = (".png", ".exr", *SAVE_OPTIONS)
DEEP, OPAQUE = (".png", ".tif", ".tiff"), (".jpg", ".jpeg", ".bmp")
LONGEST = {".jpg": 65_500, ".jpeg": 65_500, ".webp": 16_383}  # side that the format can hold, pixels
STILLS = {  # --output-format: suffix and type of what is written
    "png": (".png", np.uint8),
    "png16": (".png", np.uint16),
    "tiff": (".tif", np.uint8),
    "tiff16": (".tif", np.uint16),
    "exr": (".exr", np.float32),
    "webp": (".webp", np.uint8),
    "jpg": (".jpg", np.uint8),
}


def picture_to_write(text):
    """argparse's type of a file's path to which a program writes a picture of 8 bits at its end."""
    if Path(text).suffix.lower() not in set(SUFFIXES) - {".exr"}:
        raise argparse.ArgumentTypeError(f"{text} has no picture's suffix: end it in .jpg or .png")
    return file_to_write(text)


def write_picture(path, array, like=None):
    """Write a picture; the suffix decides the format.

    Args:
        path: name ending in one of SUFFIXES.
        array: (H, W) or (H, W, 1) grey, (H, W, 3) RGB, (H, W, 4) RGBA, not premultiplied: uint8; uint16 (PNG, TIFF); or
            float32, linear light, for EXR, which gets half floats, premultiplied.
        like: dataset.picture.Photo whose profile, resolution, date and camera the file gets; None: none.

    Raises ValueError: unknown suffix, or what the format cannot hold, as RGBA in JPEG. UsageError: what writes the
    format is not installed, or the picture is too long for it. OSError: it cannot be written; nothing is left of it.
    """
    path, array = Path(path), np.asarray(array)
    suffix = path.suffix.lower()
    array = np.ascontiguousarray(array[..., 0] if array.shape[2:] == (1,) else array)
    channels = 1 if array.ndim == 2 else array.shape[-1] if array.ndim == 3 else 0
    types = {".exr": ("float32",), **dict.fromkeys(DEEP, ("uint8", "uint16"))}.get(suffix, ("uint8",))
    fits = suffix in SUFFIXES and array.size and channels in CHANNELS and array.dtype in types
    if not fits or (channels == 4 and suffix in OPAQUE):
        remedy = f"use .png for transparency or 16 bits, .exr for float32, or one of {', '.join(SUFFIXES)}"
        raise ValueError(f"{path}: '{suffix}' cannot hold a picture of {array.dtype} {array.shape}: {remedy}")
    if max(array.shape[:2]) > LONGEST.get(suffix, np.inf):
        longest = f"{LONGEST[suffix]:,} pixels a side"
        raise UsageError(f"{path}: {suffix} holds at most {longest}: choose --output-format png")
    facts = {"icc_profile": channels > 1 and like.profile, "dpi": like.dpi, "exif": like.exif} if like else {}
    facts = {name: fact for name, fact in facts.items() if fact}
    with atomic_path(path) as temporary:
        if suffix == ".exr":
            _write_exr(temporary, array, CHANNELS[channels])
        elif suffix == ".png":
            _write_png(temporary, array, **facts)
        elif array.dtype == np.uint16 and channels > 1:
            _write_wide_tiff(temporary, array, **facts)
        else:
            if suffix in DEEP and "exif" in facts:
                facts["exif"] = _texts(facts["exif"])
            Image.fromarray(array).save(temporary, **SAVE_OPTIONS[suffix], **facts)


def require(package):
    """A package that writes pictures, imported; UsageError if it is not installed."""
    return needed(package, f"this kind of picture needs {package}: {install('pictures')}, or choose png")


def _write_png(path, array, icc_profile=None, dpi=None, exif=None):
    if array.ndim == 3:
        array = cv2.cvtColor(array, cv2.COLOR_RGB2BGR if array.shape[2] == 3 else cv2.COLOR_RGBA2BGRA)
    png, chunks = memoryview(cv2.imencode(".png", array, FAST_PNG)[1]), []
    if icc_profile:
        chunks.append(b"iCCPICC profile\0\0" + zlib.compress(icc_profile))
    if dpi:
        chunks.append(b"pHYs" + struct.pack(">IIB", *(round(x / 0.0254) for x in dpi), 1))  # dots a metre
    if exif:
        chunks.append(b"eXIf" + exif.removeprefix(b"Exif\0\0"))
    packed = [struct.pack(">I", len(x) - 4) + x + struct.pack(">I", zlib.crc32(x)) for x in chunks]
    with path.open("wb") as file:
        file.writelines((png[:33], *packed, png[33:]))  # behind the header


def _texts(exif):
    """What a TIFF's own tags can hold of an EXIF block, Pillow's Exif: maker, model, date and the like."""
    tags, texts = Image.Exif(), Image.Exif()
    tags.load(exif or b"")
    texts.update({tag: text for tag, text in tags.items() if isinstance(text, str)})
    return texts


def _write_wide_tiff(path, array, icc_profile=None, dpi=None, exif=None):
    options = {"photometric": "rgb", "compression": "zlib", "metadata": None, "software": False}
    options["extrasamples"] = ["unassalpha"] if array.shape[2] == 4 else None
    options.update({"resolution": dpi, "resolutionunit": "INCH"} if dpi else {})
    texts = [(tag, "s", 0, text, True) for tag, text in _texts(exif).items()]
    require("tifffile").imwrite(path, array, iccprofile=icc_profile, extratags=texts, **options)


def _write_exr(path, array, channels):
    """Half floats, multiplied by alpha, as compositors expect it."""
    exr = require("OpenEXR")
    if channels == "RGBA":
        array = np.dstack([array[..., :3] * array[..., 3:], array[..., 3]])
    array = array.clip(-65504, 65504).astype(np.float16)  # the largest half float
    exr.File({"compression": exr.ZIP_COMPRESSION, "type": exr.scanlineimage}, {channels: array}).write(str(path))
