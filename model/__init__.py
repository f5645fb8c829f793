"""The network of BackgroundMattingV2 in Paddle, which takes two seconds to import: only when a class is asked for."""

from importlib import import_module

BACKBONES = ("resnet50", "resnet101", "mobilenetv2")
MODES = ("full", "sampling", "thresholding")  # of the refinement
MAX_BACKBONE_SCALE = 0.5


def __getattr__(name):
    if name in ("Base", "MattingBase", "MattingRefine"):
        return getattr(import_module("model.matting"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
