"""Export the network as one graph, for Paddle Inference or as ONNX, and compare it with the network itself.

python -m tools.export --format onnx --output matting.onnx
python -m tools.export --format paddle --model-type base --output base
python -m tools.export --format onnx --refine-mode thresholding --size 1080 1920 --output hd.onnx

The graph takes src and bgr, (N, 3, H, W) float32 RGB 0..1 of any N, H and W, and returns what `MattingBase` or
`MattingRefine` of `model` returns: pha, fgr, err and hid, or pha, fgr, pha_sm, fgr_sm, err_sm and ref_sm. predict.py
needs none of this: it exports faster programs by itself.
"""

import sys
from pathlib import Path

from utils.system.cpu import prepare

prepare()

import shutil
import tempfile

import numpy as np
import paddle
from paddle.static import InputSpec

from dataset.errors import install, one_line
from utils.engine import export
from utils.engine.backends import missing_packages, open_programs
from utils.engine.programs import AnySize
from utils.picture.levels import to_tensor
from utils.picture.resize import fit
from utils.picture.sample_pair import read_sample_pair
from utils.prediction.flags import add_network_flags
from utils.system.command_line import UsageError, command_line
from utils.system.errors import needed
from utils.system.files import refuse_to_overwrite
from utils.system.parser import Parser, add_without_effect, names_of
from utils.weights.load import DEFAULT_WEIGHTS, open_weights, weights_digest

TOLERANCE = {"float32": 1e-4, "float16": 2e-2}
SIZES = ((288, 512), (180, 300), (123, 402))  # validated where the graph takes any size
OUTPUTS = {"base": ("pha", "fgr", "err", "hid"), "refine": ("pha", "fgr", "pha_sm", "fgr_sm", "err_sm", "ref_sm")}
OF_REFINE = ("backbone_scale", "refine_mode", "refine_sample_pixels", "refine_threshold")
OTHER_CELLS = 2e-3  # share of pixels in cells that only one of the two refines, because of rounding


@command_line
def main(argv=None):
    args = parse(argv)
    weights, refines = open_weights(args.model_path), args.model_type == "refine"
    backbone = args.model_backbone or weights.backbone
    options = {name: getattr(args, name) for name in (OF_REFINE if refines else ())}
    model = weights.build(backbone, args.model_type, **options)
    model = AnySize(model) if refines else model
    height, width = args.size or (None, None)
    if args.format == "paddle" and refines and args.refine_mode != "full" and args.size:
        print("the graph takes any size: with a fixed one, Paddle Inference refines the wrong cells")
        height = width = None
    if export.NEEDS_OLD_FORMAT and refines and height is None:
        cannot = f"Paddle {paddle.__version__} cannot export MattingRefine for any size"
        raise UsageError(f"{cannot}: use Paddle 3.2.2, or pass --model-type base")
    shape = [1 if export.NEEDS_OLD_FORMAT else None, 3, height, width]
    read = {"weights": Path(args.model_path).name, "weights_sha256": weights_digest(args.model_path)}
    about = {**read, "model_type": args.model_type, "model_backbone": backbone, **options, "storage": args.storage}
    metadata = {"model": "BackgroundMattingV2", **{name: str(value) for name, value in about.items()}}
    with tempfile.TemporaryDirectory() as folder:
        path, outputs = Path(folder) / "net", OUTPUTS[args.model_type]
        export.save_paddle(model, [InputSpec(shape, "float32", name) for name in ("src", "bgr")], path)
        if args.format == "onnx":
            needed("paddle2onnx", f"--format onnx needs paddle2onnx: {install('engines')}")
            export.save_onnx(path, args.opset)
            export.describe_onnx(path, outputs, metadata, args.storage)
        engines = ("inference",) if args.format == "paddle" else ("onnxruntime", "openvino")
        if args.validate and not all([validate(args, model, engine, path) for engine in engines]):
            raise UsageError(f"the exported model is not the network: {args.output} is not written")
        for target in args.targets:
            made = path.with_suffix(target.suffix)
            if made.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(made, target)
                print(target)


