"""The network of BackgroundMattingV2 in Paddle."""

from .matting import Base, MattingBase, MattingRefine

__all__ = ["Base", "MattingBase", "MattingRefine"]
