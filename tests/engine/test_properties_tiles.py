"""Tiles and cells of any size: every pixel is refined from its own surroundings, however the picture is cut up.

In place of the network stand local means with the reach of its convolutions, so that a pixel that comes from elsewhere,
or sees anything but zeros beyond the picture's edge, shows.
"""

import cv2
import numpy as np
import paddle
from numpy.lib.stride_tricks import sliding_window_view

from model.refiner import Refiner
from model.resize import bilinear
from tests.properties import given, pictures, seeds, settings, st
from utils.engine import tiles
from utils.engine.presets import Refine
from utils.engine.tiles import (
    CELL,
    DENSE,
    ERR,
    LEVELS,
    PHA,
    TiledMatting,
    cells_of,
    choose_cells,
    enlarge_into,
    group_cells,
    make_room,
    reduce_picture,
    split_into,
    subject_in,
)

cells = st.integers(1, 14)
scales = st.sampled_from([1 / 2, 1 / 3, 3 / 8, 0.31, 1 / 4, 1 / 6])


def enlarged(maps, height, width):
    return cv2.resize(maps, (width, height), interpolation=cv2.INTER_LINEAR)


def mean_around(picture, reach):
    """Mean over a square of 2 * reach + 1 pixels, without those at the edge that have no such square."""
    return sliding_window_view(picture, (2 * reach + 1,) * 2, axis=(-2, -1)).mean(axis=(-2, -1), dtype=np.float64)


# ---------------------------------------------------------------------------------------------------------- the tiles
def coarse_program(arrays):
    """Alpha, error and one feature are the source's red, green and blue."""
    dense = np.zeros((1, DENSE, *arrays.shape[2:]), np.float32)
    dense[:, PHA], dense[:, ERR] = arrays[:, 0], arrays[:, 1]
    return [dense, np.ascontiguousarray(arrays[:, 2:3, ::2, ::2].transpose(0, 2, 3, 1))]


