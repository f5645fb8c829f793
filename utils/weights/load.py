"""Weights in and out: read files of PyTorch and Paddle, put them into a model, save them.

State-dict names are those of the original PyTorch code, with Paddle's names for BatchNorm's running statistics, so
that an official checkpoint and a Paddle one differ in two suffixes only (`our_names`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from utils.system.errors import UsageError, WeightsError
from utils.system.files import atomic_path, sha256_file
from utils.weights import names
from utils.weights.file import check_file, read_tensors

if TYPE_CHECKING:  # exported programs run without Paddle, which takes long to import
    import paddle

    from model.matting import MattingBase

WEIGHTS_FOLDER = Path(__file__).resolve().parents[2] / "model" / "weights"
DEFAULT_WEIGHTS = WEIGHTS_FOLDER / "mobilenetv2_people.pdparams"
CHECKSUMS = "sha256.txt"
NESTED = ("state_dict", "model_state", "model_state_dict", "model")  # where training scripts put the model's state
FLOAT16_MAX = 65504.0


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


class Weights:
    """What a weight file holds, and the network that it is of.

    Attributes:
        path: the file.
        state: dict of name -> array as of `read_state`, with this network's names; DeepLabV3's are renamed, too.
        backbone: "mobilenetv2", "resnet50" or "resnet101" as the names tell; None if they tell none.
        counters: number of PyTorch's num_batches_tracked in the file, which have no counterpart here.
    """

    def __init__(self, path: str | os.PathLike, state: Mapping[str, np.ndarray]):
        self.path, self.state = path, names.our_names(state)
        self.backbone = names.guess_backbone(self.state)
        self.counters = len(state) - len(self.state)

    def network(self, backbone: str | None = None, model_type: str = "refine", **options: object) -> MattingBase:
        """The network that the tensors are of, with random numbers; arguments and UsageError as of `build`."""
        from model import MattingBase, MattingRefine

        backbone = backbone or self.backbone or "mobilenetv2"
        kernel = self.state.get("refiner.conv1.weight", np.empty(3)).shape[-1:]
        try:
            if model_type == "base":
                return MattingBase(backbone)
            return MattingRefine(backbone, refine_kernel_size=1 if kernel == (1,) else 3, **options)
        except ValueError as error:
            raise UsageError(str(error)) from None

    def build(self, backbone: str | None = None, model_type: str = "refine", **options: object) -> MattingBase:
        """A network with these weights, in evaluation mode.

        Args:
            backbone: name of the encoder; None: the one that the file is of.
            model_type: "refine", or "base" for the coarse network alone, of either kind of file.
            options: arguments of MattingRefine; the refiner's kernel size follows from the file.

        Raises WeightsError: as `load`. UsageError: an option is out of range.
        """
        model = self.network(backbone, model_type, **options)
        state = self.state
        if model_type == "base":
            state = {name: x for name, x in state.items() if not name.startswith("refiner.")}
        Weights(self.path, state).load(model)
        model.eval()
        return model

    def load(self, model: paddle.nn.Layer) -> None:
        """Load all into a model, strictly: every tensor of the model, no other, all of the right shape.

        Raises WeightsError: the weights are not this model's, or no weights at all (integers, infinite numbers,
        negative variances); the model is then unchanged.
        """
        if problem := names.compare_state(self.state, names.model_shapes(model)) or names.wrong_numbers(self.state):
            raise WeightsError(f"{self.path} {problem}")
        model.set_state_dict(self.state)

    def matching(self, shapes: Mapping[str, tuple]) -> dict[str, np.ndarray]:
        """The tensors whose name and shape a model has; shapes is its dict of name -> tuple.

        Raises WeightsError: there is none, or they are of another backbone, or their numbers are wrong as in `load`.
        """
        matched = {name: x for name, x in self.state.items() if shapes.get(name) == x.shape}
        problem = names.other_backbone(self.state, shapes) or names.wrong_numbers(matched)
        if not matched and not problem:
            problem = f"holds no weights of this network: give weights of {names.guess_backbone(shapes)}"
        if problem:
            raise WeightsError(f"{self.path} {problem}")
        return matched


def open_weights(path: str | os.PathLike) -> Weights:
    """Read a weight file and tell what it is of: `open_weights(path).build()` is the network. Errors of `read_state`"""
    return Weights(path, read_state(path))


def save_weights(model_or_state: paddle.nn.Layer | Mapping, path: str | os.PathLike, dtype: str = "float32") -> None:
    """Save a model, or a dict of name -> array or tensor, as a .pdparams file that plain paddle.load reads.

    dtype is "float32", or "float16" for half the size: then kernels are float16, while vectors (biases, BatchNorm),
    which are small but span many orders of magnitude, stay float32. The file is written whole or not at all.

    Raises ValueError: another dtype, or a number too large for float16; nothing is written.
    """
    import paddle

    if dtype not in ("float32", "float16"):
        raise ValueError(f"dtype is float32 or float16, not {dtype}")
    state = arrays_of(model_or_state.state_dict() if hasattr(model_or_state, "state_dict") else model_or_state)
    for name, array in state.items():
        if dtype == "float16" and array.dtype == np.float32 and array.ndim > 1:
            if np.abs(array).max(initial=0) > FLOAT16_MAX:
                raise ValueError(f"{name} has numbers beyond {FLOAT16_MAX:.0f}, too large for float16: use float32")
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


def _verify_shipped(path, digest=None):
    if path.resolve().parent == WEIGHTS_FOLDER and path.is_file():
        lines = (WEIGHTS_FOLDER / CHECKSUMS).read_text(encoding="utf-8").splitlines()
        recorded = {name: expected for expected, _, name in (line.partition("  ") for line in lines)}
        if path.name in recorded and (digest or sha256_file(path)) != recorded[path.name]:
            raise WeightsError(f"{path} is not the file that was shipped (its SHA-256 differs): fetch it again")
