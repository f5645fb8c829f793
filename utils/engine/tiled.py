"""Matte uint8 pictures with the two programs of `utils.engine.programs`, whichever engine runs them."""

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import cv2
import numpy as np

from utils.engine.matte import Matte
from utils.engine.programs import DENSE, ERR, FGR, LEVELS, PHA
from utils.engine.tiles import (
    CELL,
    cells_of,
    choose_cells,
    cut,
    enlarge_into,
    frame_picture,
    group_cells,
    layout,
    reduce_picture,
)
from utils.picture.last import Last

TILE_CELLS = 4  # on a tile's side: of 2, 4 and 8 the fastest on pictures of people
FEW_TILES, FEW_AT_ONCE, MANY_AT_ONCE = 1024, 64, 128

_layout = lru_cache(maxsize=8)(layout)


def tiles_at_once(tiles):
    """How many of a picture's tiles are computed in a call.

    One of two fixed numbers, since engines prepare themselves anew for each shape: more take more memory, fewer more
    time in Paddle Inference, which loses some at each call.
    """
    return FEW_AT_ONCE if tiles <= FEW_TILES else MANY_AT_ONCE


class TiledMatting:
    """The network in uint8 pictures, out uint8 pictures. Not for several threads at once.

    Args:
        coarse: the coarse program of `utils.engine.programs`, a function of arrays that returns a list of arrays.
        tiles: list of functions that run its tile program; each works in a thread of its own.
        kernel_size: the refiner's, 3 or 1.
        name, backbone: of the engine, and of the network.
        n: cells on a tile's side.
        batch: tiles in a call; None: `tiles_at_once`.

    Attributes:
        prevent_oversampling: see `model.refiner.Refiner`; may be changed.
    """

    def __init__(self, coarse, tiles, kernel_size=3, name=None, backbone=None, n=TILE_CELLS, batch=None):
        self.coarse, self.tiles = coarse, tiles
        self.margin = 0 if kernel_size == 1 else 3
        self.name, self.backbone, self.n, self.batch = name, backbone, n, batch
        self.prevent_oversampling = True
        self.threads = ThreadPoolExecutor(len(tiles), "tiles")
        self._background = Last(self._prepare)

    def _prepare(self, bgr, scale):
        """uint8 (3, h, w), the channels with zeros around them; float32 (3, hc, wc), 0..1, their reduced copy."""
        plan = self._plan(bgr, scale)
        coarse = reduce_picture(bgr, plan.coarse_height, plan.coarse_width)
        return frame_picture(bgr, plan), coarse.transpose(2, 0, 1)

    def __call__(self, src, bgr, refine, foreground=True):
        """Matte one picture.

        Args:
            src, bgr: uint8 (H, W, 3), RGB, contiguous; H and W divisible by 4. What is made of `bgr` is kept for the
                next call with the same array.
            refine: utils.engine.presets.Refine, with nothing left open.
            foreground: whether to make the foreground, too.

        Returns:
            Matte.
        """
        plan, (framed, coarse_bgr) = self._plan(src, refine.scale), self._background(bgr, refine.scale)
        coarse = np.empty((6, plan.coarse_height, plan.coarse_width), np.float32)
        coarse[:3] = reduce_picture(src, plan.coarse_height, plan.coarse_width).transpose(2, 0, 1)
        coarse[3:] = coarse_bgr
        dense, features = self.coarse(coarse[None])
        dense = dense[0, :DENSE]
        pha, err = np.clip(dense[PHA], 0, 1), np.clip(dense[ERR], 0, 1)
        size = src.shape[:2]
        chosen = group_cells(*choose_cells(err, refine, *size, self.prevent_oversampling), plan)
        cells = chosen[2:4]
        full_pha, fgr = np.empty(size, np.uint8), np.empty_like(src) if foreground else None
        if len(cells[0]) * CELL**2 < full_pha.size:
            self._enlarge(src, pha, dense[FGR], full_pha, fgr)
        cell_pha = np.empty((len(cells[0]), CELL, CELL), np.float32)

        def write(here, refined):
            """Write refined cells, float32 (cells, 4, 4, 4), alpha and residual in levels."""
            at = tuple(axis[here] for axis in cells)
            alpha = np.clip(refined[..., 0], 0, LEVELS)
            cell_pha[here] = alpha * np.float32(1 / LEVELS)
            cells_of(full_pha)[at] = np.rint(alpha).astype(np.uint8)
            if foreground:
                levels = np.clip(cells_of(src)[at] + refined[..., 1:], 0, LEVELS)
                cells_of(fgr)[at] = np.rint(levels).astype(np.uint8)

        self._refine((frame_picture(src, plan), framed), coarse, features[0], plan, chosen, write)
        return Matte(
            full_pha, fgr, lambda: _whole(pha, size, cells, cell_pha), lambda: err, lambda: _marked(size, cells)
        )

    def _plan(self, picture, scale):
        return _layout(*picture.shape[:2], scale, self.n, self.margin)

    def _enlarge(self, src, pha, residual, full_pha, fgr):
        """Fill alpha and, unless it is None, the foreground from the coarse maps."""
        run = self.threads.map
        enlarge_into(full_pha, pha, lambda strip, rows: cv2.convertScaleAbs(strip, full_pha[rows], LEVELS), run)
        if fgr is not None:
            levels = np.ascontiguousarray(residual.transpose(1, 2, 0)) * np.float32(LEVELS)
            enlarge_into(fgr, levels, lambda strip, rows: cv2.add(src[rows], strip, fgr[rows], dtype=cv2.CV_8U), run)

    def _refine(self, framed, coarse, features, plan, chosen, write):
        """Refine all tiles, and give write(slice of cells, what they became) the chosen cells of each batch."""
        n, (tile_rows, tile_columns, *cells, starts) = self.n, chosen
        batch = self.batch or tiles_at_once(len(tile_rows))
        m, q, rows, columns = plan.coarse_span, plan.feature_span, plan.rows, plan.columns
        coarse = _at_least(coarse.transpose(1, 2, 0), m, before=1).transpose(2, 1, 0)
        features = np.ascontiguousarray(_at_least(features, q))
        side = 4 * (n + self.margin)

        def refine(program, first_batch):
            small = np.empty((batch, 6, m + 2, m + 2), np.float32)
            pictures = np.empty((batch, 6, side, side), np.uint8)
            for start in range(first_batch * batch, len(tile_rows), batch * len(self.tiles)):
                end = min(start + batch, len(tile_rows))
                here = slice(starts[start], starts[end])
                cell_i, cell_j = cells[0][here] % n, cells[1][here] % n
                of_tile = np.repeat(np.arange(end - start), np.diff(starts[start : end + 1]))
                filled = np.minimum(np.arange(start, start + batch), end - 1)  # the last tile again and again
                i, j = tile_rows[filled], tile_columns[filled]
                for picture, part in zip(framed, (pictures[:, :3], pictures[:, 3:])):
                    cut(picture, i * n * CELL, j * n * CELL, side, part)
                tiles = program(
                    cut(features, rows.first_feature[i], columns.first_feature[j], q),
                    cut(coarse, columns.first_coarse[j], rows.first_coarse[i], m + 2, small),
                    rows.to_coarse[i],
                    columns.to_coarse[j],
                    rows.to_half[i],
                    columns.to_half[j],
                    pictures,
                )[0]
                tiles = tiles.reshape(batch, n, 2, n, 2, 2, 2, 4)  # quarters: rows and columns of 2x2 pixels
                refined = tiles[of_tile, cell_i, :, cell_j].transpose(0, 1, 3, 2, 4, 5)
                write(here, refined.reshape(-1, CELL, CELL, 4))

        for _ in self.threads.map(refine, self.tiles, range(len(self.tiles))):
            pass


def _at_least(array, size, before=0):
    """Pad (H, W, C) with `before` zeros on all sides, and after them until a window of size + 2 * before fits."""
    after = [(before, max(before, size + before - length)) for length in array.shape[:2]]
    return array if after == [(0, 0), (0, 0)] else np.pad(array, (*after, (0, 0)))


def _whole(coarse_pha, size, cells, cell_pha):
    """float32 (H, W), 0..1: alpha before it was rounded."""
    out = np.empty(size, np.float32)

    def convert(strip, rows):
        out[rows] = strip

    enlarge_into(out, coarse_pha, convert)
    cells_of(out)[cells] = cell_pha
    return out


def _marked(size, cells):
    """float32 (H/4, W/4), 1 where a cell was refined."""
    out = np.zeros([n // CELL for n in size], np.float32)
    out[cells] = 1
    return out
