"""Record what the PyTorch original computes from the seeded weights and pictures: `recorded.npz` beside this file.

    python -m tests.parity.record

Needs PyTorch and the original (PyPI `backgroundmattingv2==1.0`, imported without its torchvision operators); the tests
that read the recorded values need neither. See CONTRIBUTING.md for an environment that runs this.
"""

import importlib
import sys
import types
from pathlib import Path

import numpy as np
import torch

from tests.parity import seeded
from tests.parity.inputs import decoder_inputs, refiner_inputs


def import_original():
    """The original's package wants torchvision's compiled operators and a downloader; neither is ever called."""
    library = None
    try:
        importlib.import_module("torchvision")
    except (ImportError, RuntimeError):  # it was built for another PyTorch
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    sys.modules.setdefault("gdown", types.ModuleType("gdown"))
    import BackgroundMattingV2.model as package

    package.registered = library  # the names vanish when the library is collected
    return package.MattingBase, package.MattingRefine


def load(model):
    model.load_state_dict(
        {name: torch.from_numpy(seeded.weight(name, value.shape)) for name, value in model.state_dict().items()}
    )
    return model


def record_forward(found, refine_class):
    """Whole networks in float64, exact values, and how far the original's own float32 outputs are from them."""
    for name, case in seeded.forward_cases().items():
        arguments = {k: v for k, v in case.items() if k not in ("batch", "height", "width")}
        src, bgr = (torch.from_numpy(x) for x in seeded.pair(name, case["batch"], case["height"], case["width"]))
        with torch.no_grad():
            outputs = load(refine_class(**arguments)).double().eval()(src.double(), bgr.double())
            single = load(refine_class(**arguments)).eval()(src, bgr)
        rounding = [float((a - b).abs().max()) for a, b in zip(single, outputs)]
        found[f"forward/{name}/float32"] = np.float32([max(rounding[:2]), max(rounding[2:5])])
        for key, value in zip(("pha", "fgr", "pha_sm", "fgr_sm", "err_sm"), outputs):
            found[f"forward/{name}/{key}"] = seeded.fingerprint(f"{name}/{key}", value.numpy())
        found[f"forward/{name}/ref_sm"] = np.packbits(outputs[5].numpy() > 0.5)


def record_parts(found, base_class, refine_class):
    """Encoder, ASPP, decoder, coarse network and refiner one by one, in float64: exact values."""
    for backbone in seeded.BACKBONES:
        model = load(base_class(backbone)).double().eval()
        with torch.no_grad():
            x = torch.from_numpy(np.concatenate(seeded.pair(f"encoder/{backbone}", 2, 75, 101), 1)).double()
            features = model.backbone(x)
            for stride, value in zip((16, 8, 4, 2), features):
                found[f"encoder/{backbone}/{stride}"] = seeded.fingerprint(f"{backbone}/{stride}", value.numpy())
            deep = torch.from_numpy(
                np.abs(seeded.normal(f"aspp/{backbone}", (2, seeded.DEEPEST[backbone][0], 9, 13)))
            ).double()
            found[f"aspp/{backbone}"] = seeded.fingerprint(f"aspp/{backbone}", model.aspp(deep).numpy())
            inputs = decoder_inputs(backbone)
            value = model.decoder(*[torch.from_numpy(x).double() for x in inputs])
            found[f"decoder/{backbone}"] = seeded.fingerprint(f"decoder/{backbone}", value.numpy())
            src, bgr = (torch.from_numpy(x).double() for x in seeded.pair(f"base/{backbone}", 2, 61, 83))
            for key, value in zip(("pha", "fgr", "err", "hid"), model(src, bgr)):
                found[f"base/{backbone}/{key}"] = seeded.fingerprint(f"base/{backbone}/{key}", value.numpy())
    for kernel in (3, 1):
        for mode in seeded.MODES:
            refiner = (
                load(refine_class("mobilenetv2", 0.25, mode, 3_000, 0.6, refine_kernel_size=kernel))
                .refiner.double()
                .eval()
            )
            with torch.no_grad():
                pha, fgr, ref = refiner(*[torch.from_numpy(x).double() for x in refiner_inputs()])
            where = f"refiner/{mode}-k{kernel}"
            found[f"{where}/pha"] = seeded.fingerprint(f"{where}/pha", pha.numpy())
            found[f"{where}/fgr"] = seeded.fingerprint(f"{where}/fgr", fgr.numpy())
            found[f"{where}/ref"] = np.packbits(ref.numpy() > 0.5)


def train_step(name, case, base_class, refine_class, dtype):
    """The model after one forward and backward pass in train mode, and its loss."""
    if case["refine"]:
        model = refine_class(case["backbone"], 0.5, case["mode"], 3_200)
    else:
        model = base_class(case["backbone"])
    model = load(model).to(dtype).train()
    model.aspp.project[3].p = 0.0  # dropout draws differ between the frameworks
    inputs = seeded.pair(f"train/{name}", seeded.TRAIN_BATCH, *seeded.TRAIN_SIZE)
    outputs = model(*[torch.from_numpy(x).to(dtype) for x in inputs])
    loss = sum(
        (value * torch.from_numpy(seeded.normal(f"train/{name}/{i}", tuple(value.shape))).to(dtype)).mean()
        for i, value in enumerate(outputs[:5])
    )
    loss.backward()
    return model, loss.item()


def record_training(found, base_class, refine_class):
    """Gradients of a fixed loss and the running statistics after it, in float64: the exact values to compare with.

    Beside them, how far the original's own float32 gradients are from these (the worst tensor).
    """
    for name, case in seeded.TRAIN_CASES.items():
        model, loss = train_step(name, case, base_class, refine_class, torch.float64)
        single, _ = train_step(name, case, base_class, refine_class, torch.float32)
        found[f"train/{name}/loss"] = np.float64(loss)
        rounding, longest = 0.0, max(value.grad.norm() for value in model.parameters())
        for (key, value), other in zip(model.named_parameters(), single.parameters()):
            flat = value.grad.numpy().ravel()
            sampled = flat[seeded.positions(key, flat.size)[:64]]
            found[f"train/{name}/grad/{key}"] = np.concatenate([sampled, [np.linalg.norm(flat)]]).astype(np.float32)
            length = max(value.grad.norm(), 1e-6 * longest)  # some gradients vanish in exact arithmetic
            rounding = max(rounding, float((other.grad - value.grad).norm() / length))
        found[f"train/{name}/float32"] = np.float32(rounding)
        for key, value in model.state_dict().items():
            if key.endswith(("running_mean", "running_var")):
                found[f"train/{name}/stats/{key}"] = seeded.fingerprint(key, value.numpy())[:66]


def record_initialisation(found, refine_class):
    """Standard deviation and largest magnitude of every freshly drawn tensor, in the order of the sorted names."""
    torch.manual_seed(0)
    for backbone in seeded.BACKBONES:
        state = refine_class(backbone).state_dict()
        names = sorted(k for k in state if k.endswith(("weight", "bias")))
        rows = [(float(state[k].std(unbiased=False)), float(state[k].abs().max())) for k in names]
        found[f"init/{backbone}"] = np.float32(rows)


def main():
    torch.set_num_threads(2)
    base_class, refine_class = import_original()
    found = {}
    record_forward(found, refine_class)
    record_parts(found, base_class, refine_class)
    record_training(found, base_class, refine_class)
    record_initialisation(found, refine_class)
    path = Path(__file__).with_name("recorded.npz")
    np.savez_compressed(path, **found)
    print(f"{len(found)} arrays, {path.stat().st_size:,} bytes -> {path}")


if __name__ == "__main__":
    main()
