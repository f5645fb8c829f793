"""Five steps of Adam on fixed weights and batches end where the PyTorch original's do (tests/parity/training.npz)."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import paddle
import pytest

from model import MattingBase, MattingRefine
from tests.parity import seeded
from tests.parity.training_case import CASES, RATE, STEPS, batch, sampled
from utils.training.state import forward_loss, update

RECORDED = np.load(Path(__file__).resolve().parents[1] / "parity" / "training.npz")
# Paddle's interpolation computes in float32 even on float64 pictures, and only the refine network resizes its input
TOLERANCE = {"base": 1e-9, "refine": 1e-4}


@pytest.mark.parametrize("case", CASES)
def test_five_steps_end_at_the_originals_parameters(case):
    distances, totals = train_case(case)
    np.testing.assert_allclose(totals, RECORDED[f"{case}/totals"], rtol=1e-5)
    assert len(distances) == {"base": 182, "refine": 193}[case]
    worst = max(distances, key=distances.get)
    assert distances[worst] < TOLERANCE[case], (worst, distances[worst])


def train_case(case):
    """{parameter: relative distance to the recorded values after the last step}, and the loss of each step."""
    kind, arguments = CASES[case]
    default = paddle.get_default_dtype()
    paddle.set_default_dtype("float64")
    try:
        model = (MattingBase if kind == "base" else MattingRefine)("mobilenetv2", *arguments)
    finally:
        paddle.set_default_dtype(default)
    for layer in model.sublayers():
        if isinstance(layer, paddle.nn.Dropout):  # dropout draws differ between the frameworks
            layer.p = 0.0
    for name, value in model.state_dict().items():
        value.set_value(seeded.weight(seeded.official_name(name), value.shape).astype("float64"))
    model.train()
    trained = {name: value for name, value in model.named_parameters() if not value.stop_gradient}
    optimizer = paddle.optimizer.Adam(learning_rate=RATE, parameters=list(trained.values()))
    pictures = [paddle.to_tensor(x.astype("float64")) for x in batch(case)]
    args, totals = SimpleNamespace(recipe="original", model_type=kind, laplacian=False), []
    for step in range(STEPS):
        terms, _ = forward_loss(model, args, None, pictures)
        totals.append(update(terms, optimizer, paddle.amp.GradScaler(enable=False), step)["total"])
    distances = {}
    for name, value in trained.items():
        expected = RECORDED[f"{case}/{name}"]
        distances[name] = float(np.linalg.norm(sampled(name, value.numpy()) - expected) / np.linalg.norm(expected))
    return distances, totals
