"""Scoring of predictions against a set of samples, picture by picture, and the report as text, CSV and picture."""

import csv
import io
import json
import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, tee
from typing import Any, Callable, Optional

import numpy as np

from dataset.errors import PictureError, one_line
from utils.evaluation import metric
from utils.evaluation.samples import Sample, Samples
from utils.picture.contact_sheet import contact_sheet
from utils.picture.levels import to_levels
from utils.system.errors import UsageError

METRICS = {"sad": "1000 px", "mse": "1/1000", "grad": "1000", "conn": "1000 px", "fgr_mse": "1/1000"}  # name -> unit
DEFAULT_METRICS = tuple(METRICS)
METRICS.update(mad="1/1000", dtssd="1/100")
CLIP_METRICS = ("mad", "mse", "grad", "conn", "dtssd")  # of Robust Video Matting
REGIONS = ("all", "unknown")
# What one picture may fail with; anything else is a mistake in the program and ends it.
PICTURE_FAILURES = (ValueError, OSError, MemoryError, RuntimeError)

# Gives of one Sample pha (H, W) and fgr (H, W, 3) or None, uint8 or floating 0..1.
Predict = Callable[[Sample], tuple[np.ndarray, Optional[np.ndarray]]]


@dataclass
class Report:
    """Result of an evaluation.

    rows: one dict per picture scored, in the order of the samples: index, name, then a number for each column, or None
        where the sample or the prediction has no foreground, or dtSSD no frame before.
    columns: METRIC_REGION, e.g. sad_unknown.
    failures: one dict per picture that could not be scored: index, name, error.
    """

    columns: list[str]
    rows: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)

    @property
    def means(self) -> dict[str, Optional[float]]:
        """Mean of each column over the rows that have it, exact whatever the order; None if no row has it."""
        known = {column: [row[column] for row in self.rows if row[column] is not None] for column in self.columns}
        return {column: math.fsum(values) / len(values) if values else None for column, values in known.items()}

    def worst(self, count: int) -> list[str]:
        """Names of the `count` pictures with the largest first column, the worst first."""
        rated = [row for row in self.rows if row[self.columns[0]] is not None]
        return [row["name"] for row in sorted(rated, key=lambda row: -row[self.columns[0]])[:count]]


def evaluate(
    predict: Predict,
    samples: Samples,
    metrics: Sequence[str] = DEFAULT_METRICS,
    regions: Sequence[str] = REGIONS,
    protocol: str = "paper",
    indices: Optional[Iterable[int]] = None,
    num_workers: int = 0,
) -> Report:
    """Score predictions on samples; memory does not grow with the number of pictures.

    Args:
        predict: see Predict. It is called in this thread, one sample after the other.
        samples: has len(), samples[i] -> Sample, and names.
        metrics: names of METRICS, the functions of utils.evaluation.metric. dtssd is that of a frame and the one
            before; samples of a clip have to follow one another for it.
        regions: "unknown" (the sample's trimap, or else the paper's rule) and/or "all" (whole picture).
        protocol: "paper": predictions are rounded to 8 bits, as if they had been written to PNG. "reference": the
            arithmetic of the earlier Paddle reproduction, `sad` and `mse` over its own unknown band, unrounded.
        indices: which samples to score, by default all; a progress bar round a range shows how far it is.
        num_workers: threads that read pictures ahead and score them beside the prediction.

    Returns a Report: a picture that cannot be read, predicted or scored is named in its failures, and the rest goes
    on. Raises UsageError for a metric or region that the protocol does not have.
    """
    report = Report(_columns(metrics, regions, protocol))
    ahead, order = tee(range(len(samples)) if indices is None else indices)

    def predicted():
        before = None
        for sample in ordered_map(partial(_attempt, samples.__getitem__), ahead, num_workers):
            prediction = _attempt(predict, sample)
            yield sample, prediction, before
            before = None if isinstance(prediction, Exception) or sample.clip is None else (sample, prediction[0])

    def score(made):
        return _attempt(_numbers, report.columns, protocol, *made)

    for numbers, index in zip(ordered_map(score, predicted(), num_workers), order):
        row = {"index": index, "name": samples.names[index]}
        if isinstance(numbers, Exception):
            report.failures.append({**row, "error": one_line(numbers)})
        else:
            report.rows.append({**row, **numbers})
    return report


def _attempt(function, *values):
    """What the function returns, or the error that one picture may fail with, if it is not among the values already."""
    failed = [value for value in values if isinstance(value, Exception)]
    try:
        return failed[0] if failed else function(*values)
    except PICTURE_FAILURES as error:
        return error


def _numbers(columns, protocol, sample, prediction, before):
    """One row of a report: column -> number. before: the sample before and its predicted alpha, or None."""
    pha, fgr = prediction
    if protocol == "reference":
        trimap = metric.make_trimap(sample.pha, rule="reference")
        functions = {"sad_unknown": metric.reference_sad, "mse_unknown": metric.reference_mse}
        return {column: functions[column](pha, sample.pha, trimap) for column in columns}
    pha, unknown = to_bytes(pha), sample.trimap
    if unknown is None and any(column.endswith("_unknown") for column in columns):
        unknown = metric.make_trimap(sample.pha)
    numbers = dict.fromkeys(columns)
    for column in columns:
        name, _, region = column.rpartition("_")
        trimap = unknown if region == "unknown" else None
        if name == "fgr_mse":
            if fgr is not None and sample.fgr is not None:
                numbers[column] = metric.fgr_mse(to_bytes(fgr), sample.fgr, sample.pha, trimap)
        elif name != "dtssd":
            numbers[column] = getattr(metric, name)(pha, sample.pha, trimap)
        elif before and before[0].clip == sample.clip:
            numbers[column] = metric.dtssd([to_bytes(before[1]), pha], [before[0].pha, sample.pha])
    return numbers


