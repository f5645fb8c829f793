"""Change one constant or operator at a time, and see whether a test notices.

python -m tests.mutations                       all of them, a few minutes on one core
python -m tests.mutations --only tiles.py       those of one file

Each mutation is made in a temporary copy of the repository, never in place; then the test files that mirror the changed
file run until the first failure. Prints a Markdown table; the exit code is 1 if a mutation survives, which means that a
test is missing. The copy's own tests must pass before anything is changed.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from utils.system.command_line import UsageError, command_line

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("model", "dataset", "utils", "tests", "tools", "image")  # what the mirrored tests need
TIME_LIMIT = 600  # seconds for the tests of one mutation: a loop without end is noticed, too


@dataclass(frozen=True)
class Mutation:
    """`old`, which stands once in `file`, becomes `new`."""

    file: str
    old: str
    new: str


# Test files of each changed file, the one that is likeliest to notice first.
MIRRORS = {
    "utils/evaluation/metric.py": [
        "evaluation/test_metric.py",
        "evaluation/test_trimap.py",
        "evaluation/test_properties_metric.py",
    ],
    "model/refiner.py": ["model/test_refiner.py", "engine/test_tiles.py", "engine/test_properties_tiles.py"],
    "utils/engine/tiles.py": ["engine/test_tiles.py", "engine/test_properties_tiles.py"],
    "utils/training/loss.py": ["training/test_loss.py"],
    "model/resize.py": ["model/test_model.py", "picture/test_properties_sizes.py"],
    "dataset/composite.py": ["dataset/test_augmentation.py", "dataset/test_properties_crops.py"],
}

MUTATIONS = [
    Mutation(file, old, new)
    for file, changes in {
        "utils/evaluation/metric.py": [
            ("UNKNOWN = 128", "UNKNOWN = 127"),
            ("sigma=1.4", "sigma=1.5"),
            ("np.arange(-4, 5,", "np.arange(-3, 4,"),
            ("range(1, 11)", "range(1, 9)"),
            ("np.float32(0.15)", "np.float32(0.2)"),
            ("_region(pred, trimap)].sum()) / 1000\n\n\ndef mse", "_region(pred, trimap)].sum()) / 100\n\n\ndef mse"),
            (
                "np.square(_difference(pred, true))[_region(pred, trimap)]) * 1000",
                "np.square(_difference(pred, true))[_region(pred, trimap)]) * 100",
            ),
            (
                "np.abs(_difference(pred, true))[_region(pred, trimap)]) * 1000",
                "np.square(_difference(pred, true))[_region(pred, trimap)]) * 1000",
            ),
            ("np.square(_gradient_magnitude(pred) -", "np.abs(_gradient_magnitude(pred) -"),
            ("np.minimum(pred, true)", "np.maximum(pred, true)"),
            ("smaller >= np.float32(", "smaller > np.float32("),
            ("np.float32((step - 1) /", "np.float32(step /"),
            ("distance >= np.float32(0.15)", "distance > np.float32(0.15)"),
            ("(true_pha > 0)[..., None]", "(true_pha >= 0)[..., None]"),
            ("math.sqrt(_mean(np.square(after - before)))", "math.sqrt(_mean(np.square(after + before)))"),
            ("/ len(changes) * 100", "/ len(errors) * 100"),
            ("2 * sad(pred, true, trimap)", "1 * sad(pred, true, trimap)"),
            ("(squares.size + 1)", "(squares.size + 0)"),
            ("picture.min() >= 0", "picture.min() > 0"),
            ("picture.max() <= 1", "picture.max() < 1"),
            ("slope, smooth, borderType=cv2.BORDER_REPLICATE", "slope, smooth, borderType=cv2.BORDER_REFLECT_101"),
            ("(alpha - low) / (high - low)", "(alpha - low) / high"),
            ("connectivity=4", "connectivity=8"),
            ("areas == areas.max()", "areas == areas.min()"),
            ("left == left.min()]", "left == left.max()]"),
            ("np.argmax(column == label)", "-np.argmax(column == label)"),
            ("= 0.06, 0.96, 10 ", "= 0.05, 0.96, 10 "),
            ("= 0.06, 0.96, 10 ", "= 0.06, 0.97, 10 "),
            ("= 0.06, 0.96, 10 ", "= 0.06, 0.96, 9 "),
            ("(pha > LOW)", "(pha >= LOW)"),
            ("ITERATIONS) >= 1", "ITERATIONS) >= 0.99"),
        ],
        "model/refiner.py": [
            ("self.sample_pixels // 16", "self.sample_pixels // 15"),
            ("err > self.threshold", "err >= self.threshold"),
            ('(err > 0).astype("float32")', '(err >= 0).astype("float32")'),
            ("half = height // 2, width // 2", "half = height // 2, width // 2 + 1"),
            ("ones_like(src[:, :1, ::4, ::4])", "ones_like(src[:, :1, ::4, ::2])"),
            ("(hc / (height // 2), wc / (width // 2))", "(wc / (width // 2), hc / (height // 2))"),
            ("_inside(cells, 4, 2 * margin, (height, width))", "_inside(cells, 4, 2 * margin, (height, width + 1))"),
            ("F.avg_pool2d(pixels, 2)", "F.max_pool2d(pixels, 2)"),
            ("pixels[:, :, 4:-4, 4:-4]", "pixels[:, :, 3:-5, 4:-4]"),
            ("* (width // 4) + cells[:, 2]", "* (width // 4) - cells[:, 2]"),
            ("(cells[:, 1] * step - margin)", "(cells[:, 1] * step + margin)"),
            ("left + size * ratio_x", "left + step * ratio_x"),
            ("sampling_ratio=1", "sampling_ratio=2"),
            ("aligned=True", "aligned=False"),
            ("at >= 0, at < length", "at > 0, at < length"),
            ("at >= 0, at < length", "at >= 0, at <= length"),
        ],
        "utils/engine/tiles.py": [
            ("np.arange(0, size // CELL, step)", "np.arange(1, size // CELL, step)"),
            ("coarse, -(-coarse // 2))", "coarse, coarse // 2)"),
            ("np.minimum(low.min(1), source_size - span)", "np.minimum(low.min(1), source_size)"),
            ("(positions < size)", "(positions <= size)"),
            ("(source_size / size) - 0.5", "(source_size / size) - 0.4"),
            ("part > 0, low + 1, low", "part >= 0, low + 1, low"),
            ("step % 2 == 0", "step % 1 == 0"),
            ("middle = step // 2", "middle = step // 4"),
            ("np.float32(1 / (2 * 255))", "np.float32(1 / (2 * 256))"),
            ("np.float32(1 / 255)", "np.float32(1 / 256)"),
            ("err > refine.threshold", "err >= refine.threshold"),
            ("np.flatnonzero(err > 0)", "np.flatnonzero(err >= 0)"),
            ("refine.pixels // CELL**2", "refine.pixels // CELL**1"),
            ("smaller = len(chosen) - refine", "smaller = len(chosen) - 1 - refine"),
            ("np.minimum(first + n, across)", "np.minimum(first + n + 1, across)"),
            ("(framed[3:], bgr, 2 * self.margin)", "(framed[3:], bgr, self.margin)"),
            ("4 * margin + size + CELL * n", "3 * margin + size + CELL * n"),
            ("axis.coarse + 2 for axis", "axis.coarse + 1 for axis"),
            ("lines = max(1, STRIP_BYTES", "lines = max(0, STRIP_BYTES"),
            ("abs(pha - 0.5) < 0.5 - FAINT", "abs(pha - 0.5) > 0.5 - FAINT"),
            ("np.clip(dense[PHA], 0, 1)", "np.clip(dense[PHA], 0, 2)"),
            ("alpha * np.float32(1 / LEVELS)", "alpha * np.float32(2 / LEVELS)"),
            ("cells_of(src)[at] + refined[..., 1:]", "cells_of(src)[at] - refined[..., 1:]"),
            ("np.rint(levels)", "np.floor(levels)"),
            ("cell_rows[here] % n", "cell_rows[here] // n"),
            ("range(0, len(tile_rows), self.batch)", "range(0, len(tile_rows) - 1, self.batch)"),
            ("found[0] - AROUND", "found[0] + AROUND"),
        ],
        "utils/training/loss.py": [
            ('(true[f"pha{at}"] != 0)', '(true[f"pha{at}"] != 1)'),
            ("[-1, 0, 1]) / 8, np", "[-1, 0, 1]) / 4, np"),
            (".sum(1) + 1e-6)", ".sum(1) + 1e-5)"),
            ("levels=5", "levels=4"),
            ("min(height, width) < 4", "min(height, width) < 5"),
            ("2**level", "3**level"),
            ('[2, 2, 2, 2], mode="reflect"', '[2, 2, 2, 2], mode="replicate"'),
            ("([1, 6, 1], [0, 4, 4]) for columns", "([1, 6, 1], [4, 4, 0]) for columns"),
        ],
        "model/resize.py": [
            ("math.floor(n * scale)", "math.ceil(n * scale)"),
            ("(np.arange(size) + 0.5)", "(np.arange(size) + 0.4)"),
            ("np.interp(positions, ", "np.interp(positions + 0.5, "),
            ('"bilinear", align_corners=False)\n\n\n@', '"bilinear", align_corners=True)\n\n\n@'),
            ("any(paddle.is_tensor(n) for n in size) and", "any(paddle.is_tensor(n) for n in size) or"),
        ],
        "dataset/composite.py": [
            ("canvas=512, lowest=256", "canvas=512, lowest=300"),
            ("scale=(0.3, 1.0)", "scale=(0.3, 1.2)"),
            ("recipe.canvas, (1.0, 2.0)", "recipe.canvas, (1.0, 3.0)"),
            ("recipe.multiple * recipe.multiple", "recipe.multiple * recipe.multiple + 1"),
            ("0.03 * rng.random(2)", "0.3 * rng.random(2)"),
            ("rng.uniform(-5, 5, 2)", "rng.uniform(-9, 9, 2)"),
            ("rng.integers(20, 40)", "rng.integers(20, 80)"),
            ("rng.uniform(-0.01, 0.01, 2)", "rng.uniform(-0.1, 0.1, 2)"),
            ("weight, 255 - weight)", "weight, 240 - weight)"),
            ("middle + batch.move_shift", "middle - batch.move_shift"),
            ("batch.shadow_blur / reduce", "batch.shadow_blur * reduce"),
            ("size, recipe.canvas, recipe.scale, flip=0.5", "size, recipe.canvas, recipe.scale, flip=0.0"),
        ],
    }.items()
    for old, new in changes
]


def mutated(mutation, folder=ROOT):
    """The text of the mutation's file below `folder`, changed.

    Raises UsageError if what is to be changed does not stand in it exactly once.
    """
    text = (folder / mutation.file).read_text(encoding="utf-8")
    count = text.count(mutation.old)
    if count != 1:
        raise UsageError(
            f"tests/mutations.py: {mutation.old!r} stands {count} times in {mutation.file}: make it agree with the file"
        )
    return text.replace(mutation.old, mutation.new)


def copy_repository(target):
    """Copy what the tests need, without anything that was compiled."""
    for name in FOLDERS:
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in [*ROOT.glob("*.py"), ROOT / "pyproject.toml"]:
        shutil.copy(path, target)


def first_failure(folder, tests):
    """Run test files of a copy until one test fails; returns its name, or None if all pass."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}  # a file changes twice within its time stamp's second
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=TIME_LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        return f"no end within {TIME_LIMIT} s"
    if done.returncode == 0:
        return None
    found = re.search(r"^(?:FAILED|ERROR) (?:tests/)?(.+?)(?: - .*)?$", done.stdout, re.MULTILINE)
    if not found:
        raise UsageError(f"pytest could not run {' '.join(tests)}: {done.stdout[-400:]}{done.stderr[-400:]}")
    return found[1]


