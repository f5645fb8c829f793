"""The PyTorch original's training loader, run by `tools/benchmark.py data` in an environment that has PyTorch.

    python tools/speed/original_loader FOREGROUNDS BACKGROUNDS base|refine

For each line N on standard input it reads N samples on one thread and prints the processor seconds that one took. The
transforms and their numbers are those of the original's training scripts; the classes come from PyPI's
backgroundmattingv2 1.0.
"""

import random
import sys
import time
import types

import torch

library = torch.library.Library("torchvision", "DEF")  # torchvision's operators, which the loader never calls
for operator in ("nms", "qnms"):
    library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
sys.modules.setdefault("gdown", types.ModuleType("gdown"))

from BackgroundMattingV2.dataset import augmentation
from BackgroundMattingV2.dataset.images import ImagesDataset
from BackgroundMattingV2.dataset.zip import ZipDataset
from torchvision import transforms
from torchvision.transforms import InterpolationMode


def build(foregrounds, backgrounds, kind):
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
    return ZipDataset([pairs, ImagesDataset(backgrounds, "RGB", transforms=background)])


def main():
    torch.set_num_threads(1)
    dataset = build(*sys.argv[1:])
    for line in sys.stdin:
        count = int(line)
        chosen = [random.randrange(len(dataset)) for _ in range(count)]
        start = time.process_time()
        for i in chosen:
            dataset[i]
        print((time.process_time() - start) / count, flush=True)


if __name__ == "__main__":
    main()
