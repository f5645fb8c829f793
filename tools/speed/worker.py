"""A process that is measured, so that it has a peak memory of its own: a network of this project or the original's.

    python -m tools.speed.worker ENGINE PRECISION BACKBONE WEIGHTS SCALE PIXELS FOLDER
    PYTHON tools/speed/worker.py original eager|script|onnx BACKBONE WEIGHTS.npz SCALE PIXELS FOLDER

PYTHON is of an environment with torch and backgroundmattingv2 1.0 (`onnx`, the original's export in ONNX Runtime: torch
2.5 or newer, onnx and onnxruntime), so NumPy alone is imported for both. It reads FOLDER/pair.npz, writes
FOLDER/alpha.npy, says "ready", and answers every line with the seconds of a frame and the peak memory in MiB; a line is
"alpha", or else alpha and foreground are computed.
"""

import re
import resource
import sys
import tempfile
import time
import types
import warnings
from pathlib import Path

import numpy as np

MAXRSS_IN_MIB = 2**20 if sys.platform == "darwin" else 2**10  # getrusage counts bytes there, KiB elsewhere


def peak_memory():
    """MiB. Linux counts this process alone; getrusage there includes the one that started it."""
    try:
        return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MAXRSS_IN_MIB


def open_ours(engine, precision, weights, refine, pair):
    """The network on a pair: a function of a line, and its alpha."""
    from utils.predictor import Matting, Refine
    from utils.system.errors import UsageError

    def tell(note):
        if note.kind == "engine_passed_over":
            sys.exit("{engine} cannot be used: {reason}".format(**note.values))

    try:
        matting = Matting(weights, refine=Refine(**refine), device="cpu", engine=engine, precision=precision, tell=tell)
    except UsageError as error:
        sys.exit(str(error))
    return lambda line: matting(*pair, foreground=line != "alpha"), matting(*pair).pha_float


def open_original(kind, backbone, weights, refine, pair):
    """The original's network on a pair, as `open_ours`."""
    import torch

    sys.modules.setdefault("gdown", types.ModuleType("gdown"))  # downloads weights, which is not needed
    from BackgroundMattingV2.model import MattingRefine

    network = MattingRefine(backbone, refine["scale"], "sampling", refine["pixels"]).eval()
    network.load_state_dict({name: torch.from_numpy(x) for name, x in np.load(weights).items()}, strict=False)
    tensors = [torch.from_numpy(x).permute(2, 0, 1)[None].float().div(255) for x in pair]
    torch.set_grad_enabled(False)
    if kind == "onnx":
        network = open_onnx(network, *tensors)
    elif kind == "script":
        network = torch.jit.script(network)
    return lambda _: network(*tensors), np.asarray(network(*tensors)[0])[0, 0]


def open_onnx(network, src, bgr):
    """The network exported for these pictures' size, as the original's export_onnx.py does it, in ONNX Runtime."""
    import onnxruntime
    import torch

    network.refiner.patch_crop_method, network.refiner.patch_replace_method = "gather", "scatter_element"
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file, names = f"{folder}/net.onnx", ["src", "bgr"]
        torch.onnx.export(network, (src, bgr), file, input_names=names, opset_version=17, dynamo=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return lambda src, bgr: session.run(None, {"src": src.numpy(), "bgr": bgr.numpy()})


def main(engine, kind, backbone, weights, scale, pixels, folder):
    pictures, refine = np.load(f"{folder}/pair.npz"), {"scale": float(scale), "pixels": int(pixels)}
    given = weights, refine, (pictures["src"], pictures["bgr"])
    run, pha = open_original(kind, backbone, *given) if engine == "original" else open_ours(engine, kind, *given)
    np.save(f"{folder}/alpha.npy", pha)
    print("ready", flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        run(line.strip())
        print(time.perf_counter() - start, peak_memory(), flush=True)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except ModuleNotFoundError as error:
        sys.exit(f"{sys.executable} has no {error.name}: see Engines in docs/speed.md for what the original needs")
