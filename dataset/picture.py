"""Pictures on disk -> uint8 arrays in height, width, channel order. The one place that decodes a picture file.

photo = read_photo("IMG_0001.HEIC")
photo.rgb  # uint8 (H, W, 3), sRGB: what the network sees; read_rgb gives it at once
photo.pixels, photo.profile, photo.dpi  # what the file has: 16 bits, Display P3, 300 dots an inch
"""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Optional

import cv2
import numpy as np
from PIL import Image

from .colour import colour_space, converted, in_type, levels, to_srgb
from .decode import RAW_SUFFIXES, read_stored
from .errors import PictureError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".heic", ".heif", ".avif", ".jxl", ".exr")
SUFFIXES += RAW_SUFFIXES


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


def read_photo(path, location=False):
    """Read a picture as colour, with its depth, profile, resolution and camera.

    Grey becomes three equal channels; palettes are converted, and CMYK, grey that has a profile, and RGB whose profile
    has no way back become sRGB. Float pictures (EXR, TIFF) are taken for linear light, camera RAW is developed at the
    camera's white balance without any brightening, in 16 bits.

    Args:
        path: file of a suffix in SUFFIXES, though its first bytes decide.
        location: whether `exif` keeps the place where it was taken.

    Returns Photo. Raises PictureError: the file is missing, damaged, of another kind, needs a package that is not
    installed, or has more pixels than `limit_megapixels` allows.
    """
    stored = read_stored(Path(path), location)
    values, alpha, profile = stored.values, None, stored.profile
    space = colour_space(profile) if values.dtype != np.float32 else None
    if values.ndim == 2 and space == "GRAY":
        values = np.asarray(to_srgb(Image.fromarray(levels(values)), profile))
    elif values.ndim == 2:
        values = cv2.cvtColor(values, cv2.COLOR_GRAY2RGB)
    elif values.shape[2] == 4:
        alpha = levels(values[..., 3], light=False)
        values = np.ascontiguousarray(values[..., :3])
    profile = profile if space == "RGB" and stored.values.ndim == 3 else None
    if profile and not colour_space(profile, back=True):
        values, profile = converted(levels(values), profile), None
    return Photo(values, alpha, profile, *stored[2:])


def read_rgb(path):
    """Read a picture as colour, uint8 (H, W, 3), sRGB, 0..255: `rgb` of `read_photo`, which raises the same errors.

    An alpha channel is dropped; the colours under it stay as they are stored.
    """
    return read_photo(path).rgb


def read_rgba(path):
    """Read a cut-out: uint8 (H, W, 4), sRGB and alpha, 0..255, alpha not multiplied into the colours.

    Raises PictureError as read_photo, or if the file has no alpha channel.
    """
    photo = read_photo(path)
    if photo.alpha is None:
        raise PictureError(f"{path} has no alpha channel: give a PNG that was saved with transparency (RGBA)")
    return np.dstack([photo.rgb, photo.alpha])


def read_alpha(path):
    """Read an alpha matte, a grey picture, or a colour picture whose three channels are equal: uint8 (H, W).

    0 is background, 255 foreground; 16-bit files are rounded to 8 bits. Raises PictureError as read_photo, or if the
    file is coloured or transparent, so that it cannot be a matte.
    """
    values = levels(read_stored(Path(path)).values, light=False)
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
