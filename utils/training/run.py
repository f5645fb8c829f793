"""What happens beside the steps of a training: text and curves, validation, checkpoints, damaged files."""

import time
from contextlib import contextmanager

import paddle

from dataset.data_path import DataError
from utils.evaluation.samples import share
from utils.evaluation.score import evaluate, gather
from utils.picture.tensor import to_tensor
from utils.training.log import Meter, picture_rows
from utils.training.options import fixed_arguments
from utils.training.state import BEST, LAST, save_training

SKIPPED_SHARE = 100  # one damaged file in so many foregrounds is tolerated, and always one


class Run:
    """One training's log, validations and checkpoints; in all processes alike, written by the first.

    args, training, log and samples are those of `parse_jobs`, `Training`, `RunLog` and `validation_samples`; steps is
    the number of the last step; rank, world: this process's number, and how many there are.
    """

    def __init__(self, args, training, log, samples, steps, rank, world):
        self.args, self.training, self.progress = args, training, training.progress
        self.log, self.samples, self.steps, self.rank, self.world = log, samples, steps, rank, world
        self.meter, self.since_valid, self.validated, self.began = Meter(), Meter(), None, time.perf_counter()
        self.sad = self.progress.best_sad  # of the last validation

    def after_step(self, values, reading, pictures, outputs):
        """Log, validate and save where it is time for it.

        Args: the loss terms, floats; seconds waited for the batch; what `forward_loss` was given and what it returned.
        """
        args, step, samples = self.args, self.progress.step, len(pictures[0]) * self.world
        self.meter.add(values, samples, reading)
        self.since_valid.add(values, samples, reading)
        if step % args.log_train_loss_interval == 0:
            highest = self.training.optimizer.get_lr()
            rates = {part: rate * highest / max(args.rates.values()) for part, rate in args.rates.items()}
            epoch = f"{self.progress.epoch + 1}/{args.epoch_end}"
            self.log.line(*self.meter.line(self.sad, epoch, step, self.steps, highest))
            self.log.scalars("train", self.meter.means(), step)
            self.log.scalars("learning_rate", rates, step)
            self.meter = Meter()
        if step % args.log_train_images_interval == 0:
            self.log.picture("train/src_bgr_true_pha_com_err_ref", picture_rows(pictures, outputs), step)
        if step % args.log_valid_interval == 0:
            self.validate()
        if step % args.checkpoint_interval == 0:
            self.save(LAST)

    def validate(self):
        """Score the fixed samples, log the result and keep the weights if they are the best yet."""
        began = time.perf_counter()
        indices = share(self.samples, self.rank, self.world)
        with self.training.exported(), evaluation_mode(self.training.model) as predict:
            report = evaluate(predict, self.samples, metrics=("sad", "mse"), indices=indices)
        report = gather(report) if self.world > 1 else report
        for failure in report.failures:
            self.log.line(f"warning: not validated: {failure['error']}")
        if not report.rows:
            raise DataError(f"no validation picture could be scored, the first: {report.failures[0]['error']}")
        means = {name: value for name, value in report.means.items() if value is not None}
        progress = self.progress
        row = {"name": self.args.model_name, "step": progress.step, "epoch": progress.epoch, **means}
        row.update(validated_on=self.args.valid_dataset_name, failures=len(report.failures))
        minutes = round((time.perf_counter() - self.began) / 60, 2)
        self.log.json({**row, "train_loss": self.since_valid.means().get("total"), "minutes": minutes})
        shown = " ".join(f"{name} {value:.5f}" for name, value in means.items())
        self.log.line(f"valid step {progress.step} {shown} ({time.perf_counter() - began:.1f} s)")
        self.log.scalars("valid", means, progress.step)
        self.validated, self.sad = progress.step, means["sad_all"]
        self.since_valid = Meter()
        if means["sad_all"] < progress.best_sad:
            progress.best_sad = means["sad_all"]
            self.save(BEST)

    def save(self, name):
        """Write a checkpoint, LAST or BEST."""
        if self.rank == 0:
            folder = self.args.checkpoint_dir / self.args.model_name
            save_training(folder / name, self.training, fixed_arguments(self.args))

    def finish(self):
        """Validate and save what has not been yet, and close the log."""
        if self.validated != self.progress.step:
            self.validate()
        self.save(LAST)
        best = self.args.checkpoint_dir / self.args.model_name / BEST
        done = f"{self.progress.step} steps, best SAD {self.progress.best_sad:.4f}, of {best}"
        self.log.line(f"{self.args.model_name} is complete: {done}")
        self.log.close()


@contextmanager
def evaluation_mode(model):
    """Within the block the network is in evaluation mode; gives it as a function Sample -> (pha, fgr), floats 0..1.

    model: called as model(src, bgr), its first two results are pha and fgr.
    """
    training = model.training

    def predict(sample):
        pha, fgr = (result[0].numpy() for result in model(*to_tensor(sample.src, sample.bgr))[:2])
        return pha[0], fgr.transpose(1, 2, 0)

    model.eval()
    try:
        with paddle.no_grad():
            yield predict
    finally:
        if training:
            model.train()


def check_skipped(skipped, progress, foregrounds, log):
    """Warn of damaged files and stop if there are more than 1 % of them (one is always allowed)."""
    for message in skipped:
        if message not in progress.skipped:
            progress.skipped.append(message)
            log.line(f"warning: skipped {message}")
    if len(progress.skipped) > max(1, foregrounds // SKIPPED_SHARE):
        raise DataError(
            f"{len(progress.skipped)} files could not be read in one epoch of {foregrounds}, the last: {skipped[-1]}; "
            "run -m tools.check_dataset to find all of them"
        )
