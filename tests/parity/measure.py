"""Run the Paddle network on the recorder's cases and measure how far it is from the recorded values.

`python -m tests.parity.measure` prints the maxima.
"""

from utils.system.cpu import prepare

prepare()

import contextlib
import itertools
from pathlib import Path

import numpy as np
import paddle

from model import MattingBase, MattingRefine
from tests.parity import seeded
from tests.parity.inputs import decoder_inputs, refiner_inputs


def load(model):
    """Give a model the seeded weights."""
    model.set_state_dict(
        {
            name: paddle.to_tensor(seeded.weight(seeded.official_name(name), value.shape), dtype=value.dtype)
            for name, value in model.state_dict().items()
        }
    )
    return model


def run(model, *arrays):
    with paddle.no_grad():
        outputs = model(*[paddle.to_tensor(x) for x in arrays])
    return outputs


def _distance(name, array, recorded, relative=False):
    """Largest difference at the recorded positions and of mean and standard deviation; relative to the spread."""
    found = seeded.fingerprint(name, array)
    scale = max(np.abs(recorded[:-2]).max(), 1e-6) if relative else 1.0
    return float(np.abs(found - recorded).max() / scale)


def _other_cells(ref, packed):
    recorded = np.unpackbits(packed)[: ref.size].reshape(ref.shape)
    return int((ref != recorded).sum())


@contextlib.contextmanager
def default_dtype(dtype):
    paddle.set_default_dtype(dtype)
    try:
        yield
    finally:
        paddle.set_default_dtype("float32")


def forward_errors(name, recorded, dtype="float32"):
    """Largest absolute differences of one forward case, and how many cells were refined by only one of the two.

    The recorded values are the original's in float64.
    """
    case = seeded.forward_cases()[name]
    with default_dtype(dtype):
        model = load(MattingRefine(**{k: v for k, v in case.items() if k not in ("batch", "height", "width")}))
        model.eval()
        pair = seeded.pair(name, case["batch"], case["height"], case["width"])
        outputs = run(model, *[x.astype(dtype) for x in pair])
    errors = {
        key: _distance(f"{name}/{key}", value.numpy(), recorded[f"forward/{name}/{key}"])
        for key, value in zip(("pha", "fgr", "pha_sm", "fgr_sm", "err_sm"), outputs)
    }
    return errors, _other_cells(outputs[5].numpy(), recorded[f"forward/{name}/ref_sm"])


def part_errors(part, backbone, recorded):
    """Largest differences of one sub-module, relative to the largest recorded value."""
    model = load(MattingBase(backbone))
    model.eval()
    if part == "encoder":
        x = np.concatenate(seeded.pair(f"encoder/{backbone}", 2, 75, 101), 1)
        values = {f"{backbone}/{s}": v for s, v in zip((16, 8, 4, 2), run(model.backbone, x))}
        return {k: _distance(k, v.numpy(), recorded[f"encoder/{k}"], True) for k, v in values.items()}
    if part == "aspp":
        x = np.abs(seeded.normal(f"aspp/{backbone}", (2, seeded.DEEPEST[backbone][0], 9, 13)))
        values = {f"aspp/{backbone}": run(model.aspp, x)}
    elif part == "decoder":
        values = {f"decoder/{backbone}": run(model.decoder, *decoder_inputs(backbone))}
    else:
        outputs = run(model, *seeded.pair(f"base/{backbone}", 2, 61, 83))
        values = {f"base/{backbone}/{k}": v for k, v in zip(("pha", "fgr", "err", "hid"), outputs)}
    return {k: _distance(k, v.numpy(), recorded[k], True) for k, v in values.items()}


def refiner_errors(mode, kernel, recorded):
    """Largest absolute differences of the refiner alone, and the number of cells refined by only one of the two."""
    model = load(MattingRefine("mobilenetv2", 0.25, mode, 3_000, 0.6, refine_kernel_size=kernel))
    model.eval()
    pha, fgr, ref = run(model.refiner, *refiner_inputs())
    where = f"refiner/{mode}-k{kernel}"
    errors = {
        k: _distance(f"{where}/{k}", v.numpy(), recorded[f"{where}/{k}"]) for k, v in (("pha", pha), ("fgr", fgr))
    }
    return errors, _other_cells(ref.numpy(), recorded[f"{where}/ref"])


def gradient_errors(name, recorded, dtype="float64"):
    """Differences after one training step's forward and backward pass, against the original in float64.

    gradient: the worst tensor's distance at the recorded positions, relative to its length there; statistics: of the
    running means and variances, relative likewise. In float32 a few activations fall on the other side of a ReLU or a
    clamp, in either framework: its gradients say less about the code than about rounding.
    """
    with default_dtype(dtype):
        return _gradient_errors(name, recorded, dtype)


