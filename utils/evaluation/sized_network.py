"""The network of a Matting as a layer that takes batches of any size."""

import paddle
from paddle.nn import functional as F

from utils.predictor import MULTIPLE


class SizedNetwork(paddle.nn.Layer):
    """Matting's network with the settings for the size of each batch, as Matting applies them to one picture.

    Called with src and bgr (b, 3, h, w) float32, 0..1; returns pha (b, 1, h, w) and fgr (b, 3, h, w), 0..1.
    """

    def __init__(self, matting):
        super().__init__()
        self.model, self.matting = matting.model, matting

    def forward(self, src, bgr):
        height, width = src.shape[2:]
        self.model.backbone_scale, self.model.refiner.sample_pixels = self.matting.settings(height, width)
        border = [0, -width % MULTIPLE, 0, -height % MULTIPLE]
        if any(border):
            src, bgr = (F.pad(x, border, mode="replicate") for x in (src, bgr))
        pha, fgr = self.model(src, bgr)[:2]
        return pha[:, :, :height, :width], fgr[:, :, :height, :width]
