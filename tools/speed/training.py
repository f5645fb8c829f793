"""Seconds of a training step of the base network: `tools/benchmark.py train-step`.

Started with arguments of its own it is the worker of one contestant. KIND is `plain` (the network of Paddle's own
kernels, Paddle as it comes), `settings` (the same kernels with the settings of utils.system.cpu, as in train.py) or
`ours` (with the second paths of model/ too, see `model.layers.trains_on_cpu`).

    python -m tools.speed.training KIND BACKBONE BATCH SIZE
"""

import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np

TOOLS = Path(__file__).resolve().parent

AS_IT_COMES = {"MKL_DEBUG_CPU_TYPE": "", "KMP_BLOCKTIME": "200"}  # in place of what utils.system.cpu.prepare sets


def measure_train_step(args):
    """Print the median seconds of a step of each contestant, taking turns, and the ratios to plain dygraph.

    Returns:
        list of dict: contestant, seconds, ratio (of plain dygraph's time to it, median over the rounds).
    """
    from tools.speed.model import Worker, cpu_name, threads

    sizes = [str(x) for x in (args.backbone, args.batch, args.size)]
    plain = {**os.environ, **AS_IT_COMES, "OMP_NUM_THREADS": str(threads())}
    workers = {
        "plain dygraph": Worker([sys.executable, "-m", "tools.speed.training", "plain", *sizes], plain),
        "with settings": Worker([sys.executable, "-m", "tools.speed.training", "settings", *sizes]),
        "this project": Worker([sys.executable, "-m", "tools.speed.training", "ours", *sizes]),
    }
    if args.original_python:
        script = TOOLS / "original_training.py"
        workers["PyTorch original"] = Worker([args.original_python, script, *sizes, threads()])
    times = {name: [] for name in workers}
    for turn in range(-1, args.rounds):
        for name, worker in workers.items():
            seconds = [float(x) for x in worker.ask("step").split()]
            if turn >= 0:
                times[name].append(seconds)
    for worker in workers.values():
        worker.close()
    print(f"base, {args.backbone}, batch {args.batch} at {args.size}x{args.size}, {threads()} threads, {cpu_name()}")
    rows, reference = [], np.array(times["plain dygraph"])[:, 0]
    for name, values in times.items():
        values = np.array(values)
        total, forward, backward = np.median(values, axis=0)
        row = {"contestant": name, "seconds": float(total), "ratio": statistics.median(reference / values[:, 0])}
        rows.append(row)
        print(
            f"  {name:<18} {total:7.3f} s a step, {args.batch / total:5.2f} images/s; forward and loss {forward:.3f}, "
            f"backward {backward:.3f} s; {row['ratio']:.2f} times plain dygraph"
        )
    return rows


def work(kind, backbone, batch, size):
    """Run a step for each line that comes in; print its seconds, and those of forward with loss and of backward."""
    from utils.system.cpu import keep_freed_memory, prepare

    prepare()  # leaves AS_IT_COMES alone
    if kind != "plain":
        keep_freed_memory()
    import paddle

    from model import MattingBase, layers
    from utils.training.loss import base_loss

    if kind != "ours":
        layers.trains_on_cpu = lambda x: False

    paddle.seed(0)
    model = MattingBase(backbone)
    optimizer = paddle.optimizer.Adam(1e-4, parameters=model.parameters())
    rng = np.random.default_rng(0)
    src, bgr, pha, fgr = (paddle.to_tensor(rng.random((batch, c, size, size), np.float32)) for c in (3, 3, 1, 3))
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        pred_pha, pred_fgr, pred_err, _ = model(src, bgr)
        loss = base_loss(pred_pha, pred_fgr, pred_err, pha, fgr)["total"]
        middle = time.perf_counter()
        loss.backward()
        end = time.perf_counter()
        optimizer.step()
        optimizer.clear_grad()
        float(loss)
        print(time.perf_counter() - start, middle - start, end - middle, flush=True)


if __name__ == "__main__":
    work(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
