"""Convolution and batch normalisation that start, and keep their statistics, as PyTorch's do."""

import math

import paddle
from paddle import nn
from paddle.nn import functional as F
from paddle.nn.initializer import Normal, Uniform

__all__ = ["BatchNorm2D", "conv2d", "initialise_encoder"]


def conv2d(in_channels, out_channels, kernel_size, bias=False, **options):
    """A `paddle.nn.Conv2D` with PyTorch's default initialisation: weight and bias uniform in ±1/sqrt(fan_in).

    Paddle's own default is a normal distribution 2.45 times as wide, with a zero bias.
    """
    fan_in = in_channels // options.get("groups", 1) * kernel_size**2
    bound = 1 / math.sqrt(fan_in)
    return nn.Conv2D(
        in_channels,
        out_channels,
        kernel_size,
        weight_attr=paddle.ParamAttr(initializer=Uniform(-bound, bound)),
        bias_attr=paddle.ParamAttr(initializer=Uniform(-bound, bound)) if bias else False,
        **options,
    )


def initialise_encoder(encoder, skip):
    """Draw every convolution of an encoder from N(0, 2 / (out_channels * kernel area)), as torchvision does.

    (He et al. 2015, "fan out".) `skip` is the one convolution that keeps its initialisation: the first, which the
    original replaces to take six channels.
    """
    for layer in encoder.sublayers():
        if isinstance(layer, nn.Conv2D) and layer is not skip:
            out_channels, _, height, width = layer.weight.shape
            Normal(0.0, math.sqrt(2 / (out_channels * height * width)))(layer.weight)


class BatchNorm2D(nn.BatchNorm2D):
    """Batch normalisation whose running variance is the unbiased one, as in PyTorch (momentum 0.1, epsilon 1e-5).

    Paddle accumulates the biased variance, which is a factor n / (n - 1) smaller for n values a channel: nothing on a
    feature map, but one half at n = 2, which ASPP's pooling branch meets with a batch of two.

    Raises ValueError in training with a single value per channel: its variance is not defined (Paddle returns the
    input unchanged without a word).
    """

    @paddle.jit.not_to_static
    def forward(self, x):
        if not self.training or self._use_global_stats:
            return super().forward(x)
        shape = paddle.shape(x)
        count = shape[0] * shape[2] * shape[3] if -1 in x.shape else x.shape[0] * x.shape[2] * x.shape[3]
        if not paddle.is_tensor(count) and count < 2:
            raise ValueError(
                f"batch normalisation got one value per channel (shape {list(x.shape)}): train with a batch of 2+"
            )
        # the kernel updates the statistics it is given in place, and the backward pass keeps them: give it copies
        mean, variance = self._mean.clone(), self._variance.clone()
        out = F.batch_norm(
            x, mean, variance, self.weight, self.bias, training=True, momentum=self._momentum, epsilon=self._epsilon
        )
        with paddle.no_grad():
            biased_part = variance - self._momentum * self._variance
            paddle.assign(mean, self._mean)
            paddle.assign(variance + biased_part / (count - 1), self._variance)
        return out
