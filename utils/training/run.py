"""What a training does beside its steps: text and curves, validation, checkpoints, damaged files."""

import json
import time
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path

import numpy as np
import paddle

from dataset.data_path import DataError
from model.resize import nearest
from utils.evaluation.samples import share
from utils.evaluation.score import evaluate, gather
from utils.picture.levels import to_uint8
from utils.picture.tensor import to_tensor
from utils.system.files import write_json
from utils.training.options import fixed_arguments
from utils.training.state import BEST, LAST, save_training


class RunLog:
    """Writes into one folder; in a process that is not `active` (not rank 0) it does nothing.

    arguments.json : with which arguments the training was started, or gone on with, last
    log.txt : every text line, also printed
    valid.jsonl : one JSON object for each validation
    vdlrecords.*.log : VisualDL; look at it with `visualdl --logdir FOLDER`

    go_on: whether the training goes on with what the folder tells of. If not, a log of an earlier training is renamed
    to FOLDER.1 (or the next number that is free), so that no report mixes the two.
    """

    def __init__(self, folder, active=True, go_on=False):
        self.folder, self.writer = Path(folder), None
        if not active:
            return
        from visualdl import LogWriter  # takes half a second

        if not go_on and self.folder.is_dir() and any(self.folder.iterdir()):
            names = (self.folder.with_name(f"{self.folder.name}.{number}") for number in count(1))
            self.folder.rename(next(name for name in names if not name.exists()))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.writer = LogWriter(logdir=str(self.folder))

    def arguments(self, values):
        """Keep a dict of names and values."""
        if self.writer:
            plain = {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}
            write_json(self.folder / "arguments.json", plain)

    def line(self, message, more=""):
        """Print a line of text and keep it; `more` is what only the file gets."""
        if self.writer:
            print(message, flush=True)
            self.append("log.txt", message + more)

    def append(self, name, text):
        """Add a line to a file of the folder."""
        if self.writer:
            path = self.folder / name
            try:
                with open(path, "a", encoding="utf-8") as file:
                    file.write(text + "\n")
            except OSError as error:  # a full disk does not say which file
                raise OSError(error.errno, error.strerror, str(path)) from None

    def scalars(self, group, values, step):
        """Keep a point of the curves GROUP/NAME, of a dict of name -> number."""
        for name, value in values.items() if self.writer else ():
            self.writer.add_scalar(tag=f"{group}/{name}", step=step, value=value)


class Meter:
    """Means over the steps since the last report: loss terms, seconds to read and to compute, samples."""

    def __init__(self):
        self.terms, self.steps, self.samples, self.reading, self.started = {}, 0, 0, 0.0, time.perf_counter()

    def add(self, terms, samples, reading):
        for name, value in terms.items():
            self.terms[name] = self.terms.get(name, 0.0) + value
        self.steps, self.samples, self.reading = self.steps + 1, self.samples + samples, self.reading + reading

    def means(self):
        return {name: value / self.steps for name, value in self.terms.items()}

    def line(self, sad, epoch, step, steps, rate):
        """The text line of a training interval, and what is kept beside it; `sad` is that of the last validation."""
        seconds, means = time.perf_counter() - self.started, self.means()
        terms = " ".join(f"{name} {value:.5f}" for name, value in means.items() if name != "total")
        left = timedelta(seconds=int((steps - step) * seconds / self.steps))
        return (
            f"epoch {epoch} step {step}/{steps} loss {means['total']:.4f} SAD {sad:.3f} "
            f"{self.samples / seconds:.2f} samples/s {left} left",
            f" lr {rate:g} reader {self.reading / self.steps:.3f} s batch {seconds / self.steps:.3f} s ({terms})",
        )


