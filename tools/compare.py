"""Compare the alphas of several programs on one benchmark set: a table, and a picture with all of them side by side.

    python -m tools.compare --data DATA/set --pred ours=output/ours --pred difference=output/difference \\
        --output output/table.md --figure output/compare.jpg

Each --pred is NAME=FOLDER, the folder as eval.py --pred takes it. The table has one row a method and stands in
Markdown. The figure shows the four samples that are worst for the first method, or those of --names.
"""

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from utils.evaluation.report import markdown_table, side_by_side
from utils.evaluation.samples import PredictionFolder, StoredSet
from utils.evaluation.score import DEFAULT_METRICS, METRICS, REGIONS, evaluate
from utils.picture.write import write_picture
from utils.system.command_line import UsageError, command_line
from utils.system.files import refuse_to_overwrite, write_text
from utils.system.parser import Parser


@command_line
def main(argv=None):
    args = parse(argv)
    samples = StoredSet(args.data, needs=("pha",))
    methods = {name: PredictionFolder(folder, samples) for name, folder in args.pred}
    if len(methods) < len(args.pred):
        raise UsageError("two --pred have one name: give each its own")
    reports = {}
    for name, method in methods.items():
        indices = tqdm(range(len(samples)), unit="image", desc=name, disable=None)
        reports[name] = evaluate(method, samples, args.metrics, args.region, indices=indices, num_workers=1)
        for failure in reports[name].failures:
            print(f"{name}: {failure['name']} failed: {failure['error']}", file=sys.stderr)
    text = markdown_table(reports)
    print(text, end="")
    if args.output:
        write_text(args.output, text)
    if args.figure:
        names = args.names or next(iter(reports.values())).worst(4)
        write_picture(args.figure, side_by_side(samples, methods, reports, names))
    return 1 if any(report.failures for report in reports.values()) else 0


def parse(argv):
    parser = Parser(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="benchmark set: src, bgr, pha, and fgr if there")
    add_method = {"type": named_folder, "action": "append", "required": True, "metavar": "NAME=FOLDER"}
    parser.add_argument("--pred", **add_method, help="a method; once for each")
    parser.add_argument("--region", nargs="+", choices=REGIONS, default=REGIONS, help="default: both")
    parser.add_argument("--metrics", nargs="+", choices=METRICS, default=DEFAULT_METRICS, help="default: all but mad")
    parser.add_argument("--output", type=Path, help="write the table to this file too")
    parser.add_argument("--figure", type=Path, help="write the side-by-side picture here (.jpg or .png)")
    parser.add_argument("--names", nargs="+", help="samples in the figure (default: the first method's worst four)")
    args = parser.parse_args(argv)
    folders = [args.data, *(folder for _, folder in args.pred)]
    refuse_to_overwrite([], [args.output, args.figure], "another name", folders)
    return args


def named_folder(text):
    name, equals, folder = text.partition("=")
    if not (name and equals and folder):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=FOLDER")
    return name, Path(folder)


if __name__ == "__main__":
    sys.exit(main())
