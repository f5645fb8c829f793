"""Score the network, or any program's alphas, with the field's metrics.

python eval.py                                            PhotoMatte85 in data/, or else a small demonstration set
python eval.py --data-path DATA/set                       a set made by tools/make_composites.py
python eval.py --data-path DATA/people/valid --backgrounds DATA/backgrounds/valid         composites made on the way
python eval.py --data-path DATA/set --pred output/theirs  alphas on disk, from any program
python eval.py --protocol reference                       the arithmetic of the earlier Paddle reproduction
python -m paddle.distributed.launch --nproc_per_node 2 --log_dir output/log eval.py --data-path DATA/set
"""

from utils.system.cpu import prepare

prepare()

import argparse
import os
import sys
from pathlib import Path

from tqdm import tqdm

from dataset.data_path import DataError, data_folder
from utils.evaluation.composites import Composites, check_height
from utils.evaluation.demonstration import DemonstrationSet
from utils.evaluation.predictions import PredictionFolder
from utils.evaluation.report import as_dict, csv_text, text_table, worst_sheet
from utils.evaluation.samples import StoredSet
from utils.evaluation.score import DEFAULT_METRICS, METRICS, REGIONS, evaluate, gather
from utils.evaluation.sized_network import SizedNetwork
from utils.picture.write import write_picture
from utils.prediction.flags import SETTINGS, add_network_flags, matting_from
from utils.system.command_line import UsageError, command_line
from utils.system.files import write_json, write_text
from utils.system.ranks import rank_and_count


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-path", type=Path, help="a set (src bgr pha ...), or foregrounds (fgr and pha, or RGBA)")
    parser.add_argument("--backgrounds", type=Path, help="for foregrounds (default: those of the data root)")
    parser.add_argument("--data-root", type=Path, default=Path("data"), help="of PhotoMatte85 (default ./data)")
    parser.add_argument("--pred", type=Path, metavar="DIR", help="score the alphas in DIR or DIR/pha, run no network")
    add_network_flags(parser, *SETTINGS)
    parser.add_argument(
        "--protocol", choices=("paper", "reference"), default="paper", help="arithmetic (default paper)"
    )
    parser.add_argument("--region", nargs="+", choices=REGIONS, default=REGIONS, help="of each picture (default: both)")
    parser.add_argument("--metrics", nargs="+", choices=METRICS, default=DEFAULT_METRICS, help="default: all but mad")
    parser.add_argument("--seed", type=int, default=0, help="of composites, default 0")
    parser.add_argument("--height", type=int, help="of composites (default: the foregrounds' own; reference: 2048)")
    parser.add_argument("--batch-size", type=int, default=1, help="pictures of equal size at once, default 1")
    parser.add_argument("--num-workers", type=int, default=2, help="threads that read and score, default 2")
    add_network_flags(parser, "--device")
    parser.add_argument("--output", type=Path, help="write means and settings to this .json")
    parser.add_argument("--per-image", type=Path, help="write every picture's numbers to this .csv")
    parser.add_argument("--save-worst", type=int, default=0, metavar="N", help="picture of the worst N (default 0)")
    parser.add_argument(
        "--worst-file",
        type=Path,
        default=Path("output/worst.jpg"),
        help="where --save-worst writes (default output/worst.jpg)",
    )
    args = parser.parse_args(argv)
    if args.batch_size < 1 or args.num_workers < 0 or args.save_worst < 0:
        raise UsageError("--batch-size must be at least 1, --num-workers and --save-worst at least 0")
    check_height(args.height)
    if args.protocol == "reference" and not {"sad", "mse"} & set(args.metrics):
        raise UsageError("--protocol reference has the metrics sad and mse only")
    return args


@command_line
def main(argv=None):
    args = parse(argv)
    rank, world = rank_and_count()
    if world > 1:
        import paddle.distributed

        paddle.distributed.init_parallel_env()
    samples, title = open_samples(args, say=print if rank == 0 else lambda text: None)
    predictor, source = open_predictor(args, world)
    hidden = None if rank == 0 else True  # None: shown on a terminal only
    with tqdm(total=len(range(rank, len(samples), world)), unit="image", disable=hidden) as bar:
        report = evaluate(
            predictor, samples, args.metrics, args.region, args.protocol, args.batch_size, args.num_workers,
            rank, world, args.save_worst, bar.update,
        )  # fmt: skip
    if world > 1:
        report = gather(report, args.save_worst)
    if rank != 0:
        return 0  # a launcher that sees one process fail ends the others, and rank 0 may still be writing
    show(args, report, samples, title, source, predictor)
    return 1 if report.failures or not report.rows else 0


def open_samples(args, say):
    """The samples to score, and a line that tells what they are."""
    if args.data_path and ((args.data_path / "src").is_dir() or args.pred):
        return StoredSet(args.data_path, needs=("pha",) if args.pred else ("src", "bgr", "pha")), str(args.data_path)
    protocol = "reference" if args.protocol == "reference" else "paper-like"
    try:
        foregrounds = args.data_path or data_folder(args.data_root, "photomatte85", "valid")
        backgrounds = args.backgrounds or data_folder(args.data_root, "backgrounds", "valid")
    except DataError as error:
        if args.data_path:
            raise UsageError(f"--backgrounds is needed for foregrounds: {error}") from None
        if args.pred:
            raise UsageError("--pred needs --data-path with the set that it belongs to") from None
        say(f"{error}.\nA small set is scored instead; its numbers show that everything runs, and nothing else.")
        return DemonstrationSet(
            args.seed
        ), "DEMONSTRATION SET: the sample pair, its subject in 4 drawn scenes, 4 drawn figures"
    samples = Composites(foregrounds, backgrounds, protocol, args.seed, args.height)
    return samples, f"{foregrounds} over {backgrounds}, {protocol}, seed {args.seed}"


def open_predictor(args, world):
    """What makes predictions, and a line that tells what it is."""
    if args.pred:
        return PredictionFolder(args.pred), str(args.pred)
    if args.device is None and world > 1 and "FLAGS_selected_gpus" in os.environ:  # the launcher's for this process
        args.device = f"gpu:{os.environ['FLAGS_selected_gpus']}"
    matting = matting_from(args)
    return SizedNetwork(matting), f"{matting.backbone}, weights {Path(matting.weights).name}, refine {args.refine_mode}"


def show(args, report, samples, title, source, predictor):
    """Print the result and write the files that were asked for."""
    print(f"{title}\n{source}\nprotocol {args.protocol}: {len(report.rows)} of {len(samples)} pictures scored")
    print(text_table(report))
    for failure in report.failures:
        print(f"failed: {failure['name']}: {failure['error']}", file=sys.stderr)
    extra = predictor.extra(samples.names) if args.pred else []
    for path in extra:
        print(f"extra: {path} belongs to no picture of the set and was not scored", file=sys.stderr)
    if report.failures:
        print(f"error: {len(report.failures)} of {len(samples)} pictures failed and are in no mean", file=sys.stderr)
    if args.output:
        settings = {"data": title, "predictions": source, "protocol": args.protocol, "extra": extra}
        write_json(args.output, as_dict(report, **settings))
    if args.per_image:
        write_text(args.per_image, csv_text(report))
    if report.worst:
        write_picture(args.worst_file, worst_sheet(report))
        print(f"the {len(report.worst)} worst: {args.worst_file}")


if __name__ == "__main__":
    sys.exit(main())
