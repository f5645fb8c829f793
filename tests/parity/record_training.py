"""Record five Adam steps of the PyTorch original with the losses of its training scripts: `training.npz` beside this.

    python -m tests.parity.record_training

Needs the environment of `record.py`. The steps are made in float64: Adam divides each gradient by its own
size, so that in float32 the rounding of the many nearly vanishing ones grows to full steps. How far the original's own
float32 steps end from these is kept beside them.
"""

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from tests.parity.record import import_original, load
from tests.parity.training_case import CASES, RATE, STEPS, batch, sampled


def sobel(x):
    """kornia's, of one channel."""
    across = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]], dtype=x.dtype) / 8
    gradient = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), torch.stack([across, across.T])[:, None])
    return (gradient.square().sum(1, keepdim=True) + 1e-6).sqrt()


def base_loss(outputs, true_pha, true_fgr):
    pha, fgr, err, _ = outputs
    mask = true_pha != 0
    return (
        F.l1_loss(pha, true_pha)
        + F.l1_loss(sobel(pha), sobel(true_pha))
        + F.l1_loss(fgr * mask, true_fgr * mask)
        + F.mse_loss(err, (pha.detach() - true_pha).abs())
    )


def refine_loss(outputs, true_pha, true_fgr):
    pha, fgr, pha_sm, fgr_sm, err_sm, _ = outputs

    def resize(x, like):
        return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)

    true_pha_sm, true_fgr_sm = resize(true_pha, pha_sm), resize(true_fgr, pha_sm)
    mask, mask_sm = true_pha != 0, true_pha_sm != 0
    return (
        F.l1_loss(pha, true_pha)
        + F.l1_loss(pha_sm, true_pha_sm)
        + F.l1_loss(sobel(pha), sobel(true_pha))
        + F.l1_loss(sobel(pha_sm), sobel(true_pha_sm))
        + F.l1_loss(fgr * mask, true_fgr * mask)
        + F.l1_loss(fgr_sm * mask_sm, true_fgr_sm * mask_sm)
        + F.mse_loss(resize(err_sm, pha), (resize(pha_sm, pha) - true_pha).abs())
    )


def steps(case, base_class, refine_class, dtype):
    kind, arguments = CASES[case]
    model = (base_class if kind == "base" else refine_class)("mobilenetv2", *arguments)
    model = load(model).to(dtype).train()
    model.aspp.project[3].p = 0.0  # dropout draws differ between the frameworks
    src, bgr, pha, fgr = (torch.from_numpy(x).to(dtype) for x in batch(case))
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    totals = []
    for _ in range(STEPS):
        loss = (base_loss if kind == "base" else refine_loss)(model(src, bgr), pha, fgr)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        totals.append(loss.item())
    return model, totals


def main():
    torch.set_num_threads(2)
    base_class, refine_class = import_original()
    found = {}
    for case in CASES:
        exact, totals = steps(case, base_class, refine_class, torch.float64)
        single, _ = steps(case, base_class, refine_class, torch.float32)
        found[f"{case}/totals"] = np.float64(totals)
        worst = 0.0
        for (name, value), other in zip(exact.named_parameters(), single.parameters()):
            found[f"{case}/{name}"] = sampled(name, value.detach().numpy())
            worst = max(worst, float((other.detach() - value.detach()).norm() / value.detach().norm()))
        found[f"{case}/float32"] = np.float32(worst)
        print(case, totals, "the original in float32 ends", worst, "away")
    path = Path(__file__).with_name("training.npz")
    np.savez_compressed(path, **found)
    print(f"{len(found)} arrays, {path.stat().st_size:,} bytes -> {path}")


if __name__ == "__main__":
    main()
