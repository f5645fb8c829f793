"""Measure what aligning the background and matching its exposure are worth (utils/background/match.py).

    python -m tools.measure_alignment pairs DATA/pairs
    python -m tools.measure_alignment people --foregrounds DATA/people/valid --backgrounds DATA/backgrounds/valid

`pairs`: for each pair NAME_src, NAME_bgr of real captures, the median difference of colour outside the subject as the
pictures come, with the background aligned, and with its exposure matched too; and the time that this takes.

`people`: samples of the protocol "capture" (utils/evaluation/composites.py), whose background is disturbed further:
every corner moves by so many pixels in a random direction, or the exposure changes. The mean SAD of the alpha with and
without the correction, and of the two together. The border that a moved background shows is cut from a larger picture.

Each prints a table in Markdown; --json keeps the numbers, --plot draws those of `people`.
"""

import argparse
import sys
import time
from pathlib import Path

from utils.system.cpu import prepare

prepare()

import cv2
import numpy as np
from tqdm import tqdm

from dataset.picture import read_rgb
from tools.plot import figure
from utils.background.align import subject_mask
from utils.background.checks import match_size
from utils.background.match import match_background
from utils.evaluation.composites import Composites
from utils.evaluation.metric import sad
from utils.prediction.flags import add_network_flags
from utils.prediction.pairs import find_pairs
from utils.predictor import Matting
from utils.system.command_line import UsageError, command_line
from utils.system.files import write_json
from utils.system.words import say

MOTIONS = (0, 1, 2, 4, 8, 16, 32)  # pixels that each corner moves
EXPOSURES = (-30, -20, -10, -5, 5, 10, 20, 30)  # per cent
TOGETHER = (8, 10)
MARGIN = 40  # pixels around the frame that the disturbed background can show
REPEATS = 5


@command_line
def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    pairs = commands.add_parser("pairs", help="real captures")
    pairs.add_argument("folder", type=Path, help="NAME_src and NAME_bgr pictures")
    people = commands.add_parser("people", help="disturbed composites")
    people.add_argument("--foregrounds", type=Path, required=True, help="folder with fgr and pha in it")
    people.add_argument("--backgrounds", type=Path, required=True, help="folder of pictures without people")
    people.add_argument("--count", type=int, default=20, help="samples, spread over the foregrounds (default 20)")
    people.add_argument(
        "--height", type=int, default=512, help="of the samples, in pixels, a multiple of 4 (default 512)"
    )
    people.add_argument("--seed", type=int, default=0, help="of all random numbers (default 0)")
    add_network_flags(people, "--model-path", "--device")
    people.add_argument("--plot", type=Path, help="picture to draw, .png or .svg; needs matplotlib")
    for command in (pairs, people):
        command.add_argument("--json", type=Path, help="file for the numbers")
    args = parser.parse_args(argv)
    rows = measure_pairs(args.folder) if args.command == "pairs" else measure_people(args)
    print("\n".join(pairs_table(rows) if args.command == "pairs" else people_table(rows)))
    if args.json:
        write_json(args.json, rows)
    if args.command == "people" and args.plot:
        plot(rows, args.plot)


