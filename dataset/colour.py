"""What a picture's numbers mean: ICC profiles, linear light and sRGB, whose formulas are those of IEC 61966-2-1."""

import io
from contextlib import suppress
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

SRGB = ImageCms.createProfile("sRGB")
MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # colour space -> Pillow's mode
LARGEST = 1 << 23  # bytes of a profile; those of printing presses take 3 MB
BLACK_POINT = 0x2000  # black becomes black: Little CMS's cmsFLAGS_BLACKPOINTCOMPENSATION


def colour_space(profile, back=False):
    """Colour space of an ICC profile, bytes: `"RGB"`, `"GRAY"`, `"CMYK"`; None if there is none or it is of no use.

    Such are those that lead from no such space to sRGB or, with `back`, from sRGB to none: scanners' often have no way
    back.
    """
    with suppress(ImageCms.PyCMSError, OSError, KeyError, ValueError):
        if profile and len(profile) <= LARGEST:
            space = ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile.xcolor_space.strip()
            _transform(profile, MODES[space], back)
            return space


def to_srgb(image, profile):
    """A Pillow image of mode L, RGB or CMYK, whose numbers a profile describes, as one of mode RGB in sRGB.

    Raises PyCMSError if the profile is of another colour space than the image.
    """
    return ImageCms.applyTransform(image, _transform(profile, image.mode, False))


def converted(pixels, profile, back=False):
    """uint8 (H, W, 3) in the numbers of an RGB profile -> sRGB; `back`: from sRGB to the profile's numbers.

    The array itself where the profile is None or, to one level, sRGB.
    """
    if profile is None or _is_srgb(profile):
        return pixels
    image = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(ImageCms.applyTransform(image, _transform(profile, "RGB", back)))


def levels(values, light=True):
    """uint8 of uint8 or uint16, rounded, or of float, which is linear light or, `light` False, a share of 0..1."""
    if values.dtype == np.float32 and not light:
        return np.rint(np.clip(np.nan_to_num(values), 0, 1) * 255).astype(np.uint8)
    return in_type(values, np.uint8)


def in_type(values, dtype):
    """Colours in another type, one of uint8 and uint16, sRGB or a profile's numbers, and float32, linear light."""
    if values.dtype == dtype:
        return values
    if dtype == np.float32:
        return linear(values)
    if values.dtype == np.uint8:
        return values.astype(np.uint16) * 257
    values = encoded(values) if values.dtype == np.float32 else values
    return values if dtype == np.uint16 else ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def linear(values):
    """sRGB, uint8 or uint16 of any shape, as float32 linear light, 0..1."""
    return _curve(values.dtype.name)[values]


def encoded(light):
    """Linear light, float of any shape, as uint16 sRGB; what lies outside of 0..1 is clipped."""
    light = np.clip(np.nan_to_num(light), 0, 1)
    values = np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.power(light, 1 / 2.4, dtype=np.float32) - 0.055)
    return np.rint(values * np.float32(65535)).astype(np.uint16)


@lru_cache(maxsize=2)
def _curve(dtype):
    top = np.iinfo(dtype).max
    values = np.arange(top + 1) / top
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4).astype(np.float32)


@lru_cache(maxsize=8)  # pictures of one camera follow one another
def _is_srgb(profile):
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(9, -1, 3)
    same = np.asarray(to_srgb(Image.fromarray(cube), profile)).astype(int)
    return np.abs(same - cube).max() <= 1


@lru_cache(maxsize=8)
def _transform(profile, mode, back):
    ends = [ImageCms.ImageCmsProfile(io.BytesIO(profile)), SRGB][:: -1 if back else 1]
    return ImageCms.buildTransform(*ends, mode, "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC, BLACK_POINT)
