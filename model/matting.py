"""MattingBase and MattingRefine of "Real-Time High-Resolution Background Matting" (Lin et al., CVPR 2021).

The architecture follows PeterL1n/BackgroundMattingV2 (MIT licence, see LICENSE); parameter names are the same, so
that its published weights fit.
"""

import warnings

import paddle
from paddle import nn
from paddle.nn import functional as F

from . import BACKBONES, MAX_BACKBONE_SCALE, MODES, layers
from .aspp import ASPP
from .decoder import Decoder
from .mobilenet import MobileNetV2Encoder
from .refiner import Refiner
from .resize import bilinear, scaled_size
from .resnet import ResNetEncoder

PATCH_CROP_METHODS = ("unfold", "roi_align", "gather")
PATCH_REPLACE_METHODS = ("scatter_nd", "scatter_element")


class Base(nn.Layer):
    """Encoder, ASPP and decoder: a fully convolutional network for dense prediction.

    Args:
        backbone: `"resnet50"`, `"resnet101"` or `"mobilenetv2"`.
        in_channels: channels of the input.
        out_channels: channels of the output.
    """

    def __init__(self, backbone, in_channels, out_channels):
        super().__init__()
        if backbone not in BACKBONES:
            raise ValueError(f"backbone must be one of {', '.join(map(repr, BACKBONES))}, not {backbone!r}")
        mobile = backbone == "mobilenetv2"
        self.backbone = MobileNetV2Encoder(in_channels) if mobile else ResNetEncoder(in_channels, backbone)
        deepest, *skips = self.backbone.channels
        self.aspp = ASPP(deepest)
        self.decoder = Decoder((256, 128, 64, 48, out_channels), (*skips, in_channels))

    def forward_features(self, x):
        """(b, in_channels, h, w) -> (b, out_channels, h, w), neither clamped nor rectified."""
        x, *shortcuts = self.backbone(x)
        return self.decoder(self.aspp(x), *shortcuts)


class MattingBase(Base):
    """The coarse network on a `backbone` of Base: alpha, foreground, its own error, and hidden features."""

    def __init__(self, backbone):
        super().__init__(backbone, in_channels=6, out_channels=1 + 3 + 1 + 32)

    def forward(self, src, bgr):
        """Matte a batch.

        Args:
            src: (b, 3, h, w) float32, RGB, 0..1: the picture with the subject. Any h, w.
            bgr: (b, 3, h, w) float32, RGB, 0..1: the same scene without it.

        Returns:
            pha: (b, 1, h, w) alpha, 0..1.
            fgr: (b, 3, h, w) foreground colour, 0..1.
            err: (b, 1, h, w) predicted absolute error of pha, 0..1.
            hid: (b, 32, h, w) hidden features, >= 0, for the refiner.
        """
        _check_pair(src, bgr, multiple=1)
        pha, fgr, err, hid = self._split(self.forward_features(paddle.concat([src, bgr], axis=1)))
        return pha, (fgr + src).clip(0, 1), err, hid

    @staticmethod
    def _split(x):
        if layers.trains_on_cpu(x):  # one gradient, where slices make four of full size and add them up
            with warnings.catch_warnings():  # Paddle 3.2 tells at the first call that PyTorch's split differs
                warnings.simplefilter("ignore")
                pha, fgr, err, hid = paddle.split(x, [1, 3, 1, 32], axis=1)
        else:
            pha, fgr, err, hid = x[:, :1], x[:, 1:4], x[:, 4:5], x[:, 5:]
        return pha.clip(0, 1), fgr, err.clip(0, 1), F.relu(hid)


class MattingRefine(MattingBase):
    """The whole method: the coarse network on a reduced copy, then refinement at full size where it errs.

    Args:
        backbone: as of Base.
        backbone_scale: size of the coarse network's input relative to the pictures, at most 1/2.
        refine_mode, refine_sample_pixels, refine_threshold, refine_kernel_size, refine_prevent_oversampling: see
            `Refiner`, where they lack the prefix.
        refine_patch_crop_method, refine_patch_replace_method: `"unfold"`, `"roi_align"` or `"gather"`; `"scatter_nd"`
            or `"scatter_element"`. Accepted as the original's arguments; all name one implementation: RoIAlign sampled
            at the pixel centres, and a scatter of the refined rows of four pixels.

    The authors use a scale of 1/4 with 80,000 pixels for HD and 1/8 with 320,000 for 4K. `backbone_scale` and the
    refiner's `mode`, `sample_pixels`, `threshold` and `prevent_oversampling` may be changed after construction.

    Raises ValueError for a backbone scale above 1/2 or not above 0, and for arguments outside the lists.
    """

    def __init__(
        self,
        backbone,
        backbone_scale=1 / 4,
        refine_mode="sampling",
        refine_sample_pixels=80_000,
        refine_threshold=0.1,
        refine_kernel_size=3,
        refine_prevent_oversampling=True,
        refine_patch_crop_method="unfold",
        refine_patch_replace_method="scatter_nd",
    ):
        super().__init__(backbone)
        for name, value, allowed in (
            ("mode", refine_mode, MODES),
            ("kernel_size", refine_kernel_size, (1, 3)),
            ("patch_crop_method", refine_patch_crop_method, PATCH_CROP_METHODS),
            ("patch_replace_method", refine_patch_replace_method, PATCH_REPLACE_METHODS),
        ):
            if value not in allowed:
                raise ValueError(f"refine_{name} must be one of {', '.join(map(repr, allowed))}, not {value!r}")
        if not 0 < backbone_scale <= MAX_BACKBONE_SCALE:
            raise ValueError(f"backbone_scale must be above 0 and at most 1/2, not {backbone_scale}")
        self.backbone_scale = backbone_scale
        refine = refine_mode, refine_sample_pixels, refine_threshold, refine_kernel_size, refine_prevent_oversampling
        self.refiner = Refiner(*refine)

    def forward(self, src, bgr):
        """Matte a batch.

        Args:
            src, bgr: as of MattingBase, with h and w divisible by 4.

        Returns:
            pha: (b, 1, h, w) alpha, 0..1.
            fgr: (b, 3, h, w) foreground colour, 0..1.
            pha_sm, fgr_sm, err_sm: the same at the coarse size (floor(h * scale), floor(w * scale)), with the
                predicted error (b, 1, hc, wc), 0..1.
            ref_sm: (b, 1, h/4, w/4), 1 for cells of 4x4 pixels that were refined, else 0.

        Raises ValueError when the two differ in shape or are not divisible by 4.
        """
        _check_pair(src, bgr, multiple=4)
        coarse_size = scaled_size(src, self.backbone_scale)
        src_sm, bgr_sm = bilinear(src, coarse_size), bilinear(bgr, coarse_size)
        pha_sm, res_sm, err_sm, hid = self._split(self.forward_features(paddle.concat([src_sm, bgr_sm], axis=1)))
        pha, res, ref_sm = self.refiner(src, bgr, pha_sm, res_sm, err_sm, hid)
        return pha.clip(0, 1), (res + src).clip(0, 1), pha_sm, (src_sm + res_sm).clip(0, 1), err_sm, ref_sm


@paddle.jit.not_to_static
def _check_pair(src, bgr, multiple):
    if list(src.shape) != list(bgr.shape):
        raise ValueError(f"src and bgr must have the same shape, not {list(src.shape)} and {list(bgr.shape)}")
    height, width = src.shape[2:]
    if height > 0 and width > 0 and (height % multiple or width % multiple):
        raise ValueError(f"height and width must be divisible by {multiple}, not {height}x{width}")
