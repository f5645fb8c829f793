"""Weights in and out: read files of PyTorch and Paddle, put them into a model, save them.

State-dict names are those of the original PyTorch code, with Paddle's names for BatchNorm's running statistics, so
that an official checkpoint and a Paddle one differ in two suffixes only (`our_names`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dataset.errors import printable
from utils.system.errors import UsageError, WeightsError
from utils.system.files import atomic_path, sha256_file
from utils.weights.file import check_file, read_tensors

if TYPE_CHECKING:  # exported programs run without Paddle, which takes long to import
    import paddle

WEIGHTS_FOLDER = Path(__file__).resolve().parents[2] / "model" / "weights"
DEFAULT_WEIGHTS = WEIGHTS_FOLDER / "mobilenetv2_people.pdparams"
CHECKSUMS = "sha256.txt"
NESTED = ("state_dict", "model_state", "model_state_dict", "model")  # where training scripts put the model's state
NAMES_SHOWN, NAME_SHOWN = 6, 120
RENAMED = {
    r"\brunning_mean$": "_mean",
    r"\brunning_var$": "_variance",
    r"^classifier\.classifier\.0\.": "aspp.",
    r"^backbone\.(low|high)_level_features\.": "backbone.features.",
}
STARTS = {"backbone.features.": "mobilenetv2", "backbone.layer3.6.": "resnet101", "backbone.layer3.": "resnet50"}
State = Mapping[str, np.ndarray]


def read_state(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Read the state dict in a weight file, without PyTorch and without running anything from the file.

    Accepts torch.save's zip and legacy .pth and paddle.save's .pdparams; a plain state dict or one below a name of
    NESTED; names with or without DataParallel's `module.`.

    Returns dict of name -> np.ndarray, names as in the file, floating-point numbers as float32. Raises WeightsError:
    the file is missing, damaged, of another kind or without tensors, or a shipped one whose SHA-256 is not as recorded.
    """
    _verify_shipped(Path(path))
    value = read_tensors(path)
    for key in NESTED:
        if isinstance(value, dict) and isinstance(value.get(key), dict):
            value = value[key]
    state = arrays_of(value) if isinstance(value, dict) else {}
    if not state:
        raise WeightsError(f"{path} holds no tensors: give the file that holds the model's state dict")
    prefix = "module." if all(name.startswith("module.") for name in state) else ""
    return {name[len(prefix) :]: array for name, array in state.items()}


def weights_digest(path: str | os.PathLike) -> str:
    """SHA-256 of a weight file, read piece by piece: whether it is the one that an earlier start has checked.

    Raises WeightsError: the file is missing, not to be read, or a shipped file whose SHA-256 is not the recorded one.
    """
    check_file(path)
    digest = sha256_file(path)
    _verify_shipped(Path(path), digest)
    return digest


def _verify_shipped(path, digest=None):
    if path.resolve().parent == WEIGHTS_FOLDER and path.is_file():
        recorded = (WEIGHTS_FOLDER / CHECKSUMS).read_text(encoding="utf-8").split()
        if path.name in recorded and (digest or sha256_file(path)) != recorded[recorded.index(path.name) - 1]:
            raise WeightsError(f"{path} is not the file that was shipped (its SHA-256 differs): fetch it again")


class Weights:
    """What a weight file holds, and the network that it is of.

    Attributes:
        path: the file.
        state: dict of name -> array as of `read_state`, with this network's names; DeepLabV3's are renamed, too.
        backbone: "mobilenetv2", "resnet50" or "resnet101" as the names tell; None if they tell none.
    """

    def __init__(self, path: str | os.PathLike, state: State):
        self.path, self.state = path, our_names(state)
        self.backbone = guess_backbone(self.state)

    def build(self, backbone: str | None = None, model_type: str = "refine", **options: object) -> paddle.nn.Layer:
        """A network with these weights, in evaluation mode.

        Args:
            backbone: name of the encoder; None: the one that the file is of.
            model_type: "refine", or "base" for the coarse network alone, of either kind of file.
            options: arguments of MattingRefine; the refiner's kernel size follows from the file.

        Raises WeightsError: as `load`. UsageError: an option is out of range.
        """
        from model import MattingBase, MattingRefine

        backbone, state = backbone or self.backbone or "mobilenetv2", self.state
        if model_type == "base":
            model = MattingBase(backbone)
            state = {name: x for name, x in state.items() if not name.startswith("refiner.")}
        else:
            kernel = state.get("refiner.conv1.weight", np.empty(3)).shape[-1:]
            try:
                model = MattingRefine(backbone, refine_kernel_size=1 if kernel == (1,) else 3, **options)
            except ValueError as error:
                raise UsageError(str(error)) from None
        Weights(self.path, state).load(model)
        model.eval()
        return model

    def load(self, model: paddle.nn.Layer) -> None:
        """Load all into a model, strictly: every tensor of the model, no other, all of the right shape.

        Raises WeightsError: the weights are not this model's, or no weights at all (integers, infinite numbers,
        negative variances); the model is then unchanged.
        """
        if problem := _differences(self.state, _shapes(model)) or wrong_numbers(self.state):
            raise WeightsError(f"{self.path} {problem}")
        model.set_state_dict(self.state)

    def matching(self, model: paddle.nn.Layer) -> dict[str, np.ndarray]:
        """The tensors whose name and shape a model has.

        Raises WeightsError: there is none, or they are of another backbone, or their numbers are wrong as in `load`.
        """
        shapes = _shapes(model)
        matched = {name: x for name, x in self.state.items() if shapes.get(name) == x.shape}
        nothing = "" if matched else f"holds no weights of this network: give weights of {guess_backbone(shapes)}"
        if problem := _other_backbone(self.state, shapes) or wrong_numbers(matched) or nothing:
            raise WeightsError(f"{self.path} {problem}")
        return matched


