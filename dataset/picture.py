"""Pictures on disk -> uint8 arrays in height, width, channel order. The one place that decodes a picture file."""

import io
import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from .errors import PictureError, one_line

# Told by a file's first bytes. Pillow knows many more, and for some of them it starts other programs.
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP")
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
ORIENTATION_TAG = 0x0112
# EXIF orientation -> what has to be done to the stored pixels so that the picture stands upright.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
GREY_TOLERANCE = 4  # largest difference between the channels of a grey picture that was saved as colour JPEG


def read_rgb(path):
    """Read a picture as colour.

    Grey becomes three equal channels, an alpha channel is dropped (the colours under it stay as they are stored),
    palettes, CMYK and 16-bit files are converted, and the camera's EXIF orientation is applied.

    Returns:
        uint8 (H, W, 3), RGB, 0..255.

    Raises:
        PictureError: the file is missing, damaged, of another kind, or has too many pixels.
    """
    image = _open(path)
    if "transparency" in image.info:  # a palette with transparency has to pass through RGBA
        image = _convert(image, "RGBA", path)
    return np.array(_convert(image, "RGB", path))


def read_rgba(path):
    """Read a picture that has an alpha channel, such as a cut-out.

    Returns:
        uint8 (H, W, 4), RGBA, 0..255, alpha not multiplied into the colours.

    Raises:
        PictureError: as read_rgb, or the file has no alpha channel.
    """
    image = _open(path)
    if not _has_alpha(image):
        raise PictureError(f"{path} has no alpha channel: give a PNG that was saved with transparency (RGBA)")
    return np.array(_convert(image, "RGBA", path))


def read_alpha(path):
    """Read an alpha matte: a grey picture, or a colour picture whose three channels are equal.

    Returns:
        uint8 (H, W), 0 = background, 255 = foreground; 16-bit files are rounded to 8 bits.

    Raises:
        PictureError: as read_rgb, or the file is coloured or transparent, so that it cannot be a matte.
    """
    image = _open(path)
    if _has_alpha(image):
        if np.array(_convert(image, "RGBA", path).getchannel("A")).min() < 255:
            raise PictureError(f"{path} is transparent, not an alpha matte: save its alpha channel as a grey picture")
        image = _convert(image, "RGBA", path)
    if image.mode == "L":
        return np.array(image)
    rgb = np.array(_convert(image, "RGB", path))
    if np.ptp(rgb, axis=2).max() > GREY_TOLERANCE:
        raise PictureError(f"{path} is a colour picture, not an alpha matte: give the grey picture of the alpha")
    return rgb[..., 1].copy()


def find_pictures(folder):
    """List the pictures in a folder and its sub-folders, linked folders included, hidden files left out.

    Returns:
        list of Path, sorted by the path below the folder, suffixes as in SUFFIXES in lower or upper case.

    Raises:
        PictureError: the folder does not exist or is a file.
    """
    folder = Path(folder)
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise PictureError(f"{folder} {what}: give a folder that holds pictures")
    found, seen = [], set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:  # a link that leads back to where we came from
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(parent, name) for name in names if not name.startswith(".") and name.lower().endswith(SUFFIXES)]
    return sorted(found, key=lambda path: path.relative_to(folder).parts)


def _open(path):
    """Decode a file completely; returns an upright Pillow image of mode L, LA, RGB, RGBA or another 8-bit mode."""
    path = Path(path)
    if not path.exists():
        raise PictureError(f"{path} does not exist: check the name")
    if path.is_dir():
        raise PictureError(f"{path} is a folder: give a picture file")
    if not path.is_file():
        raise PictureError(f"{path} is not an ordinary file: give a picture file")
    if path.stat().st_size == 0:
        raise PictureError(f"{path} is empty (0 bytes): copy or download it again")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with _File(path) as file, Image.open(file, formats=FORMATS) as image:
                image.load()
                upright = UPRIGHT.get(_orientation(image))
                image = image.transpose(upright) if upright is not None else image.copy()
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        limit = Image.MAX_IMAGE_PIXELS // 10**6
        raise PictureError(f"{path} claims to have more than {limit} million pixels: give a smaller picture") from None
    except UnidentifiedImageError:
        raise PictureError(f"{path} is not a picture that can be read: give a PNG, JPEG, TIFF, BMP or WebP") from None
    except PermissionError:
        raise PictureError(f"{path} may not be read: change its permissions") from None
    except MemoryError:
        raise
    except Exception as error:  # decoders raise nearly anything on damaged data
        raise PictureError(f"{path} is damaged or cut off ({one_line(error)[:120]}): copy or save it again") from None
    return _to_8_bit(image, path)


class _File(io.BufferedReader):
    """A file that is never asked for more than it has: Python makes room for all bytes that a damaged length states."""

    def __init__(self, path):
        super().__init__(io.FileIO(path))
        self.size = os.fstat(self.fileno()).st_size

    def read(self, count=-1):
        left = max(self.size - self.tell(), 0)
        return super().read(left if count is None or count < 0 else min(count, left))


def _orientation(image):
    try:
        return image.getexif().get(ORIENTATION_TAG)
    except Exception:  # a broken EXIF block says nothing about the pixels, which are sound
        return None


def _to_8_bit(image, path):
    """Bring 16-bit grey to 8 bits, rounded (Pillow itself only clips); its decoders have done so for colour."""
    if not image.mode.startswith("I") and image.mode != "F":
        return image
    values = np.asarray(image)
    if image.mode == "F" or values.min() < 0 or values.max() > 65535:
        raise PictureError(f"{path} has neither 8 nor 16 bits per channel: save it as an 8-bit or 16-bit picture")
    return Image.fromarray(((values.astype(np.uint32) + 128) // 257).astype(np.uint8))


def _has_alpha(image):
    return "A" in image.getbands() or "a" in image.getbands() or "transparency" in image.info


def _convert(image, mode, path):
    try:
        return image.convert(mode)
    except (ValueError, OSError) as error:
        raise PictureError(f"{path} has an unusual colour mode ({one_line(error)[:120]}): save it as RGB") from None