def row(*cells):
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


@command_line
def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="part of the name of the files to change (default: all)")
    args = parser.parse_args(argv)
    chosen = [mutation for mutation in MUTATIONS if args.only in mutation.file]
    if not chosen:
        raise UsageError(f"--only {args.only}: no mutation is of such a file, only of {', '.join(MIRRORS)}")
    changed = [mutated(mutation) for mutation in chosen]
    survivors = 0
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        copy_repository(folder)
        mirrors = {file: [f"tests/{name}" for name in names] for file, names in MIRRORS.items()}
        before = first_failure(folder, sorted({test for m in chosen for test in mirrors[m.file]}))
        if before:
            raise UsageError(f"{before} fails before anything is changed: mend that first")
        print(row("file", "was", "became", "noticed by"), row("---", "---", "---", "---"), sep="\n", flush=True)
        for mutation, text in zip(chosen, changed):
            path = folder / mutation.file
            whole = path.read_text(encoding="utf-8")
            path.write_text(text, encoding="utf-8")
            killer = first_failure(folder, mirrors[mutation.file])
            path.write_text(whole, encoding="utf-8")
            survivors += killer is None
            shown = (f"`{' '.join(part.split())}`" for part in (mutation.old, mutation.new))
            print(row(mutation.file, *shown, f"`{killer}`" if killer else "**nothing**"), flush=True)
    print(f"\n{len(chosen) - survivors} of {len(chosen)} mutations were noticed")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
