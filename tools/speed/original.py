"""The PyTorch original as a process of tools/benchmark.py, in an environment with torch and backgroundmattingv2 1.0.

    python tools/speed/original.py model eager|script|onnx BACKBONE WEIGHTS.npz SCALE PIXELS PAIR.npz ALPHA.npy
    python tools/speed/original.py data base|refine FOREGROUNDS BACKGROUNDS

Its numbers are the seconds of a frame (`onnx`: of its ONNX export in ONNX Runtime, with onnx and onnxruntime), or the
processor seconds of as many samples as a line asks for, on one thread, made by the transforms of its training scripts
(which torchvision has to be there for).
"""

import inspect
import random
import sys
import tempfile
import time
import types
import warnings

import numpy as np
import torch
from worker import serve

sys.modules.setdefault("gdown", types.ModuleType("gdown"))  # downloads weights, which is not needed


def model(kind, backbone, weights, scale, pixels, pair, alpha):
    from BackgroundMattingV2.model import MattingRefine

    network = MattingRefine(backbone, float(scale), "sampling", int(pixels)).eval()
    network.load_state_dict({name: torch.from_numpy(x) for name, x in np.load(weights).items()}, strict=False)
    pictures = np.load(pair)
    src, bgr = (torch.from_numpy(pictures[k]).permute(2, 0, 1)[None].float().div(255) for k in ("src", "bgr"))
    if kind == "onnx":
        network = open_onnx(network, src, bgr)
    elif kind == "script":
        network = torch.jit.script(network)

    def run(_):
        start = time.perf_counter()
        network(src, bgr)
        return time.perf_counter() - start

    with torch.no_grad():
        np.save(alpha, np.asarray(network(src, bgr)[0])[0, 0])
        serve(run)


def open_onnx(network, src, bgr):
    """The network exported for these pictures' size, as the original's export_onnx.py does it, in ONNX Runtime."""
    import onnxruntime

    network.refiner.patch_crop_method, network.refiner.patch_replace_method = "gather", "scatter_element"
    older = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
    with tempfile.TemporaryDirectory() as folder, torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file, names = f"{folder}/net.onnx", ["src", "bgr"]
        torch.onnx.export(network, (src, bgr), file, input_names=names, opset_version=17, **older)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return lambda src, bgr: session.run(None, {"src": src.numpy(), "bgr": bgr.numpy()})


def data(kind, foregrounds, backgrounds):
    from BackgroundMattingV2.dataset import augmentation as a
    from BackgroundMattingV2.dataset.images import ImagesDataset
    from BackgroundMattingV2.dataset.zip import ZipDataset
    from torchvision import transforms
    from torchvision.transforms import InterpolationMode

    torch.set_num_threads(1)
    side, lowest = (512, 0.4) if kind == "base" else (2048, 0.3)
    size, bilinear = (side, side), InterpolationMode.BILINEAR
    geometry = {"degrees": (-5, 5), "translate": (0.1, 0.1), "shear": (-5, 5), "resample": bilinear}
    jitter, tensor = transforms.ColorJitter(0.15, 0.15, 0.15, 0.05), transforms.ToTensor()
    place = a.PairRandomAffineAndResize(size, scale=(lowest, 1), **geometry)
    blurred = a.PairRandomBoxBlur(0.1, 5), a.PairRandomSharpen(0.1)
    coloured = a.PairApplyOnlyAtIndices([1], jitter), a.PairApply(tensor)
    pair = a.PairCompose([place, a.PairRandomHorizontalFlip(), *blurred, *coloured])
    place = a.RandomAffineAndResize(size, scale=(1, 2), **geometry)
    blurred = a.RandomBoxBlur(0.1, 5), a.RandomSharpen(0.1)
    background = transforms.Compose([place, transforms.RandomHorizontalFlip(), *blurred, jitter, tensor])
    pha, fgr = ImagesDataset(f"{foregrounds}/pha", "L"), ImagesDataset(f"{foregrounds}/fgr", "RGB")
    pairs = ZipDataset([pha, fgr], transforms=pair)
    dataset = ZipDataset([pairs, ImagesDataset(backgrounds, "RGB", transforms=background)])

    def run(count):
        chosen = [random.randrange(len(dataset)) for _ in range(int(count))]
        start = time.process_time()
        for i in chosen:
            dataset[i]
        return time.process_time() - start

    serve(run)


if __name__ == "__main__":
    {"model": model, "data": data}[sys.argv[1]](*sys.argv[2:])
