"""Training losses of the base and of the refining network, as dicts of named terms.

Terms and weights (all 1) are those of the PyTorch original's training scripts (Lin et al., "Real-Time High-Resolution
Background Matting", CVPR 2021, section 4.2); the Laplacian term is the one that the first Paddle reproduction added
(section 4.2 of Forte and Pitie, "F, B, Alpha Matting", and Hou and Liu, "Context-Aware Image Matting").

All pictures are NCHW tensors in 0..1, pha and err with one channel, fgr with three. Everything is computed in float32,
outside of automatic mixed precision, and in Paddle operations only, so that every term has its gradient.
"""

from functools import lru_cache

import cv2
import numpy as np
import paddle
import paddle.nn.functional as F

from model.resize import bilinear


def original_loss(out, true_pha, true_fgr, use_laplacian=True):
    """Loss of MattingBase, or of MattingRefine on the refined pictures and on the coarse ones (`_sm`).

    out: dict of pha, err (b, 1, H, W) and fgr (b, 3, H, W); or of pha, fgr, and pha_sm, err_sm (b, 1, h, w) and fgr_sm
    (b, 3, h, w). use_laplacian: add the Laplacian pyramid term on each alpha.

    Returns dict of scalar tensors: pha_l1, pha_sobel_l1, fgr_l1, the same of the coarse pictures (pha_sm_l1 ...) if
    there are any, err_mse, pha_laplacian and pha_sm_laplacian (if used), total.
    """
    with paddle.amp.auto_cast(enable=False):
        out = in_float32(out)
        true = {"pha": true_pha, "fgr": true_fgr}
        sizes = [at for at in ("", "_sm") if f"pha{at}" in out]
        if "_sm" in sizes:
            true.update({f"{name}_sm": bilinear(true[name], out["pha_sm"].shape[2:]) for name in ("pha", "fgr")})
        terms = {f"pha{at}_l1": F.l1_loss(out[f"pha{at}"], true[f"pha{at}"]) for at in sizes}
        for at in sizes:
            terms[f"pha{at}_sobel_l1"] = F.l1_loss(sobel(out[f"pha{at}"]), sobel(true[f"pha{at}"]))
        for at in sizes:
            mask = (true[f"pha{at}"] != 0).astype(true_fgr.dtype)  # where there is a subject, though the mean is of all
            terms[f"fgr{at}_l1"] = F.l1_loss(out[f"fgr{at}"] * mask, true[f"fgr{at}"] * mask)
        if "_sm" in sizes:
            err, pha = (bilinear(out[name], true_pha.shape[2:]) for name in ("err_sm", "pha_sm"))
        else:  # the error map learns to predict alpha's error; alpha does not learn to be predictable
            err, pha = out["err"], out["pha"].detach()  # the original's refine stage does not detach it
        terms["err_mse"] = F.mse_loss(err, (pha - true_pha).abs())
        if use_laplacian:
            terms.update({f"pha{at}_laplacian": laplacian_l1(out[f"pha{at}"], true[f"pha{at}"]) for at in sizes})
        return {**terms, "total": sum(terms.values())}


def people_loss(out, true_pha, true_fgr, use_laplacian=True):
    """Loss of the recipe `people` on values of MattingRefine before they are clamped, as of `people.Unclamped`.

    docs/train.md says what its terms ask for. The true coarse alpha is averaged, not sampled, and the error map learns
    the coarse alpha's error at its own size. Arguments and result are those of `original_loss`, with coarse pictures.
    """
    with paddle.amp.auto_cast(enable=False):
        out = in_float32(out)
        small = [averaged_down(true, out["pha_sm"].shape[2:]) for true in (true_pha, true_fgr)]
        scales = ("", true_pha, true_fgr), ("_sm", *small)
        terms = {}
        for (at, true, _), reach in zip(scales, (8, 4)):
            raw = out[f"pha{at}"]
            pha = raw.clip(0, 1)
            terms[f"pha{at}_l1"] = F.l1_loss(pha, true)
            terms[f"pha{at}_sobel_l1"] = F.l1_loss(sobel(pha), sobel(true))
            if use_laplacian:
                terms[f"pha{at}_laplacian"] = laplacian_l1(pha, true)
            terms[f"pha{at}_square"] = 5 * F.mse_loss(pha, true)
            hidden = beyond_clamping(raw, true)
            terms[f"pha{at}_raw"] = F.smooth_l1_loss(hidden, paddle.zeros_like(hidden), delta=0.5)
            terms[f"pha{at}_flat"] = 0.1 * flat_margin(raw, true, reach)
        for at, pha, true in scales:
            difference = (out[f"fgr{at}"].clip(0, 1) - true) * (pha > 0.01).astype(true.dtype)
            terms[f"fgr{at}"] = 2.5 * difference.abs().mean() + 8 * (difference * difference).mean()
        wanted = (out["pha_sm"].detach().clip(0, 1) - small[0]).abs()
        terms["err_mse"] = beyond_clamping(out["err_sm"], wanted).square().mean()
        return {**terms, "total": sum(terms.values())}


