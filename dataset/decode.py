"""What is in a picture file: values, profile, resolution and camera, whichever library reads it.

Pillow reads most; OpenCV what has 16 bits a channel; pillow-heif, pillow-jxl-plugin, OpenEXR and rawpy, which are in
requirements/pictures.txt, are imported when a file needs them.
"""

import io
import os
import warnings
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import NamedTuple, Optional

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from .colour import colour_space, to_srgb
from .errors import PictureError, install, one_line

# Told by a file's first bytes. Pillow knows many more, and for some of them it starts other programs.
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP")
RAW_SUFFIXES = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw")
EXR = b"\x76\x2f\x31\x01"
INSTALL = install("pictures")
ORIENTATION, SHOT, PLACE, RESOLUTIONS, UNIT = 0x0112, 0x8769, 0x8825, (0x011A, 0x011B), 0x0128  # EXIF
# Maker, model, software, date, artist, copyright; and of the shot exposure, aperture, sensitivity, dates, lens.
KEPT = (0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298)
KEPT_OF_SHOT = (0x829A, 0x829D, 0x8827, 0x9003, 0x9004, 0x9010, 0x9011, 0x9012, 0x920A, 0xA405, 0xA433, 0xA434)
# Once for all: pictures are read in several threads, and filters that each sets and restores are lost for good. What is
# too large is told by its size.
warnings.filterwarnings("ignore", module=r"(PIL|pillow_heif|pillow_jxl)\b")
ANIMATED = ("PNG", "WEBP", "AVIF")  # of other formats, what follows the first picture is a page or a preview
TO_RGB = {3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}


class Stored(NamedTuple):
    """What is in a file: the decoded values, upright, (H, W), (H, W, 3) or (H, W, 4), uint8, uint16 or float32."""

    values: np.ndarray
    profile: Optional[bytes] = None
    dpi: Optional[tuple] = None
    exif: Optional[bytes] = None
    frames: int = 1


def read_stored(path, location=False):
    """Decode a file, a Path, completely, and see which way up it is; `location` and errors as of picture.read_photo."""
    if not path.exists():
        raise PictureError(f"{path} does not exist: check the name")
    if not path.is_file():
        raise PictureError(f"{path} is {'a folder' if path.is_dir() else 'no ordinary file'}: give a picture file")
    if path.stat().st_size == 0:
        raise PictureError(f"{path} is empty (0 bytes): copy or download it again")
    with _refusals(path), _File(path) as file:
        head = file.peek(16)[:16]
        if head[:4] == EXR:
            return Stored(_read_exr(path))
        if path.suffix.lower() in RAW_SUFFIXES:
            return _read_raw(path, file, location)
        return _read_with_pillow(file, path, head, location)


def picture_size(path):
    """Height and width that the header of a file states, as stored. Raises PictureError."""
    with _refusals(path), _File(path) as file:
        head = file.peek(16)[:16]
        if head[:4] == EXR:
            (left, top), (right, bottom) = _exr_header(path)["displayWindow"]
            return int(bottom - top + 1), int(right - left + 1)
        if path.suffix.lower() in RAW_SUFFIXES:
            with _package("rawpy", "camera RAW", path).imread(str(path)) as raw:
                return raw.sizes.height, raw.sizes.width
        with Image.open(file, formats=_formats(head, path)) as image:
            return image.height, image.width


def _read_with_pillow(file, path, head, location):
    try:
        image = Image.open(file, formats=_formats(head, path))
    except UnidentifiedImageError:
        if head[:4] not in (b"II*\0", b"MM\0*"):
            raise
        return Stored(_read_deep(file, np.float32))
    with image:
        _check_size(*image.size)
        premultiplied = getattr(image, "tag_v2", {}).get(0x0152) == (1,)
        deep = image.mode in ("RGB", "RGBA") and ";16" in str(image.tile) and not premultiplied  # Pillow keeps 8 bits
        frames = image.n_frames if image.format in ANIMATED else 1
        image.load()  # tells damage, which OpenCV passes over
        profile, tags = image.info.get("icc_profile"), Image.Exif()
        with suppress(Exception):  # a broken EXIF block says nothing about the pixels, which are sound
            tags = image.getexif()
        if deep:
            values = _read_deep(file, np.uint16)
        elif image.mode.startswith(("F", "I")):
            values = np.asarray(image)
            if values.dtype.kind != "f" and (values.min() < 0 or values.max() > 65535):
                raise PictureError(
                    f"{path} has neither 8 nor 16 bits per channel: save it as an 8-bit or 16-bit picture"
                )
            values = values.astype(np.float32 if values.dtype.kind == "f" else np.uint16)
        else:
            if image.mode == "CMYK" and profile and colour_space(profile) == "CMYK":
                image, profile = to_srgb(image, profile), None
            clear = not {"A", "a"}.isdisjoint(image.getbands()) or "transparency" in image.info
            mode = "RGBA" if clear else "L" if image.mode in ("1", "L") else "RGB"
            try:
                values = np.asarray(image.convert(mode))
            except (ValueError, OSError) as error:
                words = one_line(error)[:120]
                raise PictureError(f"{path} has an unusual colour mode ({words}): save it as RGB") from None
        way = tags.get(ORIENTATION)
        values = values.swapaxes(0, 1) if way in (5, 6, 7, 8) else values
        values = values[:: -1 if way in (3, 4, 7, 8) else 1, :: -1 if way in (2, 3, 6, 7) else 1]
        return Stored(values.copy(), profile, _dpi(image, tags), _exif(tags, location), frames)


