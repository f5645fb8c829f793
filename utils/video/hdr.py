"""High dynamic range (HLG, PQ) to the standard range of BT.709, so that the network and SDR outputs see true colours.

Reference white (203 cd/m2, ITU-R BT.2408: 75 % HLG, 58 % PQ) becomes SDR white, what lies below keeps its light, and
highlights are rolled off into the last tenth. Formulas: ITU-R BT.2100 (transfer functions, HLG's system gamma of 1.2
at 1,000 cd/m2), BT.2020 and SMPTE EG 432 (primaries), BT.709 seen through BT.1886's exponent of 2.4.
"""

import functools

import cv2
import numpy as np

PQ, HLG = 16, 18  # FFmpeg's numbers of the transfer functions
BT2020, P3 = 9, 12  # and of the primaries
WHITE, PEAK = 203.0, 1000.0  # cd/m2: SDR's white, and the screen that HLG's system gamma is for
KNEE = 0.9  # of SDR white: brighter light is rolled off
STRIP = 32  # rows
STEPS = 4096  # of the table of SDR levels
TO_BT709 = {  # linear light, rows R, G, B
    BT2020: [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]],
    P3: [[1.224940, -0.224940, 0.0], [-0.042057, 1.042057, 0.0], [-0.019638, -0.078636, 1.098274]],
}
LUMINANCE = np.float32([[0.2627, 0.6780, 0.0593]])  # of BT.2020


def hlg_to_scene(signal):
    """Scene light 0..1 of an HLG signal 0..1 (BT.2100, inverse OETF)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)


def pq_to_light(signal):
    """Light, 1.0 = 10,000 cd/m2, of a PQ signal 0..1 (BT.2100, EOTF)."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    power = signal ** (1 / m2)
    return (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)


@functools.cache
def _decoding(curve):
    """Light of every 16-bit signal in units of WHITE; scene light of 0..1 for HLG."""
    signal = np.linspace(0, 1, 1 << 16)
    return np.float32(hlg_to_scene(signal) if curve == HLG else pq_to_light(signal) * (10_000 / WHITE))


@functools.cache
def _encoding():
    """SDR levels of light, 0..1 in STEPS of equal square roots, as dark tones need finer steps."""
    light = np.linspace(0, 1, STEPS) ** 2
    return np.rint(light ** (1 / 2.4) * 255).astype(np.uint8)


def to_sdr(rgb, curve, primaries):
    """Tone-map a picture.

    Args:
        rgb: uint16 (H, W, 3), the non-linear signal, full range.
        curve: PQ or HLG. primaries: BT2020, P3, or any other number for BT.709's.

    Returns:
        uint8 (H, W, 3), BT.709.
    """
    strips = range(0, rgb.shape[0], STRIP)  # so that all steps of a strip stay in the processor's cache
    return np.concatenate([_strip_to_sdr(rgb[top : top + STRIP], curve, primaries) for top in strips])


def _strip_to_sdr(rgb, curve, primaries):
    light = _decoding(curve)[rgb]
    if curve == HLG:  # the screen's gamma acts on luminance, and keeps the hue
        luminance = cv2.transform(light, LUMINANCE)
        light *= (cv2.pow(np.maximum(luminance, 1e-6), 0.2) * (PEAK / WHITE))[..., None]
    if primaries in TO_BT709:
        light = cv2.transform(light, np.float32(TO_BT709[primaries]))
    brightest = light.max(axis=2)
    over = brightest > KNEE
    if over.any():  # all three channels by one factor: a coloured lamp keeps its colour
        rolled = KNEE + (1 - KNEE) * (1 - np.exp((KNEE - brightest[over]) / (1 - KNEE)))
        light[over] *= (rolled / brightest[over])[:, None]
    np.clip(light, 0, 1, out=light)
    return _encoding()[np.rint(cv2.sqrt(light) * (STEPS - 1)).astype(np.uint16)]
