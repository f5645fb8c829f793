"""The flags by which programs choose weights, settings, device and engine of the network: one definition for all."""

from model.matting import BACKBONES
from model.refiner import MODES
from utils.engine.choice import ENGINES, PRECISIONS
from utils.predictor import Matting

FLAGS = {
    "--model-path": {"help": "weights, .pdparams or official .pth (default: the shipped ones)"},
    "--model-backbone": {"choices": BACKBONES, "help": "default: what the weights are for"},
    "--backbone-scale": {
        "type": float,
        "help": "coarse size / picture size, at most 0.5 (default: by picture size)",
    },
    "--refine-mode": {
        "choices": MODES,
        "default": "sampling",
        "help": "which cells are computed at full size: all, the worst ones, or those above a threshold "
        "(default sampling)",
    },
    "--refine-sample-pixels": {
        "type": int,
        "help": "pixels refined in each picture, sampling (default: by picture size)",
    },
    "--refine-threshold": {
        "type": float,
        "default": 0.1,
        "help": "predicted error above which a cell is refined, thresholding (default 0.1)",
    },
    "--engine": {
        "choices": ENGINES,
        "default": "auto",
        "help": "what computes (default auto: the fastest that works here)",
    },
    "--precision": {
        "choices": PRECISIONS,
        "default": "float32",
        "help": "bfloat16: faster where the processor has it (default float32)",
    },
    "--device": {"help": "cpu, gpu or gpu:N (default: a GPU if Paddle has one)"},
}
SETTINGS = tuple(FLAGS)[:6]  # weights and network, without what computes
NAMES = {"model_path": "weights", "model_backbone": "backbone"}  # where Matting's argument is called otherwise


def add_network_flags(parser, *flags):
    """Add some of FLAGS to a parser; without names all of them."""
    for flag in flags or FLAGS:
        parser.add_argument(flag, **FLAGS[flag])


def matting_from(args):
    """The utils.predictor.Matting that parsed flags describe; what a program has no flag for is Matting's default."""
    names = [flag[2:].replace("-", "_") for flag in FLAGS]
    return Matting(**{NAMES.get(name, name): getattr(args, name) for name in names if hasattr(args, name)})
