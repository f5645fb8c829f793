"""All that changes while a network is trained: built from the arguments, loaded, updated step by step, and saved.

A checkpoint is one file with all that a training needs to go on as if it had never stopped, but random numbers, which
follow from seed, epoch and step (see `seed_step`). paddle.load and utils.weights.load.read_state read it as weights.
"""

import json
import re
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import paddle
from paddle import nn

from model import MattingBase, MattingRefine
from utils.picture.levels import to_tensor
from utils.system.errors import UsageError, WeightsError
from utils.system.files import atomic_path, lock_folder
from utils.training.loss import original_loss, people_loss
from utils.training.options import BEST, LAST, flag
from utils.training.people import Average, draw_refinement
from utils.weights.file import read_tensors
from utils.weights.load import Weights, arrays_of, open_weights, wrong_numbers

OUTPUTS = {"base": ("pha", "fgr", "err"), "refine": ("pha", "fgr", "pha_sm", "fgr_sm", "err_sm", "ref_sm")}


def hold_alone(folder, held):
    """Make a training's folder, and keep other trainings out of it until `held`, an ExitStack, is closed.

    Raises UsageError if another training holds it, OSError if it cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        held.callback(lock_folder(folder.resolve()))
    except BlockingIOError:
        remedy = "wait until it has ended, or pass another --model-name"
        raise UsageError(f"another training is writing to {folder}: {remedy}") from None
    except OSError:
        pass  # a network drive without locks


@dataclass
class Progress:
    """epoch and batch are those to do next; step counts all batches done; best_sad is the lowest valid SAD yet."""

    epoch: int = 0
    batch: int = 0
    step: int = 0
    best_sad: float = float("inf")
    skipped: list = field(default_factory=list)  # messages of the damaged files met in this epoch


class Training:
    """What a checkpoint holds; args: of `options.parse_jobs`; dtype: of `precision`; rank, world: of the process.

    Attributes: model, MattingBase or MattingRefine, initialised from the seed; optimizer, with a rate for each part of
    it; scaler; progress; average, of a recipe that validates and exports one, else None.
    """

    def __init__(self, args, dtype="off", rank=0, world=1):
        self.args, self.rank, self.world = args, rank, world
        self.folder = args.checkpoint_dir / args.model_name
        self.average, self.progress = None, Progress(epoch=args.epoch_start)
        self.scaler = paddle.amp.GradScaler(enable=dtype == "float16", init_loss_scaling=2.0**15)
        paddle.seed(args.seed)
        if args.model_type == "base":
            self.model = MattingBase(args.model_backbone)
        else:
            refine = args.refine_mode, args.refine_sample_pixels, args.refine_threshold, args.model_refine_kernel_size
            self.model = MattingRefine(args.model_backbone, args.backbone_scale, *refine)
        if world > 1 and paddle.get_device().startswith("gpu"):  # there is no such kernel for CPUs
            self.model = nn.SyncBatchNorm.convert_sync_batchnorm(self.model)
        highest, groups = max(args.rates.values()), []
        for part, rate in args.rates.items():
            trained = [value for value in getattr(self.model, part).parameters() if not value.stop_gradient]
            groups.append({"params": trained, "learning_rate": rate / highest})
        clip = nn.ClipGradByGlobalNorm(args.clip_grad_norm) if args.clip_grad_norm else None
        kind = paddle.optimizer.AdamW if args.weight_decay else paddle.optimizer.Adam
        self.optimizer = kind(highest, parameters=groups, grad_clip=clip, weight_decay=args.weight_decay)

    def begin(self):
        """Load the last checkpoint, or else what of --pretrain fits; returns a sentence on what was loaded.

        Raises WeightsError if nothing fits or the checkpoint is none, the model is then unchanged; UsageError if there
        is no --pretrain, or if the checkpoint was made with other arguments, which change what is learnt.
        """
        last, pretrain = self.folder / LAST, self.args.pretrain
        if last.is_file():
            self._load(last)
            return f"resumed: {last}"
        said = "weights: random initialisation"
        if pretrain:
            path = Path(pretrain) if Path(pretrain).is_file() else self.args.checkpoint_dir / pretrain / BEST
            if not path.is_file():
                raise UsageError(f"--pretrain {pretrain}: there is neither this file nor an earlier training's {path}")
            matched, state = open_weights(path).matching(self.model), self.model.state_dict()
            self.model.set_state_dict({**state, **matched})
            said = f"weights: {len(matched)} of {len(state)} tensors from {path}"
        self.average = Average(self.model) if self.args.recipe == "people" else None
        return said

    def _load(self, path):
        content = read_tensors(path)
        try:
            exported, moments = arrays_of(content["model"]), arrays_of(content["optimizer"])
            trained = {**exported, **arrays_of(content.get("trained", {}))}
            former, scaler, progress = (json.loads(content[name]) for name in ("arguments", "scaler", "progress"))
            former, progress = {"recipe": "original", **former}, Progress(**progress)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise WeightsError(f"{path} is no checkpoint of train.py: pass weights alone with --pretrain") from None
        for name, value in self.args.fixed.items():
            if former.get(name) != value:
                remedy = f"resume with the same, or begin anew from it: --pretrain {path.parent.name} --model-name N"
                raise UsageError(f"{path} was trained with {flag(name)} {former.get(name)}, not {value}: {remedy}")
        if problem := wrong_numbers(moments):
            raise WeightsError(f"{path} {problem}")
        Weights(path, exported).load(self.model)
        self.average = Average(self.model) if self.args.recipe == "people" else None
        Weights(path, trained).load(self.model)
        own = {name: value.name for name, value in self.model.named_parameters()}
        slots = [(*name.rpartition("/"), paddle.to_tensor(value)) for name, value in moments.items()]
        self.optimizer.set_state_dict({f"{own.get(of)}_{slot}": value for of, _, slot, value in slots})
        if scaler:
            self.scaler.load_state_dict(scaler)
        self.progress = progress

    def save(self, name):
        """Write a checkpoint, LAST or BEST, whole or not at all: after an error the former file is still there."""
        if self.rank:
            return
        path, model = self.folder / name, arrays_of(self.model.state_dict())
        averaged = arrays_of(self.average.values) if self.average else {}
        scaler = {key: np.asarray(value).tolist() for key, value in self.scaler.state_dict().items()}
        content = {
            "model": {**model, **averaged},  # what is read as weights
            "trained": {name: model[name] for name in averaged},
            "optimizer": arrays_of(self.optimizer_by_name()),
            "scaler": json.dumps(scaler),
            "progress": json.dumps(asdict(self.progress)),
            "arguments": json.dumps(self.args.fixed),
        }
        for left_over in self.folder.glob(".*.tmp.pdparams"):  # of a process that was killed while writing
            left_over.unlink(missing_ok=True)
        try:
            with atomic_path(path) as temporary:
                paddle.save(content, str(temporary))
        except OSError as error:
            reason = error.strerror or error
            raise OSError(f"checkpoint {path} could not be written ({reason}); the former one is unchanged") from None

    def optimizer_by_name(self):
        """The optimizer's state under the model's names: Paddle's, conv2d_7.w_0, depend on what was built before."""
        own, state = {p.name: name for name, p in self.model.named_parameters()}, self.optimizer.state_dict()
        slots = {key: re.fullmatch(r"(.*?\.[bw]_\d+)_(.*)", key) for key in state}
        return {f"{own[found[1]]}/{found[2]}": state[key] for key, found in slots.items() if found and found[1] in own}

    @contextmanager
    def exported(self):
        """Gives what is exported, in evaluation mode: a function Sample -> (pha (h, w), fgr (h, w, 3)), floats 0..1."""

        def predict(sample):
            pha, fgr = (result[0].numpy() for result in self.model(*to_tensor(sample.src, sample.bgr))[:2])
            return pha[0], fgr.transpose(1, 2, 0)

        training, swap = self.model.training, self.average.swap if self.average else lambda: None
        self.model.eval()
        swap()
        with paddle.no_grad():
            yield predict
        swap()
        if training:
            self.model.train()


