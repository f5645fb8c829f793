"""The five training steps that recorder and test both make: weights, batch, and what is compared."""

import numpy as np

from tests.parity import seeded

CASES = {  # kind of network, arguments of MattingRefine after the backbone: scale, mode
    "base": ("base", ()),
    "refine": ("refine", (0.5, "full")),  # sampling is left to the gradients' test: there Paddle has float32 only
}
STEPS, RATE = 5, 5e-5
BATCH, HEIGHT, WIDTH = 4, 64, 64


def batch(case):
    """src, bgr, true pha, true fgr: (b, c, h, w) float32 in 0..1; a third of alpha is 0, a third 1."""
    src, bgr = seeded.pair(f"training/{case}", BATCH, HEIGHT, WIDTH)
    pha = np.clip(3 * seeded.uniform(f"training/{case}/pha", (BATCH, 1, HEIGHT, WIDTH)) - 1, 0, 1)
    fgr = seeded.uniform(f"training/{case}/fgr", (BATCH, 3, HEIGHT, WIDTH))
    return src, bgr, pha, fgr


def sampled(name, value):
    """Up to 64 values of a parameter."""
    flat = np.asarray(value).ravel()
    return flat[seeded.positions(name, flat.size)[:64]]
