"""Random crops, colours and composites: equal to the original's chain of transforms, and reproducible."""

import math
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from dataset import augmentation
from dataset.composite import (
    RECIPES,
    CompositeDataset,
    Recipe,
    collate,
    composite,
    crop_background,
    crop_foreground,
    draw_batch,
    shadow,
)
from dataset.folders import ForegroundDataset, ImagesDataset
from dataset.picture import PictureError
from tests.drawn_data import disc, make_data, scene

SMALL = Recipe(canvas=64, lowest=32, multiple=4, scale=(0.4, 1.0))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("data"), ("private",))


@pytest.fixture
def composites(root):
    folder = root / "private" / "train"
    return CompositeDataset(ForegroundDataset(folder), ImagesDataset(root / "backgrounds" / "train"), SMALL, seed=3)


def smooth_picture(height, width):
    noise = np.random.default_rng(0).random((height // 40 + 2, width // 40 + 2, 3)).astype(np.float32)
    return (cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1) * 255).astype(np.uint8)


# ----------------------------------------------------------------------------------------------------------- geometry
def original_crop(picture, rng, canvas, scale, out_size):
    """The original's steps one by one: pad, affine (torchvision's inverse matrix), centre crop, resize, centre crop."""
    height, width = picture.shape[:2]
    cover = max(canvas / width, canvas / height)
    angle, shear = (math.radians(rng.uniform(-5, 5)) for _ in range(2))
    factor = cover * rng.uniform(*scale)
    tx, ty = (round(rng.uniform(-0.1, 0.1) * cover * side) for side in (width, height))
    pad_x, pad_y = (math.ceil((max(side, canvas) - side) / 2) for side in (width, height))
    padded = np.pad(picture, ((pad_y, pad_y), (pad_x, pad_x), (0, 0)))
    cx, cy = padded.shape[1] / 2, padded.shape[0] / 2
    a, b = math.cos(angle), -math.cos(angle) * math.tan(shear) - math.sin(angle)
    c, d = math.sin(angle), -math.sin(angle) * math.tan(shear) + math.cos(angle)
    m = [v / factor for v in (d, -b, 0, -c, a, 0)]
    m[2] = m[0] * (-cx - tx) + m[1] * (-cy - ty) + cx
    m[5] = m[3] * (-cx - tx) + m[4] * (-cy - ty) + cy
    image = Image.fromarray(padded)
    image = image.transform(image.size, Image.Transform.AFFINE, m, Image.Resampling.BILINEAR)
    left, top = round((image.width - canvas) / 2), round((image.height - canvas) / 2)
    image = image.crop((left, top, left + canvas, top + canvas))
    side = max(out_size)
    image = image.resize((side, side), Image.Resampling.BILINEAR)
    left, top = (side - out_size[1]) // 2, (side - out_size[0]) // 2
    return np.asarray(image.crop((left, top, left + out_size[1], top + out_size[0])))


@pytest.mark.parametrize("size", [(480, 640), (300, 200)])
@pytest.mark.parametrize("seed", range(4))
def test_one_warp_equals_the_originals_chain_of_transforms(size, seed):
    picture, canvas, out_size = smooth_picture(*size), 256, (200, 160)
    expected = original_crop(picture, np.random.default_rng(seed), canvas, (0.4, 1.0), out_size)
    matrix = augmentation.draw_affine(np.random.default_rng(seed), size, out_size, canvas, (0.4, 1.0))
    found = augmentation.warp(picture, matrix, out_size)
    difference = np.abs(found.astype(int) - expected)
    assert difference.mean() < 1.0  # edges may lie half a pixel apart
    assert np.mean(difference > 8) < 0.02


def test_flip_mirrors_the_crop():
    for seed in range(3):
        plain, flipped = (
            augmentation.draw_affine(np.random.default_rng(seed), (90, 120), (50, 60), 64, (0.5, 1.0), flip=p)
            for p in (0, 1)
        )
        # mirroring about the canvas' middle turns x into 60 - x, except that shifts are drawn after it
        assert np.allclose(plain[0, :2], -flipped[0, :2]) and np.allclose(plain[1], flipped[1])


def test_shrinking_averages_and_does_not_alias():
    stripes = np.zeros((400, 400, 3), np.uint8)
    stripes[:, ::2] = 255
    matrix = augmentation.about(augmentation.affine(0.02, 0.0, 0.2), (200, 200), (40, 40))
    crop = augmentation.warp(stripes, matrix, (80, 80), cv2.BORDER_REPLICATE)
    assert np.abs(crop.astype(int) - 127.5).max() < 30  # single pixels would be 127.5 off


def test_a_foreground_cut_at_the_frame_keeps_its_colour_up_to_the_cut():
    fgr, pha = np.full((60, 60, 3), 200, np.uint8), np.full((60, 60), 255, np.uint8)
    matrix = augmentation.about(augmentation.affine(0.05, 0.03, 0.7), (30, 30), (40, 40))
    out_fgr, out_pha = augmentation.warp_foreground(fgr, pha, matrix, (80, 80))
    assert 0 < (out_pha > 0).mean() < 0.9
    assert (out_fgr[out_pha > 0] == 200).all()


def test_reflection_is_skipped_only_where_it_is_not_needed(monkeypatch):
    borders, warp_affine = [], cv2.warpAffine
    monkeypatch.setattr(cv2, "warpAffine", lambda *a, **b: borders.append(b["borderMode"]) or warp_affine(*a, **b))
    picture, inside = smooth_picture(100, 100), augmentation.about(np.eye(2) * 2.0, (50, 50), (50, 50))
    augmentation.warp(picture, inside, (100, 100), cv2.BORDER_REFLECT_101)
    beyond = augmentation.about(np.eye(2) * 1.01, (50, 50), (70, 50))
    assert augmentation.warp(picture, beyond, (100, 100), cv2.BORDER_REFLECT_101)[:, 0].min() > 0
    assert borders == [cv2.BORDER_CONSTANT, cv2.BORDER_REFLECT_101]


# ------------------------------------------------------------------------------------------------- blur, colour, noise
def test_box_blur_equals_pillows_at_integer_radii_and_interpolates_between():
    picture = scene(np.random.default_rng(0), 64, 64)
    blurred = augmentation.box_blur(picture, 7)
    expected = np.asarray(Image.fromarray(picture).filter(ImageFilter.BoxBlur(3)))
    assert np.abs(blurred.astype(int) - expected).max() <= 1
    expected = np.asarray(Image.fromarray(picture).filter(ImageFilter.BoxBlur(2.2)))
    assert np.abs(augmentation.box_blur(picture, 5.4).astype(int) - expected).max() <= 2


def test_sharpening_equals_pillows():
    picture = smooth_picture(64, 64)
    found = cv2.filter2D(picture, -1, augmentation.SHARPEN, borderType=cv2.BORDER_REPLICATE)[2:-2, 2:-2]
    expected = np.asarray(Image.fromarray(picture).filter(ImageFilter.SHARPEN))[2:-2, 2:-2]
    assert np.abs(found.astype(int) - expected).max() <= 1


@pytest.mark.parametrize(
    "position, enhance", list(enumerate([ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color]))
)
def test_each_colour_change_equals_pillows(position, enhance):
    picture, spans = scene(np.random.default_rng(1), 48, 48), [0.0, 0.0, 0.0]
    spans[position] = 0.3
    for seed in range(3):
        rng = np.random.default_rng(seed)
        factor = [rng.uniform(1 - span, 1 + span) for span in spans][position]
        found = augmentation.jitter(np.random.default_rng(seed), picture, *spans, hue=0.0)
        expected = np.asarray(enhance(Image.fromarray(picture)).enhance(factor))
        # the way through HSV, with hue in 256 steps, costs a few levels in saturated colours
        assert np.abs(found.astype(int) - expected).mean() < 2


def test_hue_turns_the_colour_circle():
    red = np.full((2, 2, 3), (255, 0, 0), np.uint8)
    # one of the 256 steps of hue is up to 6 levels of a pure colour
    assert np.abs(augmentation.turn_hue(red, 1 / 3).astype(int) - (0, 255, 0)).max() <= 6
    assert np.abs(augmentation.turn_hue(red, -1 / 3).astype(int) - (0, 0, 255)).max() <= 6
    assert np.abs(augmentation.turn_hue(red, 0, saturation=0.5).astype(int) - (255, 127, 127)).max() <= 1
    grey = np.full((2, 2, 3), 90, np.uint8)
    assert np.array_equal(augmentation.turn_hue(grey, 0.2), grey)


def test_noise_is_normal_with_the_wanted_deviation():
    picture = np.full((400, 400, 3), 128, np.uint8)
    noise = augmentation.add_noise(np.random.default_rng(0), picture, 0.02).astype(float) - 128
    assert abs(noise.mean()) < 0.05
    assert noise.std() == pytest.approx(0.02 * 255, rel=0.02)
    assert np.mean(np.abs(noise) < 0.02 * 255) == pytest.approx(0.683, abs=0.05)


# --------------------------------------------------------------------------------------------------------- composites
def test_sizes_follow_the_recipes():
    sizes = np.array([draw_batch(np.random.default_rng(i), RECIPES["refine"]).size for i in range(300)])
    assert sizes.min() >= 1024 and sizes.max() < 2048 and (sizes % 4 == 0).all()
    sizes = np.array([draw_batch(np.random.default_rng(i), RECIPES["base"]).size for i in range(300)])
    assert 256 <= sizes.min() < 270 and 500 < sizes.max() < 512 and (sizes % 2 == 1).any()


def test_src_is_the_composite_where_nothing_disturbs_it(monkeypatch):
    for name in ("SHADOW_CHANCE", "NOISE_CHANCE", "JITTER_CHANCE", "MOVE_CHANCE"):
        monkeypatch.setattr(f"dataset.composite.{name}", 0)
    rng = np.random.default_rng(0)
    (fgr, pha), back = disc(rng, 64, 64), scene(rng, 64, 64)
    src, bgr = composite(rng, fgr, pha, back, draw_batch(rng, SMALL))
    alpha = pha[..., None] / 255
    assert np.abs(src - (fgr * alpha + back * (1 - alpha))).max() <= 0.51
    assert np.array_equal(bgr, back)


@pytest.mark.parametrize(
    "only, same_src, same_bgr",
    [("SHADOW", False, True), ("JITTER", True, False), ("MOVE", True, False), ("NOISE", False, False)],
)
def test_each_disturbance_changes_what_it_should(monkeypatch, only, same_src, same_bgr):
    for name in ("SHADOW", "NOISE", "JITTER", "MOVE"):
        monkeypatch.setattr(f"dataset.composite.{name}_CHANCE", int(name == only))
    rng = np.random.default_rng(1)
    (fgr, pha), back = disc(rng, 64, 64), scene(rng, 64, 64)
    batch = draw_batch(rng, Recipe(canvas=65, lowest=64, multiple=4, scale=(0.4, 1.0)))
    src, bgr = composite(rng, fgr, pha, back, batch)
    weight = pha.astype(np.float32)
    assert np.array_equal(src, cv2.blendLinear(fgr, back, weight, 255 - weight)) is same_src
    assert np.array_equal(bgr, back) is same_bgr


@pytest.mark.parametrize(
    "name, crop, low, high",
    [
        ("base", "foreground", 0.4, 1.0),
        ("refine", "foreground", 0.3, 1.0),
        ("base", "background", 1.0, 2.0),
        ("refine", "background", 1.0, 2.0),
    ],
)
def test_crops_are_scaled_and_mirrored_as_in_the_original(monkeypatch, name, crop, low, high):
    matrices, picture, size = [], np.zeros((24, 36, 3), np.uint8), (16, 12)
    draw_affine = augmentation.draw_affine

    def draw(*arguments, **options):
        matrices.append(draw_affine(*arguments, **options))
        return matrices[-1]

    monkeypatch.setattr(augmentation, "draw_affine", draw)
    for seed in range(400):
        rng = np.random.default_rng(seed)
        if crop == "foreground":
            crop_foreground(rng, picture, picture[..., 0], size, RECIPES[name])
        else:
            crop_background(rng, picture, size, RECIPES[name])
    areas = np.linalg.det(np.array(matrices)[:, :, :2])
    assert 0.4 < np.mean(areas < 0) < 0.6
    # relative to covering the canvas: the picture's short side of 24 fills the long one of the crop
    scales = np.sqrt(np.abs(areas)) * 24 / max(size)
    assert low <= scales.min() < low + 0.02 * (high - low) and high - 0.02 * (high - low) < scales.max() <= high


def test_a_moved_background_goes_where_the_shift_points(monkeypatch):
    for name in ("SHADOW", "NOISE", "JITTER", "MOVE"):
        monkeypatch.setattr(f"dataset.composite.{name}_CHANCE", int(name == "MOVE"))
    rng = np.random.default_rng(0)
    (fgr, pha), back = disc(rng, 64, 64), scene(rng, 64, 64)
    batch = SimpleNamespace(size=(64, 64), move_linear=np.eye(2), move_shift=np.array([6.0, -3.0]))
    _, bgr = composite(rng, fgr, pha, back, batch)
    assert np.array_equal(bgr[:-3, 6:], back[3:, :-6])  # 6 to the right, 3 up


def test_shadow_is_the_blurred_alpha_of_the_drawn_strength():
    pha = np.zeros((128, 128), np.uint8)
    pha[32:96, 32:96] = 255
    batch = SimpleNamespace(shadow_strength=0.2, shadow_linear=np.eye(2), shadow_shift=np.zeros(2), shadow_blur=20)
    dark = shadow(pha, batch)
    assert dark[64, 64] == pytest.approx(0.2 * 255, abs=1)
    assert dark[64, 32] == pytest.approx(0.1 * 255, abs=4)  # the middle of the blurred edge
    assert dark[64, 8] == 0


def test_the_same_index_gives_the_same_sample_and_another_epoch_another(composites):
    first, again, later = composites[0, 2, 5], composites[0, 2, 5], composites[1, 2, 5]
    assert all(np.array_equal(a, b) for a, b in zip(first[:4], again[:4]))
    assert first[0].shape != later[0].shape or not np.array_equal(first[1], later[1])


def test_backgrounds_are_drawn_anew_for_a_foreground(root, composites):
    seen = {int(composites.backgrounds[i].astype(np.int64).sum()) for i in range(len(composites.backgrounds))}
    drawn = set()
    original = type(composites.backgrounds).__getitem__
    composites.backgrounds.__class__ = type(
        "Spy", (ImagesDataset,), {"__getitem__": lambda self, i: drawn.add(i) or original(self, i)}
    )
    for epoch in range(20):
        composites[epoch, 0, 0]
    assert len(seen) == 8 and len(drawn) >= 6


def test_samples_of_a_batch_have_one_size_and_stack(composites):
    src, bgr, pha, fgr, skipped = collate([composites[0, 4, i] for i in range(3)])
    height, width = src.shape[1:3]
    assert src.shape == bgr.shape == fgr.shape == (3, height, width, 3) and pha.shape == (3, height, width, 1)
    assert src.dtype == pha.dtype == np.uint8 and skipped == []
    assert height % 4 == width % 4 == 0 and 32 <= min(height, width) <= max(height, width) < 64


def test_a_damaged_file_is_replaced_and_named(tmp_path):
    make_data(tmp_path, ("private",))
    folder = tmp_path / "private" / "train"
    (folder / "fgr" / "03.jpg").write_bytes(b"\xff\xd8\xff\xe0 broken")
    data = CompositeDataset(ForegroundDataset(folder), ImagesDataset(tmp_path / "backgrounds" / "train"), SMALL)
    *pictures, skipped = data[0, 0, 3]
    assert len(skipped) == 1 and "03.jpg" in skipped[0]
    assert pictures[2].max() > 0
    for path in (folder / "fgr").iterdir():
        path.write_bytes(b"broken")
    with pytest.raises(PictureError, match="in a row"):
        data[0, 0, 0]
