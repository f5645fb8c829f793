"""Pictures to matte, composed from foregrounds with alpha and backgrounds, and which of them eval.py scores.

`Composites` gives the same pixels on every machine: whole numbers, Pillow's resize (fixed point, plain C) and
`numpy.random.RandomState`, whose streams NumPy has frozen. Floating point, which vector units round differently, only
makes parameters, which are rounded before use; but the figures of the demonstration set and of clips are drawn in it.

Pictures are uint8: src, bgr, fgr (H, W, 3) RGB, pha and trimap (H, W).
"""

import hashlib
import math
from argparse import Namespace
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Optional

import cv2
import numpy as np
from PIL import Image

from dataset import drawn
from dataset.folders import ForegroundDataset, ImagesDataset, data_folder
from dataset.labels import looked_at
from dataset.picture import PictureError, read_alpha, read_rgb
from utils.evaluation.metric import make_trimap
from utils.evaluation.samples import Sample, Samples, StoredSet, clips_in
from utils.picture.blend import blend
from utils.picture.sample_pair import SAMPLE_PHA, SAMPLE_SRC, read_sample_pair
from utils.system.errors import UsageError

# What two photographs of one scene, taken one after the other with a fixed camera, differ by (see `capture`).
CAPTURE = {
    "shift": (-0.75, 0.75),  # pixels, each axis
    "exposure": (0.94, 1.06),  # factor on the captured background
    "white_balance": (0.98, 1.02),  # factor on each of its channels
    "read_noise": (0.5, 2.0),  # standard deviation in levels of 255, at black
    "shot_noise": (1.0, 4.0),  # the same at white; grows with the square root of the brightness
    "shadow": (0.0, 0.3),  # share of the light that the darkest spot loses
    "shadow_offset": (-0.08, 0.08),  # of the picture's height, each axis
    "shadow_softness": (0.02, 0.06),  # radius of the box filter, of the picture's height
}
SEVERAL = {"shift": 2, "white_balance": 3, "shadow_offset": 2}  # numbers that are drawn


def _uniform(rng, low, high):
    return round(low + (high - low) * rng.random_sample(), 6)


def _resize(picture, width, height):
    # A triangle filter widened by the scale: no aliasing, and no ringing that would leave specks in an alpha.
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR))


def _fit_frame(fgr, pha, height):
    if height is None:
        bottom, right = pha.shape[0] // 4 * 4, pha.shape[1] // 4 * 4
        if not bottom or not right:
            raise PictureError(f"a foreground of {pha.shape[1]}x{pha.shape[0]} is too small: give at least 4x4")
        return fgr[:bottom, :right], pha[:bottom, :right]
    width = max(4, round(pha.shape[1] * height / pha.shape[0] / 4) * 4)
    return _resize(fgr, width, height), _resize(pha, width, height)


def _cover(background, width, height, rng):
    """The background scaled to just cover width x height, cut out at a random place; and that place."""
    own_height, own_width = background.shape[:2]
    scaled = max(width, round(own_width * height / own_height)), max(height, round(own_height * width / own_width))
    left = int(round(_uniform(rng, 0, 1) * (scaled[0] - width)))
    top = int(round(_uniform(rng, 0, 1) * (scaled[1] - height)))
    cut = _resize(background, *scaled)[top : top + height, left : left + width]
    return cut, {"background_size": list(scaled), "background_corner": [left, top]}


def _paper_like(fgr, pha, background, rng, height):
    fgr, pha = _fit_frame(fgr, pha, height)
    bgr, parameters = _cover(background, pha.shape[1], pha.shape[0], rng)
    return blend(fgr, pha, bgr), bgr, pha, fgr, parameters


