"""Accuracy against time: one set scored with every combination of some settings."""

import itertools
from collections.abc import Sequence
from pathlib import Path

from utils.evaluation.report import digits, markdown, with_unit
from utils.evaluation.score import Report
from utils.picture.plot import figure
from utils.system.errors import UsageError

Point = tuple[dict[str, str], Report]  # setting -> value, what it scores


def combinations(texts: Sequence[str]) -> list[dict[str, str]]:
    """["backbone-scale=0.25,0.5", ...] -> every combination, setting -> value; raises UsageError for other texts."""
    settings = {}
    for text in texts:
        name, equals, values = text.partition("=")
        if not (name and equals and all(values.split(","))):
            raise UsageError(f"--sweep {text} is not FLAG=VALUE,VALUE: write refine-sample-pixels=20000,80000 for one")
        settings[name.lstrip("-")] = values.split(",")
    return [dict(zip(settings, values)) for values in itertools.product(*settings.values())]


def seconds_of(report: Report) -> float:
    """Seconds that the prediction of a picture took."""
    return report.seconds / max(len(report.rows), 1)


def sweep_table(points: Sequence[Point]) -> str:
    """Markdown: one row a combination with its settings, means and seconds per picture."""
    settings, report = points[0]
    rows = [[*settings, *map(with_unit, report.columns), "s per picture"]]
    rows += [[*s.values(), *map(digits, (*report.means.values(), seconds_of(report)))] for s, report in points]
    return markdown(rows)


def draw_sweep(points: Sequence[Point], path: Path) -> None:
    """Draw the first column over seconds per picture, a line for each value of all settings but the first."""
    lines: dict[str, list[tuple[float, float]]] = {}
    column = points[0][1].columns[0]
    with figure(path, figsize=(6.4, 4)) as drawn:
        axes = drawn.subplots()
        for settings, report in points:
            (first, value), *others = settings.items()
            point = seconds_of(report), report.means[column] or 0.0
            lines.setdefault(", ".join(f"{name} {value}" for name, value in others), []).append(point)
            axes.annotate(value, point, textcoords="offset points", xytext=(4, 4), fontsize=8)
        for label, line in lines.items():
            axes.plot(*zip(*line), marker="o", label=label)
        axes.set(xlabel="seconds per picture", ylabel=with_unit(column), title=f"points: {first}")
        axes.grid(alpha=0.3)
        if len(lines) > 1:
            axes.legend(loc="upper right")
