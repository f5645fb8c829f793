"""The network against values recorded from the PyTorch original by tests/parity/record.py."""

from pathlib import Path

import numpy as np
import paddle
import pytest

from model import MattingBase, MattingRefine
from tests.parity import seeded
from tests.parity.measure import (
    forward_errors,
    gradient_errors,
    initialisation_errors,
    part_errors,
    refiner_errors,
)

RECORDED = np.load(Path(__file__).resolve().parents[1] / "parity" / "recorded.npz")


@pytest.mark.parametrize("name", seeded.forward_cases())
def test_forward_equals_the_original(name):
    errors, other_cells = forward_errors(name, RECORDED)
    assert other_cells == 0
    assert max(errors["pha"], errors["fgr"]) <= 1e-4, errors
    # the original's own float32 outputs are up to 3e-5 from the exact ones (recorded for each case)
    assert max(errors["pha_sm"], errors["fgr_sm"], errors["err_sm"]) <= 3e-5, errors


@pytest.mark.parametrize("name", [k for k, case in seeded.forward_cases().items() if case["batch"] == 2])
def test_forward_in_float64_equals_the_original_to_rounding(name):
    errors, other_cells = forward_errors(name, RECORDED, "float64")
    assert other_cells == 0
    assert max(errors.values()) <= 3e-6, errors  # Paddle's bilinear weights are float32 even here


@pytest.mark.parametrize("backbone", seeded.BACKBONES)
@pytest.mark.parametrize("part", ["encoder", "aspp", "decoder", "base"])
def test_part_equals_the_original(part, backbone):
    for name, error in part_errors(part, backbone, RECORDED).items():
        assert error <= 1e-5, (name, error)


@pytest.mark.parametrize("kernel", [3, 1])
@pytest.mark.parametrize("mode", seeded.MODES)
def test_refiner_equals_the_original(mode, kernel):
    errors, other_cells = refiner_errors(mode, kernel, RECORDED)
    assert other_cells == 0
    assert max(errors.values()) <= 2e-5, errors


@pytest.mark.parametrize("name", seeded.TRAIN_CASES)
def test_gradients_and_running_statistics_equal_the_original(name):
    errors = gradient_errors(name, RECORDED)
    assert errors["loss"] <= 1e-6
    assert errors["statistics"] <= 1e-5, errors
    assert errors["gradient"] <= 1e-5, errors
    assert errors["compared"] >= 182  # every parameter


@pytest.mark.parametrize("backbone", seeded.BACKBONES)
def test_initialisation_has_the_originals_distribution(backbone):
    spread, reach = initialisation_errors(backbone, RECORDED)
    assert spread <= 0.12  # the standard deviation of a few hundred draws
    assert reach <= 0.35  # largest magnitude over standard deviation: 1.7 for a uniform, above 3 for a normal draw


@pytest.mark.parametrize("backbone", seeded.BACKBONES)
def test_state_dict_names_and_shapes_are_the_originals(backbone):
    """The seeded weights are drawn by official name and shape; here the counts of the published checkpoints."""
    refine, base = MattingRefine(backbone), MattingBase(backbone)
    counts = {"resnet50": 394, "resnet101": 700, "mobilenetv2": 382}
    sizes = {"resnet50": 40_247_703, "resnet101": 59_239_831, "mobilenetv2": 5_006_839}
    batch_norms = sum(name.endswith("._mean") for name in refine.state_dict())
    assert len(refine.state_dict()) + batch_norms == counts[backbone]
    assert len(refine.state_dict()) - len(base.state_dict()) == 17
    assert sum(p.size for p in refine.parameters() if not p.stop_gradient) == sizes[backbone]


def test_batch_norm_settings_are_the_originals():
    model = MattingRefine("mobilenetv2")
    found = {
        (layer._momentum, layer._epsilon) for layer in model.sublayers() if isinstance(layer, paddle.nn.BatchNorm2D)
    }
    assert found == {(0.9, 1e-5)}
    assert [layer.p for layer in model.sublayers() if isinstance(layer, paddle.nn.Dropout)] == [0.5]
