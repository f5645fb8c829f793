"""Scoring of predictions against a set of samples, picture by picture: for eval.py, training and tools/compare.py."""

import heapq
import math
import sys
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dataset.errors import PictureError, one_line
from dataset.picture import read_alpha, read_rgb
from utils import metric
from utils.benchmark_set import by_name
from utils.trimap import make_trimap

METRICS = ("sad", "mse", "grad", "conn", "fgr_mse", "mad")
DEFAULT_METRICS = ("sad", "mse", "grad", "conn", "fgr_mse")
REGIONS = ("all", "unknown")
# What one picture may fail with; anything else is a mistake in the program and ends it.
PICTURE_FAILURES = (ValueError, OSError, MemoryError, RuntimeError)


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
        samples: has len(), samples[i] -> utils.benchmark_set.Sample, and samples.name(i).
        metrics: names of METRICS, the functions of utils.metric.
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


class PredictionFolder:
    """Predictions of any program on disk: DIR/NAME.png, or DIR/pha/NAME.png with DIR/fgr/NAME.png beside it.

    Call it with a Sample to get its (pha, fgr); raises PictureError naming a missing, wrong-sized or damaged file.
    """

    def __init__(self, folder):
        folder = Path(folder)
        self.folder = folder / "pha" if (folder / "pha").is_dir() else folder
        self.pha = by_name(self.folder)
        self.fgr = by_name(folder / "fgr") if self.folder != folder and (folder / "fgr").is_dir() else {}

    def __call__(self, sample):
        if sample.name not in self.pha:
            raise PictureError(f"{self.folder / sample.name}.png is missing: predict this picture too")
        pha = self._read(read_alpha, self.pha[sample.name], sample)
        fgr = self._read(read_rgb, self.fgr[sample.name], sample) if sample.name in self.fgr else None
        return pha, fgr

    def extra(self, names):
        """Files that belong to no sample, sorted."""
        return sorted(str(path) for name, path in self.pha.items() if name not in set(names))

    @staticmethod
    def _read(read, path, sample):
        picture = read(path)
        (height, width), (true_height, true_width) = picture.shape[:2], sample.pha.shape
        if (height, width) != (true_height, true_width):
            raise PictureError(f"{path} is {width}x{height}, its truth {true_width}x{true_height}: they must agree")
        return picture


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


def _predict(predictor, loaded, batch_size):
    """Yields (index, sample, (pha, fgr), error) in order."""
    paddle = sys.modules.get("paddle")  # whoever has a network has imported it
    if paddle is None or not isinstance(predictor, paddle.nn.Layer):
        for index, sample, error in loaded:
            prediction = None
            if error is None:
                try:
                    prediction = predictor(sample)
                except PICTURE_FAILURES as failure:
                    error = failure
            yield index, sample, prediction, error
        return
    training = predictor.training
    predictor.eval()
    try:
        for batch in _batches(loaded, batch_size):
            yield from _predict_batch(predictor, batch)
    finally:
        if training:
            predictor.train()


def _batches(loaded, batch_size):
    batch = []
    for item in loaded:
        fits = batch and item[2] is None and batch[-1][2] is None and item[1].src.shape == batch[-1][1].src.shape
        if batch and (not fits or len(batch) == batch_size):
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch


def _predict_batch(model, batch):
    import paddle

    from utils.tensor import to_tensor

    if batch[0][2] is not None:
        index, _, error = batch[0]
        yield index, None, None, error
        return
    try:
        with paddle.no_grad():
            pairs = [to_tensor(sample.src, sample.bgr) for _, sample, _ in batch]
            src, bgr = (paddle.concat(list(part)) for part in zip(*pairs))
            pha, fgr = (result.numpy() for result in model(src, bgr)[:2])
    except PICTURE_FAILURES as error:
        for index, sample, _ in batch:
            yield index, sample, None, error
        return
    for (index, sample, _), pha_one, fgr_one in zip(batch, pha, fgr):
        yield index, sample, (pha_one[0], fgr_one.transpose(1, 2, 0)), None


def _to_bytes(picture):
    if picture.dtype == np.uint8:
        return picture
    if not np.isfinite(picture).all():
        raise ValueError("the prediction has values that are no numbers (NaN or infinity)")
    from utils.tensor import to_levels  # late: it imports Paddle, which whoever predicts in floats has imported

    return to_levels(picture)


def thumbnail(picture, height=320):
    """A picture (H, W[, 3]) uint8 scaled down to at most `height` rows; None stays None."""
    if picture is None or picture.shape[0] <= height:
        return picture
    from PIL import Image

    size = max(1, round(picture.shape[1] * height / picture.shape[0])), height
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))
