"""Convert an official PyTorch checkpoint into a .pdparams file that plain paddle.load reads. PyTorch is not needed.

    python -m tools.convert_weights pytorch_mobilenetv2.pth --output mobilenetv2.pdparams
    python -m tools.convert_weights pytorch_resnet50.pth --output resnet50.pdparams --check photo.jpg background.jpg
    python -m tools.convert_weights best_deeplabv3_mobilenet_voc_os16.pth --output init.pdparams --deeplab

Strictly: if something does not fit, that is said and nothing is written. Of a DeepLabV3 checkpoint it keeps what
initialises MattingBase: the encoder but its first layer, and the ASPP.
"""

import sys
from pathlib import Path

from utils.system.cpu import prepare

prepare()

from model import BACKBONES
from utils.picture.write import write_picture
from utils.predictor import Matting
from utils.system.command_line import UsageError, command_line
from utils.system.files import refuse_to_overwrite, sha256_file
from utils.system.parser import Parser
from utils.weights.load import open_weights, save_weights
from utils.weights.names import model_shapes


@command_line
def main(argv=None):
    parser = Parser(__doc__)
    add = parser.add_argument
    add("checkpoint", type=Path, help="PyTorch .pth (a .pdparams is checked and saved again)")
    add("--output", type=Path, required=True, help=".pdparams file to write")
    add("--model-backbone", choices=BACKBONES, help="encoder (default: the checkpoint's)")
    add("--dtype", default="float32", choices=["float32", "float16"], help="on disk (default float32)")
    add("--deeplab", action="store_true", help="the checkpoint is a DeepLabV3 one: keep what fits")
    pair = {"nargs": 2, "type": Path, "metavar": ("SRC", "BGR"), "default": ()}
    add("--check", **pair, help="matte this pair, write the cut-out beside --output (default: do not)")
    args = parser.parse_args(argv)
    if args.output.suffix != ".pdparams":
        raise UsageError(f"--output {args.output}: the name has to end in .pdparams")
    picture = args.output.with_name(f"{args.output.stem}_com.png")
    refuse_to_overwrite([args.checkpoint, *args.check], [args.output, picture], "another --output")
    weights = open_weights(args.checkpoint)
    backbone = args.model_backbone or weights.backbone
    whole = not args.deeplab and any(name.startswith("refiner.") for name in weights.state)
    if args.check and not whole:
        raise UsageError("--check needs weights of a whole MattingRefine: leave it out")
    kind = "refine" if whole else "base"
    model = weights.network(args.model_backbone, kind)
    if not args.deeplab:
        weights.load(model)
    shapes = model_shapes(model)
    state = weights.matching(shapes)
    said = f"converted {len(state)} of {len(state) + weights.counters} tensors ({backbone}, {kind})"
    if args.deeplab:
        said = f"matched {len(state)}/{len(shapes)} tensors of MattingBase ({backbone})"
    elif weights.counters:
        said += f"; {weights.counters} num_batches_tracked have no counterpart in Paddle"
    save_weights(state, args.output, args.dtype)
    print(said)
    for path in (args.checkpoint, args.output):
        print(f"{sha256_file(path)}  {path}")
    if args.check:
        matte = Matting(args.output, engine="paddle")(*args.check)
        write_picture(picture, matte.com)
        shares = f"{(matte.pha < 13).mean():.1%} background, {(matte.pha > 242).mean():.1%} foreground"
        print(f"alpha of {args.check[0]}: {shares}; see {picture}")
    train = f"train.py --stage 1 --model-backbone {backbone} --pretrain {args.output}"
    use = f"predict.py --model-path {args.output} --src SRC --bgr BGR" if whole else train
    print(f"written: {args.output}; try: python {use}")


if __name__ == "__main__":
    sys.exit(main())
