"""The network as two plain programs that any engine runs: one for the coarse picture, one for a batch of tiles.

Between them stands what is no arithmetic: the choice of cells and a few gathers (`utils.engine.tiles`). Four
rewrites, exact up to rounding, keep both programs small:

- Of the decoder's last convolution the coarse program computes only alpha, residual and error. The hidden features are
  wanted around the refined cells alone, so that the tile program computes them there, from the features before it.
- That convolution sees features that were enlarged before. Enlarging is linear and works on rows and columns apart, so
  that each row of its weights is applied before the features are enlarged downwards: 15 channels in place of 48 are,
  and half as many places are computed.
- Bilinear resizes inside a tile are products with small weight matrices, which are inputs. A row of zeros stands for
  a position outside the picture, where the refiner's convolutions see zeros.
- A rectified channel, clip(x, 0, 1) = relu(x) - relu(x - 1) and x = relu(x) - relu(-x) are all rectified outputs of one
  convolution; the sums are left to the next one, which is linear. Pictures enter as levels 0..255, with the division
  in the weights.
"""

import secrets

import numpy as np
import paddle
from paddle import nn
from paddle.base.layer_helper import LayerHelper
from paddle.nn import functional as F

from model.resize import bilinear, size_of
from utils.engine.tiles import DENSE, FGR, HID, HIDDEN, LEVELS, PHA


