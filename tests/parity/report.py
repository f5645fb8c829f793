"""The alignment table of Paddle's paper reproduction guide: each step compared with the original, measured anew.

python -m tests.parity.report                   the whole table, a few minutes
python -m tests.parity.report metric loss       some of its rows
"""

from utils.system.cpu import prepare

prepare()

import argparse
import itertools
import json
from pathlib import Path

import numpy as np
import paddle

from dataset import augmentation
from dataset.picture import read_rgb
from tests.dataset.test_augmentation import original_crop, smooth_picture
from tests.parity import measure, seeded
from tests.parity.training_case import CASES as TRAINING_CASES
from tests.training.test_loss import BASE, GOLDEN, REFINE, picture, refine_inputs
from tests.training.test_training_parity import train_case
from utils.evaluation import metric
from utils.evaluation.metric import make_trimap
from utils.predictor import Matting
from utils.system.files import sha256_file
from utils.training.loss import original_loss
from utils.training.options import PAPER_RATES
from utils.weights.load import DEFAULT_WEIGHTS

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
OCTAVE = {"SAD": (metric.sad, 1), "MSE": (metric.mse, 1e3), "Grad": (metric.grad, 1e-3), "Conn": (metric.conn, 1e-3)}


def network():
    """Every backbone, refinement mode, kernel and batch of the recorded cases."""
    recorded = np.load(HERE / "recorded.npz")
    found = [measure.forward_errors(name, recorded) for name in seeded.forward_cases()]
    worst = {key: max(errors[key] for errors, _ in found) for key in found[0][0]}
    cells = sum(other for _, other in found)
    listed = ", ".join(f"{key} {value:.0e}" for key, value in worst.items())
    return f"PyTorch original in float64, {len(found)} cases", f"{listed}; {cells} cells refined by only one"


def data():
    """Crops by one warp against the original's chain: pad, affine, crop, resize, crop."""
    differences = []
    for size, seed in itertools.product(((480, 640), (300, 200)), range(4)):
        source, canvas, out = smooth_picture(*size), 256, (200, 160)
        expected = original_crop(source, np.random.default_rng(seed), canvas, (0.4, 1.0), out)
        matrix = augmentation.draw_affine(np.random.default_rng(seed), size, out, canvas, (0.4, 1.0))
        differences.append(np.abs(augmentation.warp(source, matrix, out).astype(int) - expected))
    means = [difference.mean() for difference in differences]
    return (
        "the original's chain of Pillow steps, same draws, 8 crops",
        f"mean {max(means):.2f} of 255 levels in the worst crop (resampled once instead of twice)",
    )


def metrics():
    """All metrics on the recorded pairs, with and without trimap; and the predecessor's two."""
    recorded = json.loads((ROOT / "tests/data/metrics.json").read_text())
    arrays = np.load(ROOT / "tests/data/metrics.npz")
    worst = dict.fromkeys([*OCTAVE, "fg MSE", "predecessor's"], 0.0)

    def note(name, value, expected):
        worst[name] = max(worst[name], abs(value - expected) / expected if expected else abs(value))

    for case, values in recorded.items():
        pred, true = arrays[f"{case}/pred"], arrays[f"{case}/true"]
        for setting, trimap in (("with_trimap", arrays[f"{case}/trimap"]), ("without_trimap", None)):
            for name, (function, unit) in OCTAVE.items():
                note(name, function(pred, true, trimap), values[setting][name] * unit)
            if f"{case}/pred_fgr" in arrays:
                pair = arrays[f"{case}/pred_fgr"], arrays[f"{case}/true_fgr"]
                note("fg MSE", metric.fgr_mse(*pair, true, trimap), values[setting]["fg_MSE"] * 1e3)
        trimap = make_trimap(true, rule="reference")
        note("predecessor's", metric.reference_sad(pred, true, trimap), values["reference"]["SAD"])
        note("predecessor's", metric.reference_mse(pred, true, trimap), values["reference"]["MSE"])
    listed = ", ".join(f"{name} {value:.0e}" for name, value in worst.items())
    return f"original Octave scripts, {len(recorded)} pairs, with and without trimap", f"relative: {listed}"


def loss():
    """Every term of both losses, and the gradients of their sums."""
    truth = picture("in/true_pha"), picture("in/true_fgr")
    base = {name: picture(f"in/pred_{name}", gradient=True) for name in ("pha", "fgr", "err")}
    refine = refine_inputs(gradient=True)
    terms = {
        "base": (original_loss(base, *truth, use_laplacian=False), {name: name for name in BASE}),
        "refine": (original_loss(refine, *truth, use_laplacian=False), REFINE),
    }
    value = gradient = 0.0
    for kind, (found, names) in terms.items():
        for name, recorded in names.items():
            value = max(value, abs(float(found[name]) - float(GOLDEN[f"{kind}/term/{recorded}"])))
        value = max(value, abs(float(found["total"]) - float(GOLDEN[f"{kind}/total"])))
        found["total"].backward()
    inputs = {"base": (base, base), "refine": (("pha_lg", "fgr_lg", "pha_sm", "fgr_sm", "err_sm"), refine)}
    for kind, (names, tensors) in inputs.items():
        for name, tensor in zip(names, tensors.values()):
            gradient = max(gradient, np.abs(tensor.grad.numpy() - GOLDEN[f"{kind}/grad/pred_{name}"]).max())
    return "the original's formulas in float64, base and refine", f"terms {value:.0e}, gradients {gradient:.0e}"


