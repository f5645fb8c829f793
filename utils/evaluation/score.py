"""Scoring of predictions against a set of samples, picture by picture: for eval.py, training and tools/compare.py."""

import heapq
import math
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from dataset.errors import one_line
from utils.evaluation import metric
from utils.evaluation.predictions import PICTURE_FAILURES, _predict
from utils.evaluation.trimap import make_trimap

METRICS = ("sad", "mse", "grad", "conn", "fgr_mse", "mad")
DEFAULT_METRICS = ("sad", "mse", "grad", "conn", "fgr_mse")
REGIONS = ("all", "unknown")


@dataclass
class Report:
    """Result of an evaluation.

    rows: one dict per picture scored, in the order of the samples: index, name, then a number for each column, or None
        where the sample or the prediction has no foreground.
    columns: METRIC_REGION, e.g. sad_unknown.
    failures: one dict per picture that could not be scored: index, name, error.
    worst: up to keep_worst dicts of the pictures with the largest first column: index, name, value, and thumbnails
        src, true, pred (uint8).
    """

    columns: list
    rows: list = field(default_factory=list)
    failures: list = field(default_factory=list)
    worst: list = field(default_factory=list)

    @property
    def means(self):
        """Mean of each column over the rows that have it, exact whatever the order; None if no row has it."""
        means = {}
        for column in self.columns:
            values = [row[column] for row in self.rows if row[column] is not None]
            means[column] = math.fsum(values) / len(values) if values else None
        return means


def evaluate(
    predictor,
    samples,
    metrics=DEFAULT_METRICS,
    regions=REGIONS,
    protocol="paper",
    batch_size=1,
    num_workers=0,
    rank=0,
    world=1,
    keep_worst=0,
    on_row=None,
):
    """Score predictions on samples; memory does not grow with the number of pictures.

    Args:
        predictor: a callable that takes one Sample and returns (pha, fgr), pha (H, W) and fgr (H, W, 3) uint8 or
            floating 0..1, fgr may be None; or a network, a paddle.nn.Layer called as model(src, bgr) with NCHW float32
            0..1 whose first two results are pha and fgr. A network is put into evaluation mode and back afterwards.
        samples: has len(), samples[i] -> utils.evaluation.samples.Sample, and samples.name(i).
        metrics: names of METRICS, the functions of utils.evaluation.metric.
        regions: "unknown" (the sample's trimap, or else the paper's rule) and/or "all" (whole picture).
        protocol: "paper": predictions are rounded to 8 bits, as if they had been written to PNG, and scored by the
            original scripts' formulas. "reference": the arithmetic of the earlier Paddle reproduction, `sad` and `mse`
            over its own unknown band, predictions unrounded.
        batch_size: pictures that a network gets at once; only neighbours of equal size share a batch.
        num_workers: threads that read pictures ahead and score them beside the network.
        rank, world: score only every world-th sample, beginning with rank; see `gather`.
        keep_worst: how many of the worst pictures to keep thumbnails of.
        on_row: called without arguments after each picture, e.g. to move a progress bar.

    Returns:
        Report. A picture that cannot be read, predicted or scored is named in its failures, and the rest goes on.

    Raises:
        ValueError: unknown metric, region or protocol.
    """
    columns = column_names(metrics, regions, protocol)
    report = Report(columns)
    score = _Scorer(metrics, regions, protocol, with_thumbnails=keep_worst > 0)
    indices = range(rank, len(samples), world)

    def load(index):
        try:
            return index, samples[index], None
        except PICTURE_FAILURES as error:
            return index, None, error

    heap = []
    loaded = ordered_map(load, indices, num_workers)
    predicted = _predict(predictor, loaded, batch_size)
    for index, row, thumbnails, error in ordered_map(score, predicted, num_workers):
        if error is None:
            report.rows.append({"index": index, "name": samples.name(index), **row})
            value = row[columns[0]]
            if keep_worst and value is not None:
                # -index: of equals the first is kept, whatever the split over processes.
                heapq.heappush(heap, (value, -index, {"index": index, "name": samples.name(index), **thumbnails}))
                if len(heap) > keep_worst:
                    heapq.heappop(heap)
        else:
            report.failures.append({"index": index, "name": samples.name(index), "error": one_line(error)})
        if on_row:
            on_row()
    report.worst = [{**entry, "value": value} for value, _, entry in sorted(heap, key=lambda item: item[:2])[::-1]]
    return report


