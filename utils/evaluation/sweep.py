"""Accuracy against time: one set scored with every combination of some settings."""

import itertools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Callable

from utils.evaluation.report import UNITS
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
    units = [f"{name} {region}, {UNITS[name]}" for name, _, region in (c.rpartition("_") for c in report.columns)]
    rows = [[*settings, *units, "s per picture"], ["---"] * (len(settings) + len(units) + 1)]
    for settings, report, seconds in points:
        means = ("-" if mean is None else f"{mean:.3f}" for mean in report.means.values())
        rows.append([*settings.values(), *means, f"{seconds:.3f}"])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def draw_sweep(points: Sequence[Point], path: Path) -> None:
    """Draw the first column over seconds per picture, a line for each value of all settings but the first."""
    first, *_ = points[0][0]
    column = points[0][1].columns[0]
    lines: dict[str, list[tuple[float, float, str]]] = {}
    for settings, report, seconds in points:
        others = ", ".join(f"{name} {value}" for name, value in settings.items() if name != first)
        lines.setdefault(others, []).append((seconds, report.means[column] or 0.0, settings[first]))
    with figure(path, figsize=(6.4, 4)) as drawn:
        axes = drawn.subplots()
        for others, line in lines.items():
            axes.plot(*list(zip(*line))[:2], marker="o", label=others)
            for seconds, mean, value in line:
                axes.annotate(value, (seconds, mean), textcoords="offset points", xytext=(4, 4), fontsize=8)
        axes.set(xlabel="seconds per picture", ylabel=f"{column.replace('_', ' ')}, {UNITS[column.rpartition('_')[0]]}")
        axes.set_title(f"points: {first}", fontsize=9)
        axes.grid(alpha=0.3)
        if len(lines) > 1:
            axes.legend(loc="upper right")
