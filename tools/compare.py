"""Compare the alphas of several programs on one benchmark set: a table, and a picture with all of them side by side.

    python -m tools.compare --data DATA/set --pred ours=output/ours --pred theirs=output/theirs \\
        --output output/table.md --figure output/compare.jpg

Each --pred is NAME=FOLDER, the folder as eval.py --pred takes it. The table, in Markdown, has one row a method
and region. The figure shows the four samples that are worst for the first method, or those of --names.
"""

import sys
from pathlib import Path

from tqdm import tqdm

from utils.evaluation.samples import PredictionFolder, StoredSet
from utils.evaluation.score import DEFAULT_METRICS, METRICS, REGIONS, evaluate, side_by_side, table
from utils.picture.write import picture_to_write, write_picture
from utils.system.command_line import UsageError, command_line
from utils.system.files import refuse_to_overwrite, write_text
from utils.system.parser import Parser, file_to_write


@command_line
def main(argv=None):
    parser = Parser(__doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="benchmark set: src, bgr, pha, and fgr if there")
    add("--pred", action="append", required=True, metavar="NAME=FOLDER", help="a method; once for each")
    add("--region", nargs="+", choices=REGIONS, default=REGIONS, help="default: both")
    add("--metrics", nargs="+", choices=METRICS, default=DEFAULT_METRICS, help="default: all but mad dtssd")
    add("--output", type=file_to_write, help="write the table to this file too")
    add("--figure", type=picture_to_write, help="write the side-by-side picture here (.jpg or .png)")
    add("--names", nargs="+", help="samples in the figure (default: the first method's worst four)")
    args = parser.parse_args(argv)
    folders = dict(text.split("=", 1) for text in args.pred if "=" in text)
    if len(folders) < len(args.pred) or "" in (*folders, *folders.values()):
        raise UsageError(f"--pred {' '.join(args.pred)}: give NAME=FOLDER, each with a name of its own")
    refuse_to_overwrite([], [args.output, args.figure], "another name", [args.data, *folders.values()])
    samples, methods, reports = StoredSet(args.data, needs=("pha",)), {}, {}
    for name, folder in folders.items():
        predict, indices = PredictionFolder(folder, samples), tqdm(range(len(samples)), desc=name, disable=None)
        reports[name] = evaluate(predict, samples, args.metrics, args.region, indices=indices, num_workers=1)
        methods[name] = predict, reports[name]
        for failure in reports[name].failures:
            print(f"{name}: {failure['name']} failed: {failure['error']}", file=sys.stderr)
    text = table(reports)
    print(text, end="")
    if args.output:
        write_text(args.output, text)
    if args.figure:
        names = args.names or next(iter(reports.values())).worst(4)
        write_picture(args.figure, side_by_side(samples, methods, names))
    return 1 if any(report.failures for report in reports.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
