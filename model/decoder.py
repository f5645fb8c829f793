"""Decoder with skip connections: three resize-concatenate-convolve steps and a last one without activation."""

import paddle
from paddle import nn
from paddle.nn import functional as F

from .layers import BatchNorm2D, Conv2D
from .resize import bilinear, size_of


class Decoder(nn.Layer):
    """Bring the deepest features back to the input's size.

    Args:
        channels: output channels of the encoder's end and of the four steps, five numbers.
        feature_channels: channels of the encoder's features at strides 8, 4, 2 and 1.
    """

    def __init__(self, channels, feature_channels):
        super().__init__()
        self.conv1 = Conv2D(channels[0] + feature_channels[0], channels[1], 3, padding=1)
        self.bn1 = BatchNorm2D(channels[1])
        self.conv2 = Conv2D(channels[1] + feature_channels[1], channels[2], 3, padding=1)
        self.bn2 = BatchNorm2D(channels[2])
        self.conv3 = Conv2D(channels[2] + feature_channels[2], channels[3], 3, padding=1)
        self.bn3 = BatchNorm2D(channels[3])
        self.conv4 = Conv2D(channels[3] + feature_channels[3], channels[4], 3, padding=1, bias=True)

    def forward(self, x4, x3, x2, x1, x0):
        """Features at strides 16, 8, 4, 2 and 1 -> (b, channels[4], h, w), neither clamped nor rectified."""
        return self.conv4(self._join(self.before_last(x4, x3, x2, x1), x0))

    def before_last(self, x4, x3, x2, x1):
        """Features at strides 16, 8, 4 and 2 -> (b, channels[3], ...) at stride 2, what the last step enlarges."""
        x = F.relu(self.bn1(self.conv1(self._join(x4, x3))))
        x = F.relu(self.bn2(self.conv2(self._join(x, x2))))
        return F.relu(self.bn3(self.conv3(self._join(x, x1))))

    @staticmethod
    def _join(x, skip):
        return paddle.concat([bilinear(x, size_of(skip)), skip], axis=1)
