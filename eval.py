"""Score the network, or any program's alphas, with the field's metrics.

python eval.py                                            PhotoMatte85 in data/, or else a small demonstration set
python eval.py --data-path DATA/set                       a set made by tools.make_composites, or clips
python eval.py --data-path DATA/people/valid --backgrounds DATA/backgrounds/valid         composites made on the way
python eval.py --data-path DATA/set --pred output/theirs  alphas on disk, from any program
"""

from utils.system.cpu import prepare

prepare(__name__ == "__main__")

import os
import sys
from pathlib import Path

from tqdm import tqdm

from dataset.labels import check_labels
from utils.background.align import MODES as ALIGN_MODES
from utils.background.match import EXPOSURE_MODES, match_background
from utils.evaluation import score
from utils.evaluation.composites import choose_samples
from utils.evaluation.samples import PredictionFolder, share
from utils.picture.write import picture_to_write, write_picture
from utils.prediction.flags import add_network_flags, matting_from
from utils.prediction.loop import cleaned
from utils.system.command_line import UsageError, command_line, printer
from utils.system.cpu import rank_and_count
from utils.system.files import refuse_to_overwrite, write_json, write_text
from utils.system.parser import Parser, at_least_1, file_to_write


def parse(argv):
    """The flags, of which some have a second name, that of Robust Video Matting's evaluation."""
    parser = Parser(__doc__)
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
    add("--region", nargs="+", choices=score.REGIONS, default=score.REGIONS, help="of each picture (default: both)")
    add("--metrics", nargs="+", choices=score.METRICS, help="default: all but mad dtssd; clips mad mse grad conn dtssd")
    add("--seed", type=int, default=0, help="of composites, default 0")
    add("--height", type=at_least_1, metavar="N", help="of composites (default: their own; reference: 2048)")
    add("--num-workers", type=int, default=2, help="threads that read and score, default 2")
    add("--output", type=file_to_write, help="write means and settings to this .json")
    add("--per-image", type=file_to_write, help="write every picture's numbers to this .csv")
    add("--save-worst", type=int, default=0, metavar="N", help="picture of the worst N (default 0)")
    worst = Path("output/worst.jpg")
    add("--worst-file", type=picture_to_write, default=worst, help="of --save-worst (default output/worst.jpg)")
    add_network_flags(parser)
    args = parser.parse_args(argv)
    outputs = [args.output, args.per_image, args.worst_file if args.save_worst else None]
    refuse_to_overwrite([args.model_path], outputs, "another name", [args.data_path, args.backgrounds, args.pred])
    if args.num_workers < 0 or args.save_worst < 0:
        raise UsageError("--num-workers and --save-worst must be at least 0")
    return args


@command_line
def main(argv=None):
    args = parse(argv)
    rank, world = rank_and_count()
    if world > 1:
        import paddle.distributed

        paddle.distributed.init_parallel_env()
        if args.device is None and "FLAGS_selected_gpus" in os.environ:  # the launcher's for this process
            args.device = f"gpu:{os.environ['FLAGS_selected_gpus']}"
    samples, title = choose_samples(args)
    for doubt in check_labels(samples.labels()) if rank == 0 else []:
        print(f"warning: {doubt}", file=sys.stderr)
    args.metrics = args.metrics or (score.CLIP_METRICS if samples.clips else score.DEFAULT_METRICS)
    matting = None if args.pred else matting_from(args, printer())
    predict = PredictionFolder(args.pred, samples) if args.pred else network(args, matting)
    hidden = None if rank == 0 else True  # None: shown on a terminal only
    with tqdm(share(samples, rank, world), unit="image", disable=hidden) as indices:
        report = score.evaluate(predict, samples, args.metrics, args.region, args.protocol, indices, args.num_workers)
    if world > 1:
        report = score.gather(report)
    if rank == 0:  # a launcher that sees one process fail ends the others, and rank 0 may still be writing
        show(args, report, samples, title, predict, described(args, matting) if matting else str(args.pred))
        return 1 if report.failures or not report.rows else 0


def network(args, matting):
    """What predicts by the network, see utils.evaluation.score.Predict."""
    foreground = "fgr_mse" in args.metrics

    def predict(sample):
        bgr, _ = match_background(sample.src, sample.bgr, args.align, args.match_exposure)
        matte = matting(sample.src, bgr, foreground and not args.clean_foreground)
        seen = cleaned(matte, sample.src, bgr, args.remove_islets, foreground and args.clean_foreground)
        pha = seen.pha_float if args.protocol == "reference" else seen.pha
        return pha, (seen if args.clean_foreground else matte).fgr

    return predict


def described(args, matting):
    """What has predicted, in a line; the engine is known by then."""
    network = f"{matting.backbone}, weights {Path(matting.weights).name}, refine {args.refine_mode}"
    alpha = "corrected" if args.remove_islets else "as it is"
    corrections = f"align {args.align}, match exposure {args.match_exposure}, alpha {alpha}"
    return f"{network}, engine {matting.engine}; {corrections}{', foreground cleaned' * args.clean_foreground}"


def show(args, report, samples, title, predict, source):
    """Print the result and write the files that were asked for."""
    print(f"{title}\n{source}\nprotocol {args.protocol}: {len(report.rows)} of {len(samples)} pictures scored")
    print(score.table({"prediction": report}), end="")
    for failure in report.failures:
        print(f"failed: {failure['name']}: {failure['error']}", file=sys.stderr)
    if report.failures:
        print(f"error: {len(report.failures)} of {len(samples)} pictures failed and are in no mean", file=sys.stderr)
    extra = predict.extra(samples) if args.pred else []
    for path in extra:
        print(f"extra: {path} belongs to no picture of the set and was not scored", file=sys.stderr)
    if args.output:
        settings = {"data": title, "predictions": source, "protocol": args.protocol, "extra": extra}
        scored = {"scored": len(report.rows), "failed": report.failures, "means": report.means}
        write_json(args.output, {**settings, **scored, "units": score.METRICS})
    if args.per_image:
        write_text(args.per_image, score.csv_text(report))
    if worst := report.worst(args.save_worst):
        write_picture(args.worst_file, score.side_by_side(samples, {"prediction": (predict, report)}, worst))
        print(f"the {len(worst)} worst: {args.worst_file}")


if __name__ == "__main__":
    sys.exit(main())
