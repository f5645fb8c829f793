"""What every engine returns for a picture."""

from functools import cached_property

import cv2
import numpy as np

from utils.picture.foreground import clean_foreground
from utils.picture.levels import to_uint8


class Matte:
    """What the network found, at the size of the source.

    Attributes:
        pha: uint8 (H, W), alpha, 0 background .. 255 foreground.
        fgr: uint8 (H, W, 3), RGB, the network's foreground; means nothing where alpha is 0. None if not asked for.
        com: uint8 (H, W, 4), RGBA cut-out, not premultiplied: the subject's colours (black where alpha is 0) with pha.
            They are fgr; or, where `pictures` says which pair it is of, see utils.picture.foreground.
        pha_float: float32 (H, W), 0..1, alpha as the network gave it.
        err: uint8 (H, W), the coarse network's predicted error of its alpha, 255 = 1.0.
        ref: uint8 (H, W), 255 where the picture was refined at full resolution.

    The last four are made when they are first read.
    """

    def __init__(self, pha, fgr, pha_float, err, ref):
        """`pha` and `fgr` are pictures; the others functions that return floats of 0..1: `pha_float` (H, W), the others
        smaller maps, of which err is enlarged as the network does it and ref pixel by pixel."""
        self.pha, self.fgr, self.pictures = pha, fgr, None
        self._pha_float, self._err, self._ref = pha_float, err, ref

    @cached_property
    def pha_float(self):
        return self._pha_float()

    @cached_property
    def err(self):
        return to_uint8(cv2.resize(self._err(), self.pha.shape[::-1], interpolation=cv2.INTER_LINEAR))

    @cached_property
    def ref(self):
        return to_uint8(cv2.resize(self._ref(), self.pha.shape[::-1], interpolation=cv2.INTER_NEAREST))

    @cached_property
    def com(self):
        colours = clean_foreground(self.pha, *self.pictures, correct=False)[0] if self.pictures else self.fgr
        cut_out = cv2.cvtColor(cv2.copyTo(colours, self.pha), cv2.COLOR_RGB2RGBA)
        cut_out[..., 3] = self.pha
        return cut_out

    def with_alpha(self, pha, pha_float):
        """The same matte with another alpha: uint8 (H, W), and a function that returns it as floats of 0..1."""
        return Matte(pha, self.fgr, pha_float, self._err, self._ref)

    def through(self, change, of_ref=None):
        """The same matte with a function applied to every part, `of_ref` to `ref`, such as cropping or resizing."""
        return Matte(
            change(self.pha),
            None if self.fgr is None else change(self.fgr),
            lambda: change(self.pha_float),
            lambda: change(np.float32(self.err) / 255),
            lambda: (of_ref or change)(np.float32(self.ref) / 255),
        )
