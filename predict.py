"""Matte pairs of pictures, or a video: the subject's alpha, foreground and cut-out, at full size.

python predict.py                                          the sample pair in image/
python predict.py --src photo.jpg --bgr background.jpg     one pair
python predict.py --src photos/ --bgr backgrounds/         folders, paired by file name
python predict.py --src photos/ --bgr background.jpg       one background for all
python predict.py --src clip.mp4 --bgr background.jpg      a video
python -m paddle.distributed.launch --nproc_per_node 2 --log_dir output/log predict.py --src photos/ --bgr backgrounds/
"""

from utils.system.cpu import prepare

prepare(__name__ == "__main__")

import sys
from pathlib import Path

import cv2
from tqdm import tqdm

from utils.engine.backends import threads
from utils.prediction.clip import ClipJob
from utils.prediction.flags import matting_from
from utils.prediction.loop import matte_all
from utils.prediction.options import parse
from utils.prediction.pairs import PairSource, PictureSink, passed_over, plan
from utils.prediction.target import open_target
from utils.system.command_line import UsageError, command_line, printer, terminable
from utils.system.cpu import launched, rank_and_count
from utils.system.errors import user_message
from utils.system.notes import Note
from utils.video.reader import open_clip


@command_line
def main(argv=None):
    args = parse(argv, __doc__)
    tell, (rank, count) = printer(args.verbose), rank_and_count()
    if count > 1:
        cv2.setNumThreads(threads())  # OpenCV would take the whole processor, too
    with terminable():
        if not args.clips:
            return matte_pictures(args, tell, rank, count)
        if count > 1:
            raise UsageError(f"{args.src} is one video, which several processes cannot share: start a single one")
        return matte_clips(args, tell)


def open_matting(args, tell):
    """The network as the flags want it; says what computes."""
    matting = matting_from(args, tell)
    names = ("device", "engine", "backbone", "weights")
    tell(Note("opened", **{name: getattr(matting, name) for name in names}))
    return matting


def matte_clips(args, tell):
    """Matte clips one after the other; returns the exit code."""
    code, matting = 0, None
    if args.numbered:
        tell(Note("numbered").on(args.src))
    if Path(args.src).is_dir() and args.clips != [Path(args.src)]:
        _, unread = passed_over(args.src, args.clips, tell)
        code = 1 if unread else 0
    for path in args.clips:
        try:
            clip = open_clip(path, args.frame_rate, tell, args.start, args.end, args.video_resize)
            job = ClipJob(clip, args.bgr, args.output, args.correction, args.bgr_time, args.force, tell)
            if job.paths:
                matting = matting or open_matting(args, tell)
                cv2.setNumThreads(1)  # frames are read, matted and written at the same time
                with tqdm(total=clip.expected, unit="frame", disable=None) as bar:
                    code |= job.run(matting, bar.update)
        except Exception as error:
            if len(args.clips) == 1 or user_message(error) is None:
                raise
            tell(Note("failed", why=user_message(error)))
            code = 1
    return code


def matte_pictures(args, tell, rank, count):
    """Matte one pair, or this rank's share of folders; returns the exit code."""
    in_batch = Path(args.src).is_dir()
    targets, unread = plan(args.src, args.bgr, args.output, rank, count, tell)
    code = 1 if unread and not launched() else 0  # the launcher would stop the other ranks
    if not targets:
        return code
    target = open_target(args.target_bgr) if args.target_bgr else None
    matting = open_matting(args, tell)
    source = PairSource(targets, args.correction, in_batch, args.keep_location)
    sink = PictureSink(targets, target, tell, args.output_format or "png", args.crop)
    with tqdm(total=len(targets), unit="pair", disable=None if in_batch else True) as bar:  # None: on a terminal only
        failed, times = matte_all(matting, source, sink, tell, bar.update)
    tell(Note("pairs_done", count=times.count, pairs=len(targets), seconds=times.wall))
    tell(Note("stream_times", **vars(times)))
    if failed:
        tell(Note("pairs_failed", count=len(failed), pairs=len(targets)))
    return 1 if failed and not launched() else code


if __name__ == "__main__":
    sys.exit(main())
