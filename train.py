"""Train MattingBase or MattingRefine.

python train.py --stage 1                       the published stage 1, then 2 and 3; `sh run.sh` runs all three
python train.py --dataset-name videomatte240k --model-name mine --epoch-end 2 --learning-rate 1e-4
python train.py --stage 2 --resume              go on where it was interrupted
python -m paddle.distributed.launch --log_dir output/log train.py --stage 1     on all GPUs of this machine
"""

from utils.system.cpu import prepare

prepare(__name__ == "__main__")

import sys
import time
from contextlib import ExitStack, nullcontext

import paddle
import paddle.distributed as dist
from tqdm import tqdm

from dataset.labels import check_labels, looked_at
from utils.picture.levels import to_float
from utils.predictor import choose_device
from utils.system.command_line import UsageError, command_line
from utils.system.cpu import keep_freed_memory
from utils.training.data import Validation, close, training_batches
from utils.training.options import LAST, parse_jobs
from utils.training.people import Unclamped, rate_at
from utils.training.run import Run
from utils.training.state import Training, forward_loss, hold_alone, precision, seed_step, update


@command_line
def main(argv=None):
    jobs = parse_jobs(argv)
    if jobs[0].device:
        choose_device(jobs[0].device)
    if paddle.get_device() == "cpu":
        keep_freed_memory()
    if dist.get_world_size() > 1:
        dist.init_parallel_env()
    for args in jobs:
        with ExitStack() as held:
            train(args, held, dist.get_rank(), dist.get_world_size())
        if dist.get_world_size() > 1:
            dist.barrier()  # the next one may start from what the first process has just written


def train(args, held, rank=0, world=1):
    """One training from its arguments to its last checkpoint; held: ExitStack that keeps others from its folder."""
    dtype = precision(args.amp)
    loader, batches = training_batches(args, rank, world)
    samples = Validation(args.data_root, args.valid_dataset_name, args.valid_samples, args.valid_size, args.recipe)
    doubts = check_labels(looked_at(loader.dataset.foregrounds)) + check_labels(looked_at(samples.foregrounds.dataset))
    last = args.checkpoint_dir / args.model_name / LAST
    if last.is_file() and not args.resume:
        raise UsageError(f"{last.parent} holds a training: pass --resume to go on with it, or another --model-name")
    if rank == 0:
        hold_alone(last.parent, held)

    training = Training(args, dtype, rank, world)
    started_from = training.begin()
    progress = training.progress
    steps = progress.step + (args.epoch_end - progress.epoch) * len(batches) - progress.batch
    steps = min(steps, args.max_steps) if args.max_steps else steps
    if progress.step >= steps:
        print(f"{args.model_name} is complete ({progress.step} steps)", flush=True)
        return
    people, model, optimizer = args.recipe == "people", training.model, training.optimizer
    network = Unclamped(model) if people else model
    # a step that refines no cell at all gives the refiner no gradient
    network = paddle.DataParallel(network, find_unused_parameters=args.model_type == "refine") if world > 1 else network

    run = Run(training, samples, steps)
    run.line(
        f"{args.model_name}: {args.model_type} {args.model_backbone}, {args.dataset_name} "
        f"({len(loader.dataset)} foregrounds), batch {args.batch_size} on {world} x {paddle.get_device()}, "
        f"crops {args.crop_size[0]}-{args.crop_size[1] - 1}, lr {args.learning_rate}, amp {dtype}, {started_from}",
        f" {vars(args)}",
    )
    for doubt in doubts:
        run.line(f"warning: {doubt}")
    if progress.step == 0:
        run.validate()  # what is not trained yet
    # disable=None: shown on a terminal only, a log file holds lines
    bar = tqdm(total=steps, initial=progress.step, desc=args.model_name, dynamic_ncols=True, disable=rank > 0 or None)
    model.eval() if people else model.train()
    while progress.step < steps:
        batches.begin(progress.epoch, progress.batch)
        reading_since = time.perf_counter()
        for *pictures, skipped in loader:
            reading = time.perf_counter() - reading_since
            run.check_skipped(skipped, len(loader.dataset))
            seed_step(args.seed, progress.epoch, progress.batch, rank)
            pictures = [to_float(picture) for picture in pictures]
            if people:
                optimizer.set_lr(max(args.rates.values()) * rate_at(progress.step, steps))
            with nullcontext() if dtype == "off" else paddle.amp.auto_cast(level="O1", dtype=dtype):
                terms, outputs = forward_loss(network, args, progress, pictures)
            values = update(terms, optimizer, training.scaler, progress.step)
            if people:
                training.average.update(progress.step)
            progress.step, progress.batch = progress.step + 1, progress.batch + 1
            run.after_step(values, reading, pictures, outputs)
            bar.update()
            if progress.step == steps:
                break
            reading_since = time.perf_counter()
        if progress.batch >= len(batches):
            progress.epoch, progress.batch, progress.skipped = progress.epoch + 1, 0, []
    bar.close()
    close(loader)
    run.finish()


if __name__ == "__main__":
    sys.exit(main())
