"""Pictures on disk -> arrays in height, width, channel order. The one place that decodes a picture file.

Pillow reads most; OpenCV what has 16 bits a channel; pillow-heif, pillow-jxl-plugin, OpenEXR and rawpy, which are in
requirements/pictures.txt, are imported when a file needs them.
"""

import io
import math
import os
import warnings
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Optional

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from .colour import colour_space, converted, in_type, levels, to_srgb
from .errors import PictureError, install, one_line

# Told by a file's first bytes. Pillow knows many more, and for some of them it starts other programs.
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP")
RAW_SUFFIXES = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw")
SUFFIXES = tuple(".jpg .jpeg .png .bmp .tif .tiff .webp .heic .heif .avif .jxl .exr".split()) + RAW_SUFFIXES
EXR = b"\x76\x2f\x31\x01"
ORIENTATION, SHOT, PLACE, RESOLUTIONS, UNIT = 0x0112, 0x8769, 0x8825, (0x011A, 0x011B), 0x0128  # EXIF
# Maker, model, software, date, artist, copyright; and of the shot exposure, aperture, sensitivity, dates, lens.
KEPT = (0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298)
KEPT_OF_SHOT = (0x829A, 0x829D, 0x8827, 0x9003, 0x9004, 0x9010, 0x9011, 0x9012, 0x920A, 0xA405, 0xA433, 0xA434)
# Once for all: pictures are read in several threads, and filters that each sets and restores are lost for good.
warnings.filterwarnings("ignore", module=r"(PIL|pillow_heif|pillow_jxl)\b")


@dataclass(frozen=True, eq=False)
class Photo:
    """A picture, upright, and what its numbers mean.

    Attributes:
        pixels: (H, W, 3), RGB: uint8 or uint16 in the numbers of `profile`; or float32, linear light of sRGB's
            primaries, which may exceed 1, not multiplied by alpha.
        alpha: uint8 (H, W), the file's own transparency; None if it has none.
        profile: ICC profile of RGB, bytes; None: sRGB.
        dpi: dots an inch, horizontal and vertical, or None.
        exif: date, camera and the like as an EXIF block with orientation 1, bytes, or None.
        frames: pictures in the file, of which this is the first.
    """

    pixels: np.ndarray
    alpha: Optional[np.ndarray] = None
    profile: Optional[bytes] = None
    dpi: Optional[tuple] = None
    exif: Optional[bytes] = None
    frames: int = 1

    @cached_property
    def rgb(self):
        """uint8 (H, W, 3), sRGB: what the network sees."""
        return converted(levels(self.pixels), self.profile)

    def numbers(self, picture):
        """A picture, uint8 (H, W, 3) sRGB, in the numbers of `pixels`: same profile and type."""
        return in_type(converted(picture, self.profile, back=True), self.pixels.dtype)

    def repainted(self, picture):
        """`pixels` with what a picture, uint8 (H, W, 3) sRGB, changes of `rgb`: what it leaves keeps all its bits."""
        if self.pixels is self.rgb:
            return picture
        old, new, dtype = self.numbers(self.rgb), self.numbers(picture), self.pixels.dtype
        if dtype == np.float32:
            return new - old + self.pixels
        return (new.astype(np.int32) - old + self.pixels).clip(0, np.iinfo(dtype).max).astype(dtype)


def read_photo(path, location=False, look=None):
    """Read a picture as colour, with its depth, profile, resolution and camera.

    Grey becomes three equal channels; palettes are converted, and CMYK, grey that has a profile, and RGB whose profile
    has no way back become sRGB. Float pictures (EXR, TIFF) are taken for linear light, camera RAW is developed at the
    camera's white balance without any brightening, in 16 bits.

    Args:
        path: file of a suffix in SUFFIXES, though its first bytes decide.
        location: whether `exif` keeps the place where it was taken.
        look: called with the width and height that the header states, before anything is decoded; it may raise.

    Returns Photo. Raises PictureError: the file is missing, damaged, of another kind, needs a package that is not
    installed, or has more pixels than `limit_megapixels` allows.
    """
    stored = read_stored(path, location, look)
    values, alpha, profile = stored.pixels, None, stored.profile
    space = colour_space(profile) if values.dtype != np.float32 else None
    if values.ndim == 2 and space == "GRAY":
        values = np.asarray(to_srgb(Image.fromarray(levels(values)), profile))
    elif values.ndim == 2:
        values, space = cv2.cvtColor(values, cv2.COLOR_GRAY2RGB), None
    elif values.shape[2] == 4:
        alpha = levels(values[..., 3], light=False)
        values = np.ascontiguousarray(values[..., :3])
    profile = profile if space == "RGB" else None
    if profile and not colour_space(profile, back=True):
        values, profile = converted(levels(values), profile), None
    return replace(stored, pixels=values, alpha=alpha, profile=profile)


