"""Write one picture: the suffix decides the format, and no half-written file stays.

write_picture("com.png", rgba)                       # uint8 or uint16
write_picture("com.exr", rgba, like=photo)           # float32, linear light; with the photograph's date and camera
"""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from dataset.errors import install
from utils.system.errors import UsageError, needed
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
    ".exr": {},
}
DEEP = (".png", ".tif", ".tiff")
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


def write_picture(path, array, like=None):
    """Write a picture; the suffix decides the format.

    Args:
        path: name ending in one of SAVE_OPTIONS.
        array: (H, W) or (H, W, 1) grey, (H, W, 3) RGB, (H, W, 4) RGBA, not premultiplied: uint8; uint16 (PNG, TIFF); or
            float32, linear light, for EXR, which gets half floats, premultiplied.
        like: dataset.picture.Photo whose profile, resolution, date and camera the file gets; None: none.

    Raises:
        ValueError: unknown suffix, wrong shape or dtype, or the format cannot hold it (RGBA or uint16 in JPEG).
        UsageError: what writes the format is not installed, or the picture is longer than the format can hold.
        OSError: the file cannot be written; nothing is left of it.
    """
    path, array = Path(path), np.asarray(array)
    suffix = path.suffix.lower()
    if suffix not in SAVE_OPTIONS:
        raise ValueError(f"{path}: unknown picture suffix '{path.suffix}', use one of {', '.join(SAVE_OPTIONS)}")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    kind = "grey" if array.ndim == 2 else CHANNELS.get(array.shape[2]) if array.ndim == 3 else None
    if kind is None or array.size == 0 or array.dtype not in (np.uint8, np.uint16, np.float32):
        raise ValueError(
            f"{path}: a picture is uint8, uint16 or float32 (H, W[, 3 or 4]), not {array.dtype} {array.shape}"
        )
    wide = array.dtype == np.uint16
    if (array.dtype == np.float32) != (suffix == ".exr"):
        raise ValueError(f"{path}: {array.dtype} does not go into {suffix}: float32 is for .exr, and .exr for float32")
    if (wide and suffix not in DEEP) or (kind == "RGBA" and suffix in (".jpg", ".jpeg", ".bmp")):
        raise ValueError(f"{path}: {suffix} cannot hold {'16 bits' if wide else 'transparency'}, use .png")
    if max(array.shape[:2]) > LONGEST.get(suffix, np.inf):
        raise UsageError(
            f"{path}: {suffix} holds at most {LONGEST[suffix]:,} pixels a side: choose --output-format png"
        )
    facts = {"icc_profile": like.profile, "dpi": like.dpi, "exif": like.exif} if like else {}
    facts = {name: fact for name, fact in facts.items() if fact and not (kind == "grey" and name == "icc_profile")}
    array = np.ascontiguousarray(array)
    with atomic_path(path) as temporary:
        if suffix == ".exr":
            _write_exr(temporary, array, kind)
        elif suffix == ".png" and (wide or len(FAST_PNG) > 4):
            array = cv2.cvtColor(array, TO_OPENCV[kind]) if kind in TO_OPENCV else array
            png = memoryview(cv2.imencode(".png", array, FAST_PNG)[1])
            with temporary.open("wb") as file:
                file.writelines((png[:33], _chunks(**facts), png[33:]))  # behind the header
        elif wide and kind != "grey":
            _write_wide_tiff(temporary, array, **facts)
        else:
            if suffix in DEEP[1:] and "exif" in facts:
                facts["exif"] = _texts(facts["exif"])
            Image.fromarray(array).save(temporary, **SAVE_OPTIONS[suffix], **facts)


def require(package):
    """A package that writes pictures, imported; UsageError if it is not installed."""
    return needed(package, f"this kind of picture needs {package}: {install('pictures')}, or choose png")


def _chunks(icc_profile=None, dpi=None, exif=None):
    """A PNG file's chunks of what is known of a photograph, bytes."""
    chunks = []
    if icc_profile:
        chunks.append(b"iCCPICC profile\0\0" + zlib.compress(icc_profile))
    if dpi:
        chunks.append(b"pHYs" + struct.pack(">IIB", *(round(x / 0.0254) for x in dpi), 1))  # dots a metre
    if exif:
        chunks.append(b"eXIf" + exif.removeprefix(b"Exif\0\0"))
    packed = (struct.pack(">I", len(x) - 4) + x + struct.pack(">I", zlib.crc32(x)) for x in chunks)
    return b"".join(packed)


def _texts(exif):
    """What a TIFF's own tags can hold of an EXIF block, Pillow's Exif: maker, model, date and the like."""
    tags, texts = Image.Exif(), Image.Exif()
    tags.load(exif or b"")
    texts.update({tag: text for tag, text in tags.items() if isinstance(text, str)})
    return texts


def _write_wide_tiff(path, array, icc_profile=None, dpi=None, exif=None):
    require("tifffile").imwrite(
        path,
        array,
        photometric="rgb",
        extrasamples=["unassalpha"] if array.shape[2] == 4 else None,
        compression="zlib",
        iccprofile=icc_profile,
        resolution=dpi,
        resolutionunit="INCH" if dpi else None,
        metadata=None,
        software=False,
        extratags=[(tag, "s", 0, text, True) for tag, text in _texts(exif).items()],
    )


def _write_exr(path, array, kind):
    """Half floats, multiplied by alpha, as compositors expect it."""
    exr = require("OpenEXR")
    if kind == "RGBA":
        array = np.dstack([array[..., :3] * array[..., 3:], array[..., 3]])
    array = array.clip(-65504, 65504).astype(np.float16)  # the largest half float
    header = {"compression": exr.ZIP_COMPRESSION, "type": exr.scanlineimage}
    exr.File(header, {"Y" if kind == "grey" else kind: array}).write(str(path))
