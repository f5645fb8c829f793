"""Record what the PyTorch original makes of the sample pair with the shipped weights: `inference.npz` beside this file.

    python -m tests.parity.record_inference

Needs what tests/parity/record.py needs.
"""

from pathlib import Path

import numpy as np
import torch

from dataset.picture import read_rgb
from tests.parity import seeded
from tests.parity.record import import_original
from utils.engine.presets import preset
from utils.system.files import sha256_file
from utils.weights.file import read_tensors

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = ROOT / "model/weights/mobilenetv2_people.pdparams"


def main():
    _, refine_class = import_original()
    src, bgr = (read_rgb(ROOT / f"image/sample_{part}.jpg") for part in ("src", "bgr"))
    scale, sample_pixels = preset(*src.shape[:2])
    model = refine_class("mobilenetv2", scale, "sampling", sample_pixels)
    state = {seeded.official_name(k): torch.from_numpy(v.astype("float32")) for k, v in read_tensors(WEIGHTS).items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    if unexpected or any(not name.endswith("num_batches_tracked") for name in missing):
        raise SystemExit(f"the weights do not fit: {missing} {unexpected}")
    with torch.no_grad():
        tensors = (torch.from_numpy(picture.transpose(2, 0, 1)[None]).float() / 255 for picture in (src, bgr))
        pha, fgr, _, _, err, ref = model.eval()(*tensors)
        err = torch.nn.functional.interpolate(err, ref.shape[2:], mode="bilinear", align_corners=False)
    path = Path(__file__).with_name("inference.npz")
    np.savez_compressed(
        path,
        pha=seeded.fingerprint("inference/pha", pha.numpy()),
        fgr=seeded.fingerprint("inference/fgr", fgr.numpy()),
        ref=np.packbits(ref.numpy() > 0.5),
        tied=np.flatnonzero(abs(err - err[ref > 0.5].min()) < 1e-6),  # with the last cell that is refined
        levels=np.rint(pha.numpy()[0, 0] * 255).astype(np.uint8),
        weights=sha256_file(WEIGHTS),
    )
    print(f"{path.stat().st_size:,} bytes -> {path}")


if __name__ == "__main__":
    main()
