"""The steps of a training: build network and optimizer, load what it starts from, compute the loss, update."""

from pathlib import Path

import numpy as np
import paddle
from paddle import nn

from model import MattingBase, MattingRefine
from utils.system.errors import UsageError
from utils.training.loss import original_loss
from utils.training.state import BEST
from utils.weights.load import open_weights
from utils.weights.names import model_shapes

OUTPUTS = {"base": ("pha", "fgr", "err"), "refine": ("pha", "fgr", "pha_sm", "fgr_sm", "err_sm", "ref_sm")}


def build_network(args):
    """MattingBase or MattingRefine as the arguments describe it, initialised from the seed."""
    paddle.seed(args.seed)
    if args.model_type == "base":
        return MattingBase(args.model_backbone)
    names = ["model_backbone", "model_backbone_scale", "model_refine_mode", "model_refine_sample_pixels"]
    names += ["model_refine_threshold", "model_refine_kernel_size"]
    return MattingRefine(*(getattr(args, name) for name in names))


def load_pretrained(model, pretrain, checkpoint_dir):
    """Load weights where names and shapes agree; returns a sentence on what was loaded.

    pretrain: weight file, or name of an earlier training below `checkpoint_dir`; None for neither.

    Raises WeightsError if nothing fits, the model is then unchanged; UsageError if there is neither.
    """
    if not pretrain:
        return "weights: random initialisation"
    places = Path(pretrain), checkpoint_dir / pretrain / BEST
    path = next((path for path in places if path.is_file()), None)
    if path is None:
        raise UsageError(f"--pretrain {pretrain}: there is neither a file {places[0]} nor a training {places[1]}")
    shapes = model_shapes(model)
    matched = open_weights(path).matching(shapes)
    model.set_state_dict({**model.state_dict(), **matched})
    return f"weights: {len(matched)} of {len(shapes)} tensors from {path}"


def build_optimizer(model, rates, clip_grad_norm=0.0, weight_decay=0.0):
    """Adam, with weight decay AdamW, with a learning rate for each part of the network.

    Args:
        model: MattingBase or MattingRefine.
        rates: dict of part (`"backbone"`, `"aspp"`, `"decoder"`, `"refiner"`) -> learning rate.
        clip_grad_norm: largest norm of the gradient; 0: not clipped.
        weight_decay: share of each weight, times the rate, that a step takes away.
    """
    highest = max(rates.values())
    groups = []
    for part, rate in rates.items():
        trained = [value for value in getattr(model, part).parameters() if not value.stop_gradient]
        groups.append({"params": trained, "learning_rate": rate / highest})
    clip = nn.ClipGradByGlobalNorm(clip_grad_norm) if clip_grad_norm else None
    if weight_decay:
        return paddle.optimizer.AdamW(highest, parameters=groups, weight_decay=weight_decay, grad_clip=clip)
    return paddle.optimizer.Adam(highest, parameters=groups, grad_clip=clip)


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


def forward_loss(network, kind, pictures, use_laplacian=True):
    """Run the network and compute its loss.

    Args:
        network: MattingBase or MattingRefine, possibly wrapped in DataParallel.
        kind: "base" or "refine".
        pictures: src, bgr, pha, fgr, float32 (b, c, h, w) in 0..1.

    Returns dict of named terms with `total`, dict of named outputs.
    """
    src, bgr, *truth = pictures
    out = dict(zip(OUTPUTS[kind], network(src, bgr)))
    return original_loss(out, *truth, use_laplacian), out


def update(terms, optimizer, scaler, step):
    """One step of the optimizer; returns the terms as floats. UsageError, if one is not finite, changes nothing."""
    values = {name: float(term) for name, term in terms.items()}
    if broken := ", ".join(f"{name} {value}" for name, value in values.items() if not np.isfinite(value)):
        raise UsageError(
            f"step {step}: the loss is not finite ({broken}): lower --learning-rate, set --clip-grad-norm, or use "
            "--amp off; --resume goes on from the last checkpoint"
        )
    scaler.scale(terms["total"]).backward()
    scaler.step(optimizer)
    scaler.update()
    optimizer.clear_grad()
    return values
