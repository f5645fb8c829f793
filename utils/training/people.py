"""What `--recipe people` makes of a training: one table of its numbers, the network without clamps, its steps.

It goes on from trained weights. All statistics of batch normalisation stay as they are, since batches of two or three
say little about them; so does dropout. The coarse scale and the number of refined cells are drawn for each step.
What is validated and exported is an exponential moving average of the weights.
"""

import warnings
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import paddle
from paddle import nn

from model.resize import bilinear, nearest, scaled_size
from utils.training.blocks import refine_blocks
from utils.training.loss import people_loss

SCALES, SCALE_CHANCES = (1 / 4, 3 / 8, 1 / 2), (0.1, 0.15, 0.25)  # else any between 1/4 and 1/2
REFINED = (0.06, 0.22)  # share of the pixels that are refined
EXPLORED = 0.02  # share of the coarse pixels that are refined whatever their error


@dataclass(frozen=True)
class Schedule:
    """How the weights move; rates are those of --learning-rate times the part's share."""

    learning_rate: str = "3e-4"
    shares: tuple = (("backbone", 0.08), ("aspp", 0.25), ("decoder", 0.25), ("refiner", 1.0))
    warm_up: int = 60  # steps in which the rate rises, a fifth of a short training; then it falls to 0 at the last one
    weight_decay: float = 1e-4
    clip_grad_norm: float = 5.0
    average: float = 0.998  # of the weights: what a step leaves of those before it


PEOPLE = Schedule()


class Unclamped(nn.Layer):
    """MattingRefine's outputs before they are clamped, for `people_loss`.

    Args:
        model: MattingRefine; its parameters stay its own.

    The refiner runs over the whole picture, and where a cell is not chosen its result is dropped: the numbers are those
    of refining cells one by one, for less time, as neighbours share most of their convolutions. That
    takes fixed statistics of batch normalisation, and kernels of 3x3.
    """

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, src, bgr, scale, share):
        """Matte a batch at a coarse `scale`, refining a `share` of its pixels.

        Args:
            src, bgr: (b, 3, h, w) float32, 0..1; h and w divisible by 4.

        Returns dict: pha (b, 1, h, w), fgr (b, 3, h, w), pha_sm and err_sm (b, 1, hc, wc), fgr_sm (b, 3, hc, wc), none
        of them clamped; ref_sm (b, 1, h/4, w/4), 1 where a cell was refined.
        """
        size = scaled_size(src, scale)
        src_sm, bgr_sm = bilinear(src, size), bilinear(bgr, size)
        x = self.model.forward_features(paddle.concat([src_sm, bgr_sm], axis=1))
        with warnings.catch_warnings():  # Paddle tells at the first call that PyTorch's split differs
            warnings.simplefilter("ignore")
            pha_sm, res_sm, err_sm, hid = paddle.split(x, [1, 3, 1, 32], axis=1)
        alpha, hid = pha_sm.clip(0, 1), nn.functional.relu(hid)
        with paddle.no_grad():
            ref = self._chosen(err_sm.detach().clip(0, 1), src, share)
            mask = nearest(ref, src.shape[2:])
        coarse = bilinear(paddle.concat([alpha, res_sm], axis=1), src.shape[2:])
        refined = refine_blocks(self.model.refiner, src, bgr, paddle.concat([hid, alpha, res_sm], axis=1))
        pha, res = paddle.split(coarse + (refined - coarse) * mask, [1, 3], axis=1)
        coarse = {"pha_sm": pha_sm, "fgr_sm": res_sm + src_sm, "err_sm": err_sm}
        return {"pha": pha, "fgr": res + src, **coarse, "ref_sm": ref}

    def _chosen(self, err, src, share):
        refiner = self.model.refiner
        sample_pixels = refiner.sample_pixels
        refiner.sample_pixels = int(share * src.shape[2] * src.shape[3])
        try:
            return refiner.select_cells(err + (paddle.rand(err.shape) < EXPLORED).astype(err.dtype), src)
        finally:
            refiner.sample_pixels = sample_pixels


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

    def set(self, state):
        """Take the average over from a dict of name -> array."""
        for name, value in self.values.items():
            value.set_value(state[name])

    @contextmanager
    def in_place(self):
        """Give the network the averaged parameters until the block ends."""
        trained = {name: value.detach().clone() for name, value in self.parameters.items()}
        try:
            for name, value in self.parameters.items():
                value.set_value(self.values[name])
            yield
        finally:
            for name, value in self.parameters.items():
                value.set_value(trained[name])


def draw_refinement(seed, epoch, batch):
    """(coarse scale, share of refined pixels) of one step: the same in all processes, and when it is resumed."""
    rng = np.random.default_rng([seed, epoch, batch, 1, 1])
    fixed = rng.random() < sum(SCALE_CHANCES)
    chances = np.array(SCALE_CHANCES) / sum(SCALE_CHANCES)
    scale = rng.choice(SCALES, p=chances) if fixed else rng.uniform(SCALES[0], SCALES[-1])
    return float(scale), rng.uniform(*REFINED)


def people_step(network, args, progress, pictures):
    """Run `Unclamped` for one step and compute its loss; dict of named terms with `total`, dict of named outputs."""
    src, bgr, true_pha, true_fgr = pictures
    out = network(src, bgr, *draw_refinement(args.seed, progress.epoch, progress.batch))
    shown = {name: value.detach().clip(0, 1) for name, value in out.items()}
    return people_loss(out, true_pha, true_fgr, args.laplacian), shown


def rate_at(step, steps):
    """Share of the highest rate at step number `step` of `steps`: up in a straight line, then down to 0."""
    rising = max(1.0, min(PEOPLE.warm_up, 0.2 * steps))
    return min(1.0, (step + 1) / rising) * max(0.0, 1 - step / steps)
