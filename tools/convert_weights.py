"""Convert an official PyTorch checkpoint into a .pdparams file that plain paddle.load reads. PyTorch is not needed.

    python -m tools.convert_weights pytorch_mobilenetv2.pth --output mobilenetv2.pdparams

Strictly: if something does not fit, that is said and nothing is written. train.py --pretrain takes a DeepLabV3
checkpoint as it is.
"""

import sys
from pathlib import Path

from utils.system.cpu import prepare

prepare()

from model import BACKBONES
from utils.system.command_line import UsageError, command_line
from utils.system.files import refuse_to_overwrite, sha256_file
from utils.system.parser import Parser
from utils.weights.load import open_weights, save_weights


@command_line
def main(argv=None):
    parser = Parser(__doc__)
    add = parser.add_argument
    add("checkpoint", type=Path, help="PyTorch .pth (a .pdparams is checked and saved again)")
    add("--output", type=Path, required=True, help=".pdparams file to write")
    add("--model-backbone", choices=BACKBONES, help="encoder (default: the checkpoint's)")
    add("--dtype", default="float32", choices=["float32", "float16"], help="on disk (default float32)")
    args = parser.parse_args(argv)
    if args.output.suffix != ".pdparams":
        raise UsageError(f"--output {args.output}: the name has to end in .pdparams")
    refuse_to_overwrite([args.checkpoint], [args.output], "another --output")
    weights = open_weights(args.checkpoint)
    backbone = args.model_backbone or weights.backbone
    kind = "refine" if any(name.startswith("refiner.") for name in weights.state) else "base"
    weights.build(backbone, kind)
    save_weights(weights.state, args.output, args.dtype)
    print(f"converted {len(weights.state)} tensors ({backbone}, {kind})")
    for path in (args.checkpoint, args.output):
        print(f"{sha256_file(path)}  {path}")
    train = f"train.py --stage 1 --model-backbone {backbone} --pretrain {args.output}"
    use = f"predict.py --model-path {args.output} --src SRC --bgr BGR" if kind == "refine" else train
    print(f"written: {args.output}; try: python {use}")


if __name__ == "__main__":
    sys.exit(main())
