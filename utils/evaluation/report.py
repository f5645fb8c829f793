"""A report of `utils.evaluation.score` as text, CSV, JSON and picture."""

import csv
import io
from collections.abc import Sequence
from typing import Any, Optional

import numpy as np

from dataset.picture import PictureError
from utils.evaluation.samples import Samples
from utils.evaluation.score import REGIONS, Predict, Report, to_bytes
from utils.picture.contact_sheet import contact_sheet
from utils.system.errors import UsageError

UNITS = {
    **{"sad": "1000 px", "mse": "1/1000", "grad": "1000", "conn": "1000 px"},
    **{"fgr_mse": "1/1000", "mad": "1/1000", "dtssd": "1/100"},
}


def units_of(report: Report) -> dict[str, str]:
    """{metric of the report: its unit}."""
    names = {column.rpartition("_")[0] for column in report.columns}
    return {name: unit for name, unit in UNITS.items() if name in names}


def text_table(report: Report) -> str:
    """The means, one line a region, one column a metric, three digits; `-` where no picture has the metric.

    Those of clips have a line `as RVM`, see `by_position`.
    """
    means, units = report.means, units_of(report)
    rows = [["region", *units], ["", *units.values()]]
    for region in REGIONS:
        if any(column.endswith(f"_{region}") for column in report.columns):
            rows.append([region, *(digits(means.get(f"{name}_{region}")) for name in units)])
    if means.get("dtssd_all") is not None:
        rows.append(["as RVM", *(digits(by_position(report, f"{name}_all")) for name in units)])
    return "\n".join(f"{first:8}" + "".join(f"{cell:>12}" for cell in cells) for first, *cells in rows)


def markdown_table(reports: dict[str, Report]) -> str:
    """Means of several reports with the same columns, {method: report}: one row a method, three digits."""
    columns = next(iter(reports.values())).columns
    heads = [f"{column.replace('_', ' ')}, {UNITS[column.rpartition('_')[0]]}" for column in columns]
    rows = [[name, str(len(r.rows)), *map(digits, r.means.values())] for name, r in reports.items()]
    return markdown([["method", "images", *heads], *rows])


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; the first row is its head."""
    return "".join(f"| {' | '.join(row)} |\n" for row in [rows[0], ["---"] * len(rows[0]), *rows[1:]])


def by_position(report: Report, column: str) -> float:
    """A mean over clips as the evaluation of Robust Video Matting takes it: over the clips at each frame's position
    first, then over the positions; what a frame lacks, dtSSD in the first, counts as 0.
    """
    clips: dict[str, list[float]] = {}
    for row in report.rows:
        clips.setdefault(row["name"].rpartition("/")[0], []).append(row[column] or 0.0)
    longest = max(map(len, clips.values()))
    return float(np.mean([np.mean([v[i] for v in clips.values() if i < len(v)]) for i in range(longest)]))


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


def as_dict(report: Report) -> dict[str, Any]:
    """What goes into a .json: how many were scored, which failed and why, means and their units."""
    return {"scored": len(report.rows), "failed": report.failures, "means": report.means, "units": units_of(report)}


def side_by_side(samples: Samples, methods: dict[str, tuple[Predict, Report]], names: Sequence[str]) -> np.ndarray:
    """Some samples as a picture, one row each: src, bgr, true alpha, every method's alpha; its first metric above.

    Args: the samples; {method: (what predicts, its Report)}; which samples, by name.
    Returns uint8 (H, W, 3). Raises UsageError for a name that the set does not have.
    """
    place = {samples.name(index): index for index in range(len(samples))}
    rows, captions = [], []
    for name in names:
        if name not in place:
            raise UsageError(f"--names: the set has no sample {name}")
        sample, scored = samples[place[name]], []
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
