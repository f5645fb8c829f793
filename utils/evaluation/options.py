"""The flags of eval.py beside those of the network, and the samples that they choose."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from dataset.data_path import DataError, data_folder
from utils.background.align import MODES as ALIGN_MODES
from utils.background.match import EXPOSURE_MODES
from utils.evaluation.composites import Composites, DemonstrationSet
from utils.evaluation.samples import Samples, StoredSet, clips_in
from utils.evaluation.score import METRICS, REGIONS
from utils.system.errors import UsageError

DEMONSTRATION = """
A small set is scored instead; its numbers show that everything runs, and nothing else.
DEMONSTRATION SET: the sample pair, its subject in 4 drawn scenes, 4 drawn figures"""


def add_flags(parser: ArgumentParser) -> None:
    """Add the flags to an argparse parser; the second names are those of Robust Video Matting's evaluation."""
    add = parser.add_argument
    add("--data-path", "--true-dir", type=Path, help="a set (src bgr pha), clips of such, or foregrounds (fgr pha)")
    add("--backgrounds", type=Path, help="for foregrounds (default: those of the data root)")
    add("--data-root", type=Path, default=Path("data"), help="of PhotoMatte85 (default ./data)")
    add("--pred", "--pred-dir", type=Path, metavar="DIR", help="score the alphas in DIR or DIR/pha, run no network")
    add("--align", choices=ALIGN_MODES, default="off", help="as in predict.py (default here: off)")
    add("--match-exposure", choices=EXPOSURE_MODES, default="off", help="as in predict.py (default here: off)")
    add("--remove-islets", action="store_true", help="correct alpha as predict.py does (default here: keep it)")
    add("--clean-foreground", action="store_true", help="as predict.py does (default here: the network's own)")
    add("--protocol", choices=("paper", "reference"), default="paper", help="arithmetic (default paper)")
    add("--region", nargs="+", choices=REGIONS, default=REGIONS, help="of each picture (default: both)")
    add("--metrics", nargs="+", choices=METRICS, help="default: all but mad dtssd; clips mad mse grad conn dtssd")
    add("--seed", type=int, default=0, help="of composites, default 0")
    add(
        "--height",
        type=frame_height,
        metavar="N",
        help="of composites (default: the foregrounds' own; reference: 2048)",
    )
    add("--num-workers", type=int, default=2, help="threads that read and score, default 2")
    add("--output", type=Path, help="write means and settings to this .json")
    add("--per-image", type=Path, help="write every picture's numbers to this .csv")
    add("--save-worst", type=int, default=0, metavar="N", help="picture of the worst N (default 0)")
    add("--worst-file", type=Path, default=Path("output/worst.jpg"), help="of --save-worst (default output/worst.jpg)")


def frame_height(text: str) -> int:
    """The type of --height: a multiple of 4."""
    if int(text) < 4 or int(text) % 4:
        raise ArgumentTypeError(f"{text} is no multiple of 4")
    return int(text)


def choose_samples(args: Namespace) -> tuple[Samples, str]:
    """The samples to score, and a line or more that tell what they are; raises UsageError, PictureError, DataError.

    --data-path is a set, a folder of clips, or foregrounds; without it PhotoMatte85 below --data-root, or else the
    demonstration set. A set needs no more than `pha` if its predictions are on disk.
    """
    path = args.data_path
    if args.num_workers < 0 or args.save_worst < 0:
        raise UsageError("--num-workers and --save-worst must be at least 0")
    if path and not path.is_dir():
        raise UsageError(f"--data-path {path} does not exist: check the name of the folder")
    if args.pred and not path:
        raise UsageError("--pred needs --data-path with the set that it belongs to")
    if path and (args.pred or (path / "src").is_dir() or clips_in(path)):
        stored = StoredSet(path, ("pha",) if args.pred else ("src", "bgr", "pha"))
        return stored, f"{path}, {len(set(stored.clips.values()))} clips" if stored.clips else str(path)
    protocol = "reference" if args.protocol == "reference" else "paper-like"
    try:
        foregrounds = path or data_folder(args.data_root, "photomatte85", "valid")
        backgrounds = args.backgrounds or data_folder(args.data_root, "backgrounds", "valid")
    except DataError as error:
        if path:
            raise UsageError(f"--backgrounds is needed for foregrounds: {error}") from None
        return DemonstrationSet(args.seed), f"{error}.{DEMONSTRATION}"
    samples = Composites(foregrounds, backgrounds, protocol, args.seed, args.height)
    return samples, f"{foregrounds} over {backgrounds}, {protocol}, seed {args.seed}"
