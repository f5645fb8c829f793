"""Matte uint8 pictures with the two programs of `utils.engine.programs`, whichever engine runs them.

Between the coarse program and the tile program stands: choosing cells, cutting out tiles, writing back. NumPy and
OpenCV only. Pictures stay uint8; nothing float is made at full size, except strips that fit the cache.

A cell is 4x4 full-size pixels, 2x2 half-size ones; a tile is n x n cells. Neighbouring cells share their margins in a
tile, where the original computes them again for each cell: at n = 8 an eighth of the work.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from utils.engine.matte import Matte
from utils.picture.last import Last

CELL = 4
HIDDEN = 32
PHA, FGR, ERR, HID = 0, slice(1, 4), 4, slice(5, 5 + HIDDEN)  # output channels of the decoder
DENSE = 5  # alpha, residual and error
LEVELS = 255.0
FAINT = 0.03  # what alpha differs by from 0 and 1 where it is neither bare nor solid
AROUND = 4  # coarse pixels around the subject that are enlarged, too
STRIP_BYTES = 1 << 20  # of float32 enlarged at a time: stays in the processor's cache
TILE_CELLS = 8  # on a tile's side: of 3 to 16 the fastest on pictures of people
# Tiles in a call, one number for all pictures, since engines prepare themselves anew for each shape: what stays in a
# processor's cache, or is worth a call of an engine that loses time at each.
AT_ONCE = {"openvino": 12, "inference": 32}


class TiledMatting:
    """The network in uint8 pictures, out uint8 pictures. Not for several threads at once.

    Args:
        coarse: the coarse program of `utils.engine.programs`, a function of arrays that returns a list of arrays.
        tiles: list of functions that run its tile program; each works in a thread of its own.
        kernel_size: the refiner's, 3 or 1.
        name, backbone: of the engine, and of the network.
        n: cells on a tile's side.
        batch: tiles in a call; None: what suits the engine.

    Attributes:
        prevent_oversampling: see `model.refiner.Refiner`; may be changed.
    """

    def __init__(self, coarse, tiles, kernel_size=3, name=None, backbone=None, n=TILE_CELLS, batch=None):
        self.coarse, self.tiles = coarse, tiles
        self.margin = 0 if kernel_size == 1 else 3
        self.name, self.backbone, self.n, self.batch = name, backbone, n, batch or AT_ONCE.get(name, 12)
        self.prevent_oversampling = True
        self.threads = ThreadPoolExecutor(len(tiles), "tiles")
        self._room = lru_cache(maxsize=1)(lambda *sizes: make_room(*sizes, self.n, self.margin))
        self._background = Last(self._prepare)

    def _prepare(self, bgr, scale):
        """The room, see `make_room`, with the background in it; the source, which is still missing, takes turns."""
        room = rows, columns, framed, coarse = self._room(*bgr.shape[:2], scale)
        split_into(framed[3:], bgr, 2 * self.margin)
        split_into(coarse[3:], reduce_picture(bgr, rows.coarse, columns.coarse), 1)
        return room

    def __call__(self, src, bgr, refine, foreground=True):
        """Matte one picture.

        Args:
            src, bgr: uint8 (H, W, 3), RGB, contiguous; H and W divisible by 4. What is made of `bgr` is kept for the
                next call with the same array.
            refine: utils.engine.presets.Refine, with nothing left open.
            foreground: whether to make the foreground, too.

        Returns Matte.
        """
        room = rows, columns, framed, coarse = self._background(bgr, refine.scale)
        tasks = [self.threads.submit(split_into, framed[:3], src, 2 * self.margin)]
        copy = self.threads.submit(src.copy) if foreground else None
        split_into(coarse[:3], reduce_picture(src, rows.coarse, columns.coarse), 1)
        dense, features = self.coarse(np.ascontiguousarray(coarse[None, :, 1:-1, 1:-1]))
        dense = dense[0, :DENSE]
        pha, err = np.clip(dense[PHA], 0, 1), np.clip(dense[ERR], 0, 1)
        size = src.shape[:2]
        full_pha, fgr = np.zeros(size, np.uint8), copy.result() if foreground else None
        if refine.mode != "full":
            self._enlarge(src, pha, dense[FGR], full_pha, fgr, tasks)
        cells = choose_cells(err, refine, *size, self.prevent_oversampling)
        cells = with_gaps(cells, pha, size) if refine.gaps else cells
        chosen = group_cells(*cells, self.n, len(rows.to_half), len(columns.to_half))
        cells = chosen[2:4]
        cell_pha = np.empty((len(cells[0]), CELL, CELL), np.float32)

        def write(here, refined):
            """Write refined cells, float32 (cells, 4, 4, 1 or 4), alpha and perhaps residual in levels."""
            at = tuple(axis[here] for axis in cells)
            alpha = np.clip(refined[..., 0], 0, LEVELS)
            cell_pha[here] = alpha * np.float32(1 / LEVELS)
            cells_of(full_pha)[at] = np.rint(alpha).astype(np.uint8)
            if foreground:
                levels = np.clip(cells_of(src)[at] + refined[..., 1:], 0, LEVELS)
                cells_of(fgr)[at] = np.rint(levels).astype(np.uint8)

        def pha_float():
            out = np.empty(size, np.float32)
            enlarge_into(out, pha, lambda strip, rows: np.copyto(out[rows], strip))
            cells_of(out)[cells] = cell_pha
            return out

        for task in tasks:
            task.result()
        self._refine(features[0], room, chosen, 4 if foreground else 1, write)
        return Matte(full_pha, fgr, pha_float, lambda: err, lambda: np.float32(marked(size, cells)))

    def _enlarge(self, src, pha, residual, full_pha, fgr, tasks):
        """Fill alpha, which is 0, and the foreground, which is the source or None, from the coarse maps, by `tasks`."""

        def run(function, strips):
            tasks.extend(self.threads.submit(function, strip) for strip in strips)
            return ()

        part, coarse = subject_in(pha, full_pha.shape)
        to = full_pha[part]
        enlarge_into(to, pha[coarse], lambda strip, rows: cv2.convertScaleAbs(strip, to[rows], LEVELS), run)
        if fgr is not None:
            seen, shown = src[part], fgr[part]
            levels = np.ascontiguousarray(residual.transpose(1, 2, 0)[coarse]) * np.float32(LEVELS)
            enlarge_into(shown, levels, lambda strip, at: cv2.add(seen[at], strip, shown[at], dtype=cv2.CV_8U), run)

    def _refine(self, features, room, chosen, channels, write):
        """Refine all tiles, and give write(slice of cells, what they became) the chosen cells of each batch."""
        n, (rows, columns, framed, coarse) = self.n, room
        (seen_rows, span_rows), (seen_columns, span_columns) = (x.to_coarse.shape[1:] for x in (rows, columns))
        features = np.moveaxis(windows(features.transpose(2, 0, 1), span_rows, span_columns), 2, -1)
        coarse = windows(coarse.transpose(0, 2, 1), seen_columns, seen_rows)
        side = CELL * (n + self.margin)
        pictures = windows(framed, side, side)
        tile_rows, tile_columns, cell_rows, cell_columns, of_tile = chosen
        batch, starts = self.batch, iter(range(0, len(tile_rows), self.batch))

        def refine(program):
            for start in starts:  # of whichever thread comes first
                i, j = (np.resize(x[start : start + batch], batch) for x in (tile_rows, tile_columns))
                tiles = program(
                    features[rows.first_feature[i], columns.first_feature[j]],
                    coarse[columns.first_coarse[j], rows.first_coarse[i]],
                    *(rows.to_coarse[i], columns.to_coarse[j], rows.to_half[i], columns.to_half[j]),
                    pictures[i * n * CELL, j * CELL],
                )[0]
                tiles = tiles.reshape(batch, n, 2, n, 2, 2, 2, 4)[..., :channels]  # quarters: rows, columns of 2x2
                here = slice(*np.searchsorted(of_tile, (start, start + batch)))
                tile = of_tile[here]
                at = tile - start, cell_rows[here] % n, slice(None), cell_columns[here] - tile_columns[tile]
                write(here, tiles[at].transpose(0, 1, 3, 2, 4, 5).reshape(-1, CELL, CELL, channels))

        for _ in self.threads.map(refine, self.tiles):
            pass


class Axis(NamedTuple):
    """Rows or columns: where tiles may lie, and the weights that enlarge the coarse maps for them.

    Tiles lie side by side along the columns of the picture, and begin at any cell along its rows.
    """

    coarse: int  # length of the coarse picture
    first_coarse: np.ndarray  # (places,) int, first of the m coarse pixels that a tile sees
    first_feature: np.ndarray  # (places,) int, first of its q features
    to_half: np.ndarray  # (places, k, m) float32
    to_coarse: np.ndarray  # (places, m + 2, q) float32


def lay_tiles(size, scale, n, margin, step):
    """Lay tiles along an axis of a size, at every cell or every so many: an Axis.

    scale: coarse size relative to the pictures', at most 1/2; n: cells on a tile's side; margin: half-size pixels
    around a tile, 3, or 0 for 1x1 kernels.
    """
    coarse, places = int(size * scale), np.arange(0, size // CELL, step)[:, None]
    first_coarse, to_half = _enlarging(2 * places + np.arange(-margin, 2 * n + margin), size // 2, coarse)
    seen = first_coarse[:, None] + np.arange(-1, to_half.shape[2] + 1)
    first_feature, to_coarse = _enlarging(seen, coarse, -(-coarse // 2))
    return Axis(coarse, first_coarse, first_feature, to_half, to_coarse)


def _enlarging(positions, size, source_size):
    """The first source pixel that each tile needs, (tiles,), and the weights that enlarge them, (tiles, count, span)
    float32; positions: (tiles, count)."""
    low, high, (near, far) = _bilinear(positions, size, source_size)
    span = int((high.max(1) - low.min(1)).max()) + 1
    first = np.minimum(low.min(1), source_size - span)
    at = first[:, None, None] + np.arange(span)
    weights = (low[..., None] == at) * near[..., None] + (high[..., None] == at) * far[..., None]
    return first, weights.astype(np.float32)


def _bilinear(positions, size, source_size):
    """Positions of an axis of `size` on one of `source_size`, half-pixel centres.

    Returns low, high: int, like positions; weights: (2, *positions.shape) float64, zero outside the axis.
    """
    inside = (positions >= 0) & (positions < size)
    at = np.clip((positions + 0.5) * (source_size / size) - 0.5, 0, source_size - 1)
    low = np.floor(at).astype(np.int64)
    part = at - low
    high = np.where(part > 0, low + 1, low)
    return low, high, np.stack([(1 - part) * inside, part * inside])


def reduce_picture(picture, height, width):
    """Reduce a picture bilinearly, half-pixel centres, no anti-alias, reading only the pixels that this takes.

    uint8 (H, W, 3) -> float32 (height, width, 3), 0..1.
    """
    full_height, full_width = picture.shape[:2]
    step = full_height // height
    if step % 2 == 0 and (height * step, width * step) == (full_height, full_width):
        middle = step // 2  # the mean of the two by two pixels in the middle of each block
        lines = cv2.add(picture[middle - 1 :: step], picture[middle::step], dtype=cv2.CV_32F)
        return cv2.resize(lines, (width, height), interpolation=cv2.INTER_LINEAR) * np.float32(1 / (2 * 255))
    axes = (height, full_height), (width, full_width)
    (top, bottom, (_, down)), (left, right, (_, along)) = (_bilinear(np.arange(n), n, full) for n, full in axes)
    along, down = np.float32(along)[:, None], np.float32(down)[:, None, None]
    lines = [[picture[row][:, column].astype(np.float32) for column in (left, right)] for row in (top, bottom)]
    upper, lower = (near + (far - near) * along for near, far in lines)
    return (upper + (lower - upper) * down) * np.float32(1 / 255)


def choose_cells(err, refine, height, width, prevent_oversampling=True):
    """Choose the cells to refine, as the network's Refiner does.

    Args:
        err: float32 (hc, wc), 0..1, the coarse network's predicted error.
        refine: utils.engine.presets.Refine, with nothing left open.
        height, width: of the pictures, divisible by 4.
        prevent_oversampling: as in `model.refiner.Refiner`.

    Returns:
        rows, columns: int arrays of the chosen cells, in raster order. Of equal errors at the limit any may be chosen.
    """
    size = height // CELL, width // CELL
    if err.shape != size and refine.mode != "full":
        err = cv2.resize(err, size[::-1], interpolation=cv2.INTER_LINEAR)
    err = err.ravel()
    if refine.mode == "full":
        chosen = np.arange(size[0] * size[1])
    elif refine.mode == "thresholding":
        chosen = np.flatnonzero(err > refine.threshold)
    else:
        chosen = np.flatnonzero(err > 0) if prevent_oversampling else np.arange(err.size)
        smaller = len(chosen) - refine.pixels // CELL**2
        if smaller > 0:
            largest = np.argpartition(err[chosen], min(smaller, len(chosen) - 1))[smaller:]
            chosen = np.sort(chosen[largest])
    return np.divmod(chosen, size[1])


def with_gaps(cells, pha, size):
    """Cells (rows, columns), those beside them that coarse alpha, (hc, wc), calls neither bare nor solid, and between.

    Left out, these would show: as notches and holes at an outline, and as steps as wide as a cell.
    """
    chosen, square = marked(size, cells), np.ones((3, 3), np.uint8)
    pha = cv2.resize(pha, chosen.shape[::-1], interpolation=cv2.INTER_LINEAR)
    chosen |= cv2.dilate(chosen, square) & (abs(pha - 0.5) < 0.5 - FAINT)
    return np.nonzero(cv2.morphologyEx(chosen, cv2.MORPH_CLOSE, square))


def marked(size, cells):
    """uint8 (H/4, W/4) of a picture of `size`, 1 where one of the cells (rows, columns) is."""
    out = np.zeros([n // CELL for n in size], np.uint8)
    out[cells] = 1
    return out


def group_cells(rows, columns, n, down, across):
    """Cover cells with tiles: in each row of tiles each begins at the first cell that the one before leaves open.

    Args:
        rows, columns: of the cells; n: cells on a tile's side; down, across: rows of tiles, and columns of cells.

    Returns:
        tile_rows, tile_columns: where the tiles begin, in tiles and in cells; cell_rows, cell_columns: the cells,
        sorted by tile; of_tile: the index of each cell's tile.
    """
    following = np.full((down, across + 1), across)  # the first cell at or after a column
    following[rows // n, columns] = columns
    following = np.minimum.accumulate(following[:, ::-1], axis=1)[:, ::-1]
    number, first, tiles = np.arange(len(following)), following[:, 0], []
    while len(number):
        number, first = number[first < across], first[first < across]
        tiles.append(number * across + first)
        first = following[number, np.minimum(first + n, across)]
    tiles = np.sort(np.concatenate(tiles))
    of_tile = np.searchsorted(tiles, rows // n * across + columns, side="right") - 1
    order = np.argsort(of_tile, kind="stable")
    return *np.divmod(tiles, across), rows[order], columns[order], of_tile[order]


def make_room(height, width, scale, n, margin):
    """Room for source and background as tiles see them: zeros where a tile reaches beyond the picture.

    Returns:
        rows, columns: see `lay_tiles`.
        framed: uint8 (6, h, w), with 2 * margin pixels before the picture, and after it those and a tile.
        coarse: float32 (6, hc + 2, wc + 2), with one pixel around the picture.
    """
    axes = lay_tiles(height, scale, n, margin, n), lay_tiles(width, scale, n, margin, 1)
    framed = np.zeros((6, *(4 * margin + size + CELL * n for size in (height, width))), np.uint8)
    return *axes, framed, np.zeros((6, *(axis.coarse + 2 for axis in axes)), np.float32)


def split_into(planes, picture, before):
    """Write the channels of a picture (H, W, 3) into three planes, so many pixels from their upper left corner."""
    rows, columns = (slice(before, before + size) for size in picture.shape[:2])
    cv2.split(picture, [plane[rows, columns] for plane in planes])


def windows(planes, height, width):
    """View all windows of a size in channels (C, H, W): (H - height + 1, W - width + 1, C, height, width)."""
    return sliding_window_view(planes, (height, width), (1, 2)).transpose(1, 2, 0, 3, 4)


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
    low, high, (_, part) = _bilinear(np.arange(height), height, len(maps))
    part = part.astype(np.float32).reshape(-1, *[1] * (maps.ndim - 1))
    lines = max(1, STRIP_BYTES // (4 * width * int(np.prod(maps.shape[2:]))))

    def enlarge(start):
        rows = slice(start, min(start + lines, height))
        near = maps[low[rows]]
        strip = near + (maps[high[rows]] - near) * part[rows]
        if width != maps.shape[1]:
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
        if len(found) and not rest:
            first, end = max(found[0] - AROUND, 0), min(found[-1] + 1 + AROUND, coarse)
            parts.append((slice(first * step, end * step), slice(first, end)))
        else:
            parts.append((slice(size), slice(coarse)))
    return tuple(zip(*parts))


def cells_of(picture):
    """View a picture (H, W[, C]) as cells (H/4, W/4, 4, 4[, C])."""
    return picture.reshape(len(picture) // CELL, CELL, -1, CELL, *picture.shape[2:]).swapaxes(1, 2)
