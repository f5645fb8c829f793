"""What a training leaves to be read: text lines, JSON lines, VisualDL scalars and pictures."""

import json
import time
from datetime import timedelta
from itertools import count
from pathlib import Path

import numpy as np

from model.resize import nearest
from utils.picture.levels import to_uint8
from utils.system.files import write_json


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
        self.folder, self.active, self.writer = Path(folder), active, None
        if not active:
            return
        from visualdl import LogWriter  # takes half a second

        if not go_on and self.folder.is_dir() and any(self.folder.iterdir()):
            names = (self.folder.with_name(f"{self.folder.name}.{number}") for number in count(1))
            former = next(name for name in names if not name.exists())
            self.folder.rename(former)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.writer = LogWriter(logdir=str(self.folder))

    def arguments(self, values):
        """Keep a dict of names and values."""
        if self.active:
            plain = {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}
            write_json(self.folder / "arguments.json", plain)

    def line(self, message, more=""):
        """Print a line of text and keep it; `more` is what only the file gets."""
        if self.active:
            print(message, flush=True)
            self._append("log.txt", message + more)

    def json(self, row):
        """Keep what a validation found, a dict."""
        if self.active:
            self._append("valid.jsonl", json.dumps(row))

    def scalars(self, group, values, step):
        """Keep a point of the curves GROUP/NAME, of a dict of name -> number."""
        if self.writer:
            for name, value in values.items():
                self.writer.add_scalar(tag=f"{group}/{name}", step=step, value=value)

    def picture(self, tag, picture, step):
        """Keep a picture, uint8 (H, W, 3)."""
        if self.writer:
            self.writer.add_image(tag=tag, img=picture, step=step)

    def close(self):
        if self.writer:
            self.writer.close()

    def _append(self, name, text):
        path = self.folder / name
        try:
            with open(path, "a", encoding="utf-8") as file:
                file.write(text + "\n")
        except OSError as error:  # a full disk does not say which file
            raise OSError(error.errno, error.strerror, str(path)) from None


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
        seconds = time.perf_counter() - self.started
        means = self.means()
        terms = " ".join(f"{name} {value:.5f}" for name, value in means.items() if name != "total")
        left = timedelta(seconds=int((steps - step) * seconds / self.steps))
        return (
            f"epoch {epoch} step {step}/{steps} loss {means['total']:.4f} SAD {sad:.3f} "
            f"{self.samples / seconds:.2f} samples/s {left} left",
            f" lr {rate:g} reader {self.reading / self.steps:.3f} s batch {seconds / self.steps:.3f} s ({terms})",
        )


def picture_rows(pictures, outputs, count=4):
    """Up to `count` rows src, bgr, true alpha, alpha, cut-out, error, refined cells: uint8 (H, W, 3) to look at."""
    found = outputs["pha"], outputs["fgr"] * outputs["pha"], outputs.get("err_sm", outputs.get("err"))
    columns = [*pictures[:3], *found, outputs.get("ref_sm")]
    size, tiles = pictures[0].shape[2:], []
    for column in columns:
        if column is not None:
            column = nearest(column[:count].astype("float32"), size)
            tiles.append(np.broadcast_to(column.numpy(), (column.shape[0], 3, *size)))
    return to_uint8(np.concatenate(list(np.concatenate(tiles, axis=3)), axis=1))
