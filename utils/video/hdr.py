"""High dynamic range (HLG, PQ) to the standard range of BT.709, so that the network and SDR outputs see true colours.

Reference white (203 cd/m2, ITU-R BT.2408: 75 % HLG, 58 % PQ) becomes SDR white, what lies below keeps its light, and
highlights are rolled off into the last tenth. Formulas: ITU-R BT.2100 (transfer functions, HLG's system gamma of 1.2
at 1,000 cd/m2), BT.2020 and SMPTE EG 432 (primaries), BT.709 seen through BT.1886's exponent of 2.4.
"""

import functools
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np

PQ, HLG = 16, 18  # FFmpeg's numbers of the transfer functions
BT2020, P3 = 9, 12  # and of the primaries
WHITE, PEAK = 203.0, 1000.0  # cd/m2: SDR's white, and the screen that HLG's system gamma is for
KNEE = 0.9  # of SDR white: brighter light is rolled off
WHITE_OF_GBRP16 = 65283  # that FFmpeg makes of YUV's white
STEPS = 65  # of each colour in the table: light between them is nearly linear, which encoded colours are not
TO_BT709 = {  # linear light, rows R, G, B
    BT2020: [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]],
    P3: [[1.224940, -0.224940, 0.0], [-0.042057, 1.042057, 0.0], [-0.019638, -0.078636, 1.098274]],
}
LUMINANCE = np.array([0.2627, 0.6780, 0.0593])  # of BT.2020


def to_light(rgb, curve, primaries):
    """Tone-map colours.

    Args: rgb float (..., 3), the non-linear signal, 0..1; curve PQ or HLG; primaries BT2020, P3, or another: BT.709's.

    Returns float (..., 3), light, 1.0 = SDR's white, of BT.709's primaries; negative where these cannot show a colour.
    """
    if curve == HLG:  # inverse OETF; the screen's gamma acts on luminance, and keeps the hue
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(rgb <= 0.5, rgb**2 / 3, (np.exp((rgb - c) / a) + b) / 12)
        light = light * (light @ LUMINANCE)[..., None] ** 0.2 * (PEAK / WHITE)
    else:  # EOTF
        m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
        power = rgb ** (1 / m2)
        light = (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1) * (10_000 / WHITE)
    if primaries in TO_BT709:
        light = light @ np.transpose(TO_BT709[primaries])
    brightest = np.maximum(light.max(axis=-1, keepdims=True), KNEE)
    rolled = KNEE + (1 - KNEE) * (1 - np.exp((KNEE - brightest) / (1 - KNEE)))
    # All three channels by one factor: a coloured lamp keeps its colour.
    return light * (rolled / brightest)


@functools.cache
def _table(curve, primaries):
    """`to_light` as the text of a .cube file, as Adobe has defined it: red runs fastest."""
    steps = np.linspace(0, 1, STEPS)
    colours = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1)[..., ::-1]
    light = to_light(colours * (65535 / WHITE_OF_GBRP16), curve, primaries)
    return f"LUT_3D_SIZE {STEPS}\n" + "%.6f %.6f %.6f\n" * STEPS**3 % tuple(light.ravel().tolist())


def tone_map(curve, primaries, width, height):
    """A filter graph of FFmpeg that brings frames of gbrp16le to BT.709 by a table of `to_light`.

    Between the table's colours its lut3d interpolates.
    """
    from av.filter import Graph

    graph = Graph()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "table.cube"
        file.write_text(_table(curve, primaries))
        source = graph.add_buffer(width=width, height=height, format="gbrp16le", time_base=Fraction(1, 1000))
        encoded = graph.add("lutrgb", **dict.fromkeys("rgb", f"gammaval({1 / 2.4})"))
        graph.link_nodes(source, graph.add("lut3d", file=str(file)), encoded, graph.add("buffersink"))
        graph.configure()
    return graph