def read_rgb(path, look=None):
    """Read a picture as colour, uint8 (H, W, 3), sRGB, 0..255: `rgb` of `read_photo`, which raises the same errors.

    An alpha channel is dropped; the colours under it stay as they are stored.
    """
    return read_photo(path, look=look).rgb


def read_alpha(path):
    """Read an alpha matte, a grey picture, or a colour picture whose three channels are equal: uint8 (H, W).

    0 is background, 255 foreground; 16-bit files are rounded to 8 bits. Raises PictureError as read_photo, or if the
    file is coloured or transparent, so that it cannot be a matte.
    """
    values = levels(read_stored(path).pixels, light=False)
    if values.ndim == 2:
        return values
    if values.shape[2] == 4 and values[..., 3].min() < 255:
        raise PictureError(f"{path} is transparent, not an alpha matte: save its alpha channel as a grey picture")
    if np.ptp(values[..., :3], axis=2).max() > 4:  # so much differ the channels of grey saved as colour JPEG
        raise PictureError(f"{path} is a colour picture, not an alpha matte: give the grey picture of the alpha")
    return values[..., 1].copy()


def limit_megapixels(millions):
    """From here on pictures of more pixels are refused before they are decoded, in the whole process."""
    Image.MAX_IMAGE_PIXELS = int(millions * 10**6)


def find_pictures(folder):
    """The pictures in a folder and its sub-folders, linked folders included, hidden files left out: list of Path.

    They are sorted by the path below the folder; suffixes are those of SUFFIXES in lower or upper case. Raises
    PictureError if the folder does not exist or is a file.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise PictureError(f"{folder} does not exist or is not a folder: give a folder that holds pictures")
    found, seen = [], {}
    for parent, folders, names in os.walk(folder, followlinks=True):
        if seen.setdefault(os.path.realpath(parent), parent) != parent:  # a link leads back to where we came from
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(parent, name) for name in names if not name.startswith(".") and name.lower().endswith(SUFFIXES)]
    return sorted(found, key=lambda path: path.relative_to(folder).parts)


def read_stored(path, location=False, look=None):
    """Decode a file: a Photo, its pixels (H, W), (H, W, 3) or (H, W, 4) as stored, but upright; see read_photo."""
    path = Path(path)
    if not path.is_file():
        raise PictureError(f"{path} {'is no file' if path.exists() else 'does not exist'}: give a picture file")
    if path.stat().st_size == 0:
        raise PictureError(f"{path} is empty (0 bytes): copy or download it again")
    most = Image.MAX_IMAGE_PIXELS or math.inf  # None, as other programs set it: no limit

    def check(width, height):
        if width * height > most:
            raise Image.DecompressionBombError
        if look:
            look(width, height)

    try:
        if path.stat().st_size > max(1 << 31, 16 * most):  # a pixel has at most 16 bytes
            raise Image.DecompressionBombError
        data, raw = path.read_bytes(), path.suffix.lower() in RAW_SUFFIXES
        read = _read_exr if data[:4] == EXR else _read_raw if raw else _read_with_pillow
        return read(path, data, location, check)
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
        raise PictureError(f"{path} is damaged ({one_line(error)[:120]}): copy it again, or save it as RGB") from None


def _read_with_pillow(path, data, location, check):
    try:
        image = Image.open(io.BytesIO(data), formats=_formats(data, path))
    except UnidentifiedImageError:
        if data[:4] not in (b"II*\0", b"MM\0*"):
            raise
        values = _read_deep(data, np.float32)
        check(*values.shape[1::-1])
        return Photo(values)
    with image:
        check(*image.size)
        premultiplied = getattr(image, "tag_v2", {}).get(0x0152) == (1,)
        deep = image.mode in ("RGB", "RGBA") and ";16" in str(image.tile) and not premultiplied  # Pillow keeps 8 bits
        # Of other formats, what follows the first picture is a page or a preview.
        frames = image.n_frames if image.format in ("PNG", "WEBP", "AVIF") else 1
        image.load()  # tells damage, which OpenCV passes over
        profile, tags = image.info.get("icc_profile"), Image.Exif()
        with suppress(Exception):  # a broken EXIF block says nothing about the pixels, which are sound
            tags = image.getexif()
        if deep:
            values = _read_deep(data, np.uint16)
        elif image.mode.startswith(("F", "I")):
            values = np.asarray(image)
            if values.dtype.kind != "f" and (values.min() < 0 or values.max() > 65535):
                raise PictureError(f"{path} has over 16 bits a channel: save it as an 8-bit or 16-bit picture")
            values = values.astype(np.float32 if values.dtype.kind == "f" else np.uint16)
        else:
            if image.mode == "CMYK" and profile and colour_space(profile) == "CMYK":
                image, profile = to_srgb(image, profile), None
            clear = not {"A", "a"}.isdisjoint(image.getbands()) or "transparency" in image.info
            mode = "RGBA" if clear else "L" if image.mode in ("1", "L") else "RGB"
            values = np.asarray(image.convert(mode))
        way = tags.get(ORIENTATION)
        values = values.swapaxes(0, 1) if way in (5, 6, 7, 8) else values
        values = values[:: -1 if way in (3, 4, 7, 8) else 1, :: -1 if way in (2, 3, 6, 7) else 1]
        return Photo(values.copy(), None, profile, _dpi(image, tags), _exif(tags, location), frames)


def _formats(data, path):
    """Pillow's names of the formats to try, after what reads them has been loaded."""
    if data[:2] == b"\xff\x0a" or data[4:8] == b"JXL ":
        _package("pillow_jxl", "JPEG XL", path)
        return ["JXL"]
    if data[4:8] != b"ftyp":
        return FORMATS
    if data[8:12] not in (b"avif", b"avis"):
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
        what = f"is a picture of the kind {kind}, which needs {name}"
        raise PictureError(f"{path} {what}: {install('pictures')}") from None


