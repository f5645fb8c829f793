"""Checkpoints of a training: one file with everything that it needs to go on as if it had never stopped.

The files are state dicts of NumPy arrays that paddle.load and utils.checkpoint.read_state read as weights, too. Random
numbers need no place in them: each follows from the seed, the epoch and the step (see `utils.training.seed_step`).
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import paddle

from utils.command_line import UsageError
from utils.files import atomic_path
from utils.state_file import WeightsError, read_tensors
from utils.training_options import FIXED

LAST, BEST = "last.pdparams", "best.pdparams"


@dataclass
class Progress:
    """epoch and batch are those to do next; step counts all batches done; best_sad is the lowest valid SAD yet."""

    epoch: int = 0
    batch: int = 0
    step: int = 0
    best_sad: float = float("inf")
    skipped: list = field(default_factory=list)  # messages of the damaged files met in this epoch

    def complete(self, args):
        return self.epoch >= args.epoch_end or bool(args.max_steps) and self.step >= args.max_steps


def save_training(path, model, optimizer, scaler, progress, args):
    """Write a checkpoint, whole or not at all: after an error, a full disk for one, the former file is still there."""
    arguments = {name: getattr(args, name) for name in FIXED}
    content = {
        "model": arrays(model.state_dict()),
        "optimizer": arrays(optimizer_by_name(model, optimizer)),
        "scaler": json.dumps({name: np.asarray(value).tolist() for name, value in scaler.state_dict().items()}),
        "progress": json.dumps(asdict(progress)),
        "arguments": json.dumps(arguments),
    }
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for left_over in path.parent.glob(".*.tmp.pdparams"):  # of a process that was killed while writing
        left_over.unlink(missing_ok=True)
    try:
        with atomic_path(path) as temporary:
            paddle.save(content, str(temporary))
    except OSError as error:
        reason = error.strerror or error
        raise OSError(f"checkpoint {path} could not be written ({reason}); the former one is unchanged") from None


def load_training(path, model, optimizer, scaler, args):
    """Put a checkpoint of `save_training` into model, optimizer and scaler; returns its Progress.

    Raises WeightsError if the file is no such checkpoint, UsageError if it was made with other arguments that change
    what is learnt.
    """
    content = read_tensors(path)
    if not isinstance(content, dict) or not {"model", "optimizer", "progress", "arguments"} <= content.keys():
        raise WeightsError(f"{path} is no checkpoint of train.py: pass weights alone with --pretrain")
    arguments = json.loads(text(content["arguments"]))
    for name in FIXED:
        if arguments[name] != getattr(args, name):
            flag = f"--{name.replace('_', '-')}"
            raise UsageError(
                f"{path} was trained with {flag} {arguments[name]}, not {getattr(args, name)}: "
                "resume with the same value, or start anew with another --model-name"
            )
    model.set_state_dict(content["model"])
    set_optimizer(model, optimizer, content["optimizer"])
    state = json.loads(text(content["scaler"]))
    if state:
        current = scaler.state_dict()
        scaler.load_state_dict({**current, **{k: _like(current.get(k), v) for k, v in state.items()}})
    return Progress(**json.loads(text(content["progress"])))


def arrays(state):
    return {name: np.asarray(value.numpy() if hasattr(value, "numpy") else value) for name, value in state.items()}


def text(value):
    return str(np.asarray(value).item()) if not isinstance(value, str) else value


def _like(current, value):
    return np.asarray(value, current.dtype) if isinstance(current, np.ndarray) else value


def optimizer_by_name(model, optimizer):
    """The optimizer's state under the model's names: Paddle's own, conv2d_7.w_0, depend on what was built before."""
    renamed = {}
    names = sorted(((p.name, name) for name, p in model.named_parameters()), key=lambda pair: -len(pair[0]))
    for key, value in optimizer.state_dict().items():
        for own, name in names:
            if key.startswith(own + "_"):
                renamed[f"{name}/{key[len(own) + 1 :]}"] = value
                break
    return renamed


def set_optimizer(model, optimizer, state):
    """The reverse of `optimizer_by_name`."""
    own = {name: p.name for name, p in model.named_parameters()}
    renamed = {}
    for key, value in state.items():
        name, _, slot = key.partition("/")
        if name not in own:
            raise WeightsError(f"the checkpoint's optimizer knows {name}, which the model does not have")
        renamed[f"{own[name]}_{slot}"] = paddle.to_tensor(value)
    if renamed:
        optimizer.set_state_dict(renamed)
