"""The refiner's geometry and its options, beyond the recorded values of test_parity.py."""

import numpy as np
import paddle
import pytest

from model import MattingRefine
from model.matting import PATCH_CROP_METHODS, PATCH_REPLACE_METHODS
from model.refiner import Refiner
from tests.parity import seeded
from tests.parity.measure import load, run


def build(**options):
    arguments = dict(backbone_scale=0.25, refine_sample_pixels=3_200, refine_threshold=0.4)
    model = load(MattingRefine("mobilenetv2", **{**arguments, **options}))
    model.eval()
    return model


def outputs(model, batch=1, height=64, width=96, name="refiner"):
    return [x.numpy() for x in run(model, *seeded.pair(name, batch, height, width))]


@pytest.mark.parametrize("kernel", [3, 1])
def test_refining_every_cell_equals_full_mode(kernel):
    options = dict(refine_kernel_size=kernel, refine_prevent_oversampling=False, refine_sample_pixels=64 * 96)
    every, full = outputs(build(**options), 2), outputs(build(refine_mode="full", refine_kernel_size=kernel), 2)
    assert every[5].min() == 1
    for a, b in zip(every, full):
        np.testing.assert_allclose(a, b, atol=2e-6)


@pytest.mark.parametrize("crop", PATCH_CROP_METHODS)
@pytest.mark.parametrize("replace", PATCH_REPLACE_METHODS)
def test_every_patch_method_gives_the_same_picture(crop, replace):
    model = build(refine_patch_crop_method=crop, refine_patch_replace_method=replace)
    for a, b in zip(outputs(model, 2), outputs(build(), 2)):
        np.testing.assert_array_equal(a, b)


def test_only_the_selected_cells_change():
    pha, fgr, pha_sm, _, err_sm, ref = outputs(build())
    upsampled = paddle.nn.functional.interpolate(paddle.to_tensor(pha_sm), size=[64, 96], mode="bilinear").numpy()
    refined = ref.repeat(4, axis=2).repeat(4, axis=3) > 0
    np.testing.assert_allclose(pha[~refined], upsampled[~refined], atol=1e-6)
    assert np.abs(pha - upsampled)[refined].mean() > 0.01
    assert ref.sum() == 3_200 // 16
    assert err_sm[ref > 0].min() >= err_sm[ref == 0].max()


def test_a_cell_whose_error_is_the_threshold_is_not_refined():
    refiner = Refiner("thresholding", 0, 0.5)
    err = paddle.to_tensor([[[[0.25, 0.5, 0.75]]]])
    assert refiner.select_cells(err, paddle.zeros([1, 3, 4, 12])).flatten().tolist() == [0, 0, 1]


def test_batch_equals_its_images_one_by_one():
    model = build(refine_mode="thresholding")
    src, bgr = seeded.pair("batch", 3, 64, 96)
    together = [x.numpy() for x in run(model, src, bgr)]
    assert len({int(ref.sum()) for ref in together[5]}) > 1, "the images should differ in their number of patches"
    for i in range(3):
        alone = run(model, src[i : i + 1], bgr[i : i + 1])
        for a, b in zip(together, alone):
            np.testing.assert_allclose(a[i], b.numpy()[0], atol=2e-5)


@pytest.mark.parametrize("refined", [0, 1, 10**9])
def test_any_number_of_sampled_pixels(refined):
    model = build()
    model.refiner.sample_pixels = refined * 16
    model.refiner.prevent_oversampling = False
    pha, *_, ref = outputs(model)
    assert ref.sum() == min(refined, 16 * 24)
    assert np.isfinite(pha).all()


def test_prevent_oversampling_drops_cells_without_error():
    """The switch works (in the earlier reproduction it had no effect): a cell of error 0 is left alone."""
    model = build(refine_sample_pixels=64 * 96)
    model.decoder.conv4.bias.set_value(model.decoder.conv4.bias - paddle.to_tensor([0.0] * 4 + [0.6] + [0.0] * 32))
    err, ref = outputs(model)[4:]
    assert 0 < (err == 0).sum() < err.size
    np.testing.assert_array_equal(ref, err > 0)
    model.refiner.prevent_oversampling = False
    assert outputs(model)[5].min() == 1


def test_nothing_to_refine_gives_the_upsampled_coarse_result():
    model = build(refine_mode="thresholding", refine_threshold=2.0)
    pha, fgr, pha_sm, _, _, ref = outputs(model)
    upsampled = paddle.nn.functional.interpolate(paddle.to_tensor(pha_sm), size=[64, 96], mode="bilinear").numpy()
    assert ref.sum() == 0
    np.testing.assert_array_equal(pha, upsampled.clip(0, 1))


def test_mode_threshold_and_scale_may_change_after_construction():
    model = build()
    model.refiner.mode, model.refiner.threshold, model.backbone_scale = "thresholding", 0.55, 0.5
    changed = outputs(model)
    fresh = outputs(build(refine_mode="thresholding", refine_threshold=0.55, backbone_scale=0.5))
    for a, b in zip(changed, fresh):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("mode", ["sampling", "thresholding", "full"])
def test_every_parameter_and_both_pictures_receive_a_gradient(mode):
    model = build(refine_mode=mode)
    model.train()
    src, bgr = (paddle.to_tensor(x, stop_gradient=False) for x in seeded.pair("gradient", 2, 64, 96))
    pha, fgr, pha_sm, fgr_sm, err_sm, _ = model(src, bgr)
    (pha.mean() + fgr.mean() + pha_sm.mean() + fgr_sm.mean() + err_sm.mean()).backward()
    without = [name for name, p in model.named_parameters() if not p.stop_gradient and p.grad is None]
    assert not without
    assert np.abs(src.grad.numpy()).max() > 0 and np.abs(bgr.grad.numpy()).max() > 0
    assert np.abs(model.refiner.conv1.weight.grad.numpy()).max() > 0


@pytest.mark.parametrize(
    "options",
    [
        dict(refine_mode="samplin"),
        dict(refine_kernel_size=2),
        dict(refine_patch_crop_method="slice"),
        dict(refine_patch_replace_method="paste"),
        dict(backbone_scale=0.51),
        dict(backbone_scale=0),
    ],
)
def test_bad_arguments_are_named(options):
    (value,) = options.values()
    with pytest.raises(ValueError, match=f"{next(iter(options))}.*{value}"):
        MattingRefine("mobilenetv2", **options)


@pytest.mark.parametrize("shapes", [((64, 96), (64, 92)), ((62, 96), (62, 96)), ((64, 95), (64, 95))])
def test_pictures_of_wrong_size_are_refused(shapes):
    src, bgr = (paddle.zeros([1, 3, *shape]) for shape in shapes)
    with pytest.raises(ValueError, match="same shape|divisible by 4"):
        build()(src, bgr)
