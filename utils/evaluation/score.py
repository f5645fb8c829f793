"""Scoring of predictions against a set of samples, picture by picture: for eval.py, training and tools/compare.py."""

import json
import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Callable, Optional

import numpy as np

from dataset.errors import one_line
from utils.evaluation import metric
from utils.evaluation.samples import Sample, Samples
from utils.evaluation.trimap import make_trimap
from utils.picture.levels import to_levels
from utils.system.errors import UsageError

METRICS = ("sad", "mse", "grad", "conn", "fgr_mse", "mad", "dtssd")
DEFAULT_METRICS = ("sad", "mse", "grad", "conn", "fgr_mse")
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
        means: dict[str, Optional[float]] = {}
        for column in self.columns:
            values = [row[column] for row in self.rows if row[column] is not None]
            means[column] = math.fsum(values) / len(values) if values else None
        return means

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
        samples: has len(), samples[i] -> Sample, and samples.name(i).
        metrics: names of METRICS, the functions of utils.evaluation.metric. dtssd is that of a frame and the one
            before; samples of a clip have to follow one another for it.
        regions: "unknown" (the sample's trimap, or else the paper's rule) and/or "all" (whole picture).
        protocol: "paper": predictions are rounded to 8 bits, as if they had been written to PNG. "reference": the
            arithmetic of the earlier Paddle reproduction, `sad` and `mse` over its own unknown band, unrounded.
        indices: which samples to score, by default all; a progress bar round a range shows how far it is.
        num_workers: threads that read pictures ahead and score them beside the prediction.

    Returns a Report: a picture that cannot be read, predicted or scored is named in its failures, and the rest goes
    on. Raises UsageError for a metric, region or protocol that does not exist, or not together.
    """
    report = Report(_columns(metrics, regions, protocol))

    def load(index):
        return index, _attempt(samples.__getitem__, index)

    def predicted():
        before = None
        for index, sample in ordered_map(load, range(len(samples)) if indices is None else indices, num_workers):
            prediction = sample if isinstance(sample, Exception) else _attempt(predict, sample)
            yield index, sample, prediction, before
            before = None if isinstance(prediction, Exception) or sample.clip is None else (sample, prediction[0])

    def score(item):
        index, sample, prediction, before = item
        if isinstance(prediction, Exception):
            return index, prediction
        return index, _attempt(_numbers, report.columns, protocol, sample, prediction, before)

    for index, numbers in ordered_map(score, predicted(), num_workers):
        row = {"index": index, "name": samples.name(index)}
        if isinstance(numbers, Exception):
            report.failures.append({**row, "error": one_line(numbers)})
        else:
            report.rows.append({**row, **numbers})
    return report


def _attempt(function, *values):
    """What the function returns, or the error that one picture may fail with."""
    try:
        return function(*values)
    except PICTURE_FAILURES as error:
        return error


def _numbers(columns, protocol, sample, prediction, before):
    """One row of a report: column -> number. before: the sample before and its predicted alpha, or None."""
    pha, fgr = prediction
    if protocol == "reference":
        trimap = make_trimap(sample.pha, rule="reference")
        functions = {"sad_unknown": metric.reference_sad, "mse_unknown": metric.reference_mse}
        return {column: functions[column](pha, sample.pha, trimap) for column in columns}
    pha, unknown = to_bytes(pha), sample.trimap
    if unknown is None and any(column.endswith("_unknown") for column in columns):
        unknown = make_trimap(sample.pha)
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
    """METRIC_REGION of each column of a report."""
    for given, allowed in ((metrics, METRICS), (regions, REGIONS), ([protocol], ("paper", "reference"))):
        for value in given:
            if value not in allowed:
                raise UsageError(f"{value!r} does not exist: choose from {', '.join(allowed)}")
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
