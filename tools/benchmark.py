"""Measure how fast parts of this project are; PYTHON is an environment with torch and backgroundmattingv2.

python -m tools.benchmark model [--original-python PYTHON] [--sizes hd 4k] [--backbones mobilenetv2 resnet50]
python -m tools.benchmark end-to-end [--pairs 100 200] [--frames 300]
python -m tools.benchmark growth
python -m tools.benchmark data --data-root DATA
"""

from utils.system.cpu import prepare

prepare()

import sys
from pathlib import Path

from model import BACKBONES
from tools.speed.measure import SIZES, measure_data, measure_end_to_end, measure_growth, measure_model
from utils.engine.backends import FASTEST_FIRST
from utils.engine.choice import PRECISIONS
from utils.prediction.flags import add_network_flags
from utils.system.command_line import command_line
from utils.system.parser import Parser


@command_line
def main(argv=None):
    parser = Parser(__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name, measure, text, rounds=0):
        added = commands.add_parser(name, help=text)
        added.set_defaults(run=measure)
        if rounds:
            added.add_argument("--rounds", type=int, default=rounds, help=f"of all, taking turns (default {rounds})")
        return added.add_argument

    add = command("model", measure_model, "seconds for a frame, of each engine and of the PyTorch original", 20)
    add("--original-python", metavar="PYTHON", help="measure the PyTorch original, too")
    add("--backbones", nargs="+", choices=BACKBONES, default=["mobilenetv2"], help="default mobilenetv2")
    add("--sizes", nargs="+", choices=SIZES, default=["hd", "4k"], help="default hd 4k")
    add("--engines", nargs="+", choices=FASTEST_FIRST, default=list(FASTEST_FIRST), help="default: all")
    add("--precisions", "--precision", nargs="+", choices=PRECISIONS, default=PRECISIONS, help="default: both")
    add = command("end-to-end", measure_end_to_end, "predict.py on a folder or a clip: read, compute, write")
    add("--pairs", type=int, nargs="+", default=[100], help="one run for each count (default 100)")
    add("--frames", type=int, nargs="+", help="clips of so many frames in place of pairs")
    add("--size", choices=SIZES, default="hd", help="of the pictures (default hd)")
    add("--output-types", nargs="+", default=["pha", "fgr", "com"], help="default pha fgr com")
    add_network_flags(commands.choices["end-to-end"], "--engine", "--precision", "--refine-sample-pixels")
    add = command("growth", measure_growth, "seconds for a frame over sizes and refined pixels", 7)
    add("--engine", choices=FASTEST_FIRST, default="inference", help="default inference")
    add = command("data", measure_data, "training samples per second that one core reads")
    add("--data-root", type=Path, default=Path("data"), help="folder of the data sets (default ./data)")
    add("--model-type", choices=("base", "refine"), default="base", help="crops of 256-511 or 1024-2047 (default base)")
    add("--samples", type=int, default=140, help="how many (default 140)")
    args = parser.parse_args(argv)
    args.run(args)


if __name__ == "__main__":
    sys.exit(main())
