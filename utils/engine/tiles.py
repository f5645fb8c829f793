"""What stands between the coarse program and the tile program: choosing cells, cutting out tiles, writing back.

NumPy and OpenCV only. Pictures stay uint8; nothing float is made at full size, except strips that fit the cache.

A cell is 4x4 full-size pixels, 2x2 half-size ones; a tile is n x n cells. Neighbouring cells share their margins in a
tile, where the original computes them again for each cell: at n = 4 a quarter of the work.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

CELL = 4
HIDDEN = 32
PHA, FGR, ERR, HID = 0, slice(1, 4), 4, slice(5, 5 + HIDDEN)  # output channels of the decoder
DENSE = 5  # alpha, residual and error
LEVELS = 255.0
AROUND = 4  # coarse pixels around the subject that are enlarged, too
STRIP_BYTES = 1 << 20  # of float32 enlarged at a time: stays in the processor's cache


@dataclass(frozen=True)
class Axis:
    """Where the tiles of one axis lie, and the weights that enlarge the coarse maps for them.

    Attributes:
        first_coarse: (tiles,) int, first of the m coarse pixels that a tile sees.
        first_feature: (tiles,) int, first of its q features.
        to_half: (tiles, k, m) float32.
        to_coarse: (tiles, m + 2, q) float32.
    """

    first_coarse: np.ndarray
    first_feature: np.ndarray
    to_half: np.ndarray
    to_coarse: np.ndarray


@dataclass(frozen=True)
class Layout:
    """All that follows from the sizes alone.

    Attributes:
        height, width: of the pictures, divisible by 4.
        coarse_height, coarse_width: of the coarse picture.
        n: cells on a tile's side.
        margin: half-size pixels around a tile, 3, or 0 for 1x1 kernels.
        coarse_span, feature_span: m and q.
        rows, columns: Axis.
    """

    height: int
    width: int
    coarse_height: int
    coarse_width: int
    n: int
    margin: int
    coarse_span: int
    feature_span: int
    rows: Axis
    columns: Axis


def layout(height, width, scale, n, margin):
    """Lay tiles over pictures: a Layout of its attributes, and `scale`: coarse size relative to theirs, at most 1/2."""
    sizes = [(size, int(size * scale)) for size in (height, width)]
    if min(coarse for _, coarse in sizes) < 1:
        raise ValueError(f"pictures of {width}x{height} at scale {scale:g} leave nothing for the coarse network")
    axes = [(size // 2, coarse, -(-size // (CELL * n))) for size, coarse in sizes]
    tile = np.arange(-margin, 2 * n + margin)
    halves = [_bilinear(np.arange(tiles)[:, None] * 2 * n + tile, half, coarse) for half, coarse, tiles in axes]
    m = max(_span(*x) for x in halves)
    firsts = [_first(low, coarse, m) for (low, _, _), (_, coarse, _) in zip(halves, axes)]
    window = np.arange(-1, m + 1)
    lengths = [-(-coarse // 2) for _, coarse in sizes]  # of the features
    windows = [_bilinear(f[:, None] + window, c, length) for f, (_, c), length in zip(firsts, sizes, lengths)]
    q = max(_span(*x) for x in windows)
    rows, columns = (
        Axis(first, _first(at[0], length, q), _matrix(*half, first, m), _matrix(*at, _first(at[0], length, q), q))
        for first, half, at, length in zip(firsts, halves, windows, lengths)
    )
    return Layout(height, width, sizes[0][1], sizes[1][1], n, margin, m, q, rows, columns)


def _span(low, high, _):
    """How many source pixels the widest tile needs."""
    return int((high.max(1) - low.min(1)).max()) + 1


def _first(low, length, span):
    """The first source pixel of each tile's window, which stays inside an axis of this length if it fits."""
    return np.minimum(low.min(1), max(length - span, 0))


