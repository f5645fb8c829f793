"""Check data sets before a training: `python -m tools.check_dataset videomatte240k --data-root DATA`.

For each data set and split: how many pictures there are, which have no partner, which cannot be read, whose alpha has
another size, another scale or is coloured, how much of it is soft, and a contact sheet to look at. Exit code 1 if
anything is wrong.
"""

import sys
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

from utils.system.cpu import prepare

prepare()

import numpy as np

from dataset.folders import SOURCES, MissingData, canonical_name, open_data, sampled
from dataset.labels import KINDS, check_labels, kind_of, looked_at
from dataset.picture import PictureError
from utils.picture.blend import blend
from utils.picture.contact_sheet import contact_sheet
from utils.picture.write import write_picture
from utils.system.command_line import UsageError, command_line
from utils.system.parser import Parser


@command_line
def main(argv=None):
    parser = Parser(__doc__)
    add = parser.add_argument
    add("names", nargs="*", help="data sets (default: all that are there)")
    add("--data-root", type=Path, default=Path("data"), help="folder of the data sets (default ./data)")
    add("--sheet", type=Path, metavar="FOLDER", help="write a contact sheet of each part here")
    add("--quick", action="store_true", help="only look at a few files; options of train.py are accepted and ignored")
    args, rest = parser.parse_known_args(argv)
    if rest and not args.quick:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    looked, wrong = False, []  # whether there is anything; (whether it is an error, words)
    for name in dict.fromkeys([*map(canonical_name, args.names or SOURCES), "backgrounds"]):
        for split in SOURCES[name].splits:
            try:
                opened = open_data(args.data_root, name, split)
                looked = True
                if args.quick:
                    doubts = [] if name == "backgrounds" else check_labels(looked_at(opened))
                    said, found = f"{len(opened)} pictures", [(False, words) for words in doubts]
                else:
                    said, found = check(opened)
                print(f"{name} {split}: {said}")
                if args.sheet:
                    write_picture(args.sheet / f"{name}_{split}.png", draw_sheet(opened))
            except PictureError as error:
                found = [(True, error)] if args.names or not isinstance(error, MissingData) else []
            wrong += [(fatal, f"{name} {split}: {words}") for fatal, words in found]
    if not looked and not wrong:
        raise UsageError(f"no data set below {args.data_root}: {', '.join(SOURCES)} are looked for")
    for fatal, words in wrong:
        print(f"{'error' if fatal else 'warning'}: {words}", file=sys.stderr)
    return int(any(fatal for fatal, _ in wrong))


def check(pictures):
    """Read everything; returns a summary and what is wrong: a list of (whether it is an error, words)."""
    found, soft, kinds = [], [], defaultdict(list)
    for i in range(len(pictures)):
        try:
            item = pictures[i]
        except PictureError as error:
            found.append((True, error))
            continue
        fgr, pha = item if isinstance(item, tuple) else (item, None)  # a background
        if pha is not None:
            path = pictures.items[i][1]
            soft.append(np.mean((pha > 0) & (pha < 255)))
            kinds[kind_of(pha, fgr, path)].append(path)
            if not pha.any():
                found.append((True, f"{path} is an alpha of zero everywhere"))
    for kind, (fatal, words) in KINDS.items():
        if files := kinds[kind]:
            found.append((fatal, f"{len(files)} of {len(pictures)}, such as {files[0]}: {words}"))
    softness = f", {np.mean(soft):.2%} of alpha soft" if soft else ""
    return f"{len(pictures)} pictures{softness}", found


def draw_sheet(pictures):
    """Some pictures: foreground, alpha, and the foreground before green, under what is odd; or backgrounds alone."""
    rows, captions = [], []
    for i in sampled(pictures, 8).indices:
        with suppress(PictureError):
            item = pictures[i]
            fgr, pha = item if isinstance(item, tuple) else (item, None)
            rows.append([fgr] if pha is None else [fgr, pha, blend(fgr, pha, np.uint8([60, 180, 90]))])
            captions.append("" if pha is None else KINDS.get(kind_of(pha, fgr), ("", ""))[1])
    return contact_sheet(rows, captions)


if __name__ == "__main__":
    sys.exit(main())
