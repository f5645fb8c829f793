"""Check data sets before a training: `python -m tools.check_dataset videomatte240k --data-root DATA`.

For each data set and split: how many pictures there are, which have no partner, which cannot be read, whose alpha has
another size, another scale or is coloured, how much of it is soft, and a contact sheet to look at. Exit code 1 if
anything is wrong.
"""

import sys
from pathlib import Path

from utils.system.cpu import prepare

prepare()

import numpy as np

from dataset.data_path import SOURCES, DataError, MissingData, canonical_name, open_data
from dataset.images import sampled
from dataset.labels import KINDS, check_labels, kind_of, looked_at
from dataset.picture import PictureError
from utils.picture.blend import blend
from utils.picture.contact_sheet import contact_sheet
from utils.picture.write import write_picture
from utils.system.command_line import command_line
from utils.system.parser import Parser

GREEN = np.uint8([60, 180, 90])
SHOWN, COLUMNS = 8, 2  # pictures of a contact sheet


@command_line
def main(argv=None):
    parser = Parser(__doc__)
    parser.add_argument("names", nargs="*", help="data sets (default: all that are there)")
    parser.add_argument("--data-root", type=Path, default=Path("data"), help="folder of the data sets (default ./data)")
    parser.add_argument("--sheet", type=Path, metavar="FOLDER", help="write a contact sheet of each part here")
    ignored = "options of train.py are accepted and ignored"
    parser.add_argument("--quick", action="store_true", help=f"only look at a few files; {ignored}")
    args, rest = parser.parse_known_args(argv)
    if rest and not args.quick:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    problems, found = [], 0
    for name in dict.fromkeys([*(map(canonical_name, args.names) if args.names else SOURCES), "backgrounds"]):
        for split in SOURCES[name].splits:
            part = f"{name} {split}"
            try:
                opened = open_data(args.data_root, name, split)
                found += 1
                if not args.quick:
                    problems += check(part, opened)
                    if args.sheet:
                        write_picture(args.sheet / f"{name}_{split}.png", draw_sheet(opened))
                    continue
                print(f"{part}: {len(opened)}")
                for warning in [] if name == "backgrounds" else check_labels(looked_at(opened)):
                    print(f"warning: {part}: {warning}", file=sys.stderr)
            except DataError as error:
                if args.names or not isinstance(error, MissingData):
                    problems.append(f"{part}: {error}")
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    if not found and not problems:
        print(f"error: no data set below {args.data_root}: {', '.join(SOURCES)} are looked for", file=sys.stderr)
    return 1 if problems or not found else 0


def check(part, pictures):
    """Read everything, print a summary line; returns the list of problems."""
    problems, sizes, soft, opaque, odd = [], [], [], [], {}
    for i in range(len(pictures)):
        try:
            item = pictures[i]
        except PictureError as error:
            problems.append(f"{part}: {error}")
            continue
        fgr, pha = item if isinstance(item, tuple) else (item, None)
        sizes.append(fgr.shape[:2])
        if pha is not None:
            soft.append(np.mean((pha > 0) & (pha < 255)))
            opaque.append(np.mean(pha == 255))
            if not pha.any():
                problems.append(f"{part}: {pictures.name(i)} has an alpha of zero everywhere")
            odd.setdefault(kind_of(pha, fgr, pictures.alpha_file(i)), []).append(pictures.alpha_file(i))
    odd.pop(None, None)
    for kind, files in odd.items():
        fatal, words = KINDS[kind]
        line = f"{part}: {len(files)} of {len(pictures)}, such as {files[0]}: {words}"
        if fatal:
            problems.append(line)
        else:
            print(f"warning: {line}", file=sys.stderr)
    line = f"{part}: {len(pictures)} pictures"
    if sizes:
        heights, widths = np.array(sizes).T
        line += f", {widths.min()}x{heights.min()} to {widths.max()}x{heights.max()}"
    if soft:
        line += f", alpha {np.mean(opaque):.1%} opaque, {np.mean(soft):.2%} soft"
    print(line + (f", problems: {len(problems)}" if problems else ""))
    return problems


def draw_sheet(pictures):
    """Some pictures: foreground, alpha, and the foreground before green, under what is odd; or backgrounds alone."""
    tiles, few = [], sampled(pictures, SHOWN)
    for i in range(len(few)):
        try:
            item = few[i]
        except PictureError:
            continue
        if isinstance(item, tuple):
            tiles.append(([*item, blend(*item, GREEN)], KINDS.get(kind_of(item[1], item[0]), (False, ""))[1]))
        else:
            tiles.append(([item], ""))
    rows = [tiles[i : i + COLUMNS] for i in range(0, len(tiles), COLUMNS)]
    captions = [" | ".join(f"{side}: {odd}" for side, (_, odd) in zip(("left", "right"), row) if odd) for row in rows]
    shown = [sum((parts for parts, _ in row), []) for row in rows]
    return contact_sheet(shown, captions) if rows else np.full((8, 8, 3), 255, np.uint8)


if __name__ == "__main__":
    sys.exit(main())
