"""The PyTorch original as a process of tools/benchmark.py, in an environment with torch and backgroundmattingv2 1.0.

    python tools/speed/original.py model eager|script|onnx BACKBONE SCALE PIXELS THREADS WEIGHTS.npz PAIR.npz
    python tools/speed/original.py data base|refine FOREGROUNDS BACKGROUNDS

Its numbers are the seconds of a frame (`onnx`: of its ONNX export in ONNX Runtime, with onnx and onnxruntime), or the
processor seconds of as many samples as a line asks for, on one thread, made by the transforms of its training scripts
(which torchvision has to be there for).
"""

import importlib
import inspect
import random
import sys
import tempfile
import time
import types
import warnings

import numpy as np
import torch
from serve import serve

try:
    importlib.import_module("torchvision")
except (ImportError, RuntimeError):  # without compiled operators, of which only the names are needed
    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define(
        "roi_align(Tensor input, Tensor rois, float spatial_scale, int pooled_height, int pooled_width,"
        " int sampling_ratio, bool aligned) -> Tensor"
    )
sys.modules.setdefault("gdown", types.ModuleType("gdown"))


def model(kind, backbone, scale, pixels, threads, weights, pair):
    from BackgroundMattingV2.model import MattingRefine

    torch.set_num_threads(int(threads))
    network = MattingRefine(backbone, float(scale), "sampling", int(pixels)).eval()
    network.load_state_dict({name: torch.from_numpy(x) for name, x in np.load(weights).items()}, strict=False)
    pictures, pha = np.load(pair), None
    src, bgr = (torch.from_numpy(pictures[k]).permute(2, 0, 1)[None].float().div(255) for k in ("src", "bgr"))
    if kind == "onnx":
        network = open_onnx(network, src, bgr, int(threads))
    elif kind == "script":
        network = torch.jit.script(network)

    def run(_):
        nonlocal pha
        with torch.no_grad():
            start = time.perf_counter()
            pha, _ = network(src, bgr)[:2]
            return [time.perf_counter() - start]

    serve(run, lambda: np.asarray(pha)[0, 0])


def open_onnx(network, src, bgr, threads):
    """The network exported for these pictures' size, as the original's export_onnx.py does it, in ONNX Runtime."""
    import onnxruntime

    network.refiner.patch_crop_method, network.refiner.patch_replace_method = "gather", "scatter_element"
    older = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
    with tempfile.TemporaryDirectory() as folder, torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file, names = f"{folder}/net.onnx", ["src", "bgr"]
        torch.onnx.export(network, (src, bgr), file, input_names=names, opset_version=17, **older)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return lambda src, bgr: session.run(None, {"src": src.numpy(), "bgr": bgr.numpy()})


def data(kind, foregrounds, backgrounds):
    from BackgroundMattingV2.dataset import augmentation
    from BackgroundMattingV2.dataset.images import ImagesDataset
    from BackgroundMattingV2.dataset.zip import ZipDataset
    from torchvision import transforms
    from torchvision.transforms import InterpolationMode

    torch.set_num_threads(1)
    size, lowest = (512, 0.4) if kind == "base" else (2048, 0.3)
    geometry = dict(degrees=(-5, 5), translate=(0.1, 0.1), shear=(-5, 5), resample=InterpolationMode.BILINEAR)
    jitter = transforms.ColorJitter(0.15, 0.15, 0.15, 0.05)
    pair = augmentation.PairCompose(
        [
            augmentation.PairRandomAffineAndResize((size, size), scale=(lowest, 1), **geometry),
            augmentation.PairRandomHorizontalFlip(),
            augmentation.PairRandomBoxBlur(0.1, 5),
            augmentation.PairRandomSharpen(0.1),
            augmentation.PairApplyOnlyAtIndices([1], jitter),
            augmentation.PairApply(transforms.ToTensor()),
        ]
    )
    background = transforms.Compose(
        [
            augmentation.RandomAffineAndResize((size, size), scale=(1, 2), **geometry),
            transforms.RandomHorizontalFlip(),
            augmentation.RandomBoxBlur(0.1, 5),
            augmentation.RandomSharpen(0.1),
            jitter,
            transforms.ToTensor(),
        ]
    )
    pha, fgr = ImagesDataset(f"{foregrounds}/pha", "L"), ImagesDataset(f"{foregrounds}/fgr", "RGB")
    pairs = ZipDataset([pha, fgr], transforms=pair)
    dataset = ZipDataset([pairs, ImagesDataset(backgrounds, "RGB", transforms=background)])

    def run(count):
        chosen = [random.randrange(len(dataset)) for _ in range(int(count))]
        start = time.process_time()
        for i in chosen:
            dataset[i]
        return [time.process_time() - start]

    serve(run)


if __name__ == "__main__":
    {"model": model, "data": data}[sys.argv[1]](*sys.argv[2:])
