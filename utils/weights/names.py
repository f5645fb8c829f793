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
RENAMED = {
    r"\brunning_mean$": "_mean",
    r"\brunning_var$": "_variance",
    r"^classifier\.classifier\.0\.": "aspp.",
    r"^backbone\.(low|high)_level_features\.": "backbone.features.",
}
STARTS = {"backbone.features.": "mobilenetv2", "backbone.layer3.6.": "resnet101", "backbone.layer3.": "resnet50"}
State = Mapping[str, np.ndarray]
Shapes = Mapping[str, tuple]


def our_names(state: State) -> dict[str, np.ndarray]:
    """Rename what PyTorch calls otherwise: BatchNorm's statistics, and in a state of VainF/DeepLabV3Plus-Pytorch, too.

    Of DeepLabV3, ASPP and MobileNet's halves get this network's names; the rest keeps its own, and so matches nothing,
    as in the original's load_pretrained_deeplabv3_state_dict. num_batches_tracked, which Paddle lacks, is left out.
    """
    renamed = {}
    for name, array in state.items():
        for theirs, ours in RENAMED.items():
            name = re.sub(theirs, ours, name)
        if not name.endswith("num_batches_tracked"):
            renamed[name] = array
    return renamed


def compare_state(state: State, shapes: Shapes) -> str | None:
    """What differs between weights, in Paddle's names, and what a model needs: a sentence's rest after the file's name.

    None if they agree.
    """
    missing, unexpected = [name for name in shapes if name not in state], [name for name in state if name not in shapes]
    shared = [name for name in shapes if name in state and state[name].shape != shapes[name]]
    misshapen = [f"{name} {state[name].shape} instead of {shapes[name]}" for name in shared]
    said = ("lacks {} tensors ({})", "has {} that do not belong here ({})", "has {} of another shape ({})")
    parts = [text.format(len(x), listed(x)) for text, x in zip(said, (missing, unexpected, misshapen)) if x]
    if not parts:
        return None
    if other := other_backbone(state, shapes):
        return other
    if len(parts) == 1 and not misshapen and all(x.startswith("refiner.") for x in (*missing, *unexpected)):
        if missing:
            return "holds base weights without the refiner (MattingBase): give weights of MattingRefine"
        return "holds MattingRefine weights, but the model is MattingBase: give base weights"
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
    for start, backbone in STARTS.items():
        if any(name.startswith(start) for name in names):
            return backbone
    return None


def listed(names: Sequence[str]) -> str:
    """The first of some names from a file, as a message may show them, and how many more there are."""
    shown = ", ".join(printable(name)[:NAME_SHOWN] for name in names[:NAMES_SHOWN])
    return shown + (f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else "")
