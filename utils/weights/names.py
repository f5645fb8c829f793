"""Names of tensors: the original's, Paddle's and DeepLabV3's; which network a state belongs to, and what differs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dataset.errors import printable

if TYPE_CHECKING:
    import paddle

NAMES_SHOWN, NAME_SHOWN = 6, 120
State = Mapping[str, np.ndarray]
Shapes = Mapping[str, tuple]


def official_to_paddle(state: State) -> dict[str, np.ndarray]:
    """Rename BatchNorm's statistics from PyTorch to Paddle; names that are Paddle's already stay as they are."""
    renamed = {}
    for name, array in state.items():
        head, dot, tail = name.rpartition(".")
        if tail != "num_batches_tracked":
            renamed[head + dot + {"running_mean": "_mean", "running_var": "_variance"}.get(tail, tail)] = array
    return renamed


def deeplab_to_official(state: State) -> dict[str, np.ndarray]:
    """Rename a DeepLabV3 state of VainF/DeepLabV3Plus-Pytorch: its ASPP and MobileNet's halves to this network's names.

    The rest keeps its name, and so matches nothing, as in the original's load_pretrained_deeplabv3_state_dict.
    """
    starts = {r"^classifier\.classifier\.0\.": "aspp.", r"^backbone\.(low|high)_level_features\.": "backbone.features."}
    renamed = {}
    for name, array in state.items():
        for old, new in starts.items():
            name = re.sub(old, new, name)
        renamed[name] = array
    return renamed


def compare_state(state: State, shapes: Shapes) -> str | None:
    """Compare weights, in Paddle's names, with what a model needs.

    Returns None if they agree; else the rest of a sentence that begins with the file's name.
    """
    missing, unexpected = [name for name in shapes if name not in state], [name for name in state if name not in shapes]
    misshapen = [name for name in shapes if name in state and tuple(state[name].shape) != tuple(shapes[name])]
    if not (missing or unexpected or misshapen):
        return None
    if other := other_backbone(state, shapes):
        return other
    if all(name.startswith("refiner.") for name in (*missing, *unexpected, *misshapen)):
        if not (unexpected or misshapen):
            return "holds base weights without the refiner (MattingBase): give weights of MattingRefine"
        if not (missing or misshapen):
            return "holds MattingRefine weights, but the model is MattingBase: give base weights"
    parts = []
    if missing:
        parts.append(f"lacks {len(missing)} tensors ({listed(missing)})")
    if unexpected:
        parts.append(f"has {len(unexpected)} that do not belong here ({listed(unexpected)})")
    if misshapen:
        shown = [f"{name} {tuple(state[name].shape)} instead of {tuple(shapes[name])}" for name in misshapen]
        parts.append(f"has {len(misshapen)} of another shape ({listed(shown)})")
    return f"does not fit the model: it {' and '.join(parts)}; give weights that were trained for this network"


def other_backbone(state: State, shapes: Shapes) -> str | None:
    """As compare_state, of the backbones alone."""
    theirs, ours = guess_backbone(state), guess_backbone(shapes)
    if theirs and ours and theirs != ours:
        return f"holds {theirs} weights, but the model is {ours}: pass --model-backbone {theirs} or other weights"
    return None


def wrong_numbers(state: State) -> str | None:
    """Tell which arrays of a network, or of its optimizer, in Paddle's names, no network could have made.

    Returns None if all are finite floats, and variances not negative; else the rest of a sentence as of compare_state.
    """
    if whole := [name for name, array in state.items() if array.dtype.kind != "f"]:
        return f"holds {state[whole[0]].dtype} numbers instead of floats in {listed(whole)}: save them as float32"
    if infinite := [name for name, array in state.items() if not np.isfinite(array).all()]:
        return f"holds infinite or undefined numbers in {listed(infinite)}: give an earlier checkpoint"
    squares = [name for name in state if name.endswith("_variance") or "/moment2" in name]
    if negative := [name for name in squares if state[name].min(initial=0) < 0]:
        return f"holds negative variances in {listed(negative)}: give an earlier checkpoint"
    return None


def model_shapes(model: paddle.nn.Layer) -> dict[str, tuple]:
    """A model's state dict as dict of name -> tuple."""
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def guess_backbone(names: Iterable[str]) -> str | None:
    """Tell "resnet50", "resnet101" or "mobilenetv2" from the names of a state dict; None if they show neither."""
    if any(name.startswith("backbone.features.") for name in names):
        return "mobilenetv2"
    if any(name.startswith("backbone.layer3.") for name in names):
        return "resnet101" if any(name.startswith("backbone.layer3.6.") for name in names) else "resnet50"
    return None


def listed(names: Sequence[str]) -> str:
    """The first of some names from a file, as a message may show them, and how many more there are."""
    shown = ", ".join(printable(name)[:NAME_SHOWN] for name in names[:NAMES_SHOWN])
    return shown + (f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else "")
