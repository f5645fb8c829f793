"""Matte pairs of pictures, or a video: the subject's alpha, foreground and cut-out, at full size.

python predict.py                                          the sample pair in image/
python predict.py --src photo.jpg --bgr background.jpg     one pair
python predict.py --src photos/ --bgr backgrounds/         folders, paired by file name
python predict.py --src photos/ --bgr background.jpg       one background for all
python predict.py --src clip.mp4 --bgr background.jpg      a video
python -m paddle.distributed.launch --nproc_per_node 2 --log_dir output/log predict.py --src photos/ --bgr backgrounds/
"""

from utils.system.cpu import prepare

prepare()

import sys
from pathlib import Path

import cv2

from utils.engine.backends import threads
from utils.prediction.clip import matte_video
from utils.prediction.flags import matting_from
from utils.prediction.options import has_frames, parse
from utils.prediction.pictures import AGAIN, matte_pairs, plan
from utils.prediction.target import open_target
from utils.system.command_line import UsageError, command_line, short_warnings, terminable
from utils.system.ranks import launched, rank_and_count

NAMES_SHOWN = 10  # of pictures that failed; each has had a line of its own


@command_line
def main(argv=None):
    args = parse(argv, __doc__)
    short_warnings()
    rank, count = rank_and_count()
    if count > 1:
        cv2.setNumThreads(threads())  # OpenCV would take the whole processor, too
    with terminable():
        if not has_frames(args.src, args.bgr):
            return matte_pictures(args, rank, count)
        if count > 1:
            raise UsageError(f"{args.src} is one video, which several processes cannot share: start a single one")
        return matte_video(
            open_matting(args), args.src, args.bgr, args.output_dir, args.output_types, args.output_format,
            args.target_bgr, args.align, args.match_exposure, args.smooth, args.frame_rate, args.save_bgr,
            args.skip_existing,
        )  # fmt: skip


def open_matting(args):
    """The network as the flags want it; says what computes."""
    matting = matting_from(args)
    print(
        f"device {matting.device}, engine {matting.engine}, {matting.backbone}, weights {matting.weights}", flush=True
    )
    return matting


def matte_pictures(args, rank, count):
    """Matte one pair, or this rank's share of folders; returns the exit code."""
    by_type = Path(args.src).is_dir()
    targets, lines = plan(args.src, args.bgr, args.output_dir, args.output_types, args.skip_existing, rank, count)
    for line in lines:
        print(line)
    if not targets:
        return 0
    target = open_target(args.target_bgr) if args.target_bgr else None
    try:
        matting = open_matting(args)
        failed, times = matte_pairs(matting, targets, args.align, args.match_exposure, target, by_type)
    except BaseException:
        if count > 1:
            print(f"rank {rank} of {count} ended early: {AGAIN}", file=sys.stderr)
        raise
    if by_type:
        print(
            f"{times.count} pairs in {times.wall:.1f} s: reading took {times.read:.1f} s, the network "
            f"{times.network:.1f} s, writing {times.write:.1f} s"
        )
    if failed:
        more = f" and {len(failed) - NAMES_SHOWN} more" if len(failed) > NAMES_SHOWN else ""
        names = ", ".join(map(str, failed[:NAMES_SHOWN])) + more
        print(f"error: {len(failed)} of {len(targets)} pairs failed: {names}", file=sys.stderr)
    return 1 if failed and not launched() else 0  # the launcher would stop the other ranks


if __name__ == "__main__":
    sys.exit(main())
