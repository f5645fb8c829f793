"""Score the network, or any program's alphas, with the field's metrics.

python eval.py                                            PhotoMatte85 in data/, or else a small demonstration set
python eval.py --data-path DATA/set                       a set made by tools.make_composites, or clips
python eval.py --data-path DATA/people/valid --backgrounds DATA/backgrounds/valid         composites made on the way
python eval.py --data-path DATA/set --pred output/theirs  alphas on disk, from any program
"""

from utils.system.cpu import prepare

prepare()

import os
import sys
from pathlib import Path

from tqdm import tqdm

from dataset.labels import check_labels
from utils.background.match import match_background
from utils.evaluation import score
from utils.evaluation.options import add_flags, choose_samples
from utils.evaluation.samples import PredictionFolder, share
from utils.picture.write import write_picture
from utils.prediction.flags import add_network_flags, matting_from
from utils.prediction.loop import clean_matte, corrected
from utils.system.command_line import command_line, printer
from utils.system.cpu import rank_and_count
from utils.system.files import refuse_to_overwrite, write_json, write_text
from utils.system.parser import Parser


@command_line
def main(argv=None):
    parser = Parser(__doc__)
    add_flags(parser)
    add_network_flags(parser)
    args = parser.parse_args(argv)
    outputs = [args.output, args.per_image, args.worst_file if args.save_worst else None]
    refuse_to_overwrite([args.model_path], outputs, "another name", [args.data_path, args.backgrounds, args.pred])
    rank, world = rank_and_count()
    if world > 1:
        import paddle.distributed

        paddle.distributed.init_parallel_env()
    samples, title = choose_samples(args)
    for doubt in check_labels(samples.labels()) if rank == 0 else []:
        print(f"warning: {doubt}", file=sys.stderr)
    args.metrics = args.metrics or (score.CLIP_METRICS if samples.clips else score.DEFAULT_METRICS)
    predict, describe = open_predictor(args, samples, world)
    hidden = None if rank == 0 else True  # None: shown on a terminal only
    with tqdm(share(samples, rank, world), unit="image", disable=hidden) as indices:
        report = score.evaluate(predict, samples, args.metrics, args.region, args.protocol, indices, args.num_workers)
    if world > 1:
        report = score.gather(report)
    if rank != 0:
        return 0  # a launcher that sees one process fail ends the others, and rank 0 may still be writing
    show(args, report, samples, title, predict, describe())
    return 1 if report.failures or not report.rows else 0


def open_predictor(args, samples, world):
    """What predicts, Sample -> (pha, fgr), and a function that tells in a line what it was."""
    if args.pred:
        return PredictionFolder(args.pred, samples), lambda: str(args.pred)
    if args.device is None and world > 1 and "FLAGS_selected_gpus" in os.environ:  # the launcher's for this process
        args.device = f"gpu:{os.environ['FLAGS_selected_gpus']}"
    matting, foreground = matting_from(args, printer()), "fgr_mse" in args.metrics

    def predict(sample):
        bgr, _ = match_background(sample.src, sample.bgr, args.align, args.match_exposure)
        if args.clean_foreground:
            matte = seen = clean_matte(matting, sample.src, bgr, args.remove_islets, foreground)
        else:
            matte = matting(sample.src, bgr, foreground)
            seen = corrected(matte, sample.src, bgr) if args.remove_islets else matte
        return seen.pha_float if args.protocol == "reference" else seen.pha, matte.fgr

    def describe():
        network = f"{matting.backbone}, weights {Path(matting.weights).name}, refine {args.refine_mode}"
        alpha = "corrected" if args.remove_islets else "as it is"
        corrections = f"align {args.align}, match exposure {args.match_exposure}, alpha {alpha}"
        corrections += ", foreground cleaned" if args.clean_foreground else ""
        return f"{network}, engine {matting.engine}; {corrections}"

    return predict, describe


def show(args, report, samples, title, predict, source):
    """Print the result and write the files that were asked for."""
    print(f"{title}\n{source}\nprotocol {args.protocol}: {len(report.rows)} of {len(samples)} pictures scored")
    print(score.text_table(report))
    for failure in report.failures:
        print(f"failed: {failure['name']}: {failure['error']}", file=sys.stderr)
    extra = predict.extra(samples) if args.pred else []
    for path in extra:
        print(f"extra: {path} belongs to no picture of the set and was not scored", file=sys.stderr)
    if report.failures:
        print(f"error: {len(report.failures)} of {len(samples)} pictures failed and are in no mean", file=sys.stderr)
    if args.output:
        settings = {"data": title, "predictions": source, "protocol": args.protocol, "extra": extra}
        scored = {"scored": len(report.rows), "failed": report.failures, "means": report.means}
        write_json(args.output, {**settings, **scored, "units": score.units_of(report)})
    if args.per_image:
        write_text(args.per_image, score.csv_text(report))
    if worst := report.worst(args.save_worst):
        write_picture(args.worst_file, score.side_by_side(samples, {"prediction": (predict, report)}, worst))
        print(f"the {len(worst)} worst: {args.worst_file}")


if __name__ == "__main__":
    sys.exit(main())