def column_names(metrics, regions, protocol="paper"):
    """Columns of a report: METRIC_REGION; raises ValueError for what does not exist."""
    for name, allowed in ((metrics, METRICS), (regions, REGIONS), ([protocol], ("paper", "reference"))):
        for value in name:
            if value not in allowed:
                raise ValueError(f"{value!r} does not exist: choose from {', '.join(allowed)}")
    if protocol == "reference":
        chosen = [name for name in metrics if name in ("sad", "mse")]
        if not chosen:
            raise ValueError("the reference protocol has sad and mse only")
        return [f"{name}_unknown" for name in chosen]
    return [f"{name}_{region}" for region in regions for name in metrics]


def gather(report, keep_worst=0):
    """Join the reports of all processes of paddle.distributed; the same as one process's. Each process gets it."""
    import paddle.distributed as dist

    reports = []
    dist.all_gather_object(reports, report)
    joint = Report(report.columns)
    joint.rows = sorted((row for part in reports for row in part.rows), key=lambda row: row["index"])
    joint.failures = sorted((row for part in reports for row in part.failures), key=lambda row: row["index"])
    worst = sorted((row for part in reports for row in part.worst), key=lambda row: (-row["value"], row["index"]))
    joint.worst = worst[:keep_worst]
    return joint


def ordered_map(function, items, workers):
    """map() in threads, results in order, at most workers + 1 results ahead; plain map() with no workers."""
    if not workers:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(workers) as pool:
        waiting = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


class _Scorer:
    """Turns (index, sample, prediction, error) into (index, row, thumbnails, error)."""

    def __init__(self, metrics, regions, protocol, with_thumbnails):
        self.metrics, self.regions, self.protocol = metrics, regions, protocol
        self.with_thumbnails = with_thumbnails

    def __call__(self, item):
        index, sample, prediction, error = item
        if error is not None:
            return index, None, None, error
        try:
            pha, fgr = prediction
            row = self.reference_row(sample, pha) if self.protocol == "reference" else self.row(sample, pha, fgr)
        except PICTURE_FAILURES as error:
            return index, None, None, error
        pictures = {"src": sample.src, "true": sample.pha, "pred": _to_bytes(pha)} if self.with_thumbnails else {}
        return index, row, {name: thumbnail(picture) for name, picture in pictures.items()}, None

    def row(self, sample, pha, fgr):
        pha = _to_bytes(pha)
        fgr = None if fgr is None else _to_bytes(fgr)
        row = {}
        for region in self.regions:
            trimap = None
            if region == "unknown":
                trimap = make_trimap(sample.pha) if sample.trimap is None else sample.trimap
            for name in self.metrics:
                if name != "fgr_mse":
                    value = getattr(metric, name)(pha, sample.pha, trimap)
                elif fgr is None or sample.fgr is None:
                    value = None
                else:
                    value = metric.fgr_mse(fgr, sample.fgr, sample.pha, trimap)
                row[f"{name}_{region}"] = value
        return row

    def reference_row(self, sample, pha):
        trimap = make_trimap(sample.pha, rule="reference")
        functions = {"sad": metric.reference_sad, "mse": metric.reference_mse}
        chosen = [name for name in self.metrics if name in functions]
        return {f"{name}_unknown": functions[name](pha, sample.pha, trimap) for name in chosen}


def _to_bytes(picture):
    if picture.dtype == np.uint8:
        return picture
    if not np.isfinite(picture).all():
        raise ValueError("the prediction has values that are no numbers (NaN or infinity)")
    from utils.picture.levels import to_levels

    return to_levels(picture)


def thumbnail(picture, height=320):
    """A picture (H, W[, 3]) uint8 scaled down to at most `height` rows; None stays None."""
    if picture is None or picture.shape[0] <= height:
        return picture
    from PIL import Image

    size = max(1, round(picture.shape[1] * height / picture.shape[0])), height
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))