def _gradient_errors(name, recorded, dtype):
    case = seeded.TRAIN_CASES[name]
    if case["refine"]:
        model = MattingRefine(case["backbone"], 0.5, case["mode"], 3_200)
    else:
        model = MattingBase(case["backbone"])
    load(model)
    model.train()
    model.aspp.project[3].p = 0.0  # dropout draws differ between the frameworks
    inputs = seeded.pair(f"train/{name}", seeded.TRAIN_BATCH, *seeded.TRAIN_SIZE)
    outputs = model(*[paddle.to_tensor(x, dtype=dtype) for x in inputs])
    loss = sum(
        (value * paddle.to_tensor(seeded.normal(f"train/{name}/{i}", tuple(value.shape)), dtype=dtype)).mean()
        for i, value in enumerate(outputs[:5])
    )
    loss.backward()
    true = float(recorded[f"train/{name}/loss"])
    errors = dict(loss=abs(float(loss) - true) / abs(true), gradient=0.0, statistics=0.0, compared=0)
    largest = max(recorded[k][-1] for k in recorded if k.startswith(f"train/{name}/grad/"))
    for paddle_name, value in model.state_dict().items():
        key = seeded.official_name(paddle_name)
        if key.endswith(("running_mean", "running_var")):
            want = recorded[f"train/{name}/stats/{key}"]
            got = seeded.fingerprint(key, value.numpy())[:66]
            errors["statistics"] = max(errors["statistics"], float(np.linalg.norm(got - want) / np.linalg.norm(want)))
            continue
        want = recorded[f"train/{name}/grad/{key}"]
        flat = value.grad.numpy().ravel()
        got = np.append(flat[seeded.positions(key, flat.size)[:64]], np.linalg.norm(flat))
        # what a batch norm makes vanish in exact arithmetic is compared with the largest gradient of the network
        error = float(np.linalg.norm(got - want) / max(np.linalg.norm(want), 1e-6 * largest))
        if error > errors["gradient"]:
            errors.update(gradient=error, worst=key)
        errors["compared"] += 1
    return errors


def initialisation_errors(backbone, recorded):
    """Largest relative differences over convolutions of 500 values or more: of the spread, and of reach over spread."""
    paddle.seed(0)
    state = {seeded.official_name(k): v for k, v in MattingRefine(backbone).state_dict().items()}
    names = sorted(k for k in state if k.endswith(("weight", "bias")))
    spread = reach = 0.0
    for name, (want_std, want_max) in zip(names, recorded[f"init/{backbone}"]):
        value = state[name].numpy()
        if value.ndim == 1 and "conv4" not in name:  # batch norms: exactly 1 and 0
            if not (value.std() == want_std == 0 and np.abs(value).max() == want_max):
                raise AssertionError(f"{name} starts otherwise")
        elif value.size >= 500:
            spread = max(spread, abs(float(value.std()) / want_std - 1))
            reach = max(reach, abs(float(np.abs(value).max() / value.std()) / (want_max / want_std) - 1))
    return spread, reach


def main():
    recorded = np.load(Path(__file__).with_name("recorded.npz"))
    print(f"paddle {paddle.__version__}: largest differences from the PyTorch original")
    for dtype in ("float64", "float32"):
        full = coarse = cells = 0
        for name in seeded.forward_cases():
            errors, other = forward_errors(name, recorded, dtype)
            full, coarse = max(full, errors["pha"], errors["fgr"]), max(coarse, *list(errors.values())[2:])
            cells += other
        print(f"forward, {dtype}: alpha and foreground {full:.1e}, coarse outputs {coarse:.1e}, other cells {cells}")
    rounding = np.max([recorded[k] for k in recorded if k.startswith("forward/") and k.endswith("/float32")], axis=0)
    print(f"forward, the original's own float32 rounding: {rounding[0]:.1e}, {rounding[1]:.1e}")
    for part in ("encoder", "aspp", "decoder", "base"):
        value = max(max(part_errors(part, backbone, recorded).values()) for backbone in seeded.BACKBONES)
        print(f"{part} alone, relative: {value:.1e}")
    value = max(max(refiner_errors(m, k, recorded)[0].values()) for m in seeded.MODES for k in (3, 1))
    print(f"refiner alone: {value:.1e}")
    for name, dtype in itertools.product(seeded.TRAIN_CASES, ("float64", "float32")):
        errors = gradient_errors(name, recorded, dtype)
        own = f"; the original's own rounding: {recorded[f'train/{name}/float32']:.1e}" if dtype == "float32" else ""
        print(
            f"training, {name}, {dtype}: loss {errors['loss']:.1e}, running statistics {errors['statistics']:.1e}, "
            f"gradients {errors['gradient']:.1e} (worst of {errors['compared']}: {errors['worst']}){own}"
        )


if __name__ == "__main__":
    main()
