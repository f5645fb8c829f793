"""Whether the alphas of a data set are alphas, and its foregrounds free of them: a look at some files.

Programs write alphas in other scales and meanings than 0..255, and every one of them trains and evaluates without an
error, to no use.
"""

from contextlib import suppress

import numpy as np

from .errors import PictureError
from .folders import open_video, sampled
from .picture import read_stored

# kind -> (whether it is an error, what it is and what to do)
KINDS = {
    "ones": (True, "its alpha has the values 0 and 1 of 255: multiply it by 255"),
    "16 bit": (True, "its 16 bits hold values up to 255 of 65535: save it with 8 bits, or multiply it by 257"),
    "trimap": (True, "it is a trimap, not an alpha: give the alpha that was made from it"),
    "inverted": (False, "its corners are opaque and its middle is not: if that is wrong, invert the alpha"),
    "mask": (False, "it has no soft pixel, edges and hair will be hard: give a matte instead of a mask"),
    "premultiplied": (False, "the foreground's colours fade with alpha, as if multiplied by it: divide by alpha / 255"),
}


def kind_of(pha, fgr=None, path=None):
    """What is wrong with a file's alpha, uint8 (H, W), and its foreground, uint8 (H, W, 3): one of KINDS, or None."""
    soft = (pha > 2) & (pha < 253)  # what a JPEG leaves of 0 and 255 is not soft
    if pha.max() == 1:
        with suppress(PictureError):  # of a film
            if path and read_stored(path).pixels.dtype == np.uint16:
                return "16 bit"
        return "ones"
    if not pha.any():
        return None
    counts = np.bincount(pha[soft], minlength=256)
    if counts[98:158].max() > max(0.8 * counts.sum(), 0.01 * pha.size):
        return "trimap"
    height, width = (max(1, n // 12) for n in pha.shape)
    corners = min(pha[:height, :width].mean(), pha[:height, -width:].mean())
    middle = pha[4 * height : -4 * height, 4 * width : -4 * width]
    if corners > 250 and middle.size and middle.mean() < 60:
        return "inverted"
    if not soft.any():
        return "mask"
    if fgr is None:
        return None
    brightness = fgr.max(axis=2)
    faint, strong = (brightness[(pha > low) & (pha < high)] for low, high in ((25, 102), (178, 250)))
    if min(len(faint), len(strong)) < 20 or (brightness > pha.astype(int) + 6)[(pha > 25) & (pha < 250)].mean() > 0.02:
        return None
    # No brighter than alpha, and dark where it is low, although bright elsewhere.
    return "premultiplied" if np.median(strong) > max(40, np.median(faint) / 0.6) else None


def looked_at(dataset, count=8):
    """(file of the alpha, pha, fgr) of `count` sound items spread over a ForegroundDataset."""
    for index in sampled(dataset, count).indices:
        with suppress(PictureError):
            fgr, pha = dataset[index]
            yield dataset.items[index][1], pha, fgr
    open_video.cache_clear()  # a reader process that is forked from this one could not go on with a video that is open


def check_labels(items):
    """Warnings on alphas and foregrounds, a sentence each with the first file, what was found and what to do.

    Items are file, alpha uint8 (H, W), and foreground uint8 (H, W, 3) or None. Raises PictureError with such a
    sentence if at least half of the files cannot be alphas.
    """
    items = [(path, kind_of(pha, fgr, path)) for path, pha, fgr in items]
    warnings = []
    for kind, (fatal, words) in KINDS.items():
        paths = [path for path, found in items if found == kind]
        if paths and 2 * len(paths) >= len(items):  # what so many have is no accident
            warnings.append(f"{paths[0]}: {words} ({len(paths)} of {len(items)} files looked at)")
            if fatal:
                raise PictureError(warnings[-1])
    return warnings
