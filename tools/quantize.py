"""Make the int8 programs of a weight file, for predict.py --precision int8, and write them beside it.

python -m tools.quantize --model-path W.pdparams --src pictures/src --bgr pictures/bgr

What the numbers inside the network reach is measured on the pairs of pictures, which should be like those that will be
matted: about a hundred, with hair and with dark and light clothes. Every second gets noise or less contrast.
The first and the last convolutions and the resizes inside the tiles stay in float, which keeps alpha as it is: what the
first nine lose lifts alpha on bare ground beside the subject, and costs a hundredth of SAD on hair.
"""

import logging
import sys
import tempfile
from itertools import count
from pathlib import Path

from utils.system.cpu import prepare

prepare()

import numpy as np
from tqdm import tqdm

from dataset.drawn import noisy
from dataset.errors import PictureError, install
from dataset.picture import read_rgb
from utils.engine.backends import PROGRAMS, missing_packages, open_programs, openvino_core
from utils.engine.choice import Source
from utils.engine.export import build
from utils.engine.int8 import int8_file, pack
from utils.engine.presets import Refine
from utils.engine.tiles import DENSE, TiledMatting
from utils.picture.resize import fit, padded_to_multiples
from utils.prediction.pairs import find_pairs
from utils.system.command_line import UsageError, command_line
from utils.system.files import sha256_file
from utils.system.parser import Parser
from utils.weights.load import DEFAULT_WEIGHTS

LONG_SIDES = (1280, 1024, 1920, 960)  # of the pictures, by turns
BATCHES = 300  # of inputs that are measured, of each program
NOISE, CONTRAST = 8, 0.4  # levels, share
FIRST = 9  # convolutions left in float: a tenth of the coarse program's time


@command_line
def main(argv=None):
    parser = Parser(__doc__)
    parser.add_argument("--model-path", type=Path, default=DEFAULT_WEIGHTS, help="weights (default: the shipped ones)")
    parser.add_argument("--src", type=Path, required=True, help="pictures with a subject")
    parser.add_argument("--bgr", type=Path, required=True, help="the same scenes without it")
    args = parser.parse_args(argv)
    if missing := missing_packages("openvino", "nncf"):
        raise UsageError(f"{' and '.join(missing)} not installed: {install('engines')}")
    pairs, source, path = find_pairs(args.src, args.bgr), Source(args.model_path), int8_file(args.model_path)
    with tempfile.TemporaryDirectory() as folder:
        folder, model = Path(folder), source.network()
        build("openvino", model, folder, bounded=True)
        inputs = record(folder, model.refiner.kernel_size, tqdm(pairs, unit="pair", disable=None))
        for program in PROGRAMS:
            quantize(folder / program, inputs[program], folder / "int8" / program)
        pack(folder / "int8", source.digest, path)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, sha256 {sha256_file(path)}")


def record(folder, kernel_size, pairs):
    """What both programs are given when the pairs are matted: dict of program -> list of lists of arrays."""
    inputs = {program: [] for program in PROGRAMS}

    def recording(program, every):
        run, number = open_programs("openvino", folder / program)[0], count()

        def recorded(*arrays):
            if next(number) % every == 0:
                inputs[program].append([array.copy() for array in arrays])
            return run(*arrays)

        return recorded

    matting = TiledMatting(recording("coarse", 1), [recording("tiles", 8)], kernel_size)
    for number, pair in enumerate(pairs):
        if pair.problem:
            raise PictureError(pair.problem)
        src, bgr = prepared(number, read_rgb(pair.src), read_rgb(pair.bgr))
        for mode in ("sampling", "full") if number % 4 == 0 else ("sampling",):  # flat ground, too
            matting(src, bgr, Refine(mode).at(*src.shape[:2]), foreground=False)
    chosen = {program: np.linspace(0, len(kept) - 1, BATCHES).astype(int) for program, kept in inputs.items()}
    return {program: [inputs[program][i] for i in np.unique(at)] for program, at in chosen.items()}


def prepared(number, *pair):
    """A pair at one of LONG_SIDES, every fourth noisy, every fourth with little contrast."""
    rng, shape = np.random.default_rng(number), pair[0].shape[:2]
    scale = LONG_SIDES[number // 4 % len(LONG_SIDES)] / max(shape)
    size = tuple(max(4, round(n * scale)) for n in shape)
    for picture in pair:
        picture = padded_to_multiples(fit(picture, size), 4)
        if number % 4 == 1:
            picture = noisy(picture, rng, NOISE)
        if number % 4 == 3:
            picture = np.rint(picture * CONTRAST + 255 * (1 - CONTRAST) / 2).astype(np.uint8)
        yield np.ascontiguousarray(picture)


def quantize(path, inputs, target):
    """Write the program PATH.xml, PATH.bin in 8 bits to TARGET.xml, TARGET.bin."""
    import nncf
    import openvino
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet as Ranges

    nncf.set_log_level(logging.ERROR)
    program = openvino_core().read_model(f"{path}.xml")
    nodes, options = program.get_ordered_ops(), {"preset": nncf.QuantizationPreset.MIXED, "subset_size": len(inputs)}
    options["fast_bias_correction"] = False  # the fast one costs alpha 0.2 % of SAD on hair
    convolutions = [node for node in nodes if "Convolution" in node.get_type_name()]
    if path.name == "coarse":
        last = [node for node in convolutions if node.get_output_partial_shape(0)[1] in (DENSE, 3 * DENSE)]
        last += [node for node in nodes if node.get_type_name() == "Interpolate"][-2:]
        ignored = nncf.IgnoredScope(names=[node.get_friendly_name() for node in (*convolutions[:FIRST], *last)])
    else:  # the mean of 2x2 pixels is slower in 8 bits, and so is the convolution that follows
        halves = [x for x in convolutions if x.input_value(0).get_node().get_type_name() == "AvgPool"]
        ignored = nncf.IgnoredScope(names=[x.get_friendly_name() for x in halves], types=["MatMul", "AvgPool"])
        options["advanced_parameters"] = nncf.AdvancedQuantizationParameters(
            activations_range_estimator_params=Ranges.MINMAX  # pixels from 0 to 255, and alpha from 0 to 1
        )
    made = nncf.quantize(program, nncf.Dataset(inputs), ignored_scope=ignored, **options)
    openvino.save_model(made, f"{target}.xml", compress_to_fp16=False)


if __name__ == "__main__":
    sys.exit(main())
