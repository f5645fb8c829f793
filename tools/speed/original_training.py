"""The PyTorch original's training step as a worker of `tools/benchmark.py train-step`, in an environment with PyTorch.

    python tools/speed/original_training BACKBONE BATCH SIZE THREADS

Needs PyPI's backgroundmattingv2 1.0. The loss is that of its training script, without kornia: Sobel by convolution.
For each line on standard input it runs a step and prints its seconds, those of forward with loss and of backward.
"""

import sys
import time

import original_model  # noqa: F401  stands in for what torchvision lacks
import torch
from BackgroundMattingV2.model import MattingBase
from torch.nn import functional as F


def sobel(x):
    kernel = torch.tensor([[1.0, 2, 1]]).T @ torch.tensor([[-1.0, 0, 1]]) / 8
    gradient = F.conv2d(F.pad(x, [1] * 4, mode="replicate"), torch.stack([kernel, kernel.T])[:, None])
    return (gradient.square().sum(1, keepdim=True) + 1e-6).sqrt()


def main():
    backbone, *numbers = sys.argv[1:]
    batch, size, threads = map(int, numbers)
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = MattingBase(backbone).train()
    optimizer = torch.optim.Adam(model.parameters(), 1e-4)
    src, bgr, pha, fgr = (torch.rand(batch, c, size, size) for c in (3, 3, 1, 3))
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        pred_pha, pred_fgr, pred_err, _ = model(src, bgr)
        mask = (pha != 0).float()
        loss = F.l1_loss(pred_pha, pha) + F.l1_loss(sobel(pred_pha), sobel(pha))
        loss = loss + F.l1_loss(pred_fgr * mask, fgr * mask)
        loss = loss + F.mse_loss(pred_err, (pred_pha.detach() - pha).abs())
        middle = time.perf_counter()
        loss.backward()
        end = time.perf_counter()
        optimizer.step()
        optimizer.zero_grad()
        loss.item()
        print(time.perf_counter() - start, middle - start, end - middle, flush=True)


if __name__ == "__main__":
    main()
