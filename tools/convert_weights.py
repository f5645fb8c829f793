"""Convert an official PyTorch checkpoint into a .pdparams file that plain paddle.load reads. PyTorch is not needed.

    python -m tools.convert_weights pytorch_mobilenetv2.pth --output mobilenetv2.pdparams
    python -m tools.convert_weights pytorch_resnet50.pth --output resnet50.pdparams --model-backbone resnet50 \\
        --check image/sample_src.jpg image/sample_bgr.jpg
    python -m tools.convert_weights best_deeplabv3_mobilenet_voc_os16.pth --output init.pdparams --deeplab
"""

import argparse
import sys
from pathlib import Path

from utils.system.cpu import prepare

prepare()

from dataset.picture import read_rgb
from model import MattingBase, MattingRefine
from model.matting import BACKBONES
from utils.system.command_line import UsageError, command_line
from utils.system.errors import WeightsError
from utils.system.files import sha256_file
from utils.weights.load import read_state, save_weights
from utils.weights.names import compare_state, deeplab_to_official, differences, model_shapes, official_to_paddle


def convert(checkpoint, output, backbone="mobilenetv2", model_type="refine", kernel_size=3, dtype="float32"):
    """Convert a checkpoint of the whole network, strictly.

    Args:
        checkpoint: .pth (official names) or .pdparams.
        output: .pdparams file to write.
        backbone: "mobilenetv2", "resnet50" or "resnet101".
        model_type: "refine" for MattingRefine, "base" for MattingBase.
        kernel_size: the refiner's, 3 or 1.
        dtype: "float32" or "float16" on disk.

    Returns:
        number of tensors written.

    Raises:
        WeightsError: the file cannot be read or is not of this network; every tensor that does not fit is listed on
            stderr, and nothing is written.
    """
    state = official_to_paddle(read_state(checkpoint))
    shapes = model_shapes(_model(model_type, backbone, kernel_size))
    problem = compare_state(state, shapes)
    if problem:
        for what, names in zip(("missing", "unexpected", "misshapen"), differences(state, shapes)):
            for name in names:
                theirs = f" {tuple(state[name].shape)}" if name in state else ""
                ours = f" {shapes[name]}" if name in shapes else ""
                arrow = ", needed:" if theirs and ours else ""
                print(f"{what}: {name}{theirs}{arrow}{ours}", file=sys.stderr)
        raise WeightsError(f"{checkpoint} {problem}")
    save_weights({name: state[name] for name in shapes}, output, dtype)
    return len(shapes)


def convert_deeplab(checkpoint, output, backbone="mobilenetv2", dtype="float32"):
    """Keep from a DeepLabV3 checkpoint what initialises MattingBase: the encoder but its first layer, and the ASPP.

    Returns:
        (matched, total): tensors written, and tensors that MattingBase has.

    Raises:
        WeightsError: the file cannot be read, or nothing in it fits this backbone; nothing is written.
    """
    state = official_to_paddle(deeplab_to_official(read_state(checkpoint)))
    shapes = model_shapes(_model("base", backbone))
    matched = {name: state[name] for name in shapes if name in state and tuple(state[name].shape) == shapes[name]}
    if not matched:
        raise WeightsError(f"{checkpoint} is no DeepLabV3 checkpoint with a {backbone} encoder: no tensor of it fits")
    save_weights(matched, output, dtype)
    return len(matched), len(shapes)


def print_alpha_statistics(weights, backbone, src, bgr):
    """Print what the alpha of one pair looks like with these weights: shares of 0 and 1, mean, smallest, largest."""
    from utils.predictor import Matting  # only this mode runs the network

    pha = Matting(weights=weights, backbone=backbone)(read_rgb(src), read_rgb(bgr)).pha_float
    spread = f"min {pha.min():.4f}, max {pha.max():.4f}, mean {pha.mean():.4f}"
    print(f"alpha of {src}: {spread}")
    print(f"  background (< 0.05) {(pha < 0.05).mean():.2%}, foreground (> 0.95) {(pha > 0.95).mean():.2%}")


def _model(model_type, backbone, kernel_size=3):
    if model_type == "base":
        return MattingBase(backbone)
    return MattingRefine(backbone, refine_kernel_size=kernel_size)


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path, help="PyTorch .pth (a .pdparams is checked and saved again)")
    parser.add_argument("--output", type=Path, required=True, help=".pdparams file to write")
    parser.add_argument(
        "--model-backbone", default="mobilenetv2", choices=BACKBONES, help="encoder (default mobilenetv2)"
    )
    parser.add_argument("--model-type", default="refine", choices=["refine", "base"], help="network (default refine)")
    parser.add_argument(
        "--model-refine-kernel-size", type=int, default=3, choices=[1, 3], help="the refiner's (default 3)"
    )
    parser.add_argument("--dtype", default="float32", choices=["float32", "float16"], help="on disk (default float32)")
    parser.add_argument("--deeplab", action="store_true", help="the checkpoint is a DeepLabV3 one: keep what fits")
    parser.add_argument("--check", nargs=2, metavar=("SRC", "BGR"), help="print the alpha's statistics of this pair")
    args = parser.parse_args(argv)
    if args.output.suffix != ".pdparams":
        raise UsageError(f"--output {args.output}: the name has to end in .pdparams")
    if args.output.resolve() == args.checkpoint.resolve():
        raise UsageError(f"--output {args.output} is the checkpoint itself: give another name")
    if args.check and (args.deeplab or args.model_type == "base" or args.model_refine_kernel_size != 3):
        raise UsageError("--check needs a whole MattingRefine: leave out --deeplab, --model-type and the kernel size")
    return args


@command_line
def main(argv=None):
    args = parse(argv)
    if args.deeplab:
        matched, total = convert_deeplab(args.checkpoint, args.output, args.model_backbone, args.dtype)
        print(f"matched {matched}/{total} tensors of MattingBase ({args.model_backbone})")
    else:
        settings = (args.model_backbone, args.model_type, args.model_refine_kernel_size, args.dtype)
        count = convert(args.checkpoint, args.output, *settings)
        print(f"converted {count} tensors ({args.model_backbone}, {args.model_type}, {args.dtype})")
    for path in (args.checkpoint, args.output):
        print(f"{sha256_file(path)}  {path}")
    if args.check:
        print_alpha_statistics(args.output, args.model_backbone, *args.check)


if __name__ == "__main__":
    sys.exit(main())