def _bilinear(positions, size, source_size):
    """Positions of an axis of `size` on one of `source_size`, half-pixel centres.

    Returns low, high: int, like positions; weights: (2, *positions.shape) float64, zero outside the axis.
    """
    inside = (positions >= 0) & (positions < size)
    at = (np.clip(positions, 0, size - 1) + 0.5) * (source_size / size) - 0.5
    at = np.clip(at, 0, source_size - 1)
    low = np.minimum(np.floor(at).astype(np.int64), source_size - 1)
    part = at - low
    high = np.where(part > 0, low + 1, low)
    return low, high, np.stack([(1 - part) * inside, part * inside])


def _matrix(low, high, weights, first, span):
    """What `_bilinear` returned for (tiles, positions), as matrices on windows: (tiles, positions, span) float32."""
    out = np.zeros((*low.shape, span), np.float32)
    for index, weight in ((low, weights[0]), (high, weights[1])):
        index = (index - first[:, None])[..., None]
        np.put_along_axis(out, index, np.take_along_axis(out, index, 2) + weight[..., None].astype(np.float32), 2)
    return out


def reduce_picture(picture, height, width):
    """Reduce a picture bilinearly, half-pixel centres, no anti-alias, reading only the pixels that this takes.

    uint8 (H, W, 3) -> float32 (height, width, 3), 0..1.
    """
    full_height, full_width = picture.shape[:2]
    step = full_height // height
    if step % 2 == 0 and (height * step, width * step) == (full_height, full_width):
        return _reduce_evenly(picture, step)
    axes = (height, full_height), (width, full_width)
    (top, bottom, (_, down)), (left, right, (_, along)) = (_bilinear(np.arange(n), n, full) for n, full in axes)
    along = along.astype(np.float32)[:, None]
    rows = []
    for row in (top, bottom):
        lines = picture[row]
        near, far = lines[:, left].astype(np.float32), lines[:, right].astype(np.float32)
        rows.append(near + (far - near) * along)
    down = down.astype(np.float32)[:, None, None]
    return (rows[0] + (rows[1] - rows[0]) * down) * np.float32(1 / 255)


def _reduce_evenly(picture, step):
    """By an even whole step: the mean of the two by two pixels in the middle of each block."""
    height, width = picture.shape[0] // step, picture.shape[1] // step
    middle = step // 2
    lines = cv2.add(picture[middle - 1 :: step], picture[middle::step], dtype=cv2.CV_32F)
    return cv2.resize(lines, (width, height), interpolation=cv2.INTER_LINEAR) * np.float32(1 / (2 * 255))


def choose_cells(err, refine, height, width, prevent_oversampling=True):
    """Choose the cells to refine, as the network's Refiner does, and perhaps those between them.

    Args:
        err: float32 (hc, wc), 0..1, the coarse network's predicted error.
        refine: utils.engine.presets.Refine, with nothing left open.
        height, width: of the pictures, divisible by 4.
        prevent_oversampling: as in `model.refiner.Refiner`.

    Returns:
        rows, columns: int arrays of the chosen cells, in raster order. Of equal errors at the limit any may be chosen.
    """
    size = height // CELL, width // CELL
    if refine.mode == "full":
        chosen = np.arange(size[0] * size[1])
    else:
        if err.shape != size:
            err = cv2.resize(err, size[::-1], interpolation=cv2.INTER_LINEAR)
        err = err.ravel()
        if refine.mode == "thresholding":
            chosen = np.flatnonzero(err > refine.threshold)
        else:
            wanted = min(refine.pixels // CELL**2, err.size)
            chosen = np.flatnonzero(err > 0) if prevent_oversampling else np.arange(err.size)
            if len(chosen) > wanted:
                smaller = len(chosen) - wanted
                largest = np.argpartition(err[chosen], min(smaller, len(chosen) - 1))[smaller:]
                chosen = np.sort(chosen[largest])
    if refine.gaps:
        marked = np.zeros(size, np.uint8)
        marked.flat[chosen] = 1
        chosen = np.flatnonzero(cv2.morphologyEx(marked, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)))
    return np.divmod(chosen, size[1])