def parse(argv):
    """The flags, and `targets`: paths of what may be written."""
    parser = Parser(__doc__)
    add = parser.add_argument
    add_network_flags(parser, "--model-path", "--model-backbone", "--refine-mode", "--refine-threshold")
    parser.set_defaults(model_path=DEFAULT_WEIGHTS)
    originals = {"type": lambda text: text.replace("matting", "")}  # names of the networks
    add("--model-type", choices=("base", "refine"), default="refine", **originals, help="network (default refine)")
    add("--format", choices=("paddle", "onnx"), help="what to write (default: as --output ends)")
    add("--output", required=True, help="FILE.onnx, or the name of the Paddle model without suffix")
    add("--size", nargs=2, type=int, metavar=("H", "W"), help="one size only (default: any size)")
    add(*names_of("--backbone-scale"), type=float, default=0.25, help="coarse size / picture size (default 0.25)")
    add(*names_of("--refine-sample-pixels"), type=int, default=80_000, help="pixels, sampling (default 80000)")
    of_weights = {"choices": ("float32", "float16"), "default": "float32"}
    add("--storage", "--precision", **of_weights, help="of ONNX weights (default float32)")
    of_opset = {"type": int, "choices": export.OPSETS, "default": export.OPSET}
    add("--opset", "--onnx-opset-version", **of_opset, help=f"of ONNX operators (default {export.OPSET})")
    add("--no-validate", dest="validate", action="store_false", help="write without comparing")
    methods = ("--model-refine-patch-crop-method", "--model-refine-patch-replace-method")
    add_without_effect(parser, *methods, "--onnx-constant-folding", "--onnx-verbose", "--validate")
    args = parser.parse_args(argv)
    args.format = args.format or ("onnx" if args.output.endswith(".onnx") else "paddle")
    suffixes = (".onnx",) if args.format == "onnx" else (".json", ".pdmodel", ".pdiparams")
    args.targets = [Path(args.output.removesuffix(".onnx") + suffix) for suffix in suffixes]
    refuse_to_overwrite([args.model_path], args.targets, "another --output")
    if args.size and min(args.size) < 4:
        raise UsageError(f"--size {args.size[0]} {args.size[1]}: height and width must be at least 4")
    if args.storage == "float16" and args.format != "onnx":
        raise UsageError("--storage float16 needs --format onnx: Paddle Inference reads float32 on a CPU")
    return args


def validate(args, model, engine, path):
    """Compare alpha and foreground on the sample pair and on random pictures; prints the maxima."""
    if missing := missing_packages(engine):
        print(f"  {engine}: not compared, {' and '.join(missing)} not installed")
        return True
    good, rng = True, np.random.default_rng(0)
    allowed = OTHER_CELLS if args.model_type == "refine" and args.refine_mode != "full" else 0
    try:
        program = open_programs(engine, path)[0]
        for size in [args.size] if args.size else SIZES:
            sample = [x.numpy() for x in to_tensor(*(fit(picture, size) for picture in read_sample_pair()))]
            noise = rng.random((2, 1 if export.NEEDS_OLD_FORMAT else 2, 3, *size), np.float32)
            for kind, pair in (("sample", sample), ("random", noise)):
                with paddle.no_grad():
                    true = model(*map(paddle.to_tensor, pair))
                differ = [np.abs(a.numpy() - b).max(axis=1) for a, b in zip(true[:2], program(*pair))]
                share = np.mean(np.max(differ, axis=0) > TOLERANCE[args.storage])
                listed = ", ".join(f"{name} {x.max():.1e}" for name, x in zip(("pha", "fgr"), differ))
                print(f"  {engine}, {size[1]}x{size[0]}, {kind}: {listed}; {share:.2%} of the pixels off")
                good &= bool(share <= allowed)
    except Exception as error:  # engines raise anything
        print(f"  {engine}: {one_line(error)[-160:]}")
        return False
    return good


if __name__ == "__main__":
    sys.exit(main())