def rates(steps=5):
    """Adam at the paper's rate of each part, no decay, against its formula in float64."""
    worst = 0.0
    for part, rate in PAPER_RATES["refine"].items():
        start = seeded.normal(f"adam/{part}", (1000,)) * 1e-3  # small, so that rounding the weights hides nothing
        weight = paddle.create_parameter([1000], "float32")
        weight.set_value(start)
        optimizer = paddle.optimizer.Adam(learning_rate=rate, parameters=[weight])
        expected, mean, square = start.astype(np.float64), 0.0, 0.0
        for step in range(1, steps + 1):
            gradient = seeded.normal(f"adam/{part}/{step}", (1000,))
            (weight * paddle.to_tensor(gradient)).sum().backward()
            optimizer.step()
            optimizer.clear_grad()
            gradient = gradient.astype(np.float64)
            mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
            expected -= rate * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
        moved = np.abs(expected - start).max()
        worst = max(worst, np.abs(weight.numpy() - expected).max() / moved)
    listed = ", ".join(f"{part} {rate:.0e}" for part, rate in PAPER_RATES["refine"].items())
    return f"PyTorch's Adam as a formula, {steps} steps at {listed}, no weight decay", f"{worst:.0e} of the way moved"


def backward():
    """Gradient of every tensor and running statistics after one pass in train mode, float64 on both sides."""
    recorded = np.load(HERE / "recorded.npz")
    found = [measure.gradient_errors(name, recorded) for name in seeded.TRAIN_CASES]
    gradient, statistics = (max(errors[key] for errors in found) for key in ("gradient", "statistics"))
    return (
        f"PyTorch original in train mode, {len(found)} networks, every tensor",
        f"relative: gradients {gradient:.0e}, running statistics {statistics:.0e}",
    )


def initialisation():
    recorded = np.load(HERE / "recorded.npz")
    spread, reach = np.max([measure.initialisation_errors(name, recorded) for name in seeded.BACKBONES], axis=0)
    return (
        "the original's fresh networks, every tensor of 500 values or more",
        f"spread {spread:.1%}, largest value over spread {reach:.1%} (two random draws)",
    )


def training():
    """Five steps of forward, loss, backward and Adam on one batch."""
    found = {case: train_case(case) for case in TRAINING_CASES}
    recorded = np.load(HERE / "training.npz")
    listed = []
    for case, (distances, totals) in found.items():
        losses = np.abs(np.array(totals) / recorded[f"{case}/totals"] - 1).max()
        listed.append(f"{case}: parameters {max(distances.values()):.0e}, losses {losses:.0e}")
    return "PyTorch original, five steps of base and of refine, every parameter", f"relative: {'; '.join(listed)}"


def inference_errors():
    """Alpha's largest difference at the recorded positions, that of each pixel in levels, and other refined cells.

    Cells whose predicted errors differ by less than 1e-6 from the last one that is refined may be chosen or not.
    """
    recorded = np.load(HERE / "inference.npz")
    if sha256_file(DEFAULT_WEIGHTS) != str(recorded["weights"]):
        raise ValueError("inference.npz was recorded with other weights: run python -m tests.parity.record_inference")
    matte = Matting()(*(read_rgb(ROOT / f"image/sample_{part}.jpg") for part in ("src", "bgr")))
    levels = np.abs(matte.pha.astype(int) - recorded["levels"])
    height, width = matte.pha.shape
    ref = np.unpackbits(recorded["ref"])[: height * width // 16].reshape(height // 4, width // 4)
    cells = np.setdiff1d(np.flatnonzero(ref != (matte.ref[::4, ::4] > 0)), recorded["tied"]).size
    return np.abs(seeded.fingerprint("inference/pha", matte.pha_float) - recorded["pha"]).max(), levels, cells


def inference():
    """The sample pair through the library call that predict.py makes, with the shipped weights."""
    value, levels, cells = inference_errors()
    return (
        "PyTorch original, shipped weights, sample pair 1280x720",
        f"alpha {value:.0e}; in 8 bits {np.count_nonzero(levels)} of {levels.size} pixels differ, by {levels.max()} at "
        f"most; {cells} cells refined by only one, ties for the last place aside",
    )


STEPS = {  # name on the command line -> the guide's name for the step, and what measures it
    "network": ("network forward", network),
    "data": ("data", data),
    "metric": ("metric", metrics),
    "loss": ("loss", loss),
    "rates": ("learning rate and regularisation", rates),
    "backward": ("backward", backward),
    "initialisation": ("initialisation", initialisation),
    "training": ("training", training),
    "inference": ("inference", inference),
}


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("steps", nargs="*", metavar="STEP", help=f"of {', '.join(STEPS)}; default: all")
    args = parser.parse_args(argv)
    for name in args.steps:
        if name not in STEPS:
            parser.error(f"there is no step {name}: choose from {', '.join(STEPS)}")
    print("| step | compared with | largest difference | measure it again |\n|---|---|---|---|")
    for name in args.steps or STEPS:
        title, measured = STEPS[name]
        compared, found = measured()
        print(f"| {title} | {compared} | {found} | `python -m tests.parity.report {name}` |", flush=True)


if __name__ == "__main__":
    main()
