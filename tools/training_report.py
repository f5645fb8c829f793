"""Table of the validations of one or more trainings: `python -m tools.training_report log/stage1 log/stage2`.

Each folder is one that train.py writes to, with its valid.jsonl. The first row is the network before it was trained.
`visualdl --logdir log` draws the curves.
"""

import json
import sys
from pathlib import Path

from utils.evaluation.score import digits, markdown
from utils.system.command_line import UsageError, command_line
from utils.system.parser import Parser

COLUMNS = {
    "sad_all": "SAD",
    "mse_all": "MSE x 1000",
    "sad_unknown": "SAD, unknown",
    "mse_unknown": "MSE x 1000, unknown",
}


@command_line
def main(argv=None):
    parser = Parser(__doc__)
    parser.add_argument("folders", nargs="+", type=Path, help="log folders, in the order of the stages")
    rows = [["", "validated on", "step", *COLUMNS.values()]]
    for folder in parser.parse_args(argv).folders:
        path = folder / "valid.jsonl"
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        validations = [json.loads(line) for line in text.splitlines() if line.strip()]
        if not validations:
            raise UsageError(f"{path} does not exist or holds no validation: give folders that train.py has logged to")
        shown = [("before training", validations[0])] if len(rows) == 1 and validations[0]["step"] == 0 else []
        for name, row in [*shown, (folder.name, min(validations, key=lambda row: row["sad_all"]))]:
            numbers = (digits(row.get(column)) for column in COLUMNS)
            rows.append([name, row.get("validated_on", "-"), str(row["step"]), *numbers])
    print(markdown(rows), end="")


if __name__ == "__main__":
    sys.exit(main())
