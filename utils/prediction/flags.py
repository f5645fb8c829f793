"""The flags by which programs choose weights, settings, device and engine of the network: one definition for all."""

from model import BACKBONES, MODES
from utils.engine.choice import ENGINES, PRECISIONS
from utils.predictor import Matting, Refine
from utils.system.notes import silent
from utils.system.parser import names_of

OF_REFINE = {  # flag -> field of Refine
    "backbone_scale": "scale",
    "refine_mode": "mode",
    "refine_sample_pixels": "pixels",
    "refine_threshold": "threshold",
    "remove_islets": "gaps",  # what corrects alpha
}
OF_MATTING = {  # flag -> argument of Matting
    "model_path": "weights",
    "model_backbone": "backbone",
    **{name: name for name in ("engine", "precision", "device")},
}


def add_network_flags(parser, *flags):
    """Add some of these flags to a parser; without names all of them."""

    def add(flag, text, **options):
        if not flags or flag in flags:
            parser.add_argument(*names_of(flag), help=text, **options)

    add("--model-path", "weights, .pdparams or official .pth (default: the shipped ones)")
    add("--model-backbone", "default: what the weights are for", choices=BACKBONES)
    add("--backbone-scale", "coarse size / picture size, at most 0.5 (default: by picture size)", type=float)
    cells = "which cells are computed at full size: all, the worst ones, or those above a threshold"
    add("--refine-mode", f"{cells} (default sampling)", choices=MODES, default="sampling")
    add("--refine-sample-pixels", "pixels refined in each picture, sampling (default: by picture size)", type=int)
    above = "predicted error above which a cell is refined, thresholding (default 0.1)"
    add("--refine-threshold", above, type=float, default=0.1)
    add("--engine", "what computes (default auto: the fastest that works here)", choices=ENGINES, default="auto")
    int8 = "int8: faster with OpenVINO on most processors, alpha a little different (default float32)"
    add("--precision", int8, choices=PRECISIONS, default="float32")
    of_device = "cpu, gpu or gpu:N (default: a GPU if Paddle has one)"
    add("--device", of_device, type=lambda text: text.replace("cuda", "gpu"))  # the original's name


def matting_from(args, tell=silent):
    """The utils.predictor.Matting that parsed flags describe; what a program has no flag for has its default.

    Raises UsageError for a flag that is out of range, before anything is read, and as Matting.
    """

    def given(names):
        return {ours: getattr(args, name) for name, ours in names.items() if hasattr(args, name)}

    return Matting(refine=Refine(**given(OF_REFINE)), tell=tell, **given(OF_MATTING))
