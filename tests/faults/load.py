"""Many files and many frames: time, memory and open files must not grow with them.

python -m tests.faults.load                     everything: 1,000 and 10,000 pictures, 5,000 frames
python -m tests.faults.load --only pairs        one of: pairs pictures eval frames
python -m tests.faults.load --pictures 100 1000 --frames 500
"""

import argparse
import os
import resource
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np

from tests.faults.playground import Watch, clip, pictures, row, start
from utils.picture.write import write_picture
from utils.prediction.outputs import Output
from utils.prediction.pairs import plan

SMALL, TYPES = (48, 64), ("pha", "fgr", "com")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--frames", type=int, nargs="+", default=[2000, 5000])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    args = parser.parse_args(argv)
    for part in args.only:
        PARTS[part](args)


def pairs(args):
    """Listing and pairing alone, files of no content: two folders, and one background for all."""
    for count in args.pictures:
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            for side in ("src", "bgr"):
                (folder / side).mkdir()
                for number in range(count):
                    (folder / side / f"{number:05d}.png").touch()
            started = time.process_time()
            plan(folder / "src", folder / "bgr", Output(folder / "out", TYPES, skip_existing=True))
            seconds = time.process_time() - started
            tracemalloc.start()
            targets, _ = plan(folder / "src", folder / "bgr", Output(folder / "out", TYPES))
            memory = tracemalloc.get_traced_memory()[1] / 2**20
            tracemalloc.stop()
            assert len(targets) == count
            row(
                f"two folders of {count:,} files: listing, pairing, looking what exists",
                "python -m tests.faults.load --only pairs",
                f"{seconds:.2f} s, {memory:.0f} MiB",
            )


def pictures_in_folders(args):
    """predict.py over folders."""
    for count in args.pictures:
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            flags = pictures(folder, count, *SMALL)
            output = folder / "out" / "pha"
            watch, seconds, said = watched(
                ["predict.py", *flags, "--output-dir", folder / "out", "--output-types", "pha"],
                lambda: len(os.listdir(output)) / count if output.is_dir() else 0,  # noqa: B023
            )
            assert len(os.listdir(output)) == count, said[-500:]
            row(
                f"predict.py, a folder of {count:,} pictures of 64x48",
                "python -m tests.faults.load --only pictures",
                f"{count:,} results; {1000 * seconds / count:.0f} ms of processor time each; after the first tenth "
                f"{watch.at(0.1)}, near the end {watch.at(0.95)}, at most {watch.peak()}",
            )


def eval_on_many(args):
    """eval.py over alphas on disk."""
    random = np.random.default_rng(0)
    for count in args.pictures:
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            for number in range(count):
                pha = np.full(SMALL, number % 256, np.uint8)
                pha[:16] = random.integers(0, 256, (16, SMALL[1]))
                for place in ("set/pha", "theirs/pha"):
                    write_picture(folder / place / f"{number:05d}.png", pha)
            watch, seconds, said = watched(
                [
                    "eval.py",
                    "--data-path",
                    folder / "set",
                    "--pred",
                    folder / "theirs",
                    "--metrics",
                    "sad",
                    "mse",
                    "grad",
                    "conn",
                    "--output",
                    folder / "report.json",
                    "--per-image",
                    folder / "each.csv",
                ],
                lambda: 1,
            )
            assert len((folder / "each.csv").read_text().splitlines()) == count + 1, said[-500:]
            row(
                f"eval.py --pred, {count:,} pictures of 64x48",
                "python -m tests.faults.load --only eval",
                f"all scored; {1000 * seconds / count:.0f} ms of processor time each; at most {watch.peak()}",
            )


def frames(args):
    """A day in miniature: long clips."""
    for count in args.frames:
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            flags = clip(folder, count)
            output = folder / "out" / "clip_pha"
            watch, seconds, said = watched(
                [
                    "predict.py",
                    *flags,
                    "--output-dir",
                    folder / "out",
                    "--output-types",
                    "pha",
                    "--output-format",
                    "png",
                ],
                lambda: len(os.listdir(output)) / count if output.is_dir() else 0,  # noqa: B023
            )
            assert len(list(output.glob("*.png"))) == count, said[-500:]
            shares = (("after a tenth", 0.1), ("in the middle", 0.5), ("near the end", 0.95))
            each = "; ".join(f"{word} {watch.at(share)}" for word, share in shares)
            row(
                f"predict.py, a clip of {count:,} frames of 160x96 to PNGs",
                "python -m tests.faults.load --only frames",
                f"{count:,} results; {1000 * seconds / count:.0f} ms of processor time each; {each}; at most "
                f"{watch.peak()}",
            )


def watched(command, done):
    """Run a door to its end; returns the Watch, its processor seconds and what it said."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryFile("w+") as said:
        process = start(*command, stdout=said)
        watch = Watch(process, done)
        code = process.wait()
        said.seek(0)
        text = said.read()
    if code:
        raise SystemExit(f"{command[0]} ended with {code}: {text[-500:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return watch, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, text


PARTS = {"pairs": pairs, "pictures": pictures_in_folders, "eval": eval_on_many, "frames": frames}

if __name__ == "__main__":
    sys.exit(main())
