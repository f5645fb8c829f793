"""The flags of eval.py beside those of the network."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from utils.background.align import MODES as ALIGN_MODES
from utils.background.match import EXPOSURE_MODES
from utils.evaluation.composites import check_height
from utils.evaluation.score import METRICS, REGIONS
from utils.system.errors import UsageError


def add_flags(parser: ArgumentParser) -> None:
    """Add the flags to an argparse parser; the second names are those of Robust Video Matting's evaluation."""
    add = parser.add_argument
    add(
        "--data-path",
        "--true-dir",
        type=Path,
        help="a set (src bgr pha), clips of such, or foregrounds (fgr pha)",
    )
    add("--backgrounds", type=Path, help="for foregrounds (default: those of the data root)")
    add("--data-root", type=Path, default=Path("data"), help="of PhotoMatte85 (default ./data)")
    add("--pred", "--pred-dir", type=Path, metavar="DIR", help="score the alphas in DIR or DIR/pha, run no network")
    add("--align", choices=ALIGN_MODES, default="off", help="as in predict.py (default here: off)")
    add("--match-exposure", choices=EXPOSURE_MODES, default="off", help="as in predict.py (default here: off)")
    add("--remove-islets", action="store_true", help="of alpha, as predict.py does (default here: keep them)")
    add("--protocol", choices=("paper", "reference"), default="paper", help="arithmetic (default paper)")
    add("--region", nargs="+", choices=REGIONS, default=REGIONS, help="of each picture (default: both)")
    add(
        "--metrics",
        nargs="+",
        choices=METRICS,
        help="default: sad mse grad conn fgr_mse, clips mad mse grad conn dtssd",
    )
    add("--sweep", nargs="+", metavar="FLAG=VALUE,VALUE", help="score every combination of network flags, and time it")
    add("--plot", type=Path, help="draw the sweep here (.png), needs matplotlib")
    add("--seed", type=int, default=0, help="of composites, default 0")
    add("--height", type=int, help="of composites (default: the foregrounds' own; reference: 2048)")
    add("--num-workers", type=int, default=2, help="threads that read and score, default 2")
    add("--output", type=Path, help="write means and settings to this .json")
    add("--per-image", type=Path, help="write every picture's numbers to this .csv")
    add("--save-worst", type=int, default=0, metavar="N", help="picture of the worst N (default 0)")
    add("--worst-file", type=Path, default=Path("output/worst.jpg"), help="of --save-worst (default output/worst.jpg)")


def check_flags(args: Namespace) -> None:
    """Raise UsageError for flags that do not work, alone or together."""
    if args.num_workers < 0 or args.save_worst < 0:
        raise UsageError("--num-workers and --save-worst must be at least 0")
    if args.sweep and args.pred:
        raise UsageError("--sweep runs the network: leave --pred out")
    check_height(args.height)
    if args.protocol == "reference" and args.metrics and not {"sad", "mse"} & set(args.metrics):
        raise UsageError("--protocol reference has the metrics sad and mse only")
