"""What the programs of this folder share: small data, the doors as processes, a look at what they leave behind."""

import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from dataset.picture import read_rgb
from tests.drawn_data import make_data
from tests.video_files import frames, scene, write_clip
from utils.picture.write import write_picture
from utils.weights.file import read_tensors

ROOT = Path(__file__).resolve().parents[2]
HEIGHT, WIDTH = 96, 160
QUIET = "ignore::UserWarning:paddle.utils.cpp_extension.extension_utils"  # Paddle misses a compiler's cache
FAST = ("--backbone-scale", "0.25", "--refine-sample-pixels", "160", "--align", "off", "--match-exposure", "off")


def pictures(folder, count, height=HEIGHT, width=WIDTH):
    """FOLDER/src/00000a.png ..., no clip's frames, before FOLDER/bgr.png; returns the flags of predict.py for them."""
    drawn = frames(12, height, width)[0]
    for number in range(count):
        write_picture(folder / "src" / f"{number:05d}a.png", np.roll(drawn[number % 12], number // 12, axis=0))
    write_picture(folder / "bgr.png", scene(height, width))
    return ["--src", folder / "src", "--bgr", folder / "bgr.png", *FAST]


def clip(folder, count, height=HEIGHT, width=WIDTH):
    """FOLDER/clip.mp4 before FOLDER/bgr.png; returns the flags of predict.py for them."""
    folder.mkdir(parents=True, exist_ok=True)
    some = frames(12, height, width)[0]
    write_clip(folder / "clip.mp4", [some[number % 12] for number in range(count)])
    write_picture(folder / "bgr.png", scene(height, width))
    return ["--src", folder / "clip.mp4", "--bgr", folder / "bgr.png", *FAST]


def training(folder, name="run"):
    """The flags of a tiny training, its data in FOLDER/data, its results below FOLDER."""
    if not (folder / "data").is_dir():
        make_data(folder / "data", ("private",))
    flags = "--dataset-name private --model-type base --model-backbone mobilenetv2 --batch-size 2 --crop-size 32 64"
    flags += " --valid-size 64 --valid-samples 2 --epoch-end 1000 --log-train-loss-interval 1 --checkpoint-interval 1"
    places = ("--data-root", folder / "data", "--checkpoint-dir", folder / "checkpoint", "--log-dir", folder / "log")
    return [*flags.split(), "--device", "cpu", "--model-name", name, *places]


def start(door, *flags, env=None, **options):
    """Start a door in the repository's root as a user would; its messages can be read from `.stdout`."""
    environ = {name: value for name, value in os.environ.items() if name != "MATTING_CACHE"}
    command = [sys.executable, "-W", QUIET, *map(str, (door, *flags))] if str(door).endswith(".py") else [door, *flags]
    options = {"cwd": ROOT, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **options}
    return subprocess.Popen(list(map(str, command)), env={**environ, **(env or {})}, text=True, **options)


def wait_for(condition, process, seconds=300):
    """Wait until condition() holds; fails if the process ends before it."""
    end = time.monotonic() + seconds
    while not condition():
        if process.poll() is not None:
            raise RuntimeError(f"ended early with {process.returncode}")
        if time.monotonic() > end:
            process.kill()
            raise RuntimeError("nothing has happened")
        time.sleep(0.02)


def left_over(*folders):
    """Temporary and half-written files in folders: what is hidden, and what cannot be read whole."""
    bad = []
    for path in (path for folder in folders for path in sorted(Path(folder).rglob("*")) if path.is_file()):
        if any(part.startswith(".") and part not in (".", "..") for part in path.parts[-3:]):
            bad.append(f"temporary {path.name}")
            continue
        try:
            if path.suffix in (".png", ".jpg"):
                read_rgb(path)
            elif path.suffix == ".pdparams":
                read_tensors(path)
            elif path.suffix in (".mp4", ".mov"):
                count_frames(path)
        except Exception as error:
            bad.append(f"{path.name}: {error}")
    return bad


def count_frames(path):
    """Frames of a video that can be decoded; raises if it is cut off."""
    import av

    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


class Watch:
    """Memory and open files of a process, looked at every so often while it runs."""

    def __init__(self, process, done, every=0.25):
        """done() : how much of the work is done, from 0 to 1."""
        self.samples = []
        while process.poll() is None:
            try:
                resident = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * resource.getpagesize()
                files = len(os.listdir(f"/proc/{process.pid}/fd"))
                self.samples.append((done(), resident / 2**20, files))
            except OSError:  # it has just ended
                break
            time.sleep(every)

    def at(self, share):
        """(MiB, open files) when this share of the work was done, as text."""
        worked = [sample for sample in self.samples if sample[0] > 0]
        _, memory, files = min(worked, key=lambda sample: abs(sample[0] - share))
        return f"{memory:.0f} MiB, {files} files"

    def peak(self):
        return f"{max(sample[1] for sample in self.samples):.0f} MiB, {max(sample[2] for sample in self.samples)} files"


def row(tried, command, happened):
    """Print a row of the table in tests/README.md."""
    happened = re.sub(r"/\S*/tmp\w{8}/?", "", happened)  # this run's own folder
    print(f"| {tried} | `{command}` | {happened} |", flush=True)