def beyond_clamping(raw, true):
    """raw - true without what clamping to 0..1 repairs: above a true 1 and below a true 0."""
    difference = raw - true
    low, high = (true > 0.002).astype(raw.dtype), (true < 0.998).astype(raw.dtype)
    return F.relu(difference) * high - F.relu(-difference) * low


def flat_margin(raw, true, reach):
    """By how much `raw` misses -0.02 and 1.02, at most 0.2, farther than `reach` pixels from all that is not so."""
    pixels = true.numpy()
    square = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    flat = [
        paddle.to_tensor(np.stack([1 - cv2.dilate(mask.astype(np.uint8), square) for mask in masks[:, 0]])[:, None])
        for masks in (pixels > 0.002, pixels < 0.998)
    ]
    empty, solid = (mask.astype(raw.dtype) for mask in flat)
    return (F.relu(raw + 0.02) * empty + F.relu(1.02 - raw) * solid).clip(max=0.2).mean()


def averaged_down(x, size):
    """Reduce (b, c, H, W) to `size` by a triangular window as wide as the step: PyTorch's antialiased bilinear."""
    rows, columns = (paddle.to_tensor(triangles(n, m)).astype(x.dtype) for n, m in zip(x.shape[2:], size))
    return paddle.matmul(paddle.matmul(rows, x), columns, transpose_y=True).clip(0, 1)


@lru_cache(maxsize=256)
def triangles(source, size):
    """(size, source) float64 weights of `averaged_down` along one axis; they sum to 1 for each output."""
    step = source / size
    middles = (np.arange(size) + 0.5) * step
    weights = np.clip(1 - np.abs(np.arange(source) + 0.5 - middles[:, None]) / max(step, 1), 0, None)
    return weights / weights.sum(1, keepdims=True)


def in_float32(out):
    """A dict of tensors, those in half precision as float32."""
    half = paddle.float16, paddle.bfloat16
    return {name: x.astype("float32") if x.dtype in half else x for name, x in out.items()}


def sobel(x):
    """Gradient magnitude (b, c, H, W) -> (b, c, H, W), as kornia's `sobel`: kernels / 8, replicated borders, and
    sqrt(gx^2 + gy^2 + 1e-6), so that a flat area gives 1e-3."""
    shape = x.shape
    x = F.pad(x.reshape([-1, 1, *shape[2:]]), [1, 1, 1, 1], mode="replicate")
    gradient = F.conv2d(x, kernel(SOBEL, x))
    return paddle.sqrt((gradient * gradient).sum(1) + 1e-6).reshape(shape)


def laplacian_l1(pred, true, levels=5):
    """Laplacian pyramid loss: sum over levels l of 2^l * mean |pyramid_l(pred) - pyramid_l(true)|, divided by `levels`.

    (b, 1, H, W) twice -> scalar. The pyramid is linear, so that of the difference is enough. Odd sizes lose their last
    row or column at each level. A level needs 4 pixels a side: pictures of less than 64 have fewer levels (the divisor
    stays).
    """
    difference, total = pred - true, 0.0
    for level in range(levels):
        height, width = (n // 2 * 2 for n in difference.shape[2:])
        if min(height, width) < 4:
            break
        if difference.shape[2:] != [height, width]:
            difference = difference[:, :, :height, :width]
        smaller = F.conv2d(F.pad(difference, [2, 2, 2, 2], mode="reflect"), kernel(BLUR, difference), stride=2)
        # Back to double size: zeros between rows and columns, times 4, and the same blur. They need not be made: along
        # each axis even outputs are (x[i-1] + 6 x[i] + x[i+1]) / 8, odd ones (x[i] + x[i+1]) / 2; the reflection at
        # double size means x[1] before the first and x[n-1] after the last.
        padded = F.pad(F.pad(smaller, [1, 0, 1, 0], mode="reflect"), [0, 1, 0, 1], mode="replicate")
        larger = F.pixel_shuffle(F.conv2d(padded, kernel(EVEN_ODD, padded)), 2)
        total = total + 2**level * (difference - larger).abs().mean()
        difference = smaller
    return total / levels


def kernel(weights, like):
    """(n, 1, k, k) convolution weights without gradient, of the data type of `like`."""
    return paddle.to_tensor(np.stack(weights)[:, None], dtype=like.dtype)


SOBEL = [np.outer([1, 2, 1], [-1, 0, 1]) / 8, np.outer([-1, 0, 1], [1, 2, 1]) / 8]
BLUR = [np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256]
EVEN_ODD = [np.outer(rows, columns) / 64 for rows in ([1, 6, 1], [0, 4, 4]) for columns in ([1, 6, 1], [0, 4, 4])]
