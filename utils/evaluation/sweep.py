"""Accuracy against time: one set scored with every combination of some settings."""

import itertools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Callable

from utils.evaluation.report import digits, markdown, with_unit
from utils.evaluation.samples import Samples
from utils.evaluation.score import Predict, Report, evaluate
from utils.picture.plot import figure
from utils.system.errors import UsageError

Point = tuple[dict[str, str], Report, float]  # setting -> value, what it scores, seconds per picture


def combinations(texts: Sequence[str]) -> list[dict[str, str]]:
    """["backbone-scale=0.25,0.5", ...] -> every combination, setting -> value; raises UsageError for other texts."""
    settings = {}
    for text in texts:
        name, equals, values = text.partition("=")
        if not (name and equals and all(values.split(","))):
            raise UsageError(f"--sweep {text} is not FLAG=VALUE,VALUE: write refine-sample-pixels=20000,80000 for one")
        settings[name.lstrip("-")] = values.split(",")
    return [dict(zip(settings, values)) for values in itertools.product(*settings.values())]


def score_all(
    opened: Callable[[dict[str, str]], Predict],
    combinations: Sequence[dict[str, str]],
    samples: Samples,
    metrics: Sequence[str],
    regions: Sequence[str],
) -> list[Point]:
    """Score samples with what `opened` gives for each combination; nothing else works while a prediction is timed."""
    points = []
    for settings in combinations:
        predict, times = opened(settings), list[float]()

        def timed(sample, predict=predict, times=times):
            start = time.perf_counter()
            prediction = predict(sample)
            times.append(time.perf_counter() - start)
            return prediction

        predict(samples[0])  # what is built for the first picture is no picture's time
        report = evaluate(timed, samples, metrics, regions)
        points.append((settings, report, sum(times) / max(len(times), 1)))
    return points


def sweep_table(points: Sequence[Point]) -> str:
    """Markdown: one row a combination with its settings, means and seconds per picture."""
    settings, report, _ = points[0]
    rows = [[*settings, *map(with_unit, report.columns), "s per picture"]]
    rows += [[*s.values(), *map(digits, report.means.values()), digits(seconds)] for s, report, seconds in points]
    return markdown(rows)


def draw_sweep(points: Sequence[Point], path: Path) -> None:
    """Draw the first column over seconds per picture, a line for each value of all settings but the first."""
    lines: dict[str, list[tuple[float, float]]] = {}
    column = points[0][1].columns[0]
    with figure(path, figsize=(6.4, 4)) as drawn:
        axes = drawn.subplots()
        for settings, report, seconds in points:
            (first, value), *others = settings.items()
            point = seconds, report.means[column] or 0.0
            lines.setdefault(", ".join(f"{name} {value}" for name, value in others), []).append(point)
            axes.annotate(value, point, textcoords="offset points", xytext=(4, 4), fontsize=8)
        for label, line in lines.items():
            axes.plot(*zip(*line), marker="o", label=label)
        axes.set(xlabel="seconds per picture", ylabel=with_unit(column), title=f"points: {first}")
        axes.grid(alpha=0.3)
        if len(lines) > 1:
            axes.legend(loc="upper right")