def _read_deep(data, dtype):
    """All bits of a PNG or TIFF, by OpenCV: uint16 or float32 (H, W), (H, W, 3) or (H, W, 4)."""
    values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != dtype:
        raise UnidentifiedImageError
    codes = {3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}
    return values if values.ndim == 2 else cv2.cvtColor(values, codes[values.shape[2]])


def _read_exr(path, data, location, check):
    """Linear light, float32, its colours divided by alpha; the display window's."""
    exr = _package("OpenEXR", "OpenEXR", path)
    header = exr.File(str(path), header_only=True).header()
    display, stored = (np.array(header[name], np.int64) for name in ("displayWindow", "dataWindow"))
    sizes = [(last - first + 1).tolist() for first, last in (display, stored)]
    check(*max(sizes, key=math.prod))
    found = exr.File(str(path), separate_channels=True).channels()
    names = next((names for names in ("RGBA", "RGB", "Y") if set(names) <= set(found)), None)
    if names is None:
        raise PictureError(f"{path} has the channels {', '.join(sorted(found))}: give a picture with R, G and B")
    values = cv2.merge([np.float32(found[name].pixels) for name in names])
    if (display != stored).any():
        moved = np.column_stack([np.eye(2), stored[0] - display[0]])
        values = cv2.warpAffine(values, moved, sizes[0], flags=cv2.INTER_NEAREST)
    if names == "RGBA":
        values[..., :3] /= np.where(values[..., 3:] > 0, values[..., 3:], 1)
    return Photo(values)


def _read_raw(path, data, location, check):
    """Developed camera RAW: uint16 (H, W, 3), sRGB; (H, W) of a camera that sees no colours."""
    with _package("rawpy", "camera RAW", path).imread(str(path)) as raw:
        check(raw.sizes.width, raw.sizes.height)
        values = raw.postprocess(use_camera_wb=True, no_auto_bright=True, output_bps=16, gamma=(2.4, 12.92))
    tags = Image.Exif()
    with suppress(Exception):  # most kinds are TIFF files, others say nothing of the camera
        tags.load_from_fp(io.BytesIO(data))
    return Photo(values[..., 0] if values.shape[2] == 1 else values, exif=_exif(tags, location))


def _dpi(image, tags):
    """Dots an inch by the file's header, else by its EXIF block; None where both say nothing."""
    with suppress(Exception):
        dpi = image.info.get("dpi") or [float(tags[tag]) * (2.54 if tags.get(UNIT) == 3 else 1) for tag in RESOLUTIONS]
        dpi = tuple(float(x) for x in dpi)
        return dpi if all(1 < x < 1e6 for x in dpi) else None  # Pillow says 1 where a TIFF says nothing


def _exif(tags, location):
    """An EXIF block of what is worth keeping, or None: maker's notes and previews go, and unasked the place as well."""
    with suppress(Exception):
        shot, new = tags.get_ifd(SHOT), Image.Exif()
        kept = {tag: tags[tag] for tag in KEPT if tag in tags}
        kept[SHOT] = {tag: shot[tag] for tag in KEPT_OF_SHOT if tag in shot}
        kept[PLACE] = dict(tags.get_ifd(PLACE)) if location else {}
        new.update({tag: value for tag, value in kept.items() if value})
        if new:
            new[ORIENTATION] = 1
            return new.tobytes()