def _formats(head, path):
    """Pillow's names of the formats to try, after what reads them has been loaded."""
    if head[:2] == b"\xff\x0a" or head[4:8] == b"JXL ":
        _package("pillow_jxl", "JPEG XL", path)
        return ["JXL"]
    if head[4:8] != b"ftyp":
        return FORMATS
    if head[8:12] not in (b"avif", b"avis"):
        _package("pillow_heif", "HEIC", path).register_heif_opener()
    Image.init()
    found = [x for x in ("AVIF", "HEIF") if x in Image.OPEN]
    if not found:
        raise PictureError(f"{path} is an AVIF picture, which Pillow reads from 11.3 on: pip install -U pillow")
    return found


def _package(name, kind, path):
    try:
        return import_module(name)
    except ImportError:
        raise PictureError(f"{path} is a picture of the kind {kind}, which needs {name}: {INSTALL}") from None


def _read_deep(file, dtype):
    """All bits of a PNG or TIFF, by OpenCV: uint16 or float32 (H, W), (H, W, 3) or (H, W, 4)."""
    file.seek(0)
    values = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != dtype:
        raise UnidentifiedImageError
    return values if values.ndim == 2 else cv2.cvtColor(values, TO_RGB[values.shape[2]])


def _exr_header(path):
    return _package("OpenEXR", "OpenEXR", path).File(str(path), header_only=True).header()


def _read_exr(path):
    """Linear light, float32 (H, W), (H, W, 3) or (H, W, 4), its colours divided by alpha; the display window's."""
    header = _exr_header(path)
    (left, top), (right, bottom) = ((int(x) for x in corner) for corner in header["displayWindow"])
    _check_size(right - left + 1, bottom - top + 1)
    _check_size(*(int(x) + 1 for x in np.subtract(*header["dataWindow"][::-1])))
    found = import_module("OpenEXR").File(str(path), separate_channels=True).channels()
    names = next((names for names in ("RGBA", "RGB", "Y") if set(names) <= set(found)), None)
    if names is None:
        raise PictureError(f"{path} has the channels {', '.join(sorted(found))}: give a picture with R, G and B")
    data = np.stack([np.float32(found[name].pixels) for name in names], axis=-1)
    values = np.zeros((bottom - top + 1, right - left + 1, len(names)), np.float32)
    x, y = (int(n) for n in header["dataWindow"][0])
    into = values[max(y - top, 0) :, max(x - left, 0) :]
    data = data[max(top - y, 0) :, max(left - x, 0) :][: into.shape[0], : into.shape[1]]
    into[: data.shape[0], : data.shape[1]] = data
    if len(names) == 4:
        values[..., :3] /= np.where(values[..., 3:] > 0, values[..., 3:], 1)
    return values[..., 0] if len(names) == 1 else values


def _read_raw(path, file, location):
    """Developed camera RAW: uint16 (H, W, 3), sRGB; (H, W) of a camera that sees no colours."""
    rawpy = _package("rawpy", "camera RAW", path)
    with rawpy.imread(str(path)) as raw:
        _check_size(raw.sizes.width, raw.sizes.height)
        values = raw.postprocess(use_camera_wb=True, no_auto_bright=True, output_bps=16, gamma=(2.4, 12.92))
    tags = Image.Exif()
    with suppress(Exception):  # most kinds are TIFF files, others say nothing of the camera
        file.seek(0)
        tags.load_from_fp(file)
    return Stored(values[..., 0] if values.shape[2] == 1 else values, exif=_exif(tags, location))


def _check_size(width, height):
    if Image.MAX_IMAGE_PIXELS and width * height > Image.MAX_IMAGE_PIXELS:
        raise Image.DecompressionBombError


@contextmanager
def _refusals(path):
    """Whatever a decoder raises within the block becomes a PictureError."""
    try:
        yield
    except (PictureError, MemoryError):
        raise
    except Image.DecompressionBombError:
        limit = Image.MAX_IMAGE_PIXELS // 10**6
        raise PictureError(f"{path} claims to have more than {limit} million pixels: give a smaller picture") from None
    except UnidentifiedImageError:
        raise PictureError(f"{path} is not a picture that can be read: give a PNG, JPEG, HEIC, TIFF or WebP") from None
    except PermissionError:
        raise PictureError(f"{path} may not be read: change its permissions") from None
    except Exception as error:  # decoders raise nearly anything on damaged data
        raise PictureError(f"{path} is damaged or cut off ({one_line(error)[:120]}): copy or save it again") from None


class _File(io.BufferedReader):
    """A file that is never asked for more than it has: Python makes room for all bytes that a damaged length states."""

    def __init__(self, path):
        super().__init__(io.FileIO(path))
        self.size = os.fstat(self.fileno()).st_size

    def read(self, count=-1):
        left = max(self.size - self.tell(), 0)
        return super().read(left if count is None or count < 0 else min(count, left))


def _dpi(image, tags):
    """Dots an inch by the file's header, else by its EXIF block; None where both say nothing."""
    with suppress(Exception):
        dpi = image.info.get("dpi") or [float(tags[tag]) * (2.54 if tags.get(UNIT) == 3 else 1) for tag in RESOLUTIONS]
        dpi = tuple(float(x) for x in dpi)
        return dpi if all(1 < x < 1e6 for x in dpi) else None  # Pillow says 1 where a TIFF says nothing


def _exif(tags, location):
    """An EXIF block of what is worth keeping, or None: maker's notes and previews go, and unasked the place as well."""
    with suppress(Exception):
        shot = tags.get_ifd(SHOT)
        kept = {tag: tags[tag] for tag in KEPT if tag in tags}
        kept[SHOT] = {tag: shot[tag] for tag in KEPT_OF_SHOT if tag in shot}
        kept[PLACE] = dict(tags.get_ifd(PLACE)) if location else {}
        new = Image.Exif()
        new.update({tag: value for tag, value in kept.items() if value})
        if new:
            new[ORIENTATION] = 1
            return new.tobytes()