def capture(
    fgr: np.ndarray, pha: np.ndarray, background: np.ndarray, rng: np.random.RandomState, height: Optional[int] = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict]:
    """Make a sample as two photographs of one scene, which differ by what CAPTURE says.

    The subject's shadow falls on the scene of src only; both have noise of their own.

    Args: fgr (H, W, 3), pha (H, W), background (any size, 3), uint8; height as in Composites. Returns src, bgr, pha,
    fgr and a dict of what was drawn.
    """
    fgr, pha = _fit_frame(fgr, pha, height)
    height, width = pha.shape
    wide, chosen = _cover(background, width + 4, height + 4, rng)  # room for the shift
    for name, bounds in CAPTURE.items():
        values = [_uniform(rng, *bounds) for _ in range(SEVERAL.get(name, 1))]
        chosen[name] = values if name in SEVERAL else values[0]
    scene = wide[2:-2, 2:-2]
    shadow = _soft_shadow(pha, chosen["shadow_offset"], chosen["shadow_softness"])
    strength = int(round(chosen["shadow"] * 65536))
    light = (255 * 65536 - strength * shadow)[..., None]  # 255 << 16 where no shadow falls
    scene = ((scene * light + 255 * 32768) // (255 * 65536)).astype(np.uint8)
    src = _add_noise(blend(fgr, pha, scene), chosen, rng)

    right, down = chosen["shift"]
    bgr = _warp(wide, [[1, 0, 2 + right], [0, 1, 2 + down]], width, height)
    levels = np.arange(256)[:, None] * (chosen["exposure"] * np.array(chosen["white_balance"]))
    lighter = cv2.LUT(bgr, np.minimum(np.rint(levels), 255).astype(np.uint8)[None])
    return src, _add_noise(lighter, chosen, rng), pha, fgr, chosen


def _soft_shadow(pha, offset, softness):
    """The alpha, moved and blurred: int64 (H, W) 0..255."""
    moved = zip(pha.shape, (int(round(share * len(pha))) for share in reversed(offset)))
    rows, cols = (np.clip(np.arange(side) - by, 0, side - 1) for side, by in moved)
    shadow, window = pha[rows][:, cols], 2 * max(1, int(round(softness * len(pha)))) + 1
    for size in ((1, window), (window, 1)) * 2:  # twice each way: close to a Gaussian
        sums = cv2.boxFilter(shadow, cv2.CV_32S, size, normalize=False, borderType=cv2.BORDER_REPLICATE)
        shadow = ((sums + window // 2) // window).astype(np.uint8)
    return shadow.astype(np.int64)


def _add_noise(picture, chosen, rng):
    """Sensor noise, variance read^2 + shot^2 * brightness, as near to normal as a sum of eight uniform draws."""
    sigma = np.sqrt(chosen["read_noise"] ** 2 + chosen["shot_noise"] ** 2 * (np.arange(256) / 255))
    # A sum of eight bytes has a mean of 4 * 255 and a standard deviation of sqrt(8 * (256^2 - 1) / 12).
    factor = np.rint(sigma * 65536 / np.sqrt(8 * (256**2 - 1) / 12)).astype(np.int32)
    draws = np.frombuffer(rng.bytes(picture.size * 8), np.uint8).reshape(*picture.shape, 8)
    noise = 2 * draws.sum(axis=-1, dtype=np.int32) - 8 * 255
    return np.clip(picture + ((noise * factor[picture] + 65536) >> 17), 0, 255).astype(np.uint8)


def _reference(fgr, pha, background, rng, size):
    size = size or 2048
    matrix, subject = _random_affine(pha.shape, size, (0.55, 0.9), rng)
    fgr, pha = (_warp(picture, matrix, size, size) for picture in (fgr, pha))
    matrix, behind = _random_affine(background.shape[:2], size, (1.0, 1.2), rng)
    bgr = _warp(background, matrix, size, size)
    return blend(fgr, pha, bgr), bgr, pha, fgr, {"foreground_affine": subject, "background_affine": behind}


def _random_affine(shape, size, scale, rng):
    """The earlier reproduction's affine transform about the picture's centre: rotation and shear along x within 5
    degrees, shift within a tenth, scale relative to covering the square. Returns output -> input and what was drawn."""
    sides, bounds = np.array(shape[::-1]), ((-5, 5), (-0.1, 0.1), (-0.1, 0.1), scale, (-5, 5))
    cover = max(size / sides)
    rotation, *shift, factor, shear = (_uniform(rng, *of) for of in bounds)
    shift = [int(round(share * cover * side)) for share, side in zip(shift, sides.tolist())]
    turn, slant = math.radians(rotation), math.radians(shear)
    # Rounded, so that the last digit of another machine's cosine does not matter.
    cos, sin, tan = (round(x, 12) for x in (math.cos(turn), math.sin(turn), math.tan(slant)))
    # The inverse of scale * rotation * shear along x, as in torchvision's affine(), about both middles.
    inverse = np.array([[cos - sin * tan, sin + cos * tan], [-sin, cos]]) / (cover * factor)
    offset = (sides - 1) / 2 - (inverse * ((size - 1) / 2 + np.array(shift))).sum(axis=1)
    chosen = {"rotation": rotation, "shift": shift, "scale": factor, "shear": shear}
    return np.column_stack([inverse, offset]), chosen


def _warp(picture, matrix, width, height, rows_at_once=256):
    """Affine transform with bilinear point sampling in integers; black outside.

    matrix: (2, 3), output pixel (x, y) shows the input at matrix @ (x, y, 1).
    """
    scaled = np.rint(np.multiply(matrix, 2**24)).astype(np.int64)
    padded = np.pad(picture.reshape(*picture.shape[:2], -1).astype(np.int32), ((1, 1), (1, 1), (0, 0)))
    out = np.empty((height, width, padded.shape[2]), np.uint8)
    x = np.arange(width, dtype=np.int64)
    for top in range(0, height, rows_at_once):
        y = np.arange(top, min(top + rows_at_once, height), dtype=np.int64)[:, None]
        # Coordinates in 1/256 pixel, one further for the black frame.
        at = (((a * x + b * y + c + 2**15) >> 16) + 256 for a, b, c in scaled)
        at_x, at_y = (np.clip(to, 0, (side - 1) * 256 - 1) for to, side in zip(at, padded.shape[1::-1]))
        left, up = at_x >> 8, at_y >> 8
        right, low = ((to & 255)[..., None].astype(np.int32) for to in (at_x, at_y))
        above, below = (padded[row, left] * (256 - right) + padded[row, left + 1] * right for row in (up, up + 1))
        out[top : top + len(y)] = (above * (256 - low) + below * low + 32768) >> 16
    return out.reshape(height, width, *picture.shape[2:])


PROTOCOLS = {"paper-like": _paper_like, "reference": _reference, "capture": capture}


class Composites(Samples):
    """Samples composed from foregrounds and backgrounds when they are asked for; the same whenever, wherever.

    Args:
        foregrounds: folder with fgr and pha in it, or with RGBA pictures, see dataset.folders.
        backgrounds: folder of pictures without people.
        protocol: one of PROTOCOLS: "paper-like", the foreground fills the frame as it was photographed, and the
            background covers it, cropped at a random place; "reference", what the earlier Paddle reproduction
            evaluated on, each under a random affine transform in a black square of 2048 pixels; both with exactly the
            background behind src as bgr. "capture", paper-like as two photographs, see CAPTURE.
        seed: every random number follows from it and the foreground's name.
        height: of the pictures, a multiple of 4; None: the foreground's own, cut at the right and bottom to multiples
            of 4, as the original benchmark does, or 2048 in "reference".
    """

    def __init__(
        self, foregrounds: Path, backgrounds: Path, protocol: str, seed: int = 0, height: Optional[int] = None
    ):
        if height and height % 4:
            raise UsageError(f"--height {height} is no multiple of 4: give one that is")
        self.foregrounds, self.backgrounds = ForegroundDataset(foregrounds), ImagesDataset(backgrounds)
        self.protocol, self.seed, self.height, self.background_folder = protocol, seed, height, backgrounds
        folder = self.foregrounds.folder
        self.names = [
            "/".join([fgr.relative_to(folder).with_suffix("").as_posix(), *(f"{number:05d}" for number in frame)])
            for fgr, _, *frame in self.foregrounds.items  # frame: of a video
        ]
        if twice := [name for name, count in Counter(self.names).items() if count > 1]:
            raise PictureError(f"{folder} has two pictures named {twice[0]}: rename one")
        self.order = np.arange(len(self.backgrounds))
        if protocol != "reference":  # there, background i belongs to foreground i, counted round
            self.order = np.random.RandomState(seed).permutation(self.order)

    def __getitem__(self, index: int) -> Sample:
        name, place = self.names[index], int(self.order[index % len(self.order)])
        (fgr, pha), background = self.foregrounds[index], self.backgrounds[place]
        path = self.backgrounds.paths[place].relative_to(self.background_folder).as_posix()
        read = {"foreground": (name, np.dstack([fgr, pha])), "background": (path, background)}
        sources = {part: {"name": of, "pixels_sha256": pixels_sha256(x)} for part, (of, x) in read.items()}
        digest = hashlib.sha256(f"{self.seed}/{name}".encode()).digest()
        rng = np.random.RandomState(int.from_bytes(digest[:4], "big"))
        src, bgr, pha, fgr, parameters = PROTOCOLS[self.protocol](fgr, pha, background, rng, self.height)
        return Sample(name, pha, src, bgr, fgr, make_trimap(pha), {**sources, **parameters})

    def labels(self) -> Iterable[tuple]:
        return looked_at(self.foregrounds)


def pixels_sha256(picture: np.ndarray) -> str:
    """sha256 of a uint8 picture's shape and pixels, whatever file format it is packed in."""
    head = "x".join(str(side) for side in picture.shape)
    return hashlib.sha256(head.encode() + b":" + np.ascontiguousarray(picture).tobytes()).hexdigest()


class DemonstrationSet(Samples):
    """The sample pair, its subject before drawn scenes, and drawn figures before drawn scenes.

    All but the first are made under the protocol "capture". The alpha of the first five is the sample's, that of the
    drawn figures exact. Names: sample, cutout_1 .., drawn_1 ..
    """

    def __init__(self, seed: int = 0):
        self.seed = seed
        self.names = ["sample", *(f"{kind}_{number}" for kind in ("cutout", "drawn") for number in range(1, 5))]

    def __getitem__(self, index: int) -> Sample:
        name = self.names[index]
        if index == 0:
            pha, (src, bgr) = read_alpha(SAMPLE_PHA), read_sample_pair()
            return Sample(name, pha, src, bgr, trimap=make_trimap(pha))
        of_figure, of_scene = (np.random.default_rng([self.seed, kind, index]) for kind in (0, 1))
        fgr, pha = cut_out() if name.startswith("cutout") else drawn.figure(of_figure, 480, 400)
        scene, rng = drawn.background(of_scene, *pha.shape), np.random.RandomState([self.seed, index])
        src, bgr, pha, fgr, parameters = capture(fgr, pha, scene, rng)
        return Sample(name, pha, src, bgr, fgr, make_trimap(pha), parameters)


def swaying_clip(scene: np.ndarray, seed: int, count: int) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """A drawn figure that sways before a scene, uint8 (H, W, 3): captured background, and `count` frames (src, pha).

    Every frame, and the background, has a sensor's noise of its own, as strong as the middle of what the protocol
    "capture" draws.
    """
    rng, (height, width), frames = np.random.default_rng(seed), scene.shape[:2], []
    fgr, pha = drawn.figure(rng, height * 9 // 10, height * 3 // 4)
    sway, speed = rng.uniform(0.04, 0.15) * width, rng.uniform(0.1, 0.25)
    read, shot = (np.mean(CAPTURE[kind]) for kind in ("read_noise", "shot_noise"))

    def sensed(picture):
        return drawn.noisy(picture, rng, np.sqrt(read**2 + shot**2 * (picture / 255)))

    for number in range(count):
        turn = 0.06 * np.sin(1.3 * speed * number)
        right = (width - pha.shape[1]) / 2 + sway * np.sin(speed * number)
        down = height - pha.shape[0] + 0.01 * height * np.sin(2 * speed * number)
        matrix = np.array([[np.cos(turn), -np.sin(turn), right], [np.sin(turn), np.cos(turn), down]])
        moved = cv2.warpAffine(fgr, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
        true = cv2.warpAffine(pha, matrix, (width, height))
        frames.append((sensed(blend(moved, true, scene)), true))
    return sensed(scene), frames


def cut_out() -> tuple[np.ndarray, np.ndarray]:
    """The sample's subject: fgr and pha. Where pha is not full, fgr goes on from where it is."""
    pha, src = read_alpha(SAMPLE_PHA), read_rgb(SAMPLE_SRC)
    left = max(0, np.flatnonzero(pha.any(axis=0))[0] - 80)  # the subject touches the frame elsewhere
    pha, src = pha[:, left:], src[:, left:]
    solid = (pha == 255).astype(np.float32)
    beyond = drawn.continue_outside(src / np.float32(255) * solid[..., None], solid)
    return np.where(solid[..., None] > 0, src, beyond), pha


def choose_samples(args: Namespace) -> tuple[Samples, str]:
    """The samples that eval.py's flags choose, and a line or more that tell what they are.

    --data-path is a set, a folder of clips, or foregrounds; without it PhotoMatte85 below --data-root, or else the
    demonstration set. A set needs no more than `pha` if its predictions are on disk. Raises UsageError, PictureError.
    """
    path = args.data_path
    if path and not path.is_dir():
        wrong = "is not a folder" if path.exists() else "does not exist"
        raise UsageError(f"--data-path {path} {wrong}: check the name of the folder")
    if args.pred and not path:
        raise UsageError("--pred needs --data-path with the set that it belongs to")
    if path and (args.pred or (path / "src").is_dir() or clips_in(path)):
        stored = StoredSet(path, ("pha",) if args.pred else ("src", "bgr", "pha"))
        return stored, f"{path}, {len(set(stored.clips.values()))} clips" if stored.clips else str(path)
    protocol = "reference" if args.protocol == "reference" else "paper-like"
    try:
        foregrounds = path or data_folder(args.data_root, "photomatte85", "valid")
        backgrounds = args.backgrounds or data_folder(args.data_root, "backgrounds", "valid")
    except PictureError as error:
        if path:
            ForegroundDataset(path)  # says it if these are none
            raise UsageError(f"--backgrounds is needed for foregrounds: {error}") from None
        said = "A small set is scored instead; its numbers show that everything runs, and nothing else."
        title = "DEMONSTRATION SET: the sample pair, its subject in 4 drawn scenes, 4 drawn figures"
        return DemonstrationSet(args.seed), f"{error}.\n{said}\n{title}"
    samples = Composites(foregrounds, backgrounds, protocol, args.seed, args.height)
    return samples, f"{foregrounds} over {backgrounds}, {protocol}, seed {args.seed}"