class AnySize(nn.Layer):
    """A MattingRefine for pictures of any size, which repeats their last row and column up to multiples of 4."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.eval()

    def forward(self, src, bgr):
        """As MattingRefine; pha and fgr have the pictures' size, the coarse outputs that of the enlarged ones."""
        height, width = size_of(src)
        pictures = paddle.concat([src, bgr], axis=1)  # which refuses pictures of two sizes
        for axis, length in ((2, height), (3, width)):
            index = paddle.arange((length + 3) // 4 * 4, dtype="int64")
            index = paddle.minimum(index, paddle.full_like(index, 1) * (length - 1))
            pictures = paddle.gather(pictures, index, axis=axis)
        pha, fgr, *coarse = self.network(pictures[:, :3], pictures[:, 3:])
        return pha[:, :, :height, :width], fgr[:, :, :height, :width], *coarse


class CoarseProgram(nn.Layer):
    """The coarse network of a MattingRefine up to alpha, residual and error."""

    def __init__(self, model):
        super().__init__()
        self.backbone, self.aspp, self.decoder = model.backbone, model.aspp, model.decoder
        last = model.decoder.conv4
        weight, enlarged = last.weight.numpy()[:DENSE], last.weight.shape[1] - 6
        rows = weight.transpose(2, 0, 1, 3).reshape(-1, *weight.shape[1:2], 1, 3)[:, :enlarged]
        self.last_rows = _convolution(rows, padding=[0, 1])
        down = np.eye(3 * DENSE, dtype=np.float32).reshape(3, DENSE, -1, 1).transpose(1, 2, 0, 3)
        self.last_down = _convolution(down, last.bias.numpy()[:DENSE], padding=[1, 0])
        # two convolutions, added: joining 48 and 6 channels takes oneDNN longer than either
        self.last_pictures = _convolution(weight[:, enlarged:], padding=1)
        self.eval()

    def forward(self, pictures):
        """Run the coarse network.

        Args:
            pictures: (1, 6, hc, wc) float32, 0..1: source and background, RGB, reduced.

        Returns:
            dense: (1, 5, hc, wc) alpha, residual (3) and error, not clipped.
            features: (1, ceil(hc/2), ceil(wc/2), 48) what the decoder's last convolution sees, before it is enlarged.
        """
        x4, x3, x2, x1, x0 = self.backbone(pictures)
        x = self.decoder.before_last(self.aspp(x4), x3, x2, x1)
        rows = self.last_rows(bilinear(x, (size_of(x)[0], size_of(x0)[1])))
        dense = self.last_down(bilinear(rows, size_of(x0))) + self.last_pictures(x0)
        return dense, x.transpose([0, 2, 3, 1])


class TileProgram(nn.Layer):
    """The decoder's last convolution and the refiner on a batch of tiles.

    A tile has n x n cells of 4x4 pixels; k = 2n + 6 half-size pixels with its margins (2n where the refiner's kernels
    are 1x1); it sees m x m coarse pixels and q x q features.

    Args:
        model: MattingRefine.
        bounded: for 8 bits, which hold what was measured and no more: clip alpha itself, since of an alpha beyond all
            that was measured both rectified outputs would be the largest number, and their difference 0.
    """

    def __init__(self, model, bounded=False):
        super().__init__()
        refiner = model.refiner
        self.margin = 0 if refiner.kernel_size == 1 else 2  # full-size pixels around the tile that conv3 sees
        weight, bias = model.decoder.conv4.weight.numpy(), model.decoder.conv4.bias.numpy()
        pha, fgr = weight[PHA][None], weight[FGR]
        pha_bias, fgr_bias = bias[PHA][None], bias[FGR]
        # rows and columns are swapped from here to the second resize: see _resize
        weight = np.concatenate([weight[HID], pha, pha, fgr, -fgr]).swapaxes(2, 3)
        bias = np.concatenate([bias[HID], pha_bias, pha_bias - 1, fgr_bias, -fgr_bias])
        limit = np.full((1, len(bias), 1, 1), np.finfo(np.float32).max, np.float32)
        limit[0, HIDDEN : HIDDEN + 2] = [[[1]], [[0]]]
        self.limit = paddle.to_tensor(limit) if bounded else None
        self.hidden = _convolution(weight[:, :-6], bias)
        self.hidden_pictures = _convolution(weight[:, -6:])

        weight, bias = _with_norm(refiner.conv1, refiner.bn1)  # its inputs: hidden, alpha, residual, both pictures
        hid, pha, fgr, pictures = np.split(weight, [HIDDEN, HIDDEN + 1, HIDDEN + 4], axis=1)
        self.conv1 = _convolution(np.concatenate([hid, pha, -pha, fgr, -fgr], axis=1), bias)
        self.conv1_pictures = _convolution(pictures / LEVELS)
        self.conv2 = _convolution(*_with_norm(refiner.conv2, refiner.bn2))

        weight, bias = _with_norm(refiner.conv3, refiner.bn3)  # its inputs: features, both pictures
        doubled = _in_quarters(weight[:, :-6])  # all quarters are one, since the nearest resize has doubled them
        doubled = doubled.reshape(len(doubled), 4, *doubled.shape[3:]).sum(1)
        self.conv3 = _convolution(doubled, np.tile(bias, 4))
        whole = _in_quarters(weight[:, -6:] / LEVELS).transpose(0, 3, 4, 1, 5, 2)  # put side by side, for steps of two
        whole = whole.reshape(*whole.shape[:2], 2 * whole.shape[2], -1)
        self.conv3_pictures = _convolution(whole, stride=2)
        weight, bias = (x.numpy() * LEVELS for x in (refiner.conv4.weight, refiner.conv4.bias))
        weight = _in_quarters(weight)
        self.conv4 = _convolution(weight.reshape(len(weight), -1, *weight.shape[4:]), np.tile(bias, 4))
        self.eval()

    def forward(self, features, coarse, to_coarse_y, to_coarse_x, to_half_y, to_half_x, pictures):
        """Refine tiles.

        Args:
            features: (t, q, q, 48) float32, from the coarse program.
            coarse: (t, 6, m + 2, m + 2) float32, 0..1: source and background, reduced; zero outside the picture. Its
                rows are the picture's columns.
            to_coarse_y, to_coarse_x: (t, m + 2, q) float32 weights that enlarge the features to coarse pixels.
            to_half_y, to_half_x: (t, k, m) float32 weights that enlarge coarse pixels to half-size pixels.
            pictures: (t, 6, 2k, 2k) uint8 full-size pixels of source and background; zero outside the picture.

        Returns (t, 2n, 2n, 16) float32: alpha and residual in levels of 1/255, not clipped, of 2x2 pixels each: upper
        left, upper right, lower left, lower right.
        """
        x = _resize(features, to_coarse_y, to_coarse_x)
        x = F.relu(self.hidden(x) + self.hidden_pictures(coarse))
        if self.limit is not None:
            x = paddle.minimum(x, self.limit)
        x = _resize(x.transpose([0, 2, 3, 1]), to_half_x, to_half_y)
        pictures = pictures.astype("float32")
        x = F.relu(self.conv1(x) + self.conv1_pictures(F.avg_pool2d(pictures, 2)))
        x = F.relu(self.conv2(x))
        if self.margin:
            pictures = pictures[:, :, 4:-4, 4:-4]
        x = F.relu(self.conv3(x) + self.conv3_pictures(pictures))
        return self.conv4(x).transpose([0, 2, 3, 1])


def _with_norm(convolution, norm):
    """Weight and bias of a convolution with the batch normalisation behind it."""
    factor = norm.weight.numpy() / np.sqrt(norm._variance.numpy() + norm._epsilon)
    return convolution.weight.numpy() * factor[:, None, None, None], norm.bias.numpy() - norm._mean.numpy() * factor


def _in_quarters(weight):
    """Weights (o, i, s, s) on full-size pixels as those on quarters: (4 o, 2, 2, i, s', s').

    Quarters are four channels for the upper left, upper right, lower left and lower right pixel of 2x2, so that the
    convolutions behind the nearest resize run at half size and nothing is enlarged. With (a, p) for pixel 2a + p, tap k
    of pixel (a, p) reads pixel 2a + p + k, which is quarter (p + k) % 2 at a + (p + k) // 2.
    """
    out_channels, in_channels, size, _ = weight.shape
    out = np.zeros((2, 2, out_channels, 2, 2, in_channels, (size + 1) // 2, (size + 1) // 2), weight.dtype)
    for p, q, k, j in np.ndindex(2, 2, size, size):
        out[p, q, :, (p + k) % 2, (q + j) % 2, :, (p + k) // 2, (q + j) // 2] = weight[:, :, k, j]
    return out.reshape(-1, *out.shape[3:])


def _resize(x, weights_first, weights_second):
    """(t, h, w, c) with (t, h2, h) and (t, w2, w) -> (t, c, w2, h2): the axes change places.

    As plain batched products: oneDNN's product of four axes misreads what a convolution wrote in a blocked layout.
    The axes stay changed, since changing them back would take longer than the products.
    """
    channels = x.shape[3]
    x = _product(weights_first, x.flatten(2)).reshape([0, 0, -1, channels])
    x = _product(weights_second, x.transpose([0, 2, 1, 3]).flatten(2)).reshape([0, 0, -1, channels])
    return x.transpose([0, 3, 1, 2])


def _product(a, b):
    """Batched matrix product (t, i, j), (t, j, k) -> (t, i, k)."""
    if paddle.framework.in_dynamic_or_pir_mode():
        return paddle.bmm(a, b)
    helper = LayerHelper("bmm")  # Paddle 3.3's function has no branch for the old program format any more
    out = helper.create_variable_for_type_inference(a.dtype)
    helper.append_op(type="bmm", inputs={"X": a, "Y": b}, outputs={"Out": out})
    return out


def _convolution(weight, bias=None, padding=0, stride=1):
    # names of our own: Paddle counts its own anew after each export, and takes equal names for one parameter
    name = f"program_{secrets.token_hex(8)}"

    def parameter(kind, values):
        return paddle.ParamAttr(f"{name}.{kind}", nn.initializer.Assign(np.ascontiguousarray(values)))

    out_channels, in_channels, *kernel_size = weight.shape
    weight_attr, bias_attr = parameter("weight", weight), False if bias is None else parameter("bias", bias)
    sizes = in_channels, out_channels, kernel_size
    return nn.Conv2D(*sizes, stride, padding, weight_attr=weight_attr, bias_attr=bias_attr)
