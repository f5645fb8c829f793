"""ResNet encoder of output stride 16 (He et al. 2016; layout of torchvision and of BackgroundMattingV2, MIT)."""

from paddle import nn
from paddle.nn import functional as F

from .layers import BatchNorm2D, Conv2D, initialise_encoder

BLOCKS = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}


class Bottleneck(nn.Layer):
    """1x1, 3x3, 1x1 convolutions around an identity (or a 1x1 projection); the stride sits on the 3x3."""

    def __init__(self, in_channels, width, stride=1, dilation=1, project=False):
        super().__init__()
        self.conv1 = Conv2D(in_channels, width, 1)
        self.bn1 = BatchNorm2D(width)
        self.conv2 = Conv2D(width, width, 3, stride=stride, padding=dilation, dilation=dilation)
        self.bn2 = BatchNorm2D(width)
        self.conv3 = Conv2D(width, 4 * width, 1)
        self.bn3 = BatchNorm2D(4 * width)
        self.downsample = None
        if project:
            self.downsample = nn.Sequential(Conv2D(in_channels, 4 * width, 1, stride=stride), BatchNorm2D(4 * width))

    def forward(self, x):
        """(b, in_channels, h, w) -> (b, 4 * width, h / stride, w / stride), rounded up."""
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return F.relu(out + (x if self.downsample is None else self.downsample(x)))


class ResNetEncoder(nn.Layer):
    """ResNet-50 or -101, a `variant` of BLOCKS, without its head, its last stage dilated instead of strided."""

    channels = (2048, 512, 256, 64)

    def __init__(self, in_channels, variant="resnet50"):
        super().__init__()
        self.conv1 = Conv2D(in_channels, 64, 7, stride=2, padding=3)
        self.bn1 = BatchNorm2D(64)
        self.maxpool = nn.MaxPool2D(3, stride=2, padding=1)
        blocks = BLOCKS[variant]
        self.layer1 = self._stage(64, 64, blocks[0])
        self.layer2 = self._stage(256, 128, blocks[1], stride=2)
        self.layer3 = self._stage(512, 256, blocks[2], stride=2)
        # torchvision's replace_stride_with_dilation: the first block of the stage keeps the dilation before it
        self.layer4 = self._stage(1024, 512, blocks[3], dilation=2)
        initialise_encoder(self, skip=self.conv1)

    @staticmethod
    def _stage(in_channels, width, blocks, stride=1, dilation=1):
        first = Bottleneck(in_channels, width, stride, project=True)
        return nn.Sequential(first, *[Bottleneck(4 * width, width, dilation=dilation) for _ in range(blocks - 1)])

    def forward(self, x):
        """(b, in_channels, h, w) -> features at strides 16, 8, 4, 2 (2048, 512, 256, 64 channels) and the input."""
        x0 = x
        x1 = F.relu(self.bn1(self.conv1(x0)))
        x2 = self.layer1(self.maxpool(x1))
        x3 = self.layer2(x2)
        x4 = self.layer4(self.layer3(x3))
        return x4, x3, x2, x1, x0
