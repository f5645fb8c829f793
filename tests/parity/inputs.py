"""Inputs of single parts of the network, for recorder and tests."""

import numpy as np

from tests.parity import seeded


def decoder_inputs(backbone):
    _, *skips = seeded.DEEPEST[backbone]
    sizes = ((3, 5), (6, 9), (11, 17), (22, 33), (43, 65))
    return [
        seeded.normal(f"decoder/{backbone}/{size}", (2, channels, *size))
        for channels, size in zip((256, *skips, 6), sizes)
    ]


def refiner_inputs():
    src, bgr = seeded.pair("refiner", 2, 64, 88)
    coarse = {"pha": 1, "err": 1}
    maps = {k: seeded.uniform(f"refiner/{k}", (2, n, 16, 22)) for k, n in coarse.items()}
    fgr = 0.2 * seeded.normal("refiner/fgr", (2, 3, 16, 22))
    hid = np.abs(seeded.normal("refiner/hid", (2, 32, 16, 22)))
    return src, bgr, maps["pha"], fgr, maps["err"], hid
