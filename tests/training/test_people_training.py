"""train.py --recipe people on a tiny data set: it trains, resumes exactly, and exports the average of its weights."""

import json
from pathlib import Path

import numpy as np
import paddle
import pytest

import train
from model import MattingRefine
from tests.drawn_data import make_data
from utils.training.data import Validation
from utils.training.options import parse_jobs
from utils.training.people import PEOPLE, Average, Unclamped, draw_refinement, rate_at, refine_blocks
from utils.training.state import Training
from utils.weights.file import read_tensors
from utils.weights.load import read_state

SHIPPED = Path(train.__file__).parent / "model" / "weights" / "mobilenetv2_people.pdparams"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = make_data(tmp_path_factory.mktemp("data"), ("people",), train=12, size=(96, 80))
    paddle.seed(1)
    paddle.save(MattingRefine("mobilenetv2").state_dict(), str(folder / "start.pdparams"))
    return folder


def flags(root, folder, *more):
    return [
        *("--recipe", "people", "--dataset-name", "people", "--data-root", str(root), "--model-name", "run"),
        *("--model-backbone", "mobilenetv2", "--pretrain", str(root / "start.pdparams"), "--batch-size", "2"),
        *("--crop-size", "64", "97", "--valid-size", "64", "--valid-samples", "2", "--num-workers", "0"),
        *("--epoch-end", "20", "--max-steps", "8", "--log-train-loss-interval", "1", "--device", "cpu"),
        *("--checkpoint-dir", str(folder / "checkpoint"), "--log-dir", str(folder / "log"), *more),
    ]


class Seen(list):
    stop = None


@pytest.fixture
def losses(monkeypatch):
    """The loss terms of every step; a step whose number is in `stop` is interrupted instead."""
    seen, update = Seen(), train.update

    def spy(terms, optimizer, scaler, step):
        if step == seen.stop:
            raise RuntimeError("interrupted")
        seen.append(update(terms, optimizer, scaler, step))
        return seen[-1]

    monkeypatch.setattr(train, "update", spy)
    return seen