def open_weights(path: str | os.PathLike) -> Weights:
    """Read a weight file and tell what it is of: `open_weights(path).build()` is the network. Errors of `read_state`"""
    return Weights(path, read_state(path))


def save_weights(model_or_state: paddle.nn.Layer | Mapping, path: str | os.PathLike, dtype: str = "float32") -> None:
    """Save a model, or a dict of name -> array or tensor, as a .pdparams file that plain paddle.load reads.

    dtype is "float32", or "float16" for half the size: then kernels are float16, while vectors (biases, BatchNorm),
    which are small but span many orders of magnitude, stay float32. The file is written whole or not at all.

    Raises ValueError: a number too large for float16; nothing is written.
    """
    import paddle

    state = arrays_of(model_or_state.state_dict() if hasattr(model_or_state, "state_dict") else model_or_state)
    for name, array in state.items():
        if dtype == "float16" and array.dtype == np.float32 and array.ndim > 1:
            if np.abs(array).max(initial=0) > np.finfo(np.float16).max:
                raise ValueError(f"{name} has numbers too large for float16: use float32")
            state[name] = array.astype(np.float16)
    with atomic_path(path) as temporary:
        paddle.save(state, str(temporary))


def arrays_of(value: Mapping) -> dict[str, np.ndarray]:
    """The arrays and tensors among a dict's values, in this machine's byte order, floating-point numbers as float32."""
    state = {}
    for name, item in value.items():
        item = item.numpy() if hasattr(item, "numpy") else item
        if isinstance(item, np.ndarray):
            dtype = np.float32 if item.dtype.kind == "f" else item.dtype.newbyteorder("=")
            with np.errstate(over="ignore"):  # what float32 cannot hold is found as infinite
                state[str(name)] = np.ascontiguousarray(item, dtype).reshape(item.shape)
    return state


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


def guess_backbone(names: Collection[str]) -> str | None:
    """Tell "resnet50", "resnet101" or "mobilenetv2" from the names of a state dict; None if they show neither."""
    found = (backbone for start, backbone in STARTS.items() if any(name.startswith(start) for name in names))
    return next(found, None)


def wrong_numbers(state: State) -> str | None:
    """Tell which arrays of a network, or of its optimizer, in Paddle's names, no network could have made.

    Returns None if all are finite floats, and variances not negative; else the rest of a sentence after a file's name.
    """
    squares = [name for name in state if name.endswith("_variance") or "/moment2" in name]
    wrong = {
        "numbers that are no floats": [name for name, array in state.items() if array.dtype.kind != "f"],
        "infinite or undefined numbers": [name for name, array in state.items() if not np.isfinite(array).all()],
        "negative variances": [name for name in squares if (state[name] < 0).any()],
    }
    said = (f"holds {kind} in {_listed(names)}: give another checkpoint" for kind, names in wrong.items() if names)
    return next(said, None)


def _shapes(model):
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def _differences(state, shapes):
    """What differs between weights and what a model needs, as of `wrong_numbers`."""
    missing, unexpected = [name for name in shapes if name not in state], [name for name in state if name not in shapes]
    shared = [name for name in shapes if name in state and state[name].shape != shapes[name]]
    misshapen = [f"{name} {state[name].shape} instead of {shapes[name]}" for name in shared]
    said = ("lacks {} tensors ({})", "has {} that do not belong here ({})", "has {} of another shape ({})")
    parts = [text.format(len(x), _listed(x)) for text, x in zip(said, (missing, unexpected, misshapen)) if x]
    if parts and (other := _other_backbone(state, shapes)):
        return other
    if missing and len(parts) == 1 and all(name.startswith("refiner.") for name in missing):
        return "holds base weights without the refiner (MattingBase): give weights of MattingRefine"
    remedy = "give weights that were trained for this network"
    return f"does not fit the model: it {' and '.join(parts)}; {remedy}" if parts else None


def _other_backbone(state, shapes):
    theirs, ours = guess_backbone(state), guess_backbone(shapes)
    if theirs and ours and theirs != ours:
        return f"holds {theirs} weights, but the model is {ours}: pass --model-backbone {theirs} or other weights"
    return None


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(printable(name)[:NAME_SHOWN] for name in names[:NAMES_SHOWN])
    return shown + (f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else "")