def tile_program(margin):
    """Half of the coarse maps (the feature and the background's red), half of the background's red at full size."""

    def run(features, coarse, to_coarse_y, to_coarse_x, to_half_y, to_half_x, full):
        hidden = np.einsum("tmq,tqr,tnr->tmn", to_coarse_y, features[..., 0], to_coarse_x)
        maps = (hidden + coarse[:, 3].transpose(0, 2, 1))[:, 1:-1, 1:-1] / 2
        half = mean_around(np.einsum("tkm,tmn,tln->tkl", to_half_y, maps, to_half_x), margin)
        value = (LEVELS * half.repeat(2, 1).repeat(2, 2) + mean_around(full[:, 3], 2 * margin)) / 2
        count, side = value.shape[:2]
        quarters = value.reshape(count, side // 2, 2, side // 2, 2).transpose(0, 1, 3, 2, 4)
        return [np.repeat(quarters[..., None], 4, axis=-1).reshape(count, side // 2, side // 2, 16).astype("float32")]

    return run


def everything_refined(src, bgr, coarse_size, margin):
    """What `tile_program` computes, of the whole picture at once; 0..1."""
    height, width = src.shape[:2]
    features = np.ascontiguousarray(reduce_picture(src, *coarse_size)[::2, ::2, 2])
    maps = (enlarged(features, *coarse_size) + reduce_picture(bgr, *coarse_size)[..., 0]) / 2
    half = mean_around(np.pad(enlarged(maps, height // 2, width // 2), margin), margin)
    full = mean_around(np.pad(bgr[..., 0], 2 * margin), 2 * margin)
    return (half.repeat(2, 0).repeat(2, 1) + full / LEVELS) / 2


@settings(max_examples=60)
@given(cells, cells, scales, st.integers(1, 6), st.sampled_from([3, 1]), st.integers(1, 5), st.integers(1, 3), seeds)
def test_any_tiling_refines_each_pixel_from_its_own_surroundings(rows, columns, scale, n, kernel, batch, copies, seed):
    rng = np.random.default_rng(seed)
    height, width = CELL * rows, CELL * columns
    if min(height, width) * scale < 1:
        return
    src, bgr = pictures(rng, height, width, 3), pictures(rng, height, width, 3)
    margin = 0 if kernel == 1 else 3
    engine = TiledMatting(coarse_program, [tile_program(margin)] * copies, kernel, n=n, batch=batch)
    coarse_size = int(height * scale), int(width * scale)
    true = everything_refined(src, bgr, coarse_size, margin)
    every = engine(src, bgr, Refine("full", 0, 0, scale))
    assert every.ref.all()
    assert np.abs(every.pha_float - true).max() < 1e-4
    assert np.abs(every.pha - 255 * true).max() < 0.51
    residual = every.fgr.astype(float) - np.clip(src + 255 * true[..., None], 0, 255)
    assert np.abs(residual).max() < 0.51

    some = engine(src, bgr, Refine("thresholding", 0, 0.5, scale))
    refined = some.ref > 0
    pha, err = (np.ascontiguousarray(reduce_picture(src, *coarse_size)[..., i]) for i in (0, 1))
    plain = enlarged(pha, height, width)
    np.testing.assert_array_equal(refined[::CELL, ::CELL], enlarged(err, rows, columns) > 0.5)
    assert np.abs(some.pha_float - np.where(refined, true, plain)).max() < 1e-4
    assert np.abs(some.pha - 255 * np.where(refined, true, plain)).max() < 0.51
    np.testing.assert_array_equal(some.fgr, np.where(refined[..., None], every.fgr, src))


@given(cells, cells, st.integers(1, 6), seeds)
def test_every_chosen_cell_is_in_one_tile(rows, columns, n, seed):
    chosen = np.nonzero(np.random.default_rng(seed).random((rows, columns)) < 0.4)
    tile_rows, tile_columns, cell_rows, cell_columns, of_tile = group_cells(*chosen, n, -(-rows // n), columns)
    assert sorted(zip(cell_rows, cell_columns)) == sorted(zip(*chosen))
    np.testing.assert_array_equal(np.unique(of_tile), np.arange(len(tile_rows)))
    assert (np.diff(of_tile) >= 0).all()
    np.testing.assert_array_equal(cell_rows // n, tile_rows[of_tile])
    assert np.isin(cell_columns - tile_columns[of_tile], np.arange(n)).all()
    apart = np.diff(tile_columns)[np.diff(tile_rows) == 0]
    assert (apart >= n).all() and (np.diff(tile_rows) >= 0).all()
    assert set(zip(tile_rows, tile_columns)) <= {(row // n, column) for row, column in zip(*chosen)}  # none too many


@given(st.integers(1, 60), st.integers(1, 60), seeds)
def test_cells_of_a_picture_are_a_view_that_writes_back(rows, columns, seed):
    picture = pictures(np.random.default_rng(seed), CELL * rows, CELL * columns)
    view, whole = cells_of(picture), picture.copy()
    i, j = rows // 2, columns // 3
    np.testing.assert_array_equal(view[i, j], picture[CELL * i :, CELL * j :][:CELL, :CELL])
    view[i, j] = 255 - view[i, j]
    assert (picture != whole).sum() == CELL**2


@given(cells, cells, st.integers(1, 6), st.sampled_from([0, 3]), seeds)
def test_a_framed_picture_has_zeros_around_it(rows, columns, n, margin, seed):
    picture = pictures(np.random.default_rng(seed), CELL * rows, CELL * columns, 3)
    framed = make_room(CELL * rows, CELL * columns, 1 / 4, n, margin)[2][:3]
    split_into(framed, picture, 2 * margin)
    around = 2 * margin, 2 * margin + CELL * n
    np.testing.assert_array_equal(framed, np.pad(picture, (around, around, (0, 0))).transpose(2, 0, 1))


# -------------------------------------------------------------------------------------------------------- the choosing
@given(cells, cells, st.integers(0, 60_000), st.booleans(), seeds)
def test_sampling_chooses_the_largest_errors(rows, columns, pixels, prevent, seed):
    rng = np.random.default_rng(seed)
    err = rng.permutation(rows * columns).reshape(rows, columns).astype(np.float32)
    err = np.clip(err - rows * columns // 3, 0, None) / (rows * columns)
    chosen = choose_cells(err, Refine(pixels=pixels), CELL * rows, CELL * columns, prevent)
    positive = int((err > 0).sum())
    wanted = min(pixels // CELL**2, positive if prevent else err.size)
    assert len(set(zip(*chosen))) == len(chosen[0]) == wanted
    sorted_errors = np.sort(err.ravel())[err.size - wanted :]
    np.testing.assert_array_equal(np.sort(err[chosen]), sorted_errors)


@given(cells, cells, st.floats(0, 1))
def test_a_cell_whose_error_is_the_threshold_is_not_refined(rows, columns, threshold):
    err = np.full((rows, columns), threshold, np.float32)
    chosen = choose_cells(err, Refine("thresholding", 0, float(np.float32(threshold))), CELL * rows, CELL * columns)
    assert len(chosen[0]) == 0


# ---------------------------------------------------------------------------------------------------------- the resizes
@given(st.integers(1, 150), st.integers(1, 150), st.integers(1, 9), st.integers(1, 9), seeds)
def test_a_picture_is_reduced_bilinearly_by_any_step(height, width, down, along, seed):
    picture = pictures(np.random.default_rng(seed), height, width, 3)
    size = max(1, height // down), max(1, width // along)
    true = cv2.resize(picture.astype(np.float32), size[::-1], interpolation=cv2.INTER_LINEAR) / 255
    np.testing.assert_allclose(reduce_picture(picture, *size), true.reshape(*size, 3), atol=2e-5)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(2, 9), seeds)
def test_a_picture_is_reduced_bilinearly_by_the_same_step_both_ways(height, width, step, seed):
    picture = pictures(np.random.default_rng(seed), height * step, width * step, 3)
    true = cv2.resize(picture.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) / 255
    np.testing.assert_allclose(reduce_picture(picture, height, width), true.reshape(height, width, 3), atol=2e-5)


@given(st.integers(1, 12), st.integers(1, 12), st.sampled_from([1.5, 2, 3, 4, 8]), st.integers(0, 3), seeds)
def test_beyond_the_subject_there_is_nothing_to_enlarge(coarse_height, coarse_width, step, places, seed):
    random = np.random.default_rng(seed)
    pha = np.zeros((coarse_height, coarse_width), np.float32)
    for _ in range(places):
        pha[random.integers(coarse_height), random.integers(coarse_width)] = random.random() + 0.1
    whole, parts = (np.zeros((int(coarse_height * step), int(coarse_width * step)), np.float32) for _ in range(2))
    part, coarse_part = subject_in(pha, parts.shape)
    for out, maps in ((whole, pha), (parts[part], pha[coarse_part])):
        enlarge_into(out, maps, lambda strip, rows, out=out: out.__setitem__(rows, strip))
    np.testing.assert_allclose(parts, whole, atol=1e-6)


@given(st.integers(1, 150), st.integers(1, 150), st.integers(1, 40), st.integers(1, 40), st.integers(1, 9000), seeds)
def test_maps_are_enlarged_in_strips_of_any_height(height, width, coarse_height, coarse_width, strip_bytes, seed):
    maps = np.random.default_rng(seed).random((min(coarse_height, height), min(coarse_width, width)), np.float32)
    out, seen = np.empty((height, width), np.float32), np.zeros(height, int)

    def keep(strip, rows):
        out[rows] = strip
        seen[rows] += 1

    whole, tiles.STRIP_BYTES = tiles.STRIP_BYTES, strip_bytes
    try:
        enlarge_into(out, maps, keep)
    finally:
        tiles.STRIP_BYTES = whole
    assert (seen == 1).all()
    np.testing.assert_allclose(out, enlarged(maps, height, width), atol=2e-5)


# ---------------------------------------------------------------------------------------------------------- the refiner
class LocalMeans(Refiner):
    """The refiner with means over 5x5 in place of its two pairs of 3x3 convolutions (1x1: nothing)."""

    def _half_size(self, x):
        return x if self.kernel_size == 1 else paddle.nn.functional.avg_pool2d(x, 5, 1)

    def _full_size(self, x, pictures):
        maps, pictures = self._half_size(x), self._half_size(pictures)
        return maps[:, 32:36] + 2 * pictures[:, 2:6] + maps[:, 36:40]


@settings(max_examples=40)
@given(
    *(cells, cells, st.integers(1, 28), st.integers(1, 28)),
    *(st.sampled_from([3, 1]), st.integers(1, 2), st.floats(0, 1), seeds),
)
def test_refined_cells_are_those_of_the_whole_picture(rows, columns, hc, wc, kernel, batch, threshold, seed):
    rng = np.random.default_rng(seed)
    coarse, full = (min(hc, 2 * rows), min(wc, 2 * columns)), (CELL * rows, CELL * columns)
    sizes = [(3, full), (3, full), (1, coarse), (3, coarse), (1, coarse), (32, coarse)]
    arrays = [paddle.to_tensor(rng.random((batch, channels, *size), np.float32)) for channels, size in sizes]
    refiner = LocalMeans("full", 0, threshold, kernel)
    true = np.concatenate([x.numpy() for x in refiner(*arrays)[:2]], axis=1)

    refiner.mode, refiner.sample_pixels, refiner.prevent_oversampling = "sampling", 10**9, False
    *every, ref = refiner(*arrays)
    assert ref.numpy().all()
    np.testing.assert_allclose(np.concatenate([x.numpy() for x in every], axis=1), true, atol=1e-4)

    refiner.mode = "thresholding"
    *some, ref = refiner(*arrays)
    err = bilinear(arrays[4], (rows, columns)).numpy()
    np.testing.assert_array_equal(ref.numpy(), err > np.float32(threshold))
    chosen = ref.numpy().repeat(CELL, 2).repeat(CELL, 3) > 0
    plain = bilinear(paddle.concat(arrays[2:4], axis=1), full).numpy()
    found = np.concatenate([x.numpy() for x in some], axis=1)
    np.testing.assert_allclose(found, np.where(chosen, true, plain), atol=1e-4)


@given(cells, cells, st.integers(0, 4000), st.booleans(), seeds)
def test_the_refiner_and_the_tiles_choose_the_same_cells(rows, columns, pixels, prevent, seed):
    rng = np.random.default_rng(seed)
    err = rng.permutation(rows * columns).reshape(rows, columns).astype(np.float32)
    err = np.clip(err - rows * columns // 3, 0, None) / (rows * columns)
    src = paddle.zeros([1, 3, CELL * rows, CELL * columns])
    refiner = Refiner("sampling", pixels, 0.25, prevent_oversampling=prevent)
    for refiner.mode in ("sampling", "thresholding"):
        ref = refiner.select_cells(paddle.to_tensor(err[None, None]), src).numpy()[0, 0]
        mine = np.zeros_like(err)
        mine[choose_cells(err, Refine(refiner.mode, pixels, 0.25), CELL * rows, CELL * columns, prevent)] = 1
        if refiner.mode == "thresholding" or prevent or pixels // CELL**2 <= (err > 0).sum():
            np.testing.assert_array_equal(ref, mine)
        else:  # which of the cells without error are taken is left open
            assert ref.sum() == mine.sum() and ref[err > 0].all() and mine[err > 0].all()