def precision(amp):
    """What --amp, `"auto"`, `"off"`, `"float16"` or `"bfloat16"`, comes to on this device: one of the last three."""
    gpu = paddle.get_device().startswith("gpu")
    if amp == "auto":
        return "float16" if gpu else "off"
    if amp != "off" and not gpu:
        raise UsageError(f"--amp {amp}: Paddle has mixed precision on GPUs only; leave it out on {paddle.get_device()}")
    if amp == "bfloat16" and not paddle.amp.is_bfloat16_supported():
        raise UsageError("--amp bfloat16: this GPU has no bfloat16; use --amp float16")
    return amp


def seed_step(seed, epoch, batch, rank=0):
    """Seed Paddle's generator (dropout) for one step, so that a resumed training draws what it would have drawn."""
    paddle.seed(int(np.random.SeedSequence([seed, epoch, batch, rank]).generate_state(1)[0]))


def forward_loss(network, args, progress, pictures):
    """Run MattingBase, MattingRefine or `Unclamped` on src, bgr, pha, fgr, float32 (b, c, h, w) in 0..1.

    Returns the loss, a dict of named terms with `total`, and the outputs, a dict of name -> tensor.
    """
    src, bgr, *truth = pictures
    if args.recipe == "people":
        out = network(src, bgr, *draw_refinement(args.seed, progress.epoch, progress.batch))
        shown = {name: value.detach().clip(0, 1) for name, value in out.items()}
        return people_loss(out, *truth, args.laplacian), shown
    out = dict(zip(OUTPUTS[args.model_type], network(src, bgr)))
    return original_loss(out, *truth, args.laplacian), out


def update(terms, optimizer, scaler, step):
    """One step of the optimizer; returns the terms as floats. UsageError, if one is not finite, changes nothing."""
    values = {name: float(term) for name, term in terms.items()}
    if broken := ", ".join(f"{name} {value}" for name, value in values.items() if not np.isfinite(value)):
        remedy = "lower --learning-rate, set --clip-grad-norm or --amp off; --resume goes on from the last checkpoint"
        raise UsageError(f"step {step}: the loss is not finite ({broken}): {remedy}")
    scaler.scale(terms["total"]).backward()
    scaler.step(optimizer)
    scaler.update()
    optimizer.clear_grad()
    return values