def measure_pairs(folder):
    """One dict a pair, in the order of the names."""
    rows = []
    for pair in find_pairs(folder, folder):
        if pair.problem:
            raise UsageError(pair.problem)
        src, bgr = read_rgb(pair.src), read_rgb(pair.bgr)
        bgr, _ = match_size(src, bgr)
        seconds = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            matched, match = match_background(src, bgr)
            seconds.append(time.perf_counter() - start)
        aligned = match.alignment.apply(bgr, src)
        ground = shared_ground(src, matched)
        row = {"name": pair.name, "size": f"{src.shape[1]}x{src.shape[0]}"}
        for name, picture in (("as taken", bgr), ("aligned", aligned), ("matched", matched)):
            row[name] = float(np.median(np.abs(src.astype(np.float32) - picture).mean(axis=-1)[ground])) / 255
        alignment = match.alignment
        row["corner motion"] = alignment.motion
        row["matches"], row["inliers"] = alignment.matches, alignment.inliers
        row["uncovered"] = alignment.uncovered
        row["gain"], row["bias"] = list(match.exposure.gain), list(match.exposure.bias)
        row["seconds"] = sorted(seconds)[REPEATS // 2]
        row["notes"] = [say(note) for note in match.notes]
        rows.append(row)
    return rows


def shared_ground(src, bgr):
    """Where the pictures show the same ground: outside the subject, found at half size in the corrected pair."""
    half = tuple(max(1, n // 2) for n in src.shape[1::-1])
    small = (cv2.resize(x, half, interpolation=cv2.INTER_AREA) for x in (src, bgr))
    mask = cv2.resize(subject_mask(*small).astype(np.uint8), src.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    return mask == 0


def measure_people(args):
    """One dict a disturbance: motion in pixels, exposure in per cent, mean SAD without and with the correction."""
    if args.count < 1:
        raise UsageError(f"--count must be 1 or more, not {args.count}")
    samples = Composites(args.foregrounds, args.backgrounds, "capture", args.seed, args.height + 2 * MARGIN)
    chosen = np.unique(np.linspace(0, len(samples) - 1, args.count).round().astype(int))
    matting = Matting(args.model_path, device=args.device, engine="paddle")
    cases = [(px, 0) for px in MOTIONS] + [(0, change) for change in EXPOSURES] + [TOGETHER]
    scores = np.zeros((len(cases), len(chosen), 2))
    kept = np.zeros((len(cases), len(chosen)), bool)
    for column, index in enumerate(tqdm(chosen, unit="image", disable=None)):
        sample = samples[int(index)]
        inner = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
        src, pha = (np.ascontiguousarray(x[inner]) for x in (sample.src, sample.pha))
        for row, (pixels, change) in enumerate(cases):
            rng = np.random.RandomState([args.seed, int(index), pixels])
            bgr = disturb(sample.bgr, pixels, change, rng)
            matched, match = match_background(src, bgr)
            kept[row, column] = match.alignment.reason is not None
            scores[row, column] = [sad(matting(src, picture).pha, pha) for picture in (bgr, matched)]
    return [
        {
            "motion": pixels,
            "exposure": change,
            "samples": len(chosen),
            "without": float(score[:, 0].mean()),
            "with": float(score[:, 1].mean()),
            "not moved": int(stayed.sum()),
            "each": score.round(4).tolist(),
        }
        for (pixels, change), score, stayed in zip(cases, scores, kept)
    ]


def disturb(wide, pixels, change, rng):
    """The background of a camera that was turned and exposes otherwise: uint8, without the margin of `wide`.

    Args: wide uint8 (H, W, 3); pixels that each corner of the frame moves, each in a direction of its own; change of
    the exposure in per cent; rng a numpy.random.RandomState.
    """
    height, width = (side - 2 * MARGIN for side in wide.shape[:2])
    corners = np.float32([(0, 0), (width - 1, 0), (width - 1, height - 1), (0, height - 1)])
    angles = rng.uniform(0, 2 * np.pi, 4)
    moved = corners + MARGIN + pixels * np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(corners, moved)
    flags = cv2.WARP_INVERSE_MAP | cv2.INTER_CUBIC
    bgr = cv2.warpPerspective(wide, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    levels = np.minimum(np.rint(np.arange(256) * (1 + change / 100)), 255).astype(np.uint8)
    return levels[bgr]


def pairs_table(rows):
    yield "| pair | size | as taken | aligned | + exposure | corners moved | inliers / matches | filled | time |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for row in rows:
        moved = row["corner motion"]
        yield (
            f"| {row['name']} | {row['size']} | {row['as taken']:.4f} | {row['aligned']:.4f} | {row['matched']:.4f} | "
            + (f"{moved:.1f} px | {row['inliers']} / {row['matches']}" if moved else "not moved | –")
            + f" | {row['uncovered']:.1%} | {row['seconds'] * 1000:.0f} ms |"
        )


def people_table(rows):
    base = rows[0]["with"]
    count = rows[0]["samples"]
    yield f"| corners moved | exposure | SAD without | SAD with | with, to undisturbed | not moved (of {count}) |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        yield (
            f"| {row['motion']} px | {row['exposure']:+d} % | {row['without']:.3f} | {row['with']:.3f} | "
            f"{row['with'] / base - 1:+.0%} | {row['not moved']} |"
        )


def plot(rows, path):
    """SAD over the motion, and over the change of exposure."""
    motion = [row for row in rows if not row["exposure"]]
    exposure = sorted((row for row in rows if not row["motion"]), key=lambda row: row["exposure"])
    with figure(path, figsize=(9, 3.4)) as drawn:
        left, right = drawn.subplots(1, 2, sharey=True)
        for axes, chosen, key in ((left, motion, "motion"), (right, exposure, "exposure")):
            for kind, style in (("without", "o--"), ("with", "o-")):
                axes.plot(
                    [row[key] for row in chosen], [row[kind] for row in chosen], style, label=f"{kind} correction"
                )
            axes.grid(alpha=0.3)
            axes.set_ylim(bottom=0)
        left.set_xscale("symlog", base=2, linthresh=1)
        left.set_xticks(MOTIONS, [str(x) for x in MOTIONS])
        left.set_xlabel("motion of the corners, pixels")
        right.set_xlabel("change of the background's exposure, %")
        left.set_ylabel("SAD, thousands of pixels")
        left.legend()


if __name__ == "__main__":
    sys.exit(main())
