"""What a training does beside its steps: text and curves, validation, checkpoints, damaged files."""

import json
import time
from datetime import timedelta
from itertools import count

import numpy as np

from dataset.errors import PictureError
from model.resize import nearest
from utils.evaluation.samples import share
from utils.evaluation.score import evaluate, gather
from utils.picture.levels import to_uint8
from utils.training.options import BEST, LAST


class Run:
    """A training's validations, checkpoints and log, in all processes alike; steps: number of the last.

    The first process writes; its log's folder holds log.txt, valid.jsonl and VisualDL's records. When a training
    begins, a folder of an earlier one is renamed to NAME.1, or the next number that is free.
    """

    def __init__(self, training, samples, steps):
        self.training, self.samples, self.steps = training, samples, steps
        self.args, self.progress, self.writer = training.args, training.progress, None
        self.folder = folder = self.args.log_dir / self.args.model_name
        self.sad = self.progress.best_sad  # of the last validation
        self.recent, self.totals = [], []  # loss terms since the last line, totals since the last validation
        self.since = time.perf_counter()
        if training.rank == 0:
            from visualdl import LogWriter  # takes half a second

            if self.progress.step == 0 and folder.is_dir() and any(folder.iterdir()):
                names = (folder.with_name(f"{folder.name}.{number}") for number in count(1))
                folder.rename(next(name for name in names if not name.exists()))
            folder.mkdir(parents=True, exist_ok=True)
            self.writer = LogWriter(logdir=str(folder))

    def line(self, message, more=""):
        """Print a line of text and keep it; `more` is what only the file gets."""
        if self.writer:
            print(message, flush=True)
            self.append("log.txt", message + more)

    def append(self, name, text):
        """Add a line to a file of the log."""
        try:
            if self.writer:
                with open(self.folder / name, "a", encoding="utf-8") as file:
                    file.write(text + "\n")
        except OSError as error:  # a full disk does not say which file
            raise OSError(error.errno, error.strerror, str(self.folder / name)) from None

    def scalars(self, group, values, step):
        """Keep a point of the curves GROUP/NAME, of a dict of name -> number."""
        for name, value in values.items() if self.writer else ():
            self.writer.add_scalar(tag=f"{group}/{name}", step=step, value=value)

    def check_skipped(self, messages, foregrounds):
        """Warn of damaged files; PictureError if there are more than 1 % of the foregrounds (one is always allowed)."""
        skipped = self.progress.skipped
        for message in dict.fromkeys(messages):
            if message not in skipped:
                skipped.append(message)
                self.line(f"warning: skipped {message}")
        if len(skipped) > max(1, foregrounds // 100):
            damaged = f"{len(skipped)} files could not be read in one epoch of {foregrounds}, the last: {skipped[-1]}"
            raise PictureError(f"{damaged}; run -m tools.check_dataset to find all of them")

    def after_step(self, values, reading, pictures, outputs):
        """Log, validate and save where it is time for it; reading: seconds waited for the batch; the rest of a step."""
        args, step = self.args, self.progress.step
        self.recent.append({**values, "reader": reading})
        self.totals.append(values["total"])
        if step % args.log_train_loss_interval == 0:
            self.report()
        if step % args.log_train_images_interval == 0 and self.writer:
            rows = picture_rows(pictures, outputs)
            self.writer.add_image(tag="train/src_bgr_true_pha_com_err_ref", img=rows, step=step)
        if step % args.log_valid_interval == 0:
            self.validate()
        if step % args.checkpoint_interval == 0:
            self.training.save(LAST)

    def report(self):
        """Log the means of the steps since the last report, and the time that they took."""
        args, step, highest = self.args, self.progress.step, self.training.optimizer.get_lr()
        seconds = (time.perf_counter() - self.since) / len(self.recent)  # of a step
        means = {name: sum(values[name] for values in self.recent) / len(self.recent) for name in self.recent[0]}
        reader, total = means.pop("reader"), means["total"]
        terms = " ".join(f"{name} {value:.5f}" for name, value in means.items() if name != "total")
        left = timedelta(seconds=int((self.steps - step) * seconds))
        self.line(
            f"epoch {self.progress.epoch + 1}/{args.epoch_end} step {step}/{self.steps} loss {total:.4f} "
            f"SAD {self.sad:.3f} {args.batch_size / seconds:.2f} samples/s {left} left",
            f" lr {highest:g} reader {reader:.3f} s batch {seconds:.3f} s ({terms})",
        )
        rates = {part: rate * highest / max(args.rates.values()) for part, rate in args.rates.items()}
        self.scalars("train", means, step)
        self.scalars("learning_rate", rates, step)
        self.recent, self.since = [], time.perf_counter()

    def validate(self):
        """Score the fixed samples, log the result and keep the weights if they are the best yet."""
        began, progress, training = time.perf_counter(), self.progress, self.training
        indices = share(self.samples, training.rank, training.world)
        with training.exported() as predict:
            report = evaluate(predict, self.samples, metrics=("sad", "mse"), indices=indices)
        report = gather(report) if training.world > 1 else report
        for failure in report.failures:
            self.line(f"warning: not validated: {failure['error']}")
        if not report.rows:
            raise PictureError(f"no validation picture could be scored, the first: {report.failures[0]['error']}")
        row = {"name": self.args.model_name, "step": progress.step, "epoch": progress.epoch, **report.means}
        row.update(validated_on=self.args.valid_dataset_name, failures=len(report.failures))
        row["train_loss"] = sum(self.totals) / len(self.totals) if self.totals else None
        self.append("valid.jsonl", json.dumps(row))
        shown = " ".join(f"{name} {value:.5f}" for name, value in report.means.items())
        self.line(f"valid step {progress.step} {shown} ({time.perf_counter() - began:.1f} s)")
        self.scalars("valid", report.means, progress.step)
        self.sad, self.totals = report.means["sad_all"], []
        if self.sad < progress.best_sad:
            progress.best_sad = self.sad
            training.save(BEST)

    def finish(self):
        """Validate what has not been yet, save, and close the log."""
        if self.progress.step % self.args.log_valid_interval:
            self.validate()
        self.training.save(LAST)
        done = f"{self.progress.step} steps, best SAD {self.progress.best_sad:.4f}, of {self.training.folder / BEST}"
        self.line(f"{self.args.model_name} is complete: {done}")
        if self.writer:
            self.writer.close()


def picture_rows(pictures, outputs, count=4):
    """Up to `count` rows src, bgr, true alpha, alpha, cut-out, error, refined cells: uint8 (H, W, 3) to look at."""
    found = outputs["pha"], outputs["fgr"] * outputs["pha"], outputs.get("err_sm", outputs.get("err"))
    columns = [x[:count].astype("float32") for x in (*pictures[:3], *found, outputs.get("ref_sm")) if x is not None]
    tiles = [nearest(x, pictures[0].shape[2:]).numpy() for x in columns]
    tiles = [np.repeat(x, 3 // x.shape[1], axis=1) for x in tiles]
    return to_uint8(np.concatenate(list(np.concatenate(tiles, axis=3)), axis=1))
