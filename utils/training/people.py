"""What `--recipe people` makes of a training: one table of its numbers, the network without clamps, its steps.

It goes on from trained weights, whose statistics of batch normalisation stay: small batches say little about them.
"""

import warnings
from types import SimpleNamespace

import numpy as np
import paddle
from paddle import nn
from paddle.nn import functional as F

from model.layers import plus
from model.resize import bilinear, nearest, scaled_size

SCALES, SCALE_CHANCES = (1 / 4, 3 / 8, 1 / 2), (0.2, 0.3, 0.5)  # in half of the steps, else any between
REFINED = (0.06, 0.22)  # share of the pixels that are refined
EXPLORED = 0.02  # share of the coarse pixels that are refined whatever their error
PEOPLE = SimpleNamespace(
    learning_rate="3e-4",
    shares={"backbone": 0.08, "aspp": 0.25, "decoder": 0.25, "refiner": 1.0},  # of that rate
    warm_up=60,  # steps in which the rate rises, a fifth of a short training; then it falls to 0 at the last one
    weight_decay=1e-4,
    clip_grad_norm=5.0,
    average=0.998,  # of the weights: what a step leaves of those before it
)


class Unclamped(nn.Layer):
    """MattingRefine's outputs before they are clamped, for `people_loss`; `model` keeps its parameters.

    The refiner runs over the whole picture, and the cells that are not chosen are dropped: the numbers are those of
    refining cells one by one, for less time. That takes fixed statistics of batch normalisation, and kernels of 3x3.
    """

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, src, bgr, scale, share):
        """Matte src, bgr (b, 3, h, w) of MattingRefine at a coarse `scale`, refining a `share` of the pixels.

        Returns dict: pha (b, 1, h, w), fgr (b, 3, h, w), pha_sm and err_sm (b, 1, hc, wc), fgr_sm (b, 3, hc, wc), none
        of them clamped; ref_sm (b, 1, h/4, w/4), 1 where a cell was refined.
        """
        size, full, refiner = scaled_size(src, scale), src.shape[2:], self.model.refiner
        src_sm, bgr_sm = bilinear(src, size), bilinear(bgr, size)
        x = self.model.forward_features(paddle.concat([src_sm, bgr_sm], axis=1))
        with warnings.catch_warnings():  # Paddle tells at the first call that PyTorch's split differs
            warnings.simplefilter("ignore")
            pha_sm, res_sm, err_sm, hid = paddle.split(x, [1, 3, 1, 32], axis=1)
        alpha, hid = pha_sm.clip(0, 1), F.relu(hid)
        with paddle.no_grad():
            err = err_sm.detach().clip(0, 1)
            own, refiner.sample_pixels = refiner.sample_pixels, int(share * full[0] * full[1])
            ref = refiner.select_cells(err + (paddle.rand(err.shape) < EXPLORED).astype(err.dtype), src)
            refiner.sample_pixels = own
            mask = nearest(ref, full)
        coarse = bilinear(paddle.concat([alpha, res_sm], axis=1), full)
        refined = refine_blocks(refiner, src, bgr, paddle.concat([hid, alpha, res_sm], axis=1))
        pha, res = paddle.split(coarse + (refined - coarse) * mask, [1, 3], axis=1)
        coarse = {"pha_sm": pha_sm, "fgr_sm": res_sm + src_sm, "err_sm": err_sm}
        return {"pha": pha, "fgr": res + src, **coarse, "ref_sm": ref}