class Run:
    """One training's log, validations and checkpoints; in all processes alike, written by the first.

    args, training, log and samples are those of `parse_jobs`, `Training`, `RunLog` and `Validation`; steps is the
    number of the last step; rank, world: this process's number, and how many there are.
    """

    def __init__(self, args, training, log, samples, steps, rank, world):
        self.args, self.training, self.progress = args, training, training.progress
        self.log, self.samples, self.steps, self.rank, self.world = log, samples, steps, rank, world
        self.meter, self.since_valid, self.validated, self.began = Meter(), Meter(), None, time.perf_counter()
        self.sad = self.progress.best_sad  # of the last validation
        self.folder = args.checkpoint_dir / args.model_name

    def check_skipped(self, messages, foregrounds):
        """Warn of damaged files; DataError if there are more than 1 % of the foregrounds (one is always allowed)."""
        skipped = self.progress.skipped
        for message in dict.fromkeys(messages):
            if message not in skipped:
                skipped.append(message)
                self.log.line(f"warning: skipped {message}")
        if len(skipped) > max(1, foregrounds // 100):
            raise DataError(
                f"{len(skipped)} files could not be read in one epoch of {foregrounds}, the last: {skipped[-1]}; "
                "run -m tools.check_dataset to find all of them"
            )

    def after_step(self, values, reading, pictures, outputs):
        """Log, validate and save where it is time for it.

        Args: the loss terms, floats; seconds waited for the batch; what `forward_loss` was given and what it returned.
        """
        args, step, samples = self.args, self.progress.step, len(pictures[0]) * self.world
        for meter in (self.meter, self.since_valid):
            meter.add(values, samples, reading)
        if step % args.log_train_loss_interval == 0:
            highest = self.training.optimizer.get_lr()
            rates = {part: rate * highest / max(args.rates.values()) for part, rate in args.rates.items()}
            epoch = f"{self.progress.epoch + 1}/{args.epoch_end}"
            self.log.line(*self.meter.line(self.sad, epoch, step, self.steps, highest))
            self.log.scalars("train", self.meter.means(), step)
            self.log.scalars("learning_rate", rates, step)
            self.meter = Meter()
        if step % args.log_train_images_interval == 0 and self.log.writer:
            rows = picture_rows(pictures, outputs)
            self.log.writer.add_image(tag="train/src_bgr_true_pha_com_err_ref", img=rows, step=step)
        if step % args.log_valid_interval == 0:
            self.validate()
        if step % args.checkpoint_interval == 0:
            self.save(LAST)

    def validate(self):
        """Score the fixed samples, log the result and keep the weights if they are the best yet."""
        began, progress = time.perf_counter(), self.progress
        indices = share(self.samples, self.rank, self.world)
        with self.training.exported(), evaluation_mode(self.training.model) as predict:
            report = evaluate(predict, self.samples, metrics=("sad", "mse"), indices=indices)
        report = gather(report) if self.world > 1 else report
        for failure in report.failures:
            self.log.line(f"warning: not validated: {failure['error']}")
        if not report.rows:
            raise DataError(f"no validation picture could be scored, the first: {report.failures[0]['error']}")
        means = {name: value for name, value in report.means.items() if value is not None}
        row = {"name": self.args.model_name, "step": progress.step, "epoch": progress.epoch, **means}
        row.update(validated_on=self.args.valid_dataset_name, failures=len(report.failures))
        row["train_loss"] = self.since_valid.means().get("total")
        row["minutes"] = round((time.perf_counter() - self.began) / 60, 2)
        self.log.append("valid.jsonl", json.dumps(row))
        shown = " ".join(f"{name} {value:.5f}" for name, value in means.items())
        self.log.line(f"valid step {progress.step} {shown} ({time.perf_counter() - began:.1f} s)")
        self.log.scalars("valid", means, progress.step)
        self.validated, self.sad, self.since_valid = progress.step, means["sad_all"], Meter()
        if self.sad < progress.best_sad:
            progress.best_sad = self.sad
            self.save(BEST)

    def save(self, name):
        """Write a checkpoint, LAST or BEST."""
        if self.rank == 0:
            save_training(self.folder / name, self.training, fixed_arguments(self.args))

    def finish(self):
        """Validate and save what has not been yet, and close the log."""
        if self.validated != self.progress.step:
            self.validate()
        self.save(LAST)
        done = f"{self.progress.step} steps, best SAD {self.progress.best_sad:.4f}, of {self.folder / BEST}"
        self.log.line(f"{self.args.model_name} is complete: {done}")
        if self.log.writer:
            self.log.writer.close()


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


def picture_rows(pictures, outputs, count=4):
    """Up to `count` rows src, bgr, true alpha, alpha, cut-out, error, refined cells: uint8 (H, W, 3) to look at."""
    found = outputs["pha"], outputs["fgr"] * outputs["pha"], outputs.get("err_sm", outputs.get("err"))
    columns = [x[:count].astype("float32") for x in (*pictures[:3], *found, outputs.get("ref_sm")) if x is not None]
    tiles = [nearest(x, pictures[0].shape[2:]).numpy() for x in columns]
    tiles = [np.repeat(x, 3 // x.shape[1], axis=1) for x in tiles]
    return to_uint8(np.concatenate(list(np.concatenate(tiles, axis=3)), axis=1))
