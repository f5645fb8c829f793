"""Table and plot of the validations of one or more trainings: `python -m tools.training_report log/stage1 log/stage2`.

Each folder is one that train.py writes to, with its valid.jsonl. The first row is the network before it was trained.
"""

import json
import sys
from pathlib import Path

from dataset.errors import install
from utils.evaluation.score import digits, markdown
from utils.system.command_line import UsageError, command_line
from utils.system.errors import needed
from utils.system.files import atomic_path, refuse_to_overwrite
from utils.system.parser import Parser

COLUMNS = ("sad_all", "mse_all", "sad_unknown", "mse_unknown")
HEADS = ("SAD", "MSE x 1000", "SAD, unknown", "MSE x 1000, unknown")
CURVES = {"train_loss": "training loss", "sad_all": "SAD of the whole picture", "mse_all": "MSE x 1000 of the same"}


@command_line
def main(argv=None):
    parser = Parser(__doc__)
    parser.add_argument("folders", nargs="+", type=Path, help="log folders, in the order of the stages")
    parser.add_argument("--plot", type=Path, help="PNG file to draw the curves into (needs matplotlib)")
    args = parser.parse_args(argv)
    refuse_to_overwrite([folder / "valid.jsonl" for folder in args.folders], [args.plot], "another --plot")
    trainings = {folder.name: read(folder / "valid.jsonl") for folder in args.folders}
    print(table(trainings), end="")
    if args.plot:
        plot(trainings, args.plot)


def read(path):
    """The validations of a training, a list of dicts in the order they were made."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if not text.strip():
        raise UsageError(f"{path} does not exist or holds no validation: give folders that train.py has logged to")
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def table(trainings):
    """Markdown: the untrained network, then the best validation of each training by SAD of the whole picture."""
    first = next(iter(trainings.values()))[0]
    chosen = [("before training", first)] if first["step"] == 0 else []
    chosen += [(name, min(rows, key=lambda row: row["sad_all"])) for name, rows in trainings.items()]
    rows = [
        [name, r.get("validated_on", "-"), str(r["step"]), *(digits(r.get(c)) for c in COLUMNS)] for name, r in chosen
    ]
    return markdown([["", "validated on", "step", *HEADS], *rows])


def plot(trainings, path):
    """Training loss, SAD and MSE over the steps, one training after the other."""
    matplotlib = needed("matplotlib.figure", f"--plot needs matplotlib: {install('train')}")
    drawn = matplotlib.Figure(layout="constrained", figsize=(13, 3.6))
    for axis, (column, title) in zip(drawn.subplots(1, 3), CURVES.items()):
        start = 0
        for name, rows in trainings.items():
            points = [(start + row["step"], row[column]) for row in rows if row.get(column) is not None]
            axis.plot(*zip(*points), marker=".", label=name)
            start += rows[-1]["step"]
        axis.set(title=title, xlabel="step", yscale="log")
        axis.grid(alpha=0.3, which="both")
    drawn.axes[0].legend()
    with atomic_path(path) as temporary:
        drawn.savefig(temporary, dpi=110)


if __name__ == "__main__":
    sys.exit(main())
