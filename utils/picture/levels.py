"""uint8 pictures, tensors and what programs hold: the one place where levels of 0..255 and numbers of 0..1 meet."""

import os

import numpy as np
from PIL import Image, ImageOps

from dataset.colour import levels
from dataset.picture import read_rgb


def to_tensor(*pictures):
    """Turn uint8 (H, W, C) or (H, W) arrays into float32 (1, C, H, W), 0..1: a tensor for one picture, else a list."""
    import paddle

    planes = [np.ascontiguousarray(np.atleast_3d(picture).transpose(2, 0, 1))[None] for picture in pictures]
    tensors = [paddle.to_tensor(plane).astype("float32") / 255 for plane in planes]
    return tensors[0] if len(tensors) == 1 else tensors


def to_float(pictures):
    """Turn a batch from a data loader into numbers: uint8 tensor (b, H, W, C) -> float32 (b, C, H, W), 0..1."""
    return pictures.transpose([0, 3, 1, 2]).astype("float32") / 255


def to_levels(values):
    """uint8 levels of an array of any shape, 0..1, rounded to the nearest; what lies outside is clipped."""
    return np.rint(np.clip(values, 0, 1) * np.float32(255)).astype(np.uint8)


def to_uint8(values):
    """Turn values into a picture, rounded to the nearest level (the original truncates, half a level too dark).

    Tensor or array of one picture, (1, C, H, W), (C, H, W) or (H, W), 0..1, what lies outside is clipped -> uint8
    (H, W, C), or (H, W) where C is 1 or missing.
    """
    values = values.numpy() if hasattr(values, "numpy") else np.asarray(values)
    picture = to_levels(values.reshape(values.shape[-3:]))
    if picture.ndim == 2:
        return picture
    return picture[0] if len(picture) == 1 else np.ascontiguousarray(picture.transpose(1, 2, 0))


def as_rgb(picture, name="picture"):
    """Bring what a program may hold to levels.

    Args: picture a path; a Pillow picture; or an array (H, W) or (H, W, 1) grey, (H, W, 3) RGB or (H, W, 4) RGBA, whose
    alpha is dropped, of uint8, uint16, or floats of 0..1; name of the argument, for the error.

    Returns uint8 (H, W, 3), RGB; the array itself if it is one already. Raises PictureError: the file cannot be read.
    TypeError: anything else than a picture.
    """
    if isinstance(picture, (str, os.PathLike)):
        return read_rgb(picture)
    array = picture
    if isinstance(picture, Image.Image):
        upright = ImageOps.exif_transpose(picture)
        array = np.asarray(upright if upright.mode.startswith(("I", "F")) else upright.convert("RGB"))
    good = isinstance(array, np.ndarray) and array.size and (array.ndim == 2 or array.shape[2:] in ((1,), (3,), (4,)))
    if good and array.dtype.kind == "f" and array.min() >= 0 and array.max() <= 1:
        array = to_levels(array)
    elif good and array.dtype == np.uint16:
        array = levels(array)
    if not good or array.dtype != np.uint8:
        kind = f"{picture.dtype} {picture.shape}" if isinstance(picture, np.ndarray) else type(picture).__name__
        wanted = "a path, a Pillow picture, or an array of uint8, uint16 or floats of 0..1"
        raise TypeError(f"{name} must be {wanted}, (H, W), (H, W, 3) or (H, W, 4), not {kind}")
    if array.shape[2:] == (3,):
        return array
    array = array.reshape(*array.shape[:2], -1)[..., :3]
    return np.ascontiguousarray(np.broadcast_to(array, (*array.shape[:2], 3)))
