"""Convert an official PyTorch checkpoint into a .pdparams file that plain paddle.load reads. PyTorch is not needed.

    python -m tools.convert_weights pytorch_mobilenetv2.pth --output mobilenetv2.pdparams
    python -m tools.convert_weights pytorch_resnet50.pth --output resnet50.pdparams \\
        --check image/sample_src.jpg image/sample_bgr.jpg
    python -m tools.convert_weights best_deeplabv3_mobilenet_voc_os16.pth --output init.pdparams --deeplab
"""

import argparse
import sys
from pathlib import Path

from utils.system.cpu import prepare

prepare()

from dataset.errors import printable
from dataset.picture import read_rgb
from model.matting import BACKBONES
from utils.picture.write import write_picture
from utils.system.command_line import UsageError, command_line
from utils.system.files import refuse_to_overwrite, sha256_file
from utils.weights.load import open_weights, save_weights
from utils.weights.names import differences, model_shapes


def convert(weights, output, backbone=None, model_type="refine", dtype="float32"):
    """Convert a checkpoint of the whole network, strictly.

    Args:
        weights: utils.weights.load.Weights of a .pth (official names) or .pdparams.
        output: .pdparams file to write.
        backbone: "mobilenetv2", "resnet50" or "resnet101"; None: as the tensors' names tell.
        model_type: "refine" for MattingRefine, "base" for MattingBase.
        dtype: "float32" or "float16" on disk.

    Returns:
        number of tensors written.

    Raises:
        WeightsError: the file is not of this network; nothing is written, and unless it is of another backbone, every
            tensor that does not fit is listed on stderr.
    """
    model = weights.network(backbone, model_type)
    shapes = model_shapes(model)
    if backbone in (None, weights.backbone):
        for what, names in zip(("missing", "unexpected", "misshapen"), differences(weights.state, shapes)):
            for name in names:
                theirs = f" {weights.state[name].shape}" if name in weights.state else ""
                ours = f" {shapes[name]}" if name in shapes else ""
                arrow = ", needed:" if theirs and ours else ""
                print(f"{what}: {printable(name)}{theirs}{arrow}{ours}", file=sys.stderr)
    weights.load(model)
    save_weights({name: weights.state[name] for name in shapes}, output, dtype)
    return len(shapes)


def convert_deeplab(weights, output, backbone=None, dtype="float32"):
    """Keep from a DeepLabV3 checkpoint what initialises MattingBase: the encoder but its first layer, and the ASPP.

    Returns:
        (matched, total): tensors written, and tensors that MattingBase has.

    Raises:
        WeightsError: nothing in the file fits this backbone, or it is of another; nothing is written.
    """
    shapes = model_shapes(weights.network(backbone, "base"))
    matched = weights.matching(shapes)
    save_weights(matched, output, dtype)
    return len(matched), len(shapes)


def try_out(weights, src, bgr, picture):
    """Matte one pair with a weight file, write the cut-out, and print what its alpha looks like."""
    from utils.predictor import Matting  # only this mode runs the network

    matte = Matting(weights=weights, engine="paddle")(read_rgb(src), read_rgb(bgr))
    write_picture(picture, matte.com)
    pha = matte.pha_float
    print(f"alpha of {src}: {(pha < 0.05).mean():.1%} background, {(pha > 0.95).mean():.1%} foreground; see {picture}")


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path, help="PyTorch .pth (a .pdparams is checked and saved again)")
    parser.add_argument("--output", type=Path, required=True, help=".pdparams file to write")
    parser.add_argument("--model-backbone", choices=BACKBONES, help="encoder (default: the checkpoint's)")
    parser.add_argument("--model-type", default="refine", choices=["refine", "base"], help="network (default refine)")
    parser.add_argument("--dtype", default="float32", choices=["float32", "float16"], help="on disk (default float32)")
    parser.add_argument("--deeplab", action="store_true", help="the checkpoint is a DeepLabV3 one: keep what fits")
    parser.add_argument(
        "--check", nargs=2, type=Path, metavar=("SRC", "BGR"), help="matte this pair, write the cut-out beside --output"
    )
    args = parser.parse_args(argv)
    if args.output.suffix != ".pdparams":
        raise UsageError(f"--output {args.output}: the name has to end in .pdparams")
    if args.check and (args.deeplab or args.model_type == "base"):
        raise UsageError("--check needs a whole MattingRefine: leave out --deeplab and --model-type")
    args.picture = args.output.with_name(f"{args.output.stem}_com.png")
    refuse_to_overwrite([args.checkpoint, *(args.check or [])], [args.output, args.picture], "another --output")
    return args


@command_line
def main(argv=None):
    args = parse(argv)
    weights = open_weights(args.checkpoint)
    backbone = args.model_backbone or weights.backbone
    if args.deeplab:
        matched, total = convert_deeplab(weights, args.output, args.model_backbone, args.dtype)
        print(f"matched {matched}/{total} tensors of MattingBase ({backbone})")
    else:
        count = convert(weights, args.output, args.model_backbone, args.model_type, args.dtype)
        dropped = f"; {weights.counters} num_batches_tracked have no counterpart in Paddle" if weights.counters else ""
        print(f"converted {count} of {count + weights.counters} tensors ({backbone}, {args.model_type}){dropped}")
    for path in (args.checkpoint, args.output):
        print(f"{sha256_file(path)}  {path}")
    if args.check:
        try_out(args.output, *args.check, args.picture)
    use = f"predict.py --model-path {args.output} --src SRC --bgr BGR"
    if args.deeplab or args.model_type == "base":
        use = f"train.py --stage 1 --model-backbone {backbone} --pretrain {args.output}"
    print(f"written: {args.output}; try: python {use}")


if __name__ == "__main__":
    sys.exit(main())
