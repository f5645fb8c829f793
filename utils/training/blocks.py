"""The refiner over a whole picture, its 3x3 convolutions at full size computed as 2x2 ones over blocks of 2x2 pixels.

A convolution with few channels on a large map is bound by memory: Paddle's kernel for CPUs writes out nine copies of
the map. Over blocks, as `pixel_unshuffle` makes them, the map is a quarter as large and four copies do; the features at
half size, repeated for every pixel of a block, need not be enlarged at all. The numbers are the same to rounding.
"""

import numpy as np
import paddle
from paddle.nn import functional as F

from model.layers import plus
from model.resize import bilinear


def refine_blocks(refiner, src, bgr, maps):
    """Refine all cells, whatever the refiner's mode.

    Args:
        refiner: model.refiner.Refiner of kernel size 3, in evaluation mode (fixed statistics).
        src, bgr: (b, 3, h, w), h and w divisible by 4.
        maps: (b, 36, hc, wc): hidden features, coarse alpha and foreground residual.

    Returns (b, 4, h, w): alpha and foreground residual, not clamped.
    """
    pictures, half = paddle.concat([src, bgr], axis=1), [n // 2 for n in src.shape[2:]]
    x = paddle.concat([bilinear(maps, half), bilinear(pictures, half)], axis=1)
    x = F.relu(refiner.bn1(F.conv2d(x, refiner.conv1.weight, padding=3)))
    x = F.relu(refiner.bn2(refiner.conv2(x)))  # (b, 16, h/2 + 2, w/2 + 2)
    x = paddle.concat([x, F.pixel_unshuffle(F.pad(pictures, [2, 2, 2, 2]), 2)], axis=1)
    weight = block_weights(refiner.conv3.weight)
    out_channels, repeated = refiner.conv3.weight.shape[0], refiner.conv3.weight.shape[1] - pictures.shape[1]
    weight = weight.reshape([4 * out_channels, -1, 4, 2, 2])
    weight = paddle.concat([weight[:, :repeated].sum(2), weight[:, repeated:].flatten(1, 2)], axis=1)
    norm = refiner.bn3
    scale = norm.weight / paddle.sqrt(norm._variance + norm._epsilon)
    shift = (norm.bias - norm._mean * scale).repeat_interleave(4)
    x = F.conv2d(x, weight * scale.repeat_interleave(4).reshape([-1, 1, 1, 1]))
    x = F.relu(plus(x, shift))
    x = plus(F.conv2d(x, block_weights(refiner.conv4.weight)), refiner.conv4.bias.repeat_interleave(4))
    return F.pixel_shuffle(x, 2)


def block_weights(weight):
    """(out, in, 3, 3) kernels over pixels -> (4 out, 4 in, 2, 2) over blocks of `pixel_unshuffle`."""
    count, channels = weight.shape[:2]
    weight = paddle.matmul(weight.reshape([-1, 9]), paddle.to_tensor(PLACES, dtype=weight.dtype))
    weight = weight.reshape([count, channels, 4, 4, 2, 2]).transpose([0, 2, 1, 3, 4, 5])
    return weight.reshape([4 * count, 4 * channels, 2, 2])


def _places():
    """(9, 64): which of 3x3 values stands at (output pixel 4, input pixel 4, row of blocks 2, column of blocks 2)."""
    out, pixel, block, at = np.ix_(range(2), range(2), range(2), range(3))
    line = (2 * block + pixel - out == at).astype(np.float32)  # along one axis
    both = np.einsum("pqak,PQAl->klpPqQaA", line, line)
    return both.reshape(9, 64)


PLACES = _places()
