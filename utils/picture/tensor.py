"""uint8 pictures <-> float32 tensors: the one place where pixels change between 0..255 and 0..1."""

import numpy as np
import paddle


def to_tensor(*pictures):
    """Turn uint8 (H, W, C) or (H, W) arrays into float32 (1, C, H, W), 0..1: a tensor for one picture, else a list."""
    planes = [np.ascontiguousarray(np.atleast_3d(picture).transpose(2, 0, 1))[None] for picture in pictures]
    tensors = [paddle.to_tensor(plane).astype("float32") / 255 for plane in planes]
    return tensors[0] if len(tensors) == 1 else tensors


def to_float(pictures):
    """Turn a batch from a data loader into numbers: uint8 tensor (b, H, W, C) -> float32 (b, C, H, W), 0..1."""
    return pictures.transpose([0, 3, 1, 2]).astype("float32") / 255
