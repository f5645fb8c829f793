"""Convolution and batch normalisation that start, and keep their statistics, as PyTorch's do."""

import math

import paddle
from paddle import nn
from paddle.autograd import PyLayer
from paddle.nn import functional as F
from paddle.nn.initializer import Normal, Uniform


def trains_on_cpu(x):
    """Whether the gradient of `x` will be asked for, in float32 and on a CPU, outside of a traced program.

    There some of Paddle's kernels take many times as long as others that give the same numbers to rounding: bilinear
    resizing, depthwise convolution, slices and biases have a second path for this case in this package.
    """
    return paddle.in_dynamic_mode() and not x.stop_gradient and x.place.is_cpu_place() and x.dtype == paddle.float32


def plus(x, bias):
    """x (b, c, h, w) and a value per channel (c,), added to rows of pixels: on a CPU a tenth of Paddle's time."""
    return (x.flatten(2) + bias.unsqueeze(-1)).reshape(x.shape)


class Conv2D(nn.Conv2D):
    """A convolution with PyTorch's default initialisation: weight and bias uniform in ±1/sqrt(fan_in).

    Paddle's own default is a normal distribution 2.45 times as wide, with a zero bias.

    In training on a CPU the bias is added by `plus`, and a 3x3 depthwise convolution that keeps the size has a backward
    pass of its own: the gradient is one with the turned kernel, and Paddle's forward kernel is several times as fast as
    its own input gradient, which halves the time of such a layer's backward pass.
    """

    def __init__(self, in_channels, out_channels, kernel_size, bias=False, **options):
        bound = 1 / math.sqrt(in_channels // options.get("groups", 1) * kernel_size**2)
        drawn = paddle.ParamAttr(initializer=Uniform(-bound, bound))
        attributes = {"weight_attr": drawn, "bias_attr": drawn if bias else False}
        super().__init__(in_channels, out_channels, kernel_size, **attributes, **options)

    @paddle.jit.not_to_static
    def forward(self, x):
        """(b, in_channels, h, w) -> (b, out_channels, h', w'), as Paddle's layer."""
        if not trains_on_cpu(x):
            return super().forward(x)
        if self.bias is not None:
            y = F.conv2d(x, self.weight, None, self._stride, self._updated_padding, self._dilation, self._groups)
            return plus(y, self.bias)
        depthwise = self._groups == self._in_channels == self._out_channels and self._kernel_size == [3, 3]
        if depthwise and self._stride == [1, 1] and self._updated_padding == self._dilation:
            return _InputGradient.apply(super().forward(x.detach()), x, self.weight.detach(), self._dilation)
        return super().forward(x)


class _InputGradient(PyLayer):
    """y, the depthwise convolution of x by a 3x3 weight, as it is; x then gets its gradient here."""

    @staticmethod
    def forward(ctx, y, x, weight, dilation):
        ctx.save_for_backward(weight)
        ctx.dilation = dilation
        return y

    @staticmethod
    def backward(ctx, gradient):
        (weight,) = ctx.saved_tensor()
        turned, pad = weight.flip([2, 3]), ctx.dilation
        return gradient, F.conv2d(gradient, turned, padding=pad, dilation=pad, groups=weight.shape[0]), None


def initialise_encoder(encoder, skip):
    """Draw every convolution of an encoder from N(0, 2 / (out_channels * kernel area)), as torchvision does.

    (He et al. 2015, "fan out".) `skip`, the first one, which the original replaces to take six channels, keeps its own.
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
        """(b, c, h, w) -> (b, c, h, w); in training the running statistics move."""
        if not self.training:
            return super().forward(x)
        count = x.size // x.shape[1]
        if count < 2:
            raise ValueError(f"batch normalisation got one value per channel ({x.shape}): train with a batch of 2+")
        # the kernel updates the statistics it is given in place, and the backward pass keeps them: give it copies
        mean, variance = self._mean.clone(), self._variance.clone()
        out = F.batch_norm(x, mean, variance, self.weight, self.bias, True, self._momentum, self._epsilon)
        with paddle.no_grad():
            biased_part = variance - self._momentum * self._variance
            paddle.assign(mean, self._mean)
            paddle.assign(variance + biased_part / (count - 1), self._variance)
        return out


def conv_bn(in_channels, out_channels, kernel_size, activation=nn.ReLU, **options):
    """A convolution without bias, batch normalisation, an activation; `options` are those of the convolution."""
    conv = Conv2D(in_channels, out_channels, kernel_size, **options)
    return nn.Sequential(conv, BatchNorm2D(out_channels), activation())
