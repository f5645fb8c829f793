"""The network itself as an engine: nothing is exported, and it works on every device that Paddle knows."""

import paddle

from utils.engine.matte import Matte
from utils.picture.levels import to_uint8
from utils.picture.tensor import to_tensor


class Dygraph:
    """A MattingRefine in evaluation mode, and its backbone's name. Not for several threads at once."""

    name = "paddle"

    def __init__(self, model, backbone):
        self.model, self.backbone = model, backbone

    def __call__(self, src, bgr, refine, foreground=True):
        """Matte one picture; arguments and result as of `utils.engine.tiles.TiledMatting`."""
        refiner = self.model.refiner
        self.model.backbone_scale = refine.scale
        refiner.mode, refiner.sample_pixels, refiner.threshold = refine.mode, refine.pixels, refine.threshold
        with paddle.no_grad():
            pha, fgr, _, _, err, ref = self.model(*to_tensor(src, bgr))
        pha, err, ref = (x[0, 0].numpy() for x in (pha, err, ref))
        return Matte(to_uint8(pha), to_uint8(fgr) if foreground else None, lambda: pha, lambda: err, lambda: ref)
