"""Atrous spatial pyramid pooling (Chen et al. 2017, DeepLabV3; layout of torchvision)."""

import paddle
from paddle import nn

from .layers import conv_bn
from .resize import size_of


class ASPPPooling(nn.Sequential):
    """The mean over the whole map, one 1x1 convolution, spread back over the map."""

    def __init__(self, in_channels, out_channels):
        super().__init__(nn.AdaptiveAvgPool2D(1), *conv_bn(in_channels, out_channels, 1))

    @paddle.jit.not_to_static
    def forward(self, x):
        """(b, in_channels, h, w) -> (b, out_channels, h, w), the same everywhere in the map."""
        pooled = super().forward(x)
        return pooled.expand([-1, -1, *size_of(x)])  # what a bilinear resize of a single pixel gives


class ASPP(nn.Layer):
    """Five views of the deepest feature map, concatenated and projected, with dropout 0.5.

    Args:
        in_channels: channels of the deepest feature map.
        atrous_rates: dilations of the three 3x3 branches; BackgroundMattingV2 has 3, 6, 9.
        out_channels: channels of each branch and of the output.
    """

    def __init__(self, in_channels, atrous_rates=(3, 6, 9), out_channels=256):
        super().__init__()
        self.convs = nn.LayerList(
            [
                conv_bn(in_channels, out_channels, 1),
                *[conv_bn(in_channels, out_channels, 3, padding=rate, dilation=rate) for rate in atrous_rates],
                ASPPPooling(in_channels, out_channels),
            ]
        )
        self.project = nn.Sequential(*conv_bn(len(self.convs) * out_channels, out_channels, 1), nn.Dropout(0.5))

    def forward(self, x):
        """(b, in_channels, h, w) -> (b, out_channels, h, w)."""
        return self.project(paddle.concat([conv(x) for conv in self.convs], axis=1))
