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

from dataset.errors import one_line
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

    results = ordered_map(lambda made: _attempt(_numbers, report.columns, protocol, *made), predicted(), num_workers)
    for numbers, index in zip(results, order):
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
    except (ValueError, OSError, MemoryError, RuntimeError) as error:  # another is a mistake in the program
        return error


def _numbers(columns, protocol, sample, prediction, before):
    """One row of a report: column -> number. before: the sample before and its predicted alpha, or None."""
    pha, fgr = prediction
    if protocol == "reference":
        prefix, unknown = "reference_", metric.make_trimap(sample.pha, "reference")
    else:
        prefix, unknown, pha = "", sample.trimap, to_bytes(pha)
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
            numbers[column] = getattr(metric, prefix + name)(pha, sample.pha, trimap)
        elif before and before[0].clip == sample.clip:
            numbers[column] = metric.dtssd([to_bytes(before[1]), pha], [before[0].pha, sample.pha])
    return numbers


def to_bytes(picture: np.ndarray) -> np.ndarray:
    """A prediction, uint8 or floating 0..1, as uint8; raises ValueError for NaN and infinity."""
    if picture.dtype != np.uint8 and not np.isfinite(picture).all():
        raise ValueError("the prediction has values that are no numbers (NaN or infinity)")
    return picture if picture.dtype == np.uint8 else to_levels(picture)


def _columns(metrics, regions, protocol):
    columns = [f"{name}_{region}" for region in regions for name in metrics if (name, region) != ("dtssd", "unknown")]
    if protocol == "reference":
        columns = [column for column in columns if column in ("sad_unknown", "mse_unknown")]
    if not columns:
        only = "--protocol reference has sad and mse of the unknown region only, dtssd is of the whole picture"
        raise UsageError(f"no number is left: {only}: see --metrics, --region")
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


def table(reports: dict[str, Report]) -> str:
    """Means of reports with the same columns, {method: report}: a row a method and region, a column a metric."""
    columns = next(iter(reports.values())).columns
    names, _, regions = map(dict.fromkeys, zip(*(column.rpartition("_") for column in columns)))
    rows = [["method", "images", "region", *(f"{name}, {METRICS[name]}" for name in names)]]
    for method, report in reports.items():
        means, count = report.means, str(len(report.rows))
        for region in regions:
            rows.append([method, count, region, *(digits(means.get(f"{name}_{region}")) for name in names)])
    return markdown(rows)


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown that can be read as it is, too; the first row is its head."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [rows[0], ["-" * width for width in widths], *rows[1:]]
    return "".join(f"| {' | '.join(map(str.ljust, line, widths))} |\n" for line in lines)


def digits(value: Optional[float]) -> str:
    """Three digits, `-` for None."""
    return "-" if value is None else f"{value:.3f}"


def csv_text(report: Report) -> str:
    """Every picture's numbers: index, name, then one column a metric and region."""
    text, heads = io.StringIO(), ["index", "name", *report.columns]
    csv.writer(text, lineterminator="\n").writerows([heads, *([row[head] for head in heads] for row in report.rows)])
    return text.getvalue()


def side_by_side(samples: Samples, methods: dict[str, tuple[Predict, Report]], names: Sequence[str]) -> np.ndarray:
    """Some samples as a picture, one row each: src, bgr, true alpha, every method's alpha; its first metric above.

    Args: the samples; {method: (what predicts, its Report)}; which samples, by name.
    Returns uint8 (H, W, 3). Raises UsageError for a name that the set does not have.
    """
    rows, captions = [], []
    column = next(iter(methods.values()))[1].columns[0]
    for name in names:
        if name not in samples.names:
            raise UsageError(f"--names: the set has no sample {name}")
        sample = samples[samples.names.index(name)]
        made = [_attempt(predict, sample) for predict, _ in methods.values()]
        alphas = [None if isinstance(prediction, Exception) else to_bytes(prediction[0]) for prediction in made]
        rows.append([sample.src, sample.bgr, sample.pha, *alphas])
        numbers = {method: row[column] for method, (_, r) in methods.items() for row in r.rows if row["name"] == name}
        scored = ", ".join(f"{method} {digits(number)}" for method, number in numbers.items())
        captions.append(f"{name}   {column.replace('_', ' ')}: {scored}")
    return contact_sheet(rows, captions, ["src", "bgr", "truth", *methods])
