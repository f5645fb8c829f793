"""Resizing as the network does it: half-pixel centres (align_corners False), no anti-alias."""

import math
from functools import lru_cache

import numpy as np
import paddle
from paddle.autograd import PyLayer
from paddle.nn import functional as F

from . import layers


@paddle.jit.not_to_static  # Paddle's translator of Python code would make tensors of known sizes too
def size_of(x):
    """Height and width of an NCHW tensor: numbers where they are known, 0-D tensors while a program is traced."""
    height, width = x.shape[2:]
    if height < 0 or width < 0:
        shape = paddle.shape(x)
        height, width = shape[2] if height < 0 else height, shape[3] if width < 0 else width
    return height, width


@paddle.jit.not_to_static
def bilinear(x, size):
    """Resize (b, c, h, w) bilinearly to `size`; the input itself when it has that size already."""
    if _same(x, size):
        return x
    if layers.trains_on_cpu(x):
        return _Bilinear.apply(x, *_listed(size))
    return F.interpolate(x, size=_listed(size), mode="bilinear", align_corners=False)


@paddle.jit.not_to_static
def nearest(x, size):
    """Resize (b, c, h, w) to `size`, each pixel taking the value at floor(position * in / out)."""
    return x if _same(x, size) else F.interpolate(x, size=_listed(size), mode="nearest")


@paddle.jit.not_to_static
def scaled_size(x, scale):
    """floor(height * scale), floor(width * scale): the coarse size, as PyTorch's recompute_scale_factor has it."""
    return tuple(
        paddle.floor(n.astype("float64") * scale).astype("int32") if paddle.is_tensor(n) else math.floor(n * scale)
        for n in size_of(x)
    )


def _same(x, size):
    return not any(paddle.is_tensor(n) for n in size) and tuple(x.shape[2:]) == tuple(size)


def _listed(size):
    return [n.reshape([]) if paddle.is_tensor(n) else int(n) for n in size]


class _Bilinear(PyLayer):
    """The same resize with a faster backward pass: Paddle's own takes ten times as long as its forward on a CPU.

    Resizing is a matrix product along each axis, so its gradient is one with each transposed matrix.
    """

    @staticmethod
    def forward(ctx, x, height, width):
        ctx.source_size, ctx.size = x.shape[2:], (height, width)
        return F.interpolate(x, size=[height, width], mode="bilinear", align_corners=False)

    @staticmethod
    def backward(ctx, gradient):
        rows, columns = (paddle.to_tensor(_matrix(source, size)) for source, size in zip(ctx.source_size, ctx.size))
        return paddle.matmul(rows, paddle.matmul(gradient, columns), transpose_x=True)


@lru_cache(maxsize=64)
def _matrix(source, size):
    """(size, source) float32 matrix that resizes `source` values to `size`: half-pixel centres, ends repeated."""
    positions = (np.arange(size) + 0.5) * (source / size) - 0.5
    return np.stack([np.interp(positions, np.arange(source), unit) for unit in np.eye(source)], 1).astype(np.float32)
