"""The PyTorch original as a worker of `tools/benchmark.py model`, in an environment that has PyTorch.

    python tools/speed/original_model BACKBONE SCALE PIXELS THREADS WEIGHTS.npz PAIR.npz

Needs PyPI's backgroundmattingv2 1.0. Each line on standard input is one command, answered by one line:
`eager`, `script` or `onnx` (its ONNX export in ONNX Runtime; needs onnx and onnxruntime there) runs one frame and
prints its seconds, `memory` prints the peak memory in MiB, `save FILE.npy` keeps alpha of the last frame.
"""

import inspect
import re
import resource
import sys
import tempfile
import time
import types
import warnings
from pathlib import Path

import numpy as np
import torch

library = torch.library.Library("torchvision", "DEF")  # torchvision's operators: only their names are needed
for operator in ("nms", "qnms"):
    library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
library.define(
    "roi_align(Tensor input, Tensor rois, float spatial_scale, int pooled_height, int pooled_width,"
    " int sampling_ratio, bool aligned) -> Tensor"
)
sys.modules.setdefault("gdown", types.ModuleType("gdown"))

from BackgroundMattingV2.model import MattingRefine


def peak_memory():
    """MiB. Linux counts this process alone; getrusage there includes the one that started it."""
    try:
        return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text()).group(1)) / 1024
    except (OSError, AttributeError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def open_onnx(model, src, bgr, threads):
    """The model exported for these pictures' size, as the original's export_onnx.py does it, in ONNX Runtime."""
    import onnxruntime

    crop_and_replace = model.refiner.patch_crop_method, model.refiner.patch_replace_method
    model.refiner.patch_crop_method, model.refiner.patch_replace_method = "gather", "scatter_element"
    older = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
    with tempfile.TemporaryDirectory() as folder, torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model, (src, bgr), f"{folder}/net.onnx", input_names=["src", "bgr"], opset_version=17, **older
        )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(f"{folder}/net.onnx", options, providers=["CPUExecutionProvider"])
    model.refiner.patch_crop_method, model.refiner.patch_replace_method = crop_and_replace
    return lambda src, bgr: [torch.from_numpy(x) for x in session.run(None, {"src": src.numpy(), "bgr": bgr.numpy()})]


def main():
    backbone, scale, pixels, threads, weights, pair = sys.argv[1:]
    torch.set_num_threads(int(threads))
    eager = MattingRefine(backbone, float(scale), "sampling", int(pixels))
    state = {name: torch.from_numpy(array) for name, array in np.load(weights).items()}
    eager.load_state_dict(state, strict=False)
    models = {"eager": eager.eval()}
    pictures = np.load(pair)
    src, bgr = (torch.from_numpy(pictures[k]).permute(2, 0, 1)[None].float().div(255) for k in ("src", "bgr"))
    pha = None
    print("ready", flush=True)
    for line in sys.stdin:
        command, *rest = line.split()
        if command == "memory":
            print(peak_memory(), flush=True)
        elif command == "save":
            np.save(rest[0], pha[0, 0].numpy())
            print("saved", flush=True)
        else:
            if command not in models:
                models[command] = (
                    open_onnx(eager, src, bgr, int(threads)) if command == "onnx" else torch.jit.script(eager)
                )
            with torch.no_grad():
                start = time.perf_counter()
                pha, _ = models[command](src, bgr)[:2]
                print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
