"""MobileNetV2 encoder of output stride 16 (Sandler et al. 2018; layout of torchvision and BackgroundMattingV2, MIT)."""

from paddle import nn

from .layers import BatchNorm2D, Conv2D, conv_bn, initialise_encoder

# Table 2 of the paper: expansion, out channels, blocks, stride of the first. The last of these strides, that of
# features[DILATED], is 1 here, and the blocks after it are dilated instead.
BLOCKS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 1), (6, 320, 1, 1))
DILATED = 14


class InvertedResidual(nn.Layer):
    """Expand by 1x1, filter each channel by 3x3, project by a linear 1x1; the input is added where shapes agree."""

    def __init__(self, in_channels, expansion, out_channels, stride, dilation):
        super().__init__()
        width = in_channels * expansion
        expand = [] if expansion == 1 else [conv_bn(in_channels, width, 1, nn.ReLU6)]
        depthwise = conv_bn(width, width, 3, nn.ReLU6, stride=stride, padding=dilation, dilation=dilation, groups=width)
        self.conv = nn.Sequential(*expand, depthwise, Conv2D(width, out_channels, 1), BatchNorm2D(out_channels))
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x):
        """(b, in_channels, h, w) -> (b, out_channels, h / stride, w / stride), rounded up."""
        return x + self.conv(x) if self.residual else self.conv(x)


class MobileNetV2Encoder(nn.Layer):
    """MobileNetV2 of width 1.0, for an input of `in_channels`, without its last convolution and classifier."""

    channels = (320, 32, 24, 16)

    def __init__(self, in_channels):
        super().__init__()
        features, channels = [conv_bn(in_channels, 32, 3, nn.ReLU6, stride=2, padding=1)], 32
        for expansion, out_channels, blocks, stride in BLOCKS:
            for block in range(blocks):
                dilation = 2 if len(features) > DILATED else 1
                features.append(InvertedResidual(channels, expansion, out_channels, 1 if block else stride, dilation))
                channels = out_channels
        self.features = nn.LayerList(features)
        initialise_encoder(self, skip=self.features[0][0])

    def forward(self, x):
        """(b, in_channels, h, w) -> features at strides 16, 8, 4, 2 (320, 32, 24, 16 channels) and the input."""
        kept = [x]
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in (1, 3, 6, 17):
                kept.append(x)
        return tuple(reversed(kept))
