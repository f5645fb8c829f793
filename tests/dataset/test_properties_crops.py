"""Random crops of any picture: alpha, foreground, source and background stay in step and in shape."""

import cv2
import numpy as np

from dataset import composite
from dataset.augmentation import about, affine, draw_affine, filtered, warp, warp_foreground
from dataset.composite import RECIPES, CompositeDataset, Recipe, collate, crop_background, crop_foreground, draw_batch
from tests.properties import given, pictures, seeds, settings, sides, st
from utils.evaluation import composites as benchmark

small = Recipe(canvas=96, lowest=32, multiple=4, scale=(0.3, 1.0))
recipes = st.builds(
    lambda lowest, more, multiple, low: Recipe(lowest + more, lowest, multiple, (low, 1.0)),
    *(st.integers(8, 60), st.integers(1, 90), st.sampled_from([1, 4]), st.floats(0.05, 0.9)),
)


class Arrays(list):
    """A data set of arrays."""


def people(rng, count, largest=120):
    sizes = rng.integers(1, largest, (count, 2))
    return Arrays((pictures(rng, *size, 3), pictures(rng, *size)) for size in sizes)


@settings(max_examples=40)
@given(recipes, seeds)
def test_samples_of_any_pictures_are_complete_and_stack(recipe, seed):
    rng = np.random.default_rng(seed)
    backgrounds = Arrays(picture for picture, _ in people(rng, 3))
    data = CompositeDataset(people(rng, 3), backgrounds, recipe, seed=seed % 1000)
    src, bgr, pha, fgr, skipped = collate([data[0, 1, i] for i in range(3)])
    height, width = src.shape[1:3]
    assert src.shape == bgr.shape == fgr.shape == (3, height, width, 3) and pha.shape == (3, height, width, 1)
    assert {x.dtype for x in (src, bgr, pha, fgr)} == {np.dtype("uint8")} and skipped == []
    for side in (height, width):
        assert recipe.lowest - recipe.multiple < side < recipe.canvas and side % recipe.multiple == 0
    again = data[0, 1, 1]
    for one, all_ in zip(again, (src, bgr, pha, fgr)):
        np.testing.assert_array_equal(one, all_[1])


@given(sides, sides, st.integers(8, 90), st.integers(8, 90), seeds)
def test_alpha_and_colours_go_through_the_same_crop(height, width, out_height, out_width, seed):
    """The foreground's colours are the alpha itself here, so that they must stay equal wherever alpha is inside."""
    rng = np.random.default_rng(seed)
    size = out_height, out_width
    pha = cv2.resize(pictures(rng, 5, 5), (width, height), interpolation=cv2.INTER_LINEAR).reshape(height, width)
    matrix = draw_affine(rng, (height, width), size, max(size) + 5, small.scale, flip=0.5)
    fgr, out = warp_foreground(cv2.merge([pha] * 3), pha, matrix, size)
    assert fgr.shape == (*size, 3) and out.shape == size
    inside = warp(np.full((height, width), 255, np.uint8), matrix, size) == 255
    difference = np.abs(fgr.astype(int) - out[..., None])[inside]
    # the colours' border of two pixels moves the grid on which a large picture is averaged before it is sampled
    shrinks = abs(np.linalg.det(matrix[:, :2])) < 0.25
    assert difference.max(initial=0) <= (40 if shrinks else 2)


@given(sides, sides, st.integers(8, 90), st.integers(8, 90), seeds)
def test_the_crop_of_a_foreground_lies_within_its_frame(height, width, out_height, out_width, seed):
    """Where the map leads out of the picture alpha is 0; the picture's middle is shown unless it was shifted out."""
    rng, size = np.random.default_rng(seed), (out_height, out_width)
    matrix = draw_affine(rng, (height, width), size, max(size) + 5, (0.3, 1.0), flip=0.5)
    black, white = np.zeros((height, width, 3), np.uint8), np.full((height, width), 255, np.uint8)
    _, pha = warp_foreground(black, white, matrix, size)
    y, x = np.mgrid[:out_height, :out_width] + 0.5
    at = np.linalg.solve(matrix[:, :2], np.stack([x.ravel(), y.ravel()]) - matrix[:, 2:])
    scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    far = 1.5 + 1.5 / scale  # a pixel of the crop, and one of the reduced copy
    beyond = ((at < -far) | (at > np.array([[width + far], [height + far]]))).any(0).reshape(size)
    assert (pha[beyond] == 0).all()


