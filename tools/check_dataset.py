"""Check data sets before a training: `python -m tools.check_dataset videomatte240k --data-root DATA`.

For each data set and split: how many pictures there are, which have no partner, which cannot be read, whose alpha has
another size, another scale or is coloured, how much of it is soft, and a contact sheet to look at. Exit code 1 if
anything is wrong.
"""

import argparse
import sys
from pathlib import Path

from utils.system.cpu import prepare

prepare()

import numpy as np

from dataset.data_path import SOURCES, DataError, MissingData, canonical_name, open_backgrounds, open_foregrounds
from dataset.labels import KINDS, check_labels, kind_of, looked_at
from dataset.picture import PictureError
from dataset.sample import SampleDataset
from utils.picture.blend import blend
from utils.picture.contact_sheet import contact_sheet
from utils.picture.write import write_picture
from utils.system.command_line import command_line


@command_line
def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="data sets (default: all that are there)")
    parser.add_argument("--data-root", type=Path, default=Path("data"), help="folder of the data sets (default ./data)")
    parser.add_argument(
        "--sheet", type=Path, metavar="FOLDER", help="write a contact sheet of each part to this folder"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="only whether the folders are there and pair up; options of train.py are accepted and ignored",
    )
    args, rest = parser.parse_known_args(argv)
    if rest and not args.quick:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    names = [canonical_name(name) for name in args.names] or list(SOURCES)
    names = list(dict.fromkeys([*names, "backgrounds"]))
    problems, found = [], 0
    for name in names:
        for split in SOURCES[name].splits:
            try:
                opened = (
                    open_backgrounds(args.data_root, split)
                    if name == "backgrounds"
                    else open_foregrounds(args.data_root, name, split)
                )
            except DataError as error:
                if args.names or not isinstance(error, MissingData):
                    problems.append(str(error))
                continue
            found += 1
            if args.quick:
                print(f"{name} {split}: {len(opened)}")
                problems += quick(name, split, opened)
            else:
                problems += check(name, split, opened, args.sheet)
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    if not found and not problems:
        print(f"error: no data set below {args.data_root}: {', '.join(SOURCES)} are looked for", file=sys.stderr)
    return 1 if problems or not found else 0


def quick(name, split, pictures):
    """Look at a few alphas, print warnings; returns the list of problems."""
    try:
        for warning in [] if name == "backgrounds" else check_labels(looked_at(pictures)):
            print(f"warning: {name} {split}: {warning}", file=sys.stderr)
    except DataError as error:
        return [f"{name} {split}: {error}"]
    return []


def check(name, split, pictures, sheet):
    """Read everything, print a summary line; returns the list of problems."""
    problems, sizes, soft, opaque, odd = [], [], [], [], {}
    for i in range(len(pictures)):
        try:
            item = pictures[i]
        except PictureError as error:
            problems.append(f"{name} {split}: {error}")
            continue
        pha = item[1] if isinstance(item, tuple) else None
        sizes.append((item[0] if isinstance(item, tuple) else item).shape[:2])
        if pha is not None:
            soft.append(np.mean((pha > 0) & (pha < 255)))
            opaque.append(np.mean(pha == 255))
            if not pha.any():
                problems.append(f"{name} {split}: {pictures.name(i)} has an alpha of zero everywhere")
            kind = kind_of(pha, item[0], pictures.alpha_file(i))
            if kind:
                odd.setdefault(kind, []).append(pictures.alpha_file(i))
    for kind, files in odd.items():
        fatal, words = KINDS[kind]
        line = f"{name} {split}: {len(files)} of {len(pictures)}, such as {files[0]}: {words}"
        if fatal:
            problems.append(line)
        else:
            print(f"warning: {line}", file=sys.stderr)
    line = f"{name} {split}: {len(pictures)} pictures"
    if sizes:
        heights, widths = np.array(sizes).T
        line += f", {widths.min()}x{heights.min()} to {widths.max()}x{heights.max()}"
    if soft:
        line += f", alpha {np.mean(opaque):.1%} opaque, {np.mean(soft):.2%} soft"
    print(line + (f", {len(problems)} problems" if problems else ""))
    if sheet:
        write_picture(sheet / f"{name}_{split}.png", draw_sheet(pictures))
    return problems


def draw_sheet(pictures, count=8, columns=2):
    """Up to `count` pictures: foreground, alpha, and the foreground before green; or backgrounds alone."""
    tiles, labels = [], []
    few = SampleDataset(pictures, count)
    for i in range(len(few)):
        try:
            item = few[i]
        except PictureError:
            continue
        if isinstance(item, tuple):
            fgr, pha = item
            tiles.append([fgr, pha, blend(fgr, pha, np.uint8([60, 180, 90]))])
            kind = kind_of(pha, fgr)
            side = "right: " if len(tiles) % columns == 0 else "left: "
            labels.append(side + KINDS[kind][1] if kind else "")
        else:
            tiles.append([item])
            labels.append("")
    rows = [sum(tiles[i : i + columns], []) for i in range(0, len(tiles), columns)]
    captions = [" | ".join(filter(None, labels[i : i + columns])) for i in range(0, len(tiles), columns)]
    return contact_sheet(rows, captions) if rows else np.full((8, 8, 3), 255, np.uint8)


if __name__ == "__main__":
    sys.exit(main())