def test_fifty_steps_lower_the_error_on_composites_that_stay_the_same(root, tmp_path, losses):
    few = "--max-steps", "50", "--learning-rate", "1e-3", "--crop-size", "64", "81", "--pretrain", str(SHIPPED)
    assert train.main(flags(root, tmp_path, *few)) == 0 and len(losses) == 50
    rows = [json.loads(row) for row in (tmp_path / "log" / "run" / "valid.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [0, 50]
    assert rows[1]["sad_all"] < 0.9 * rows[0]["sad_all"] and rows[1]["mse_all"] < 0.8 * rows[0]["mse_all"]


def test_a_resumed_training_equals_an_uninterrupted_one(root, tmp_path, losses):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert train.main(flags(root, whole)) == 0
    expected, losses[:] = list(losses), []
    losses.stop = 5
    with pytest.raises(RuntimeError, match="interrupted"):
        train.main(flags(root, parts, "--checkpoint-interval", "3"))
    assert losses == expected[:5]
    losses[:], losses.stop = [], None
    assert train.main(flags(root, parts, "--resume")) == 0
    assert losses == expected[3:]
    a, b = (read_tensors(folder / "checkpoint" / "run" / "last.pdparams") for folder in (whole, parts))
    for part in ("model", "trained", "optimizer"):
        assert a[part].keys() == b[part].keys() and a[part]
        assert all(np.array_equal(a[part][name], b[part][name]) for name in a[part])


def test_what_is_exported_is_the_average_and_statistics_stay(root, tmp_path):
    assert train.main(flags(root, tmp_path)) == 0
    path, start = tmp_path / "checkpoint" / "run" / "last.pdparams", read_state(root / "start.pdparams")
    content, exported = read_tensors(path), read_state(path)
    assert not np.array_equal(exported["refiner.conv1.weight"], content["trained"]["refiner.conv1.weight"])
    assert exported.keys() == start.keys()
    for name in start:
        if name.endswith(("_mean", "_variance")):
            assert np.array_equal(exported[name], start[name])


def test_another_length_is_refused_as_the_rate_depends_on_it(root, tmp_path, capsys):
    assert train.main(flags(root, tmp_path, "--max-steps", "1")) == 0
    assert train.main(flags(root, tmp_path, "--max-steps", "2", "--resume")) == 1
    assert "--max-steps 1, not 2" in capsys.readouterr().err


@pytest.mark.parametrize(
    "flag, value, said",
    [
        ("--model-type", "base", "--model-type refine"),
        ("--pretrain", "", "with --pretrain"),
        ("--model-refine-kernel-size", "1", "size 3"),
    ],
)
def test_what_does_not_go_together_is_said(root, tmp_path, capsys, flag, value, said):
    assert train.main(flags(root, tmp_path, flag, value)) == 1
    assert said in capsys.readouterr().err


# --------------------------------------------------------------------------------------------------------------- parts
def test_unclamped_outputs_clamped_are_those_of_the_network():
    paddle.seed(0)
    model = MattingRefine("mobilenetv2", backbone_scale=0.375, refine_sample_pixels=96 * 128 // 4)
    model.eval()
    src, bgr = paddle.rand([2, 3, 96, 128]), paddle.rand([2, 3, 96, 128])
    with paddle.no_grad():
        pha, fgr, pha_sm, fgr_sm, err_sm, ref = model(src, bgr)
        out = Unclamped(model)(src, bgr, 0.375, 0.25)
    for name, expected in (("pha_sm", pha_sm), ("fgr_sm", fgr_sm), ("err_sm", err_sm)):
        np.testing.assert_array_equal(out[name].clip(0, 1).numpy(), expected.numpy())
    both = (ref * out["ref_sm"]).numpy().repeat(4, 2).repeat(4, 3)
    assert both.mean() > 0.15
    np.testing.assert_allclose(out["pha"].clip(0, 1).numpy() * both, pha.numpy() * both, atol=2e-6)
    np.testing.assert_allclose(out["fgr"].clip(0, 1).numpy() * both, fgr.numpy() * both, atol=2e-6)
    neither = ((1 - ref) * (1 - out["ref_sm"])).numpy().repeat(4, 2).repeat(4, 3)
    np.testing.assert_allclose(out["pha"].clip(0, 1).numpy() * neither, pha.numpy() * neither, atol=2e-6)
    assert model.refiner.sample_pixels == 96 * 128 // 4


def test_refining_by_blocks_equals_the_refiner_in_full_mode_and_has_its_gradients():
    paddle.seed(0)
    refiner = MattingRefine("mobilenetv2", refine_mode="full").refiner
    refiner.eval()
    for norm in (refiner.bn1, refiner.bn2, refiner.bn3):  # as after a training
        norm._mean.set_value(paddle.randn(norm._mean.shape) * 0.1)
        norm._variance.set_value(paddle.rand(norm._variance.shape) + 0.5)
    src, bgr, weight = (paddle.rand([2, channels, 32, 44]) for channels in (3, 3, 4))
    maps = paddle.rand([2, 36, 12, 16])
    maps.stop_gradient = False
    pha, res, _ = refiner(src, bgr, maps[:, 32:33], maps[:, 33:], None, maps[:, :32])
    results = []
    for value in (paddle.concat([pha, res], axis=1), refine_blocks(refiner, src, bgr, maps)):
        (value * weight).sum().backward()
        trained = {name: p.grad.numpy() for name, p in refiner.named_parameters() if not p.stop_gradient}
        results.append({"value": value.numpy(), "maps": maps.grad.numpy(), **trained})
        maps.clear_gradient(), refiner.clear_gradients()
    expected, found = results
    assert expected.keys() == found.keys() and len(expected) == 13
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-3, atol=1e-5 * np.abs(expected[name]).max())


def test_rates_reach_their_parts_and_follow_the_line(root, tmp_path):
    args = parse_jobs(flags(root, tmp_path, "--learning-rate", "1e-3"))[0]
    assert args.rates == pytest.approx({"backbone": 8e-5, "aspp": 2.5e-4, "decoder": 2.5e-4, "refiner": 1e-3})
    assert args.clip_grad_norm == 5 and args.weight_decay == PEOPLE.weight_decay
    training = Training(args)
    model, optimizer = training.model, training.optimizer
    optimizer.set_lr(5e-4)
    trained = [(name, value) for name, value in model.named_parameters() if not value.stop_gradient]
    before = {name: value.numpy().copy() for name, value in trained}
    paddle.add_n([value.sum() for _, value in trained]).backward()
    optimizer.step()  # Adam's first step is one learning rate in the gradient's direction
    for name, value in trained:
        expected = args.rates[name.split(".")[0]] / 2
        np.testing.assert_allclose(np.abs(value.numpy() - before[name]), expected, rtol=0.02)
    rates = [rate_at(step, 200) for step in range(200)]
    assert rates[0] < 0.2 and 0.8 < max(rates) == rates[39] and 0 < rates[-1] < 0.01
    assert all(a < b for a, b in zip(rates[:39], rates[1:40])) and all(a > b for a, b in zip(rates[39:], rates[40:]))


def test_an_average_follows_its_network_and_gives_it_back():
    model = paddle.nn.Linear(2, 1)
    average = Average(model)
    first = model.weight.numpy().copy()
    model.weight.set_value(first + 1)
    average.update(100_000)
    average.swap()
    np.testing.assert_allclose(model.weight.numpy(), first + 1 - PEOPLE.average, rtol=0, atol=1e-6)
    average.swap()
    np.testing.assert_array_equal(model.weight.numpy(), first + 1)


def test_scales_and_shares_are_drawn_anew_for_every_step_and_alike_when_it_is_repeated():
    drawn = [draw_refinement(0, 0, step) for step in range(400)]
    assert drawn == [draw_refinement(0, 0, step) for step in range(400)]
    scales = [scale for scale, _ in drawn]
    assert min(scales) == 0.25 and max(scales) == 0.5 and 60 < scales.count(0.5) < 150
    assert len(set(scales)) > 150 and all(0.06 <= share <= 0.22 for _, share in drawn)


def test_the_same_composites_of_the_recipe_are_validated_each_time(root):
    one, two = (Validation(root, "people", 2, 70, "people") for _ in range(2))
    assert len(one) == 2
    for a, b in zip((one[0], one[1]), (two[0], two[1])):
        assert a.src.shape == a.bgr.shape == a.fgr.shape == (68, 68, 3) and a.pha.shape == (68, 68)
        assert np.array_equal(a.src, b.src) and np.array_equal(a.bgr, b.bgr) and not np.array_equal(a.src, a.bgr)
