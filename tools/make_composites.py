"""Build a benchmark set once, so that every program is scored on the same pictures:

    python -m tools.make_composites --foregrounds DATA/PhotoMatte85 --backgrounds DATA/backgrounds --output DATA/set
    python -m tools.make_composites --demonstration --output output/demonstration
    python -m tools.make_composites --clips 6 --backgrounds DATA/backgrounds/valid --output output/clips

Writes src/ bgr/ pha/ fgr/ trimap/ as PNG, and manifest.json with every parameter and each picture's sha256 of pixels,
which are the same on every machine.
"""

import sys
from pathlib import Path

from utils.system.cpu import prepare

prepare()

from tqdm import tqdm

from dataset.picture import PictureError, find_pictures, read_rgb
from utils.evaluation import composites
from utils.evaluation.samples import PARTS
from utils.picture.resize import cover
from utils.picture.write import write_picture
from utils.system.command_line import UsageError, command_line
from utils.system.files import write_json
from utils.system.parser import Parser, at_least_1


@command_line
def main(argv=None):
    parser = Parser(__doc__)
    add = parser.add_argument
    add("--foregrounds", type=Path, help="folder with fgr and pha in it, or with RGBA pictures")
    add("--backgrounds", type=Path, help="folder of pictures without people")
    add("--demonstration", action="store_true", help="the small set that a bare eval.py scores, no fgr")
    add("--clips", type=int, default=0, help="make so many clips of drawn figures that sway instead")
    add("--frames", type=int, default=24, help="of each clip (default 24)")
    add("--output", type=Path, required=True, help="new folder for the set")
    add("--protocol", choices=composites.PROTOCOLS, default="paper-like", help="how they are made (default paper-like)")
    add("--seed", type=int, default=0, help="of all random numbers (default 0)")
    add("--height", type=at_least_1, metavar="N", help="(default: their own; reference: 2048; clips: 540)")
    args = parser.parse_args(argv)
    if not (args.demonstration or ((args.foregrounds or args.clips) and args.backgrounds)):
        raise UsageError("give --foregrounds or --clips, and --backgrounds; or --demonstration")
    if args.output.exists() and (not args.output.is_dir() or any(args.output.iterdir())):
        raise UsageError(f"--output {args.output} is not empty: give a new folder, so that no old picture stays in it")
    if args.clips:
        return make_clips(args)
    samples, parts = composites.DemonstrationSet(args.seed), ("src", "bgr", "pha", "trimap")
    if not args.demonstration:
        samples = composites.Composites(args.foregrounds, args.backgrounds, args.protocol, args.seed, args.height)
        parts = PARTS
    entries = []
    for index, name in enumerate(tqdm(samples.names, unit="image", disable=None)):
        try:
            sample, files = samples[index], {}
        except PictureError as error:
            print(f"left out {name}: {error}", file=sys.stderr)
            continue
        for part in parts:
            picture, path = getattr(sample, part), f"{part}/{name}.png"
            write_picture(args.output / path, picture)
            files[path] = {"pixels_sha256": composites.pixels_sha256(picture)}
        entries.append({"name": name, **sample.parameters, "files": files})
    protocol = "demonstration" if args.demonstration else args.protocol
    made = {"protocol": protocol, "seed": args.seed, "height": args.height, "count": len(entries)}
    # Last, so that a set with a manifest is a whole one.
    write_json(args.output / "manifest.json", {"format": 1, **made, "samples": entries})
    print(f"{len(entries)} of {len(samples)} samples in {args.output}")
    return 0 if len(entries) == len(samples) else 1


def make_clips(args):
    """Clips for eval.py, whose true alpha is known: OUTPUT/clip_1/src, pha and bgr, frames 16:9."""
    paths, height = find_pictures(args.backgrounds), args.height or 540
    for number in tqdm(range(args.clips), unit="clip", disable=None):
        scene = cover(read_rgb(paths[7 * number % len(paths)]), height, height * 16 // 9)
        bgr, frames = composites.swaying_clip(scene, args.seed + number, args.frames)
        clip = args.output / f"clip_{number + 1}"
        write_picture(clip / "bgr/bgr.png", bgr)
        for frame, (src, pha) in enumerate(frames):
            write_picture(clip / f"src/{frame:04d}.png", src)
            write_picture(clip / f"pha/{frame:04d}.png", pha)
    print(f"{args.clips} clips in {args.output}")


if __name__ == "__main__":
    sys.exit(main())
