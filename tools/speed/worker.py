"""This project as a process of tools/benchmark.py, see tools.speed.serve.

    python -m tools.speed.worker model WEIGHTS PAIR.npz SCALE PIXELS ENGINE PRECISION
    python -m tools.speed.worker train-step KIND BACKBONE BATCH SIZE

A line of `model` is "foreground" (alpha and foreground) or "alpha", its number the seconds of a frame; those of
`train-step` are the seconds of a step, of forward with loss, and of backward. KIND is `plain` (Paddle's own kernels,
Paddle as it comes), `settings` (the same kernels with the settings of utils.system.cpu, as in train.py) or `ours` (with
the second paths of model/ too, see `model.layers.trains_on_cpu`).
"""

import sys
import time

from utils.system.cpu import prepare

prepare()

import numpy as np
import paddle

from model import MattingBase, layers
from tools.speed.serve import serve
from utils.predictor import Matting, Refine
from utils.system.command_line import UsageError, command_line
from utils.system.cpu import keep_freed_memory
from utils.training.loss import base_loss


@command_line
def main(argv=None):
    what, *rest = sys.argv[1:] if argv is None else argv
    {"model": model, "train-step": train_step}[what](*rest)


def model(weights, pair, scale, pixels, engine, precision):
    def tell(note):
        if note.kind == "int8_not_used":
            raise UsageError(f"int8 cannot be used: {note.values['reason']}")

    refine = Refine(pixels=int(pixels), scale=float(scale))
    matting = Matting(weights, refine=refine, device="cpu", engine=engine, precision=precision, tell=tell)
    pictures, matte = np.load(pair), None
    src, bgr = pictures["src"], pictures["bgr"]

    def run(line):
        nonlocal matte
        start = time.perf_counter()
        matte = matting(src, bgr, foreground=line == "foreground")
        return [time.perf_counter() - start]

    serve(run, lambda: matte.pha_float)


def train_step(kind, backbone, batch, size):
    if kind != "plain":
        keep_freed_memory()
    if kind != "ours":
        layers.trains_on_cpu = lambda x: False
    paddle.seed(0)
    network, rng = MattingBase(backbone), np.random.default_rng(0)
    optimizer = paddle.optimizer.Adam(1e-4, parameters=network.parameters())
    shapes = ((int(batch), channels, int(size), int(size)) for channels in (3, 3, 1, 3))
    src, bgr, pha, fgr = (paddle.to_tensor(rng.random(shape, np.float32)) for shape in shapes)

    def run(_):
        start = time.perf_counter()
        pred_pha, pred_fgr, pred_err, _ = network(src, bgr)
        loss = base_loss(pred_pha, pred_fgr, pred_err, pha, fgr)["total"]
        middle = time.perf_counter()
        loss.backward()
        end = time.perf_counter()
        optimizer.step()
        optimizer.clear_grad()
        float(loss)
        return time.perf_counter() - start, middle - start, end - middle

    serve(run)


if __name__ == "__main__":
    sys.exit(main())