def to_bytes(picture: np.ndarray) -> np.ndarray:
    """A prediction, uint8 or floating 0..1, as uint8; raises ValueError for NaN and infinity."""
    if picture.dtype != np.uint8 and not np.isfinite(picture).all():
        raise ValueError("the prediction has values that are no numbers (NaN or infinity)")
    return picture if picture.dtype == np.uint8 else to_levels(picture)


def _columns(metrics, regions, protocol):
    if protocol != "reference":
        return [f"{name}_{region}" for region in regions for name in metrics if (name, region) != ("dtssd", "unknown")]
    columns = [f"{name}_unknown" for name in metrics if name in ("sad", "mse") and "unknown" in regions]
    if not columns:
        raise UsageError("--protocol reference has sad and mse of the unknown region only: see --metrics, --region")
    return columns


def gather(report: Report) -> Report:
    """Join the reports of all processes of paddle.distributed; the same as one process's. Each process gets it.

    They travel as JSON: Paddle's all_gather_object would unpickle what comes from the network, which runs code.
    """
    import paddle
    import paddle.distributed as dist

    sizes: list[Any] = []
    parts: list[Any] = []
    data = json.dumps([report.rows, report.failures]).encode()
    dist.all_gather(sizes, paddle.to_tensor([len(data)]))
    padded = data.ljust(max(size.item() for size in sizes))  # JSON may end in spaces
    dist.all_gather(parts, paddle.to_tensor(np.frombuffer(padded, np.uint8)))
    lists = zip(*(json.loads(part.numpy().tobytes()) for part in parts))
    return Report(report.columns, *(sorted(chain(*rows), key=lambda row: row["index"]) for rows in lists))


def ordered_map(function: Callable, items: Iterable, workers: int) -> Iterator:
    """map() in threads, results in order, at most workers + 1 results ahead; plain map() with no workers."""
    if not workers:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def units_of(report: Report) -> dict[str, str]:
    """{metric of the report: its unit}."""
    return {name: unit for name, unit in METRICS.items() if {f"{name}_all", f"{name}_unknown"} & {*report.columns}}


def text_table(report: Report) -> str:
    """The means, one line a region, one column a metric, three digits; `-` where no picture has the metric."""
    means, units = report.means, units_of(report)
    rows = [["region", *units], ["", *units.values()]]
    for region in REGIONS:
        if any(column.endswith(f"_{region}") for column in means):
            rows.append([region, *(digits(means.get(f"{name}_{region}")) for name in units)])
    return "\n".join(f"{first:8}" + "".join(f"{cell:>12}" for cell in cells) for first, *cells in rows)


def markdown_table(reports: dict[str, Report]) -> str:
    """Means of several reports with the same columns, {method: report}: one row a method, three digits."""
    columns = next(iter(reports.values())).columns
    heads = [f"{column.replace('_', ' ')}, {METRICS[column.rpartition('_')[0]]}" for column in columns]
    rows = [[name, str(len(r.rows)), *map(digits, r.means.values())] for name, r in reports.items()]
    return markdown([["method", "images", *heads], *rows])


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; the first row is its head."""
    return "".join(f"| {' | '.join(row)} |\n" for row in [rows[0], ["---"] * len(rows[0]), *rows[1:]])


def digits(value: Optional[float]) -> str:
    """Three digits, `-` for None."""
    return "-" if value is None else f"{value:.3f}"


def csv_text(report: Report) -> str:
    """Every picture's numbers: index, name, then one column a metric and region."""
    text = io.StringIO()
    writer = csv.DictWriter(text, ["index", "name", *report.columns], lineterminator="\n")
    writer.writeheader()
    writer.writerows(report.rows)
    return text.getvalue()


def side_by_side(samples: Samples, methods: dict[str, tuple[Predict, Report]], names: Sequence[str]) -> np.ndarray:
    """Some samples as a picture, one row each: src, bgr, true alpha, every method's alpha; its first metric above.

    Args: the samples; {method: (what predicts, its Report)}; which samples, by name.
    Returns uint8 (H, W, 3). Raises UsageError for a name that the set does not have.
    """
    rows, captions = [], []
    for name in names:
        if name not in samples.names:
            raise UsageError(f"--names: the set has no sample {name}")
        sample, scored = samples[samples.names.index(name)], []
        rows.append([sample.src, sample.bgr, sample.pha])
        for method, (predict, report) in methods.items():
            column = report.columns[0]
            scored += [f"{method} {row[column]:.2f}" for row in report.rows if row["name"] == name]
            try:
                rows[-1].append(to_bytes(predict(sample)[0]))
            except PictureError:
                rows[-1].append(None)
        captions.append(f"{name}   {column.replace('_', ' ')}: {', '.join(scored)}")
    return contact_sheet(rows, captions, ["src", "bgr", "truth", *methods])
