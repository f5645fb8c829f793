"""Measure what predict.py does with videos:

    python -m tools.measure_video memory --frames 2000 --plot image/video_memory.png   memory over a clip, and sound

A clip with sound is made, in which a drawn figure flashes whenever a beep begins, and matted to H.264 as predict.py
would; the times of both in the result are compared.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

from utils.system.cpu import prepare

prepare()

import cv2
import numpy as np
from tqdm import tqdm

from dataset import drawn
from utils.picture.blend import blend
from utils.picture.plot import figure
from utils.picture.resize import cover
from utils.prediction.clip import ClipJob
from utils.prediction.flags import add_network_flags, matting_from
from utils.prediction.outputs import Output
from utils.system.command_line import UsageError, command_line, printer
from utils.video.reader import import_av, open_clip
from utils.video.writer import video_frame

RATE, SOUND_RATE = Fraction(30_000, 1001), 48_000
FLASH_EVERY = 150  # frames between two beeps, the first after half of that
BEEP = 0.1  # seconds
SAMPLES = 200  # of the memory, over the clip


@command_line
def main(argv=None):
    args = parse(argv)
    if args.what == "clip":
        make_clip(Path(args.output), args.frames, args.height)
        return 0
    return measure_memory(args)


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_subparsers(dest="what", required=True)
    memory = what.add_parser("memory", help="memory over a long clip with sound")
    memory.add_argument("--plot", type=Path, help="also draw memory over frames, needs matplotlib")
    add_network_flags(memory, "--refine-sample-pixels", "--backbone-scale", "--engine")
    clip = what.add_parser("clip", help="make the clip of `memory` alone")
    clip.add_argument("--output", required=True, help="folder for clip.mp4 and back.png")
    for part in (memory, clip):
        part.add_argument("--frames", type=int, default=2000, help="of the clip (default 2000)")
        part.add_argument("--height", type=int, default=1080, help="of the frames, pixels, 16:9 (default 1080)")
    return parser.parse_args(argv)


def make_clip(folder, count, height):
    """Write clip.mp4, with sound, and back.png: a figure walks to and fro, and flashes whenever a beep begins."""
    av = import_av()
    width = height * 16 // 9 // 2 * 2
    rng = np.random.default_rng(1)
    scene = cv2.GaussianBlur(cover(drawn.background(rng, height // 2, width // 2), height, width), (0, 0), 1)
    fgr, pha = drawn.figure(rng, height * 9 // 10, height * 3 // 4)
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / "back.png"), cv2.cvtColor(scene, cv2.COLOR_RGB2BGR))
    noise = rng.integers(-3, 4, (height + 64, width, 1)).astype(np.int8)
    with av.open(str(folder / "clip.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "20", "preset": "ultrafast"})
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        track = container.add_stream("aac", rate=SOUND_RATE, layout="mono")
        room = width - pha.shape[1]
        for number in tqdm(range(count), unit="frame", disable=None):
            left = round(room * (0.5 + 0.5 * np.sin(number / 60)))
            place = np.s_[height - len(pha) :, left : left + pha.shape[1]]
            picture = scene.copy()
            colour = np.full_like(fgr, 255) if flashes(number) else fgr
            picture[place] = blend(colour, pha, picture[place])
            shift = number * 7 % 64
            picture = cv2.add(picture, np.repeat(noise[shift : shift + height], 3, axis=2), dtype=cv2.CV_8U)
            frame = video_frame(picture, "yuv420p")
            frame.pts, frame.time_base = number, 1 / RATE
            container.mux(stream.encode(frame))
            write_sound(container, track, number)
        container.mux(stream.encode())
        container.mux(track.encode())


def flashes(number):
    return number % FLASH_EVERY == FLASH_EVERY // 2


def write_sound(container, track, number):
    """The sound of one frame's time: a beep of 1 kHz from the beginning of every flash, near silence else."""
    av = import_av()
    first, end = (round((number + i) / RATE * SOUND_RATE) for i in (0, 1))
    at = np.arange(first, end) / SOUND_RATE
    last = number - (number - FLASH_EVERY // 2) % FLASH_EVERY  # the latest flash so far
    loud = (at >= float(last / RATE)) & (at < float(last / RATE) + BEEP) & (last >= 0)
    samples = np.where(loud, 0.7 * np.sin(2000 * np.pi * at), 0).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(samples[None], "fltp", "mono")
    frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, first, Fraction(1, SOUND_RATE)
    container.mux(track.encode(frame))


class Watched:
    """A Matting that notes the memory in use as it goes."""

    def __init__(self, matting, every):
        self.matting, self.every, self.count, self.memory = matting, every, 0, []

    def __call__(self, *pictures):
        matte = self.matting(*pictures)
        if self.count % self.every == 0:
            self.memory.append((self.count, resident()))
        self.count += 1
        return matte


def resident():
    """Memory of this process in MiB, without what is only on disk."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        raise UsageError("memory is read from /proc, which only Linux has") from None
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def measure_memory(args):
    """Matte the clip, print memory over its frames and how far picture and sound are apart; exit code."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        # In a process of its own, so that what it leaves in memory is not counted.
        made = [
            sys.executable,
            "-m",
            "tools.measure_video",
            "clip",
            "--output",
            folder,
            "--frames",
            args.frames,
            "--height",
            args.height,
        ]
        subprocess.run([str(x) for x in made], check=True)
        matting = matting_from(args, printer())
        watched = Watched(matting, max(1, args.frames // SAMPLES))
        start = time.perf_counter()
        output = Output(folder / "out", ("com",), target="black")
        ClipJob(open_clip(folder / "clip.mp4"), folder / "back.png", output).run(watched)
        seconds = time.perf_counter() - start
        flashing, beeping = flash_times(folder / "out" / "clip_com.mp4"), beep_times(folder / "out" / "clip_com.mp4")
    print(f"{watched.count} frames, {seconds / watched.count:.3f} s each, engine {matting.engine}")
    print("| frame | memory, MiB |", "|---|---|", sep="\n")
    for frame, megabytes in watched.memory[:: max(1, len(watched.memory) // 10)]:
        print(f"| {frame} | {megabytes:.0f} |")
    settled = [megabytes for frame, megabytes in watched.memory if frame >= args.frames // 10]
    first, second = settled[: len(settled) // 2], settled[len(settled) // 2 :]
    print(f"mean of the second half of the clip minus the first's: {np.mean(second) - np.mean(first):+.1f} MiB")
    apart = max(abs(a - b) for a, b in zip(flashing, beeping)) if len(flashing) == len(beeping) else float("inf")
    print(
        f"{len(flashing)} flashes and {len(beeping)} beeps, apart by {1000 * apart:.1f} ms at most; "
        f"a frame lasts {float(1000 / RATE):.1f} ms"
    )
    if args.plot:
        plot(watched.memory, args.plot)
    return 0 if apart < 1 / RATE else 1


def flash_times(path):
    """Seconds of the frames that are much brighter than the one before."""
    times, before = [], None
    for frame in open_clip(path):
        brightness = float(frame.rgb()[::8, ::8].mean())
        if before is not None and brightness > 1.15 * before + 2:
            times.append(float(frame.time))
        before = brightness
    return times


def beep_times(path):
    """Seconds at which the sound becomes loud."""
    times, quiet_since = [], -1.0
    with import_av().open(str(path)) as container:
        for frame in container.decode(audio=0):
            loud = np.flatnonzero(np.abs(frame.to_ndarray()[0]) > 0.2)
            for at in (float(frame.pts * frame.time_base) + loud / frame.sample_rate).tolist():
                if at - quiet_since > BEEP:
                    times.append(at)
                quiet_since = at
    return times


def plot(memory, path):
    """Memory over frames."""
    with figure(path, figsize=(6.4, 3)) as plotted:
        axes = plotted.subplots()
        axes.plot(*zip(*memory))
        axes.set_ylim(bottom=0)
        axes.set_xlabel("frame")
        axes.set_ylabel("memory in use, MiB")
        axes.grid(alpha=0.3)


if __name__ == "__main__":
    sys.exit(main())