@given(sides, sides, st.integers(8, 90), st.integers(8, 90), seeds)
def test_a_background_fills_its_crop(height, width, out_height, out_width, seed):
    """A white background stays white up to the crop's edge, however it is moved: nothing black comes in."""
    rng, size = np.random.default_rng(seed), (out_height, out_width)
    white = np.full((height, width, 3), 255, np.uint8)
    matrix = draw_affine(rng, (height, width), size, max(size) + 5, (1.0, 2.0), flip=0.5)
    cropped = warp(white, matrix, size, cv2.BORDER_REFLECT_101)
    assert cropped.shape == (*size, 3) and cropped.min() == 255


@given(sides, sides, st.sampled_from(["base", "refine"]), seeds)
def test_crops_of_the_published_recipes_have_the_drawn_size(height, width, name, seed):
    recipe = Recipe(64, 32, RECIPES[name].multiple, RECIPES[name].scale)
    rng = np.random.default_rng(seed)
    size = draw_batch(rng, recipe).size
    fgr, pha = crop_foreground(rng, pictures(rng, height, width, 3), pictures(rng, height, width), size, recipe)
    assert fgr.shape == (*size, 3) and pha.shape == size
    assert crop_background(rng, pictures(rng, height, width, 3), size, recipe).shape == (*size, 3)


@given(seeds)
def test_what_a_batch_shares_lies_in_the_published_ranges(seed):
    rng = np.random.default_rng(seed)
    for recipe in RECIPES.values():
        draw = draw_batch(rng, recipe)
        width_height = np.array(draw.size[::-1])
        assert 0 <= draw.shadow_strength < 0.3 and 20 <= draw.shadow_blur < 40
        assert all(0 <= sigma < 0.03 for sigma in draw.noise_sigma) and draw.jitter_order in (0, 1)
        assert (np.abs(draw.shadow_shift) <= 0.2 * width_height).all()
        assert (np.abs(draw.move_shift) <= 0.01 * width_height).all()
        assert 0.5 <= np.sqrt(np.linalg.det(draw.shadow_linear)) <= 1.5
        np.testing.assert_allclose(draw.move_linear @ draw.move_linear.T, np.eye(2), atol=1e-12)  # a rotation alone
        assert abs(np.rad2deg(np.arctan2(draw.move_linear[1, 0], draw.move_linear[0, 0]))) <= 1
        rotation = np.rad2deg(np.arctan2(draw.shadow_linear[1, 0], draw.shadow_linear[0, 0]))
        assert abs(rotation) <= 5


def test_the_published_ranges_are_used_up():
    """The largest and smallest of many draws come near both ends, so that no range is narrower than published."""
    draws = [draw_batch(np.random.default_rng(i), RECIPES["base"]) for i in range(2000)]
    shift = np.array([draw.shadow_shift / draw.size[::-1] for draw in draws])
    move = np.array([draw.move_shift / draw.size[::-1] for draw in draws])
    angles = np.rad2deg([np.arctan2(d.shadow_linear[1, 0], d.shadow_linear[0, 0]) for d in draws])
    sizes = np.array([draw.size for draw in draws])
    for values, low, high in (
        (sizes, 256, 511),
        (shift, -0.2, 0.2),
        (move, -0.01, 0.01),
        (angles, -5, 5),
        ([draw.shadow_blur for draw in draws], 20, 39),
        ([draw.shadow_strength for draw in draws], 0, 0.3),
        ([draw.noise_sigma for draw in draws], 0, 0.03),
        ([np.sqrt(np.linalg.det(draw.shadow_linear)) for draw in draws], 0.5, 1.5),
    ):
        near = 0.02 * (high - low)
        assert low <= np.min(values) <= low + near and high - near <= np.max(values) <= high


