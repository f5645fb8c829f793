"""Bring the captured background to the exposure and white balance of the source: gain and bias of each channel."""

from dataclasses import dataclass

import cv2
import numpy as np

from utils.picture.levels import to_levels
from utils.picture.resize import reduced
from utils.system.notes import Note

TOLERANCE = 0.05  # first tolerance of the search, 0..1
GAINS, BIASES = (0.4, 2.5), (-0.15, 0.15)  # what a camera changes between two shots
ENOUGH_PIXELS = 150


@dataclass(frozen=True)
class Exposure:
    """What to do to the background's channels, RGB: `gain * bgr + bias`, on the scale 0..1."""

    gain: tuple = (1.0, 1.0, 1.0)
    bias: tuple = (0.0, 0.0, 0.0)
    before: float = 0.0  # median colour difference of source and background, 0..1, on smooth ground outside the subject
    after: float = 0.0  # the same with gain and bias
    share: float = 0.0  # of the smooth ground that agrees, 0..1; the rest is the subject, its shadow, and what moved
    given_up: bool = False  # nothing is done, as no change of exposure explains the difference

    def apply(self, bgr):
        """The background, uint8 (H, W, 3), at the source's exposure: uint8, rounded and clipped; itself if it has that.

        A highlight that was clipped in the background may have been anything brighter: it is not darkened.
        """
        if (self.gain, self.bias) == (AS_IT_IS.gain, AS_IT_IS.bias):
            return bgr
        captured = np.arange(256)[:, None] / 255
        levels = captured * self.gain + self.bias
        clipped = np.clip((captured - 0.92) / (0.98 - 0.92), 0, 1)  # a camera's curve flattens, until nothing is left
        return cv2.LUT(bgr, to_levels(levels + clipped * np.maximum(captured - levels, 0))[None])

    @property
    def notes(self):
        """Notes on what was done, or could not be."""
        if (self.gain, self.bias) == (AS_IT_IS.gain, AS_IT_IS.bias):
            return [Note("not_exposed")] * self.given_up
        figures = {name: " ".join(f"{x:+.3f}" for x in getattr(self, name)) for name in ("gain", "bias")}
        return [Note("exposed"), Note("exposure_figures", **figures, before=self.before, after=self.after)]


AS_IT_IS = Exposure()


def estimate_exposure(src, bgr, subject=None):
    """Find gain and bias of each channel that bring the background to the source's exposure.

    Robust twice over: pixels of the source that a single gain does not explain are left out from the beginning (the
    one-point search scores every candidate by how many pixels agree with it), and Tukey's weights with a shrinking
    width fit gain and bias to the rest. A gain describes a change of exposure or white balance in gamma-encoded values
    too, as far as the camera's curve is a power; the bias takes up veiling glare and a raised black.

    Args: src, bgr uint8 (H, W, 3), RGB, of equal size, misaligned by a few per cent of the picture at most; subject
    bool (h, w) of any size, where the subject is, None if unknown.

    Returns Exposure; without effect where too little smooth ground agrees, gain or bias are beyond what a camera does
    between two shots, or the difference is below one level of 255 already.
    """
    small = [reduced(x, 240) for x in (src, bgr)]
    usable, kernel = np.full(small[0].shape[:2], 255, np.uint8), np.ones((3, 3), np.uint8)
    for picture in small:
        high, low = cv2.dilate(picture, kernel), cv2.erode(picture, kernel)
        usable &= cv2.inRange(cv2.subtract(high, low), (0,) * 3, (20,) * 3)  # a slight misalignment does not matter
        usable &= cv2.inRange(low, (6,) * 3, (255,) * 3) & cv2.inRange(high, (0,) * 3, (249,) * 3)  # nothing is clipped
    if subject is not None:
        usable[cv2.resize(subject.astype(np.uint8), usable.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0] = 0
    ground = np.random.default_rng(0).permutation(np.flatnonzero(usable))[:2500]
    if len(ground) < ENOUGH_PIXELS:
        return Exposure(given_up=True)
    # Not float32: on one flat colour the normal equations differ in the last digits only.
    seen, known = (np.ascontiguousarray(picture.reshape(-1, 3)[ground].T) / 255 for picture in small)
    gain, bias, agree = _fit(seen, known, _search(seen, known))
    share = float(agree.mean())
    if share < 0.2 or agree.sum() < ENOUGH_PIXELS:
        return Exposure(share=share, given_up=True)
    before, after = (float(np.median(np.abs(x)[:, agree])) for x in (seen - known, seen - gain * known - bias))
    likely = GAINS[0] < gain.min() and gain.max() < GAINS[1] and BIASES[0] < bias.min() and bias.max() < BIASES[1]
    if not likely or before - after < 0.004:  # one level of 255
        return Exposure(before=before, after=before, share=share, given_up=not likely)
    return Exposure(tuple(gain[:, 0].tolist()), tuple(bias[:, 0].tolist()), before, after, share)


def _search(seen, known, candidates=48, judges=600):
    """The gain of one pixel that most pixels agree with, (3, 1). The pixels, (3, N), come in random order."""
    bright = np.flatnonzero(known.min(axis=0) > 0.08)[:candidates]  # a dark pixel's ratio is noise
    gains = np.concatenate([np.ones((3, 1)), seen[:, bright] / known[:, bright]], axis=1)
    gains = gains[:, (gains > GAINS[0]).all(axis=0) & (gains < GAINS[1]).all(axis=0)]
    error = np.abs(seen[:, None, :judges] - known[:, None, :judges] * gains[..., None]).max(axis=0)
    votes = np.maximum(0, 1 - (error / TOLERANCE) ** 2).sum(axis=1)
    likely = np.exp(-((np.log(gains) / 0.5) ** 2).mean(axis=0) / 2)  # between two captures of one scene
    return gains[:, [np.argmax(votes * likely)]]


def _fit(seen, known, gain, rounds=8):
    """Tukey's biweight, its width shrinking to the residual's own spread; gain, bias (3, 1) and who agrees, (N,)."""
    bias, width = np.zeros((3, 1)), 2 * TOLERANCE
    for _ in range(rounds):
        error = np.abs(seen - gain * known - bias).max(axis=0)
        agree = error < width
        if agree.sum() < 3:
            break
        weight = np.where(agree, (1 - (error / width) ** 2) ** 2, 0)
        weight /= weight.sum()
        # Normal equations of one line a channel. A small cost on the bias decides for a pure gain where the scene has
        # one brightness only, and does nothing elsewhere.
        k1, s1, kk, ks = ((x @ weight)[:, None] for x in (known, seen, known * known, known * seen))
        determinant = np.maximum(kk * (1 + 0.002) - k1 * k1, 1e-9)
        gain = (ks * (1 + 0.002) - k1 * s1) / determinant
        bias = (kk * s1 - k1 * ks) / determinant
        # No narrower than noise, compression and slight shade.
        width = max(0.03, min(4.7 * (1.4826 * np.median(error[agree])), 0.8 * width))
    return gain, bias, agree
