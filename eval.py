"""Score the network, or any program's alphas, with the field's metrics.

python eval.py                                            PhotoMatte85 in data/, or else a small demonstration set
python eval.py --data-path DATA/set                       a set made by tools/make_composites.py
python eval.py --data-path DATA/people/valid --backgrounds DATA/backgrounds/valid         composites made on the way
python eval.py --data-path DATA/set --pred output/theirs  alphas on disk, from any program
python eval.py --data-path DATA/set --align auto --match-exposure auto     with predict.py's corrections, off by default
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

from utils.background.align import MODES as ALIGN_MODES
from utils.background.match import EXPOSURE_MODES, match_background
from utils.evaluation.choice import choose_samples
from utils.evaluation.composites import check_height
from utils.evaluation.report import as_dict, csv_text, side_by_side, text_table
from utils.evaluation.samples import PredictionFolder
from utils.evaluation.score import DEFAULT_METRICS, METRICS, REGIONS, evaluate, gather
from utils.picture.write import write_picture
from utils.prediction.flags import add_network_flags, matting_from
from utils.system.command_line import UsageError, command_line, printer
from utils.system.files import write_json, write_text
from utils.system.ranks import rank_and_count


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-path", type=Path, help="a set (src bgr pha ...), or foregrounds (fgr and pha, or RGBA)")
    parser.add_argument("--backgrounds", type=Path, help="for foregrounds (default: those of the data root)")
    parser.add_argument("--data-root", type=Path, default=Path("data"), help="of PhotoMatte85 (default ./data)")
    parser.add_argument("--pred", type=Path, metavar="DIR", help="score the alphas in DIR or DIR/pha, run no network")
    add_network_flags(parser)
    parser.add_argument("--align", choices=ALIGN_MODES, default="off", help="as in predict.py (default here: off)")
    parser.add_argument(
        "--match-exposure", choices=EXPOSURE_MODES, default="off", help="as in predict.py (default here: off)"
    )
    parser.add_argument(
        "--protocol", choices=("paper", "reference"), default="paper", help="arithmetic (default paper)"
    )
    parser.add_argument("--region", nargs="+", choices=REGIONS, default=REGIONS, help="of each picture (default: both)")
    parser.add_argument("--metrics", nargs="+", choices=METRICS, default=DEFAULT_METRICS, help="default: all but mad")
    parser.add_argument("--seed", type=int, default=0, help="of composites, default 0")
    parser.add_argument("--height", type=int, help="of composites (default: the foregrounds' own; reference: 2048)")
    parser.add_argument("--num-workers", type=int, default=2, help="threads that read and score, default 2")
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
    if args.num_workers < 0 or args.save_worst < 0:
        raise UsageError("--num-workers and --save-worst must be at least 0")
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
    of_set = args.data_path, args.backgrounds, args.data_root, bool(args.pred), args.protocol, args.seed, args.height
    samples, title = choose_samples(*of_set)
    predict, describe = open_predictor(args, world)
    hidden = None if rank == 0 else True  # None: shown on a terminal only
    with tqdm(range(rank, len(samples), world), unit="image", disable=hidden) as indices:
        report = evaluate(predict, samples, args.metrics, args.region, args.protocol, indices, args.num_workers)
    if world > 1:
        report = gather(report)
    if rank != 0:
        return 0  # a launcher that sees one process fail ends the others, and rank 0 may still be writing
    show(args, report, samples, title, predict, describe())
    return 1 if report.failures or not report.rows else 0


def open_predictor(args, world):
    """What predicts, Sample -> (pha, fgr), and a function that tells in a line what it was."""
    if args.pred:
        return PredictionFolder(args.pred), lambda: str(args.pred)
    if args.device is None and world > 1 and "FLAGS_selected_gpus" in os.environ:  # the launcher's for this process
        args.device = f"gpu:{os.environ['FLAGS_selected_gpus']}"
    matting = matting_from(args, printer())

    def predict(sample):
        bgr, _ = match_background(sample.src, sample.bgr, args.align, args.match_exposure)
        matte = matting(sample.src, bgr, "fgr_mse" in args.metrics)
        return matte.pha_float if args.protocol == "reference" else matte.pha, matte.fgr

    def describe():
        network = f"{matting.backbone}, weights {Path(matting.weights).name}, refine {args.refine_mode}"
        return f"{network}, engine {matting.engine}; align {args.align}, match exposure {args.match_exposure}"

    return predict, describe


def show(args, report, samples, title, predict, source):
    """Print the result and write the files that were asked for."""
    print(f"{title}\n{source}\nprotocol {args.protocol}: {len(report.rows)} of {len(samples)} pictures scored")
    print(text_table(report))
    for failure in report.failures:
        print(f"failed: {failure['name']}: {failure['error']}", file=sys.stderr)
    extra = predict.extra(samples) if args.pred else []
    for path in extra:
        print(f"extra: {path} belongs to no picture of the set and was not scored", file=sys.stderr)
    if report.failures:
        print(f"error: {len(report.failures)} of {len(samples)} pictures failed and are in no mean", file=sys.stderr)
    if args.output:
        settings = {"data": title, "predictions": source, "protocol": args.protocol, "extra": extra}
        write_json(args.output, as_dict(report, **settings))
    if args.per_image:
        write_text(args.per_image, csv_text(report))
    worst = report.worst(args.save_worst)
    if worst:
        write_picture(args.worst_file, side_by_side(samples, {"prediction": predict}, {"prediction": report}, worst))
        print(f"the {len(worst)} worst: {args.worst_file}")


if __name__ == "__main__":
    sys.exit(main())
