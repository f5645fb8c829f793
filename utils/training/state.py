"""Checkpoints of a training: one file with everything that it needs to go on as if it had never stopped.

The files are state dicts of NumPy arrays that paddle.load and utils.weights.load.read_state read as weights. Random
numbers need no place in them: each follows from seed, epoch and step (see `utils.training.step.seed_step`).
"""

import json
import re
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field

import numpy as np
import paddle

from utils.system.errors import UsageError, WeightsError
from utils.system.files import atomic_path, lock_folder
from utils.weights.file import read_tensors
from utils.weights.load import Weights, arrays_of
from utils.weights.names import wrong_numbers

LAST, BEST = "last.pdparams", "best.pdparams"


def hold_alone(folder, held):
    """Make a training's folder, if it is missing, and hold it for this process until `held`, an ExitStack, is closed.

    Two trainings in one folder would replace each other's checkpoints in turn. Nothing is left of the lock when the
    process is killed. No effect where the system or a network drive has no such locks.

    Raises UsageError if another process holds it, OSError if it cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        held.callback(lock_folder(folder.resolve()))
    except BlockingIOError:
        remedy = "wait until it has ended, or pass another --model-name"
        raise UsageError(f"another training is writing to {folder}: {remedy}") from None
    except OSError:
        pass


@dataclass
class Progress:
    """epoch and batch are those to do next; step counts all batches done; best_sad is the lowest valid SAD yet."""

    epoch: int = 0
    batch: int = 0
    step: int = 0
    best_sad: float = float("inf")
    skipped: list = field(default_factory=list)  # messages of the damaged files met in this epoch

    def complete(self, epoch_end, max_steps=0):
        """Whether nothing is left to do; max_steps 0 is no limit."""
        return self.epoch >= epoch_end or bool(max_steps) and self.step >= max_steps


@dataclass
class Training:
    """All that changes while a network is trained: what a checkpoint holds."""

    model: paddle.nn.Layer  # MattingBase or MattingRefine
    optimizer: paddle.optimizer.Optimizer
    scaler: paddle.amp.GradScaler
    progress: Progress
    average: object = None  # utils.training.people.Average, of a recipe that validates and exports one

    def exported(self):
        """Context in which the model has the weights that are validated and exported."""
        return self.average.in_place() if self.average else nullcontext()


def save_training(path, training, arguments):
    """Write a Training as a .pdparams file, whole or not at all: after an error the former file is still there.

    path: pathlib.Path. arguments: dict of what the checkpoint is bound to, see utils.training.options.fixed_arguments.
    """
    scaler = {name: np.asarray(value).tolist() for name, value in training.scaler.state_dict().items()}
    averaged = arrays_of(training.average.values) if training.average else {}
    model = arrays_of(training.model.state_dict())
    content = {
        "model": {**model, **averaged},  # what is read as weights
        "trained": {name: model[name] for name in averaged},
        "optimizer": arrays_of(optimizer_by_name(training.model, training.optimizer)),
        "scaler": json.dumps(scaler),
        "progress": json.dumps(asdict(training.progress)),
        "arguments": json.dumps(arguments),
    }
    for left_over in path.parent.glob(".*.tmp.pdparams"):  # of a process that was killed while writing
        left_over.unlink(missing_ok=True)
    try:
        with atomic_path(path) as temporary:
            paddle.save(content, str(temporary))
    except OSError as error:
        reason = error.strerror or error
        raise OSError(f"checkpoint {path} could not be written ({reason}); the former one is unchanged") from None


def load_training(path, training, arguments):
    """Put a checkpoint of `save_training` into a Training.

    Raises WeightsError if the file is no such checkpoint, UsageError if it was made with other `arguments`, which
    change what is learnt.
    """
    content = read_tensors(path)
    try:
        exported, moments = arrays_of(content["model"]), arrays_of(content["optimizer"])
        trained = {**exported, **arrays_of(content.get("trained", {}))}
        former, scaler, progress = (json.loads(content[name]) for name in ("arguments", "scaler", "progress"))
        former, progress = {"recipe": "original", **former}, Progress(**progress)
        name = next((name for name, value in arguments.items() if former[name] != value), None)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise WeightsError(f"{path} is no checkpoint of train.py: pass weights alone with --pretrain") from None
    if name:
        raise UsageError(
            f"{path} was trained with --{name.replace('_', '-')} {former[name]}, not {arguments[name]}: "
            f"resume with the same value, or begin anew from its weights: --pretrain {path.parent.name} --model-name N"
        )
    own = {name: p.name for name, p in training.model.named_parameters()}
    if problem := wrong_numbers(moments):
        raise WeightsError(f"{path} {problem}")
    renamed = {}
    for key, value in moments.items():
        name, _, slot = key.partition("/")
        if name not in own:
            raise WeightsError(f"{path} has moments of {name}, which the model does not have: begin anew")
        renamed[f"{own[name]}_{slot}"] = paddle.to_tensor(value)
    for state in (exported, trained):
        Weights(path, state).load(training.model)
    if training.average:
        training.average.set(exported)
    if renamed:
        training.optimizer.set_state_dict(renamed)
    if scaler:
        training.scaler.load_state_dict(scaler)
    training.progress = progress


def optimizer_by_name(model, optimizer):
    """The optimizer's state under the model's names: Paddle's own, conv2d_7.w_0, depend on what was built before."""
    own, state = {p.name: name for name, p in model.named_parameters()}, optimizer.state_dict()
    slots = {key: re.fullmatch(r"(.*?\.[bw]_\d+)_(.*)", key) for key in state}
    return {f"{own[found[1]]}/{found[2]}": state[key] for key, found in slots.items() if found and found[1] in own}
