"""A report of `utils.evaluation.score` as text, CSV, JSON and picture."""

import csv
import io

from utils.evaluation.score import METRICS, REGIONS
from utils.picture.contact_sheet import contact_sheet

UNITS = {
    "sad": "thousands of full pixels",
    "mse": "thousandths",
    "grad": "thousands",
    "conn": "thousands of full pixels",
    "fgr_mse": "thousandths",
    "mad": "thousandths",
}


def metrics_of(report):
    """Names of the metrics in a report, in the order of METRICS."""
    return [name for name in METRICS if any(column in report.columns for column in (f"{name}_all", f"{name}_unknown"))]


def text_table(report):
    """The means, one line a region, one column a metric, three digits; `-` where no picture has the metric."""
    means, metrics = report.means, metrics_of(report)
    lines = [f"{'region':8}" + "".join(f"{name:>12}" for name in metrics)]
    for region in REGIONS:
        if any(column.endswith(f"_{region}") for column in report.columns):
            values = (means.get(f"{name}_{region}") for name in metrics)
            lines.append(f"{region:8}" + "".join(f"{'-' if value is None else f'{value:.3f}':>12}" for value in values))
    return "\n".join(lines)


def markdown_table(reports):
    """Means of several reports with the same columns, {method: report}: one row a method, three digits."""
    columns = next(iter(reports.values())).columns
    lines = ["| method | images | " + " | ".join(column.replace("_", " ") for column in columns) + " |"]
    lines.append("|" + "---|" * (len(columns) + 2))
    for name, report in reports.items():
        values = ["-" if value is None else f"{value:.3f}" for value in report.means.values()]
        lines.append(f"| {name} | {len(report.rows)} | " + " | ".join(values) + " |")
    return "\n".join(lines) + "\n"


def csv_text(report):
    """Every picture's numbers: index, name, then one column a metric and region."""
    text = io.StringIO()
    writer = csv.DictWriter(text, ["index", "name", *report.columns], lineterminator="\n")
    writer.writeheader()
    writer.writerows(report.rows)
    return text.getvalue()


def as_dict(report, **settings):
    """What goes into a .json: the settings, how many were scored, which failed and why, means and their units."""
    units = {name: UNITS[name] for name in metrics_of(report)}
    return {**settings, "scored": len(report.rows), "failed": report.failures, "means": report.means, "units": units}


def worst_sheet(report):
    """The report's worst pictures with truth and prediction: uint8 (H, W, 3)."""
    rows = [[entry["src"], entry["true"], entry["pred"]] for entry in report.worst]
    column = report.columns[0].replace("_", " ")
    captions = [f"{entry['name']}   {column} {entry['value']:.3f}" for entry in report.worst]
    return contact_sheet(rows, captions, ["src", "truth", "prediction"])