def group_cells(rows, columns, plan):
    """Sort cells by tile.

    Returns:
        tile_rows, tile_columns: the tiles that hold chosen cells; cell_rows, cell_columns: the cells, sorted by tile;
        of_tile: the index of each cell's tile.
    """
    across = -(-plan.width // (CELL * plan.n))
    tile = rows // plan.n * across + columns // plan.n
    order = np.argsort(tile, kind="stable")
    ids, of_tile = np.unique(tile[order], return_inverse=True)
    return *np.divmod(ids, across), rows[order], columns[order], of_tile


def make_room(plan):
    """Room for source and background as tiles see them: zeros where a tile reaches beyond the picture.

    Returns:
        plan.
        framed: uint8 (6, h, w), with 2 * margin pixels before the picture, and after it those of the last tiles.
        coarse: float32 (6, at least hc + 2, at least wc + 2), with one pixel before the picture.
    """
    sizes = (4 * plan.margin + size + -size % (CELL * plan.n) for size in (plan.height, plan.width))
    coarse_sizes = (2 + max(size, plan.coarse_span) for size in (plan.coarse_height, plan.coarse_width))
    return plan, np.zeros((6, *sizes), np.uint8), np.zeros((6, *coarse_sizes), np.float32)


def frame_picture(picture, plan, framed):
    """Write the channels of a picture (H, W, 3) where they belong in three of those of `make_room`."""
    rows, columns = (slice(2 * plan.margin, 2 * plan.margin + size) for size in (plan.height, plan.width))
    cv2.split(picture, [plane[rows, columns] for plane in framed])


def windows(planes, size):
    """View all square windows of channels (C, H, W): (H - size + 1, W - size + 1, C, size, size)."""
    return sliding_window_view(planes, (size, size), (1, 2)).transpose(1, 2, 0, 3, 4)


def enlarge_into(out, maps, convert, run=map):
    """Enlarge coarse maps bilinearly, strip by strip.

    Args:
        out: full-size array (H, W[, C]) to fill.
        maps: float32 (hc, wc[, C]).
        convert: convert(strip, rows) is given the enlarged float32 strip and the slice of rows that it covers, and
            writes into out.
        run: run(function, strips) calls the function for each strip, in any order: `map`, or a thread pool's.
    """
    height, width = out.shape[:2]
    coarse_height, coarse_width = maps.shape[:2]
    low, high, (_, part) = _bilinear(np.arange(height), height, coarse_height)
    part = part.astype(np.float32).reshape(-1, *[1] * (maps.ndim - 1))
    lines = max(1, STRIP_BYTES // (4 * width * int(np.prod(maps.shape[2:]))))

    def enlarge(start):
        rows = slice(start, min(start + lines, height))
        near = maps[low[rows]]
        strip = near + (maps[high[rows]] - near) * part[rows]
        if width != coarse_width:
            strip = cv2.resize(strip, (width, len(strip)), interpolation=cv2.INTER_LINEAR)
        convert(strip, rows)

    for _ in run(enlarge, range(0, height, lines)):
        pass


def subject_in(pha, full_size):
    """The parts of full size (H, W) and of coarse alpha (hc, wc) beyond which enlarging gives 0: two pairs of slices.

    With some pixels around, so that the foreground may be reduced. All of both where one is not a whole multiple of the
    other: a part of a map would lie between two pixels there.
    """
    parts = []
    for axis, (size, coarse) in enumerate(zip(full_size, pha.shape)):
        step, rest = divmod(size, coarse)
        found = np.flatnonzero(pha.any(1 - axis))
        first, end = (
            (max(found[0] - AROUND, 0), min(found[-1] + 1 + AROUND, coarse)) if len(found) and not rest else (0, coarse)
        )
        parts.append((slice(first * step, end * step if not rest else size), slice(first, end)))
    return tuple(zip(*parts))


def cells_of(picture):
    """View a picture (H, W[, C]) as cells (H/4, W/4, 4, 4[, C])."""
    height, width = picture.shape[:2]
    view = picture.reshape(height // CELL, CELL, width // CELL, CELL, *picture.shape[2:])
    return view.swapaxes(1, 2)
