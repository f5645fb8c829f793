"""Write the gradients of one joint batch, computed by the processes of a launcher or by this one alone.

    python -m paddle.distributed.launch --nproc_per_node 2 tests/distributed_gradients.py OUT.npz ARGUMENTS-OF-TRAIN...

Batch statistics are frozen: each process of a CPU training has its own, since Paddle's SyncBatchNorm is for GPUs only.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.system.cpu import prepare

prepare()

import numpy as np
import paddle
import paddle.distributed as dist

from utils.picture.levels import to_float
from utils.training.data import training_batches
from utils.training.options import parse_jobs
from utils.training.state import Training, forward_loss


def main(out, arguments):
    (args,) = parse_jobs(arguments)
    paddle.set_device("cpu")
    rank, world = dist.get_rank(), dist.get_world_size()
    if world > 1:
        dist.init_parallel_env()
    loader, batches = training_batches(args, rank, world)
    batches.begin(0)
    *pictures, _ = next(iter(loader))
    model = Training(args).model
    model.eval()
    network = paddle.DataParallel(model, find_unused_parameters=True) if world > 1 else model
    terms, _ = forward_loss(network, args, None, [to_float(picture) for picture in pictures])
    terms["total"].backward()
    if rank == 0:
        np.savez(
            out, **{name: value.grad.numpy() for name, value in model.named_parameters() if value.grad is not None}
        )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
