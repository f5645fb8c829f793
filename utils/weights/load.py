"""Weights in and out: read files of PyTorch and Paddle, put them into a model, save them.

State-dict names are those of the original PyTorch code, with Paddle's names for BatchNorm's running statistics, so
that an official checkpoint and a Paddle one differ in two suffixes only (`official_to_paddle`).
"""

from pathlib import Path

import numpy as np
import paddle

from utils.system.errors import WeightsError
from utils.system.files import atomic_path, sha256_file
from utils.weights.file import check_file, read_tensors
from utils.weights.names import _list, compare_state, model_shapes, official_to_paddle

WEIGHTS_FOLDER = Path(__file__).resolve().parents[2] / "model" / "weights"
DEFAULT_WEIGHTS = WEIGHTS_FOLDER / "mobilenetv2_people.pdparams"
CHECKSUMS = "sha256.txt"
NESTED = ("state_dict", "model_state", "model_state_dict", "model")  # where training scripts put the model's state
FLOAT16_MAX = 65504.0


def read_state(path):
    """Read the state dict in a weight file, without PyTorch and without running anything from the file.

    Accepts torch.save's zip and legacy .pth and paddle.save's .pdparams; a plain state dict or one below
    `state_dict`, `model_state`, `model_state_dict` or `model`; names with or without DataParallel's `module.`.

    Returns:
        dict of name -> np.ndarray, names as in the file, floating-point numbers as float32.

    Raises:
        WeightsError: the file is missing, damaged, of another kind or without tensors, or a shipped file whose
            SHA-256 is not the recorded one.
    """
    path = Path(path)
    _verify_shipped(path)
    value = read_tensors(path)
    for key in NESTED:
        if isinstance(value, dict) and isinstance(value.get(key), dict):
            value = value[key]
    state = _tensors(value) if isinstance(value, dict) else {}
    if not state:
        raise WeightsError(f"{path} holds no tensors: give the file that holds the model's state dict")
    if all(name.startswith("module.") for name in state):
        state = {name[len("module.") :]: array for name, array in state.items()}
    return state


def weights_digest(path):
    """SHA-256 of a weight file, read piece by piece: whether it is the one that an earlier start has checked.

    Raises:
        WeightsError: the file is missing, not to be read, or a shipped file whose SHA-256 is not the recorded one.
    """
    path = Path(path)
    check_file(path)
    try:
        digest = sha256_file(path)
    except PermissionError:
        raise WeightsError(f"{path} may not be read: change its permissions") from None
    _verify_shipped(path, digest)
    return digest


def load_weights(model, path, state=None):
    """Load a file into a model, strictly: every tensor of the model, no other, all of the right shape.

    Args:
        model: MattingBase or MattingRefine.
        path: .pth or .pdparams file, see read_state.
        state: what read_state(path) gave, where the caller has read it already.

    Raises:
        WeightsError: as read_state, or the weights are not this model's; the model is then unchanged.
    """
    state = official_to_paddle(read_state(path) if state is None else state)
    problem = compare_state(state, model_shapes(model))
    if problem:
        raise WeightsError(f"{path} {problem}")
    broken = [name for name, array in state.items() if not np.isfinite(array).all()]
    if broken:
        raise WeightsError(f"{path} holds infinite or undefined numbers in {_list(broken)}: give an earlier checkpoint")
    model.set_state_dict(state)


def load_matching(model, state):
    """Copy the tensors whose name and shape agree; the model keeps its own for the rest.

    Args:
        model: MattingBase or MattingRefine.
        state: dict of name -> array, names of PyTorch or Paddle.

    Returns:
        (matched, total): number of the model's tensors that were copied, and that it has.
    """
    target = model.state_dict()
    state = official_to_paddle(state)
    matched = {name: state[name] for name in target if name in state and list(state[name].shape) == target[name].shape}
    model.set_state_dict({**target, **matched})
    return len(matched), len(target)


def save_weights(model_or_state, path, dtype="float32"):
    """Save a state dict as a file that plain paddle.load reads; written whole or not at all.

    Args:
        model_or_state: a model, or a dict of name -> array or tensor.
        path: .pdparams file to write.
        dtype: "float32", or "float16" for half the size: then kernels are float16, while vectors (biases,
            BatchNorm), which are small but span many orders of magnitude, stay float32.

    Raises:
        ValueError: another dtype, or a number too large for float16; nothing is written.
    """
    if dtype not in ("float32", "float16"):
        raise ValueError(f"dtype is float32 or float16, not {dtype}")
    state = model_or_state.state_dict() if hasattr(model_or_state, "state_dict") else model_or_state
    arrays = {}
    for name, value in state.items():
        array = np.ascontiguousarray(value.numpy() if hasattr(value, "numpy") else value).reshape(value.shape)
        if array.dtype.kind == "f":
            half = dtype == "float16" and array.ndim > 1
            if half and np.abs(array).max(initial=0) > FLOAT16_MAX:
                raise ValueError(f"{name} has numbers beyond {FLOAT16_MAX:.0f}, too large for float16: use float32")
            array = array.astype(np.float16 if half else np.float32)
        arrays[name] = array
    with atomic_path(path) as temporary:
        paddle.save(arrays, str(temporary))


def _tensors(value):
    """The arrays among a dict's values, in this machine's byte order."""
    state = {}
    for name, item in value.items():
        if isinstance(item, np.ndarray):
            dtype = np.float32 if item.dtype.kind == "f" else item.dtype.newbyteorder("=")
            state[str(name)] = np.ascontiguousarray(item, dtype).reshape(item.shape)
    return state


def _verify_shipped(path, digest=None):
    sums = WEIGHTS_FOLDER / CHECKSUMS
    if path.resolve().parent != WEIGHTS_FOLDER or not path.is_file() or not sums.is_file():
        return
    for line in sums.read_text(encoding="utf-8").splitlines():
        expected, _, name = line.partition("  ")
        if name == path.name and (digest or sha256_file(path)) != expected:
            raise WeightsError(f"{path} is not the file that was shipped (its SHA-256 differs): fetch it again")
