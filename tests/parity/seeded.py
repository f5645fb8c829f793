"""Weights, pictures and cases that the recorder and the tests both generate, so that no large file is stored.

Every array is drawn from `numpy.random.RandomState`, whose streams are frozen for ever, seeded by the array's name.
Needs NumPy only: the recorder runs beside PyTorch, the tests beside Paddle.
"""

import itertools
import zlib

import numpy as np

BACKBONES = ("mobilenetv2", "resnet50", "resnet101")
MODES = ("full", "sampling", "thresholding")
SAMPLES = 256  # positions of each output that are recorded
DEEPEST = {"mobilenetv2": (320, 32, 24, 16), "resnet50": (2048, 512, 256, 64), "resnet101": (2048, 512, 256, 64)}


def random_state(name):
    return np.random.RandomState(zlib.crc32(name.encode()))


def official_name(paddle_name):
    """`…._mean` -> `….running_mean`, `…._variance` -> `….running_var`."""
    return paddle_name.replace("._mean", ".running_mean").replace("._variance", ".running_var")


def weight(name, shape):
    """One tensor of the network by its official name: activations of about unit size, outputs spread over 0..1."""
    rng = random_state(name)
    shape = tuple(shape)
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    if name.endswith("running_var"):
        return rng.uniform(0.6, 1.4, shape).astype(np.float32)
    if name.endswith("running_mean"):
        return (0.1 * rng.standard_normal(shape)).astype(np.float32)
    if name == "decoder.conv4.bias":
        return np.concatenate([[0.5, 0.0, 0.0, 0.0, 0.55], np.zeros(32)]).astype(np.float32)
    if name == "refiner.conv4.bias":
        return np.float32([0.5, 0.0, 0.0, 0.0])
    if name.endswith("bias"):
        return (0.1 * rng.standard_normal(shape)).astype(np.float32)
    if len(shape) == 1:  # scales of batch norms; small ones at the end of residual branches, or the sums grow
        ends_a_branch = ".bn3." in name and "layer" in name
        return (rng.uniform(0.7, 1.3, shape) * (0.3 if ends_a_branch else 1.0)).astype(np.float32)
    gain = 0.3 if name in ("decoder.conv4.weight", "refiner.conv4.weight") else 1.0
    drawn = gain * np.sqrt(2 / np.prod(shape[1:])) * rng.standard_normal(shape)
    if name == "decoder.conv4.weight":
        drawn[4] *= 0.4  # the predicted error: few cells clamped to 0 or 1, whose order would be open
    return drawn.astype(np.float32)


def picture(name, batch, height, width):
    """(batch, 3, height, width) float32, 0..1, multiples of 1/255: blocks of colour with fine noise on top."""
    rng = random_state(name)
    coarse = rng.randint(0, 206, (batch, 3, height // 12 + 2, width // 12 + 2))
    blocks = coarse.repeat(12, axis=2).repeat(12, axis=3)[:, :, 5 : 5 + height, 7 : 7 + width]
    return ((blocks + rng.randint(0, 50, blocks.shape)) / 255).astype(np.float32)


def pair(name, batch, height, width):
    """src and bgr: the background with another picture over the middle part of it."""
    bgr = picture(f"{name}/bgr", batch, height, width)
    src = bgr.copy()
    inner = (slice(None), slice(None), slice(height // 5, None), slice(width // 4, width - width // 4))
    src[inner] = picture(f"{name}/src", batch, height, width)[inner]
    return src, bgr


def normal(name, shape):
    return random_state(name).standard_normal(shape).astype(np.float32)


def uniform(name, shape):
    return random_state(name).uniform(0, 1, shape).astype(np.float32)


def positions(name, count):
    """Flat indices at which an array of `count` values is recorded."""
    return random_state(f"positions of {name}").randint(0, count, min(count, SAMPLES))


def fingerprint(name, array):
    """The values at the seeded positions, then mean and standard deviation, float32."""
    flat = np.asarray(array, np.float64).ravel()
    return np.concatenate([flat[positions(name, flat.size)], [flat.mean(), flat.std()]]).astype(np.float32)


def forward_cases():
    """name -> constructor arguments, batch, size and whether the base outputs too are compared."""
    cases = {}
    for backbone, mode, kernel, batch in itertools.product(BACKBONES, MODES, (3, 1), (1, 2)):
        cases[f"{backbone}-{mode}-k{kernel}-b{batch}"] = dict(
            backbone=backbone,
            backbone_scale=0.25,
            refine_mode=mode,
            refine_sample_pixels=8_000,
            refine_threshold=0.4,
            refine_kernel_size=kernel,
            batch=batch,
            height=132,
            width=188,
        )

    def add(name, height, width, **changed):
        base = dict(
            backbone="mobilenetv2",
            backbone_scale=0.25,
            refine_mode="sampling",
            refine_sample_pixels=8_000,
            refine_threshold=0.4,
            refine_kernel_size=3,
            batch=1,
        )
        cases[name] = {**base, **changed, "height": height, "width": width}

    add("hd", 1080, 1920, refine_sample_pixels=80_000)
    add("odd-coarse-540x956", 540, 956, refine_sample_pixels=20_000, batch=2)
    add("scale-0.3-52x84", 52, 84, backbone_scale=0.3, refine_sample_pixels=1_600)
    add("scale-0.5", 96, 140, backbone_scale=0.5, refine_sample_pixels=4_000, batch=2)
    add("scale-0.125", 160, 232, backbone_scale=0.125, batch=2)
    add("scale-0.07", 232, 160, backbone_scale=0.07)
    add("as-many-cells-as-there-are", 64, 96, refine_sample_pixels=64 * 96, batch=2)
    add("oversampling", 132, 188, refine_sample_pixels=24_000, refine_prevent_oversampling=False)
    return cases


TRAIN_CASES = {
    "base-mobilenetv2": dict(backbone="mobilenetv2", refine=False),
    "base-resnet50": dict(backbone="resnet50", refine=False),
    "base-resnet101": dict(backbone="resnet101", refine=False),
    "refine-mobilenetv2": dict(backbone="mobilenetv2", refine=True, mode="sampling"),
    "refine-mobilenetv2-full": dict(backbone="mobilenetv2", refine=True, mode="full"),
    "refine-resnet50": dict(backbone="resnet50", refine=True, mode="sampling"),
}
TRAIN_BATCH, TRAIN_SIZE = 4, (96, 128)
