"""Random changes of one picture, or of a foreground and its alpha alike; NumPy and OpenCV on uint8 arrays.

The first distributions are those of the PyTorch original's training scripts; what follows `add_noise` is for the recipe
`people`. Positions are continuous: pixel i of a row covers i..i+1, so a picture's middle is (width/2, height/2).
"""

import math
from statistics import NormalDist

import cv2
import numpy as np

SHARPEN = np.array([[-2, -2, -2], [-2, 32, -2], [-2, -2, -2]], np.float32) / 16
GREY = np.array([0.299, 0.587, 0.114])
NORMAL = np.array([NormalDist().inv_cdf((i + 0.5) / 256) for i in range(256)])  # for equal shares of that distribution
NORMAL /= NORMAL.std()
LEVELS = np.arange(256, dtype=np.float32)[:, None] / 255


def draw_affine(rng, size, out_size, canvas, scale, flip=0.0):
    """Draw the matrix that takes a picture to its random crop: (2, 3) float64, position (x, y, 1) there -> in the crop.

    The original scales the picture so that it covers a canvas x canvas square, times a factor from `scale`; shifts,
    rotates and shears it about the middle; cuts out the square; shrinks it to max(out_size) and cuts out the middle.
    All of these are affine, so one matrix does them at once, without the pictures between.

    size, out_size: (height, width) of the picture and of the crop; canvas: side of the square in pixels; scale:
    (lowest, highest) factor; flip: chance of mirroring left and right.
    """
    height, width = size
    cover = max(canvas / width, canvas / height)
    turn_and_shear = np.deg2rad(rng.uniform(-5, 5, 2))
    factor, cut = cover * rng.uniform(*scale), max(out_size) / canvas
    shift = np.rint(rng.uniform(-0.1, 0.1, 2) * cover * (width, height))
    linear = affine(*turn_and_shear, factor * cut)
    if rng.random() < flip:
        linear[0] *= -1
    return about(linear, (width / 2, height / 2), np.array(out_size[::-1]) / 2 + shift * cut)


def affine(angle, shear, scale):
    """(2, 2) matrix: shear along x, then rotation (radians), then scaling, as torchvision's and kornia's."""
    sine, cosine = math.sin(angle), math.cos(angle)
    return scale * np.array([[cosine, -cosine * math.tan(shear) - sine], [sine, cosine - sine * math.tan(shear)]])


def about(linear, source, target):
    """(2, 3) matrix with this linear part that takes the position `source` to `target`."""
    return np.column_stack([linear, np.asarray(target) - linear @ np.asarray(source)])


def warp(picture, matrix, out_size, border=cv2.BORDER_CONSTANT):
    """Apply a matrix of `draw_affine` to a uint8 picture; bilinear, with area averaging where it shrinks a lot."""
    height, width = picture.shape[:2]
    shrink = int(1 / math.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if shrink > 1:  # sampling single pixels of a much larger picture would alias
        small = max(width // shrink, 1), max(height // shrink, 1)
        picture = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
        matrix = matrix * [[width / small[0], height / small[1], 1]]
    if border != cv2.BORDER_CONSTANT:
        corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1]]) * out_size[::-1]
        source = np.linalg.solve(matrix[:, :2], (corners - matrix[:, 2]).T).T
        if (source > 0.5).all() and (source < np.array(picture.shape[1::-1]) - 0.5).all():
            border = cv2.BORDER_CONSTANT  # three times as fast where nothing beyond the picture's edge is needed
    matrix = matrix @ [[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]] - [0, 0, 0.5]  # OpenCV counts from the first pixel's middle
    return cv2.warpAffine(picture, matrix, out_size[::-1], flags=cv2.INTER_LINEAR, borderMode=border)


def warp_foreground(fgr, pha, matrix, out_size):
    """`warp` of both; beyond the picture's edge alpha is 0, and colours go on far enough for the edge's own."""
    fgr = cv2.copyMakeBorder(fgr, 2, 2, 2, 2, cv2.BORDER_REPLICATE)
    return warp(fgr, matrix @ [[1, 0, -2], [0, 1, -2], [0, 0, 1]], out_size), warp(pha, matrix, out_size)


def filtered(rng, pictures, zoom):
    """Blur and sharpen pictures that belong together, both seldom; returns them.

    `zoom` is the size of the crop's pixels relative to those of the canvas, at which the original blurs.
    """
    if rng.random() < 0.1 and (width := (2 * int(rng.integers(6)) + 1) * zoom) > 1:
        pictures = [box_blur(x, width) for x in pictures]
    if rng.random() < 0.1:
        pictures = [cv2.filter2D(x, -1, SHARPEN, borderType=cv2.BORDER_REPLICATE) for x in pictures]
    return pictures


