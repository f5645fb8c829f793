"""Matte uint8 pictures with the two programs of `utils.engine.programs`, whichever engine runs them."""

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import cv2
import numpy as np

from utils.engine.matte import Matte
from utils.engine.tiles import (
    CELL,
    DENSE,
    ERR,
    FGR,
    LEVELS,
    PHA,
    cells_of,
    choose_cells,
    enlarge_into,
    frame_picture,
    group_cells,
    layout,
    make_room,
    reduce_picture,
    subject_in,
    windows,
)
from utils.picture.last import Last

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
        self._room = lru_cache(maxsize=1)(lambda *sizes: make_room(layout(*sizes, self.n, self.margin)))
        self._background = Last(self._prepare)

    def _prepare(self, bgr, scale):
        """The room, see `make_room`, with the background in it; the source, which is still missing, takes turns."""
        plan, framed, coarse = self._room(*bgr.shape[:2], scale)
        frame_picture(bgr, plan, framed[3:])
        self._reduce(bgr, plan, coarse[3:])
        return plan, framed, coarse

    @staticmethod
    def _reduce(picture, plan, coarse):
        """Write a picture where it belongs in three channels of the coarse ones."""
        height, width = plan.coarse_height, plan.coarse_width
        inner = (plane[1 : height + 1, 1 : width + 1] for plane in coarse)
        cv2.split(reduce_picture(picture, height, width), [*inner])

    def __call__(self, src, bgr, refine, foreground=True):
        """Matte one picture.

        Args:
            src, bgr: uint8 (H, W, 3), RGB, contiguous; H and W divisible by 4. What is made of `bgr` is kept for the
                next call with the same array.
            refine: utils.engine.presets.Refine, with nothing left open.
            foreground: whether to make the foreground, too.

        Returns Matte.
        """
        plan, framed, coarse = self._background(bgr, refine.scale)
        framing = self.threads.submit(frame_picture, src, plan, framed[:3])
        self._reduce(src, plan, coarse[:3])
        inner = coarse[None, :, 1 : plan.coarse_height + 1, 1 : plan.coarse_width + 1]
        dense, features = self.coarse(np.ascontiguousarray(inner))
        dense = dense[0, :DENSE]
        pha, err = np.clip(dense[PHA], 0, 1), np.clip(dense[ERR], 0, 1)
        size = src.shape[:2]
        chosen = group_cells(*choose_cells(err, refine, *size, self.prevent_oversampling), plan)
        cells = chosen[2:4]
        full_pha, fgr = np.zeros(size, np.uint8), src.copy() if foreground else None
        if len(cells[0]) * CELL**2 < full_pha.size:
            self._enlarge(src, pha, dense[FGR], full_pha, fgr)
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

        framing.result()
        self._refine((features[0], coarse, framed), plan, chosen, 4 if foreground else 1, write)
        return Matte(
            full_pha, fgr, lambda: _whole(pha, size, cells, cell_pha), lambda: err, lambda: _marked(size, cells)
        )

    def _enlarge(self, src, pha, residual, full_pha, fgr):
        """Fill alpha, which is 0, and, unless it is None, the foreground, which is the source, from the coarse maps."""
        run, (part, coarse) = self.threads.map, subject_in(pha, full_pha.shape)
        to = full_pha[part]
        enlarge_into(to, pha[coarse], lambda strip, rows: cv2.convertScaleAbs(strip, to[rows], LEVELS), run)
        if fgr is not None:
            seen, shown = src[part], fgr[part]
            levels = np.ascontiguousarray(residual.transpose(1, 2, 0)[coarse]) * np.float32(LEVELS)

            def add(strip, rows):
                cv2.add(seen[rows], strip, shown[rows], dtype=cv2.CV_8U)

            enlarge_into(shown, levels, add, run)

    def _refine(self, maps, plan, chosen, channels, write):
        """Refine all tiles, and give write(slice of cells, what they became) the chosen cells of each batch."""
        n, rows, columns, m, q = self.n, plan.rows, plan.columns, plan.coarse_span, plan.feature_span
        features, coarse, framed = maps
        short = [(0, max(0, q - length)) for length in features.shape[:2]]
        features = np.pad(features, (*short, (0, 0))) if np.any(short) else features
        features = np.moveaxis(windows(features.transpose(2, 0, 1), q), 2, -1)
        coarse = windows(coarse.transpose(0, 2, 1), m + 2)
        pictures = windows(framed, CELL * (n + self.margin))
        tile_rows, tile_columns, cell_rows, cell_columns, of_tile = chosen
        batch, starts = self.batch, iter(range(0, len(tile_rows), self.batch))

        def refine(program):
            for start in starts:  # of whichever thread comes first
                i, j = (np.resize(x[start : start + batch], batch) for x in (tile_rows, tile_columns))
                tiles = program(
                    features[rows.first_feature[i], columns.first_feature[j]],
                    coarse[columns.first_coarse[j], rows.first_coarse[i]],
                    rows.to_coarse[i],
                    columns.to_coarse[j],
                    rows.to_half[i],
                    columns.to_half[j],
                    pictures[i * n * CELL, j * n * CELL],
                )[0]
                tiles = tiles.reshape(batch, n, 2, n, 2, 2, 2, 4)[..., :channels]  # quarters: rows, columns of 2x2
                here = slice(*np.searchsorted(of_tile, (start, start + batch)))
                at = of_tile[here] - start, cell_rows[here] % n, slice(None), cell_columns[here] % n
                write(here, tiles[at].transpose(0, 1, 3, 2, 4, 5).reshape(-1, CELL, CELL, channels))

        for _ in self.threads.map(refine, self.tiles):
            pass


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