def refine_blocks(refiner, src, bgr, maps):
    """Refine all cells, whatever the refiner's mode, with 2x2 convolutions over blocks of 2x2 pixels.

    Paddle's convolution on CPUs writes out nine copies of the map. Over blocks, as `pixel_unshuffle` makes them, the
    map is a quarter as large and four copies do, and the features at half size, the same for every pixel of a block,
    need not be enlarged at all. The numbers are the same to rounding.

    refiner: a Refiner of kernel size 3 with fixed statistics; src, bgr: (b, 3, h, w), sides divisible by 4; maps:
    (b, 36, hc, wc) hidden features, alpha, foreground residual. Returns (b, 4, h, w): the latter two, not clamped.
    """
    pictures, half = paddle.concat([src, bgr], axis=1), [n // 2 for n in src.shape[2:]]
    x = paddle.concat([bilinear(maps, half), bilinear(pictures, half)], axis=1)
    x = F.relu(refiner.bn1(F.conv2d(x, refiner.conv1.weight, padding=3)))
    x = F.relu(refiner.bn2(refiner.conv2(x)))  # (b, 16, h/2 + 2, w/2 + 2)
    x = paddle.concat([x, F.pixel_unshuffle(F.pad(pictures, [2, 2, 2, 2]), 2)], axis=1)
    out_channels, in_channels = refiner.conv3.weight.shape[:2]
    repeated = in_channels - pictures.shape[1]
    weight = block_weights(refiner.conv3.weight).reshape([4 * out_channels, -1, 4, 2, 2])
    weight = paddle.concat([weight[:, :repeated].sum(2), weight[:, repeated:].flatten(1, 2)], axis=1)
    norm = refiner.bn3
    scale = norm.weight / paddle.sqrt(norm._variance + norm._epsilon)
    shift = (norm.bias - norm._mean * scale).repeat_interleave(4)
    x = F.conv2d(x, weight * scale.repeat_interleave(4).reshape([-1, 1, 1, 1]))
    x = F.conv2d(F.relu(plus(x, shift)), block_weights(refiner.conv4.weight))
    return F.pixel_shuffle(plus(x, refiner.conv4.bias.repeat_interleave(4)), 2)


def block_weights(weight):
    """(out, in, 3, 3) kernels over pixels -> (4 out, 4 in, 2, 2) over blocks of `pixel_unshuffle`."""
    count, channels = weight.shape[:2]
    weight = paddle.matmul(weight.reshape([-1, 9]), paddle.to_tensor(PLACES, dtype=weight.dtype))
    weight = weight.reshape([count, channels, 4, 4, 2, 2]).transpose([0, 2, 1, 3, 4, 5])
    return weight.reshape([4 * count, 4 * channels, 2, 2])


# Which of 3x3 values stands at (output pixel 4, input pixel 4, row of blocks 2, column of blocks 2): (9, 64).
_OUT, _PIXEL, _BLOCK, _AT = np.ix_(range(2), range(2), range(2), range(3))
_LINE = (2 * _BLOCK + _PIXEL - _OUT == _AT).astype(np.float32)  # along one axis
PLACES = np.einsum("pqak,PQAl->klpPqQaA", _LINE, _LINE).reshape(9, 64)


class Average:
    """Exponential moving average of a network's parameters."""

    def __init__(self, model):
        self.parameters = {name: value for name, value in model.named_parameters() if not value.stop_gradient}
        self.values = {name: value.detach().clone() for name, value in self.parameters.items()}

    def update(self, step):
        """Take in the parameters after step number `step`, counted from 0; the first steps weigh more."""
        keep = min(PEOPLE.average, (step + 1) / (step + 10))
        with paddle.no_grad():
            for name, value in self.parameters.items():
                self.values[name].lerp_(value, 1 - keep)

    def swap(self):
        """Give the network the averaged parameters, and the second time its own again."""
        for name, value in self.parameters.items():
            own = value.detach().clone()
            value.set_value(self.values[name])
            self.values[name] = own


def draw_refinement(seed, epoch, batch):
    """(coarse scale, share of refined pixels) of one step: the same in all processes, and when it is resumed."""
    rng = np.random.default_rng([seed, epoch, batch, 1, 1])
    scale = rng.choice(SCALES, p=SCALE_CHANCES) if rng.random() < 0.5 else rng.uniform(SCALES[0], SCALES[-1])
    return float(scale), rng.uniform(*REFINED)


def rate_at(step, steps):
    """Share of the highest rate at step number `step` of `steps`: up in a straight line, then down to 0."""
    rising = max(1.0, min(PEOPLE.warm_up, 0.2 * steps))
    return min(1.0, (step + 1) / rising) * max(0.0, 1 - step / steps)