@given(st.integers(1, 80), st.integers(1, 80), seeds)
def test_a_disturbed_composite_keeps_its_shape(height, width, seed):
    rng = np.random.default_rng(seed)
    batch = draw_batch(rng, Recipe(max(height, width) + 1, max(height, width), 1, (0.4, 1.0)))
    batch.size = height, width
    fgr, back, pha = pictures(rng, height, width, 3), pictures(rng, height, width, 3), pictures(rng, height, width)
    kept = {name: getattr(composite, name) for name in vars(composite) if name.endswith("_CHANCE")}
    for chance in (0, 1):
        for name in kept:
            setattr(composite, name, chance)
        try:
            src, bgr = composite.composite(np.random.default_rng(seed), fgr, pha, back, batch)
        finally:
            for name, value in kept.items():
                setattr(composite, name, value)
        assert src.shape == bgr.shape == (height, width, 3) and src.dtype == bgr.dtype == np.uint8
        if not chance:
            np.testing.assert_array_equal(bgr, back)
            np.testing.assert_array_equal(src[pha == 255], fgr[pha == 255])
            np.testing.assert_array_equal(src[pha == 0], back[pha == 0])


@given(st.floats(-0.1, 0.1), st.floats(-0.1, 0.1), st.floats(0.2, 4), seeds)
def test_the_matrix_takes_the_one_middle_to_the_other(angle, shear, scale, seed):
    source, target = np.random.default_rng(seed).uniform(-300, 300, (2, 2))
    linear = affine(angle, shear, scale)
    matrix = about(linear, source, target)
    np.testing.assert_allclose(matrix @ [*source, 1], target, atol=1e-9)
    assert abs(np.linalg.det(linear) - scale**2) < 1e-9 * scale**2


@given(sides, st.integers(1, 300), st.floats(0.05, 1), seeds)
def test_filters_keep_flat_pictures_flat(height, width, zoom, seed):
    flat = np.full((height, width, 3), seed % 256, np.uint8)
    for picture in filtered(np.random.default_rng(seed), [flat, flat[..., 0]], zoom):
        assert np.abs(picture.astype(int) - seed % 256).max() <= 1


@given(sides, sides, st.integers(1, 200), st.integers(1, 200), seeds)
def test_a_benchmarks_background_covers_the_frame(height, width, out_height, out_width, seed):
    rng = np.random.RandomState(seed)
    background = pictures(np.random.default_rng(seed), height, width, 3)
    cut, drawn = benchmark._cover(background, out_width, out_height, rng)
    assert cut.shape == (out_height, out_width, 3)
    (scaled_width, scaled_height), (left, top) = drawn["background_size"], drawn["background_corner"]
    assert 0 <= left <= scaled_width - out_width and 0 <= top <= scaled_height - out_height
    assert scaled_width == out_width or scaled_height == out_height


@settings(max_examples=20)
@given(st.integers(4, 120), st.integers(4, 120), sides, sides, st.sampled_from([None, 4, 40, 64]), seeds)
def test_benchmark_samples_of_any_size_are_complete(height, width, behind_height, behind_width, wanted, seed):
    rng = np.random.default_rng(seed)
    fgr, pha = pictures(rng, height, width, 3), pictures(rng, height, width)
    background = pictures(rng, behind_height, behind_width, 3)
    for compose in (benchmark._paper_like, benchmark.capture):
        src, bgr, out_pha, out_fgr, _ = compose(fgr, pha, background, np.random.RandomState(seed), wanted)
        assert out_pha.shape[0] == wanted or (wanted is None and out_pha.shape == (height // 4 * 4, width // 4 * 4))
        assert out_pha.shape[1] % 4 == 0
        assert src.shape == bgr.shape == out_fgr.shape == (*out_pha.shape, 3)
        assert {x.dtype for x in (src, bgr, out_pha, out_fgr)} == {np.dtype("uint8")}