def box_blur(picture, width):
    """Mean over width x width pixels; a width that is not an odd integer weights the outermost pixels less."""
    reach = math.ceil((width - 1) / 2)
    kernel = np.ones(2 * reach + 1)
    kernel[[0, -1]] = (width - (2 * reach - 1)) / 2
    kernel /= kernel.sum()
    return cv2.sepFilter2D(picture, -1, kernel, kernel, borderType=cv2.BORDER_REPLICATE)


def jitter(rng, picture, brightness=0.15, contrast=0.15, saturation=0.15, hue=0.05):
    """torchvision's ColorJitter on uint8 (H, W, 3) RGB: four changes in random order.

    Brightness scales, contrast mixes with the mean grey, saturation with the pixel's grey: three linear maps of
    colour, joined into one, so that values are clipped once and not after each. Hue turns the colour circle.
    """
    factors = [rng.uniform(1 - span, 1 + span) for span in (brightness, contrast, saturation)]
    turn = rng.uniform(-hue, hue)
    colour, mean = np.eye(3, 4), np.array([*cv2.mean(picture)[:3], 1])
    for change in rng.permutation(3):
        factor, grey = factors[change], GREY @ colour
        colour = colour * factor
        if change == 1:
            colour[:, 3] += (1 - factor) * (grey @ mean)
        elif change == 2:
            colour += (1 - factor) * grey
    first = rng.random() < 0.5
    picture = turn_hue(picture, turn) if first else picture
    picture = cv2.transform(picture, colour)
    return picture if first else turn_hue(picture, turn)


def turn_hue(picture, turn, saturation=1.0):
    """Turn the hue of uint8 (H, W, 3) RGB by a share of the colour circle and scale HSV's saturation."""
    hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV_FULL)
    values = np.arange(256)
    table = np.stack([(values + round(turn * 256)) % 256, np.minimum(np.rint(values * saturation), 255), values], 1)
    return cv2.cvtColor(cv2.LUT(hsv, table[None].astype(np.uint8)), cv2.COLOR_HSV2RGB_FULL)


def add_noise(rng, picture, sigma):
    """Add Gaussian noise of standard deviation `sigma` (in 0..1) to a uint8 picture.

    The noise is a table look-up of random bytes: 256 equally likely values of the normal distribution.
    """
    table = np.rint(NORMAL * sigma * 255).astype(np.int16)
    noise = cv2.LUT(np.frombuffer(rng.bytes(picture.size), np.uint8).reshape(picture.shape), table)
    return cv2.add(picture, noise, dtype=cv2.CV_8U)


def tone(rng, picture, brightness, contrast, saturation, balance):
    """Colour jitter around the picture's own mean, as one linear map of colour; uint8 in and out.

    brightness, contrast, saturation: (lowest, highest) factor; balance: largest change of one channel.
    """
    brightness, contrast, saturation = (rng.uniform(*limits) for limits in (brightness, contrast, saturation))
    mean = np.mean(cv2.mean(picture)[:3]) * brightness
    gain = 1 + rng.uniform(-balance, balance, 3)
    linear = gain[:, None] * (saturation * np.eye(3) + (1 - saturation) * GREY) * (brightness * contrast)
    return cv2.transform(picture, np.column_stack([linear, gain * mean * (1 - contrast)]))


def lit(picture, factor):
    """Colours of 0..1 in another light: times `factor`, a number, three, or (h, w, 3), without clipping."""
    return picture * factor / (1 + (factor - 1) * picture)


def by_table(picture, curve):
    """A curve of colour for uint8 (h, w, 3), given as function of (256, 1) levels; returns float32."""
    table = np.broadcast_to(curve(LEVELS), (256, 3))[None]
    return cv2.LUT(picture, np.ascontiguousarray(table, np.float32))


def blobs(rng, size, cells, channels=1):
    """A smooth random field, about `cells` bumps along the longer side, roughly -1..1: (h, w) or (h, w, channels)."""
    rows, columns = (max(2, round(cells * side / max(size))) + 2 for side in size)
    field = rng.normal(0, 0.5, (rows, columns, channels)).astype(np.float32)
    return cv2.resize(field, size[::-1], interpolation=cv2.INTER_CUBIC)
