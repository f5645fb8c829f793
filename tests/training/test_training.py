"""train.py on a tiny data set: it learns, resumes exactly, survives being killed, and stops with a clear message."""

import json
import os
import re
import resource
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import paddle
import pytest

import train
from dataset.composite import collate
from dataset.picture import PictureError
from model import MattingBase
from tests.drawn_data import make_data
from utils.evaluation.samples import Sample
from utils.picture.levels import to_float
from utils.system.command_line import UsageError
from utils.training.data import Batches, Validation, training_batches
from utils.training.options import parse_jobs
from utils.training.run import Run
from utils.training.state import Progress, Training, forward_loss, hold_alone, seed_step
from utils.weights.file import read_tensors
from utils.weights.load import read_state, save_weights

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("data"), ("private",))


@pytest.fixture(scope="module")
def one_step(root, tmp_path_factory):
    """What a training of one step leaves."""
    folder = tmp_path_factory.mktemp("one_step")
    assert train.main(flags(root, folder, "--max-steps", "1")) == 0
    return folder


@pytest.fixture
def begun(one_step, tmp_path):
    """A training of one step, in a folder of its own."""
    shutil.copytree(one_step, tmp_path, dirs_exist_ok=True)
    return tmp_path


def flags(root, folder, *more, kind="base"):
    """Command line of a training with tiny crops; 8 foregrounds make 4 steps an epoch."""
    return [
        *("--dataset-name", "private", "--data-root", str(root), "--model-type", kind, "--model-name", "run"),
        *("--model-backbone", "mobilenetv2", "--model-refine-sample-pixels", "1024", "--batch-size", "2"),
        *("--crop-size", "32", "64", "--valid-size", "64", "--valid-samples", "2", "--num-workers", "0"),
        *("--epoch-end", "2", "--log-train-loss-interval", "1", "--device", "cpu"),
        *("--checkpoint-dir", str(folder / "checkpoint"), "--log-dir", str(folder / "log"), *more),
    ]


@pytest.fixture
def losses(monkeypatch):
    """The loss terms of every step that train.py makes."""
    seen, update = [], train.update

    def spy(*args):
        seen.append(update(*args))
        return seen[-1]

    monkeypatch.setattr(train, "update", spy)
    return seen


def checkpoint(folder, name="last.pdparams"):
    return folder / "checkpoint" / "run" / name


# -------------------------------------------------------------------------------------------------------- resume, kill
@pytest.mark.parametrize("kind", ["base", "refine"])
def test_a_resumed_training_has_the_losses_of_an_uninterrupted_one(root, tmp_path, losses, kind):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert train.main(flags(root, whole, "--max-steps", "6", kind=kind)) == 0
    expected, losses[:] = list(losses), []
    assert train.main(flags(root, parts, "--max-steps", "3", kind=kind)) == 0  # stops in the middle of an epoch
    assert train.main(flags(root, parts, "--max-steps", "6", "--resume", kind=kind)) == 0
    assert losses == expected and len(expected) == 6
    a, b = (read_state(checkpoint(folder)) for folder in (whole, parts))
    assert a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def test_a_complete_training_is_skipped_and_an_existing_one_is_not_overwritten(root, tmp_path, losses, capsys):
    arguments = flags(root, tmp_path, "--max-steps", "1")
    assert train.main(arguments) == 0
    before = checkpoint(tmp_path).read_bytes()
    assert train.main([*arguments, "--resume"]) == 0
    said = capsys.readouterr().out
    assert "run is complete" in said and "best.pdparams" in said and len(losses) == 1
    assert train.main(arguments) == 1
    assert "--resume" in capsys.readouterr().err
    assert checkpoint(tmp_path).read_bytes() == before


def test_resuming_with_other_arguments_is_refused(root, begun, capsys):
    assert train.main(flags(root, begun, "--resume", "--seed", "5")) == 1
    assert "--seed 0, not 5" in capsys.readouterr().err


def test_a_killed_training_leaves_a_checkpoint_that_loads_and_goes_on(root, tmp_path):
    kills = int(os.environ.get("MATTING_KILLS", "3"))
    command = [sys.executable, str(ROOT / "tests" / "killed_training.py"), str(kills), str(checkpoint(tmp_path))]
    arguments = flags(root, tmp_path, "--checkpoint-interval", "1", "--resume", "--epoch-end", "1000")
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, cwd=ROOT, timeout=600)
    assert done.returncode == 0, done.stderr
    assert f"{kills} kills" in done.stdout
    assert not [path for path in checkpoint(tmp_path).parent.iterdir() if path.name.startswith(".")]


def test_two_trainings_cannot_write_to_one_folder(root, tmp_path, capsys):
    with ExitStack() as held:
        hold_alone(tmp_path / "checkpoint" / "run", held)
        assert train.main(flags(root, tmp_path, "--max-steps", "1")) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: another training is writing to ") and said.count("\n") == 1
    assert list((tmp_path / "checkpoint" / "run").iterdir()) == [] and not (tmp_path / "log").exists()
    assert train.main(flags(root, tmp_path, "--max-steps", "1")) == 0


def log_of(folder, step=0):
    """A run without a network, whose log is that folder."""
    args = SimpleNamespace(log_dir=folder.parent, model_name=folder.name)
    return Run(SimpleNamespace(args=args, progress=Progress(step=step), rank=0), None, 9)


def test_a_log_that_cannot_be_written_is_named(tmp_path):
    run = log_of(tmp_path / "log")
    (tmp_path / "log" / "log.txt").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as caught:
        run.line("x")
    assert caught.value.filename == str(tmp_path / "log" / "log.txt")


def test_a_full_disk_is_an_error_and_leaves_the_old_checkpoint(root, begun, capsys):
    before = checkpoint(begun).read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
    try:
        code = train.main(flags(root, begun, "--max-steps", "2", "--resume"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    message = capsys.readouterr().err
    assert code == 1 and "last.pdparams" in message and "unchanged" in message
    assert checkpoint(begun).read_bytes() == before
    assert len(list(checkpoint(begun).parent.iterdir())) == 2


@pytest.mark.parametrize(
    ("part", "name", "value", "words"),
    [
        ("model", "decoder.bn1._variance", -1, "negative variances in decoder.bn1._variance"),
        ("model", "decoder.conv1.weight", np.nan, "undefined numbers in decoder.conv1.weight"),
        ("optimizer", "decoder.conv1.weight/moment1_0", np.inf, "undefined numbers in decoder.conv1.weight/moment1_0"),
        ("optimizer", "decoder.conv1.weight/moment2_0", -1, "negative variances in decoder.conv1.weight/moment2_0"),
    ],
)
def test_a_checkpoint_with_numbers_that_no_training_has_is_refused(root, begun, capsys, part, name, value, words):
    content = read_tensors(checkpoint(begun))
    content[part][name] = np.full_like(content[part][name], value)
    paddle.save(content, str(checkpoint(begun)))
    assert train.main(flags(root, begun, "--resume")) == 1
    errors = capsys.readouterr().err
    assert f"{checkpoint(begun)} holds" in errors and words in errors and "Traceback" not in errors


def test_the_weights_of_another_backbone_are_named_in_one_short_line(root, tmp_path, capsys):
    save_weights(MattingBase("resnet50"), tmp_path / "a.pdparams")
    assert train.main(flags(root, tmp_path, "--pretrain", str(tmp_path / "a.pdparams"))) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert "holds resnet50 weights, but the model is mobilenetv2: pass --model-backbone resnet50" in line
    assert len(line.replace(str(tmp_path), "")) <= 120


def test_weights_alone_are_no_checkpoint(root, tmp_path, capsys):
    checkpoint(tmp_path).parent.mkdir(parents=True)
    paddle.save({"decoder.conv4.bias": np.zeros(37, np.float32)}, str(checkpoint(tmp_path)))
    assert train.main(flags(root, tmp_path, "--resume")) == 1
    assert "no checkpoint of train.py" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------------------ learning
def test_four_pictures_can_be_learnt_by_heart(root):
    args = parse_jobs(flags(root, root, "--learning-rate", "2e-3", "--crop-size", "32", "49", "--batch-size", "4"))[0]
    loader, _ = training_batches(args)
    *pictures, _ = collate([loader.dataset[0, 0, i] for i in range(4)])
    pictures = [to_float(paddle.to_tensor(picture)) for picture in pictures]
    training = Training(args)
    training.model.train()
    totals = []
    for step in range(15):
        seed_step(0, 0, step)
        terms, _ = forward_loss(training.model, args, training.progress, pictures)
        totals.append(train.update(terms, training.optimizer, training.scaler, step)["total"])
    assert np.mean(totals[-3:]) < 0.2 * totals[0]


def test_learning_rates_reach_their_parts(root):
    training = training_of(root, "--learning-rate", "paper", kind="refine")
    model, rates = training.model, training.args.rates
    assert rates == {"backbone": 5e-5, "aspp": 5e-5, "decoder": 1e-4, "refiner": 3e-4}
    before = {name: value.numpy().copy() for name, value in trained(model)}
    paddle.add_n([value.sum() for _, value in trained(model)]).backward()
    training.optimizer.step()  # Adam's first step is one learning rate in the gradient's direction
    for name, value in trained(model):
        expected = rates[name.split(".")[0]]
        np.testing.assert_allclose(np.abs(value.numpy() - before[name]), expected, rtol=0.02)


def test_a_gradient_norm_is_clipped_only_on_demand(root):
    assert training_of(root).args.clip_grad_norm == 0 and training_of(root).optimizer._grad_clip is None
    assert training_of(root, "--clip-grad-norm", "2").optimizer._grad_clip.clip_norm == 2


def trained(model):
    return [(name, value) for name, value in model.named_parameters() if not value.stop_gradient]


def training_of(root, *more, kind="base", folder=None):
    return Training(parse_jobs(flags(root, folder or root, *more, kind=kind))[0])


# ------------------------------------------------------------------------------------------------------------- loading
def test_pretrained_weights_are_taken_where_they_fit(root, tmp_path):
    training = training_of(root, "--pretrain", str(tmp_path / "encoder.pdparams"))
    model = training.model
    state = {name: value.numpy() for name, value in model.state_dict().items()}
    encoder = {name: value + 1 for name, value in state.items() if name.startswith("backbone.")}
    encoder["backbone.features.0.0.weight"] = np.zeros((32, 3, 3, 3), np.float32)  # for three channels: does not fit
    paddle.save(encoder, str(tmp_path / "encoder.pdparams"))
    assert f"{len(encoder) - 1} of {len(state)} tensors" in training.begin()
    for name, value in model.state_dict().items():
        added = name in encoder and name != "backbone.features.0.0.weight"
        np.testing.assert_array_equal(value.numpy(), state[name] + 1 if added else state[name])


def test_the_refine_stage_starts_from_an_earlier_training_by_name(root, begun):
    training = training_of(root, "--pretrain", "run", "--model-name", "next", kind="refine", folder=begun)
    assert "302 of 319 tensors" in training.begin()
    saved = read_state(checkpoint(begun, "best.pdparams"))
    np.testing.assert_array_equal(
        training.model.state_dict()["decoder.conv1.weight"].numpy(), saved["decoder.conv1.weight"]
    )


def test_weights_that_do_not_fit_or_do_not_exist_are_named(root, tmp_path, capsys):
    paddle.save({"other": np.zeros(3, np.float32)}, str(tmp_path / "other.pdparams"))
    assert train.main(flags(root, tmp_path, "--pretrain", str(tmp_path / "other.pdparams"))) == 1
    assert "holds no weights of this network" in capsys.readouterr().err
    assert train.main(flags(root, tmp_path, "--pretrain", "stage7")) == 1
    assert "stage7" in capsys.readouterr().err


# ----------------------------------------------------------------------------------------------------------- data flow
def test_batches_are_shuffled_anew_and_can_begin_in_the_middle():
    batches = Batches(range(9), 2, seed=0)
    batches.begin(0)
    first = list(batches)
    batches.begin(1)
    second = list(batches)
    assert len(batches) == len(first) == 4
    assert len({i for batch in first for _, _, i in batch}) == 8
    assert [[i for _, _, i in batch] for batch in first] != [[i for _, _, i in batch] for batch in second]
    assert [key[:2] for batch in second for key in batch] == [(1, step) for step in range(4) for _ in range(2)]
    batches.begin(0, 3)
    assert list(batches) == first[3:]


def test_processes_split_the_joint_batch():
    joint, parts = Batches(range(8), 4, seed=1), [Batches(range(8), 2, 1, rank, 2) for rank in range(2)]
    for batches in (joint, *parts):
        batches.begin(3)
    for whole, left, right in zip(joint, *parts):
        assert whole == left + right


def test_the_number_of_workers_does_not_change_the_samples(root, tmp_path):
    command = [sys.executable, "tests/read_batches.py", "0,1,2", *flags(root, tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr
    printed = done.stdout.splitlines()[-3:]
    assert len(set(printed)) == 1 and printed[0].startswith("checksum ")


def test_validation_samples_are_always_the_same(root, tmp_path):
    args = parse_jobs(flags(root, tmp_path))[0]
    settings = args.data_root, args.valid_dataset_name, args.valid_samples, args.valid_size
    one, two = Validation(*settings), Validation(*settings)
    assert len(one) == 2
    for i in range(2):
        assert np.array_equal(one[i].src, two[i].src) and one[i].src.shape == (64, 64, 3)
        alpha = one[i].pha[..., None] / 255
        assert np.abs(one[i].src - (one[i].fgr * alpha + one[i].bgr * (1 - alpha))).max() <= 0.51


def test_a_validation_picture_that_cannot_be_scored_is_named(root, tmp_path, monkeypatch, capsys):
    damaged = [1]

    class Damaged(Validation):
        def __getitem__(self, index):
            if index in damaged:
                raise PictureError(f"picture {index} is damaged")
            return super().__getitem__(index)

    monkeypatch.setattr(train, "Validation", Damaged)
    few = flags(root, tmp_path, "--max-steps", "1")
    assert train.main(few) == 0
    assert "warning: not validated: picture 1 is damaged" in capsys.readouterr().out
    damaged.append(0)
    assert train.main([*few, "--model-name", "none"]) == 1
    assert "no validation picture could be scored, the first: picture 0 is damaged" in capsys.readouterr().err


# ---------------------------------------------------------------------------------------------------------------- logs
def test_logs_hold_terms_rates_and_validations(root, tmp_path):
    assert train.main(flags(root, tmp_path, "--max-steps", "2", "--log-valid-interval", "1", kind="refine")) == 0
    text = (tmp_path / "log" / "run" / "log.txt").read_text()
    assert re.search(
        r"epoch 1/2 step 1/2 loss \d.* SAD \d.* samples/s 0:00:\d\d left lr 0\.0001 reader .* batch .*"
        r"pha_l1.*pha_sm_sobel_l1.*err_mse.*pha_laplacian",
        text,
    )
    rows = [json.loads(line) for line in (tmp_path / "log" / "run" / "valid.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [0, 1, 2]
    assert all(row["sad_all"] > 0 and row["mse_all"] > 0 for row in rows)
    assert rows[0]["train_loss"] is None and rows[1]["train_loss"] > 0
    assert "'model_type': 'refine'" in text and "'max_steps': 2" in text and str(root) in text


def test_a_new_training_begins_a_new_log_and_keeps_the_former_one(tmp_path):
    for number in (1, 2, 3):
        run = log_of(tmp_path / "stage1")
        run.append("valid.jsonl", json.dumps({"training": number}))
        run.writer.close()
    run = log_of(tmp_path / "stage1", step=7)
    run.append("valid.jsonl", json.dumps({"training": "3, gone on with"}))
    run.writer.close()
    kept = {path.parent.name: path.read_text().splitlines() for path in tmp_path.glob("*/valid.jsonl")}
    assert kept == {
        "stage1": ['{"training": 3}', '{"training": "3, gone on with"}'],
        "stage1.1": ['{"training": 1}'],
        "stage1.2": ['{"training": 2}'],
    }


def test_a_line_holds_the_means_of_its_steps(root, tmp_path, monkeypatch):
    now = iter([10.0, 16.0, 16.0])
    monkeypatch.setattr("utils.training.run.time.perf_counter", lambda: next(now))
    training = training_of(root, "--batch-size", "3", folder=tmp_path)
    training.progress = Progress(best_sad=7.0, step=1)
    run = Run(training, None, 12)
    run.args.log_train_loss_interval = 2
    run.after_step({"total": 1.0, "pha_l1": 0.25}, 0.5, None, None)
    training.progress.step = 2
    run.after_step({"total": 2.0, "pha_l1": 0.75}, 1.0, None, None)
    assert (tmp_path / "log" / "run" / "log.txt").read_text() == (
        "epoch 1/2 step 2/12 loss 1.5000 SAD 7.000 1.00 samples/s 0:00:30 left "
        "lr 0.0001 reader 0.750 s batch 3.000 s (pha_l1 0.50000)\n"
    )


def test_curves_and_pictures_are_written_for_visualdl(root, tmp_path):
    from visualdl import LogReader

    arguments = flags(root, tmp_path, "--max-steps", "1", "--log-train-images-interval", "1", kind="refine")
    assert train.main([*arguments, "--learning-rate", "paper"]) == 0
    (path,) = (tmp_path / "log" / "run").glob("vdlrecords.*.log")
    reader = LogReader(file_path=str(path))
    tags = reader.get_tags()
    assert {"train/total", "train/pha_sm_l1", "valid/sad_all"} <= set(tags["scalar"])
    for part, rate in (("refiner", 3e-4), ("decoder", 1e-4), ("aspp", 5e-5), ("backbone", 5e-5)):
        assert reader.get_data("scalar", f"learning_rate/{part}")[0].value == pytest.approx(rate)
    assert tags["image"] == ["train/src_bgr_true_pha_com_err_ref"]


# -------------------------------------------------------------------------------------------------------------- errors
def test_a_loss_that_is_not_finite_stops_with_its_terms_and_keeps_the_checkpoint(root, tmp_path, monkeypatch, capsys):
    assert train.main(flags(root, tmp_path, "--max-steps", "1")) == 0
    before = checkpoint(tmp_path).read_bytes()
    monkeypatch.setattr(train, "to_float", lambda picture: to_float(picture) * float("nan"))
    assert train.main(flags(root, tmp_path, "--max-steps", "3", "--resume")) == 1
    message = capsys.readouterr().err
    assert "step 1: the loss is not finite" in message and "pha_l1 nan" in message and "--learning-rate" in message
    assert checkpoint(tmp_path).read_bytes() == before


def test_one_damaged_file_is_skipped_with_a_warning_and_two_of_eight_stop_the_training(tmp_path, capsys):
    root = make_data(tmp_path / "data", ("private",))
    folder = root / "private" / "train" / "fgr"
    (folder / "02.jpg").write_bytes((folder / "02.jpg").read_bytes()[:300])
    assert train.main(flags(root, tmp_path, "--epoch-end", "1")) == 0
    assert re.search(r"warning: skipped .*02\.jpg", capsys.readouterr().out)
    (folder / "05.jpg").write_bytes(b"")
    assert train.main(flags(root, tmp_path, "--resume")) == 1
    message = capsys.readouterr().err
    assert "2 files could not be read in one epoch of 8" in message and "check_dataset" in message


def remove_everything(folder):
    for path in (folder / "fgr").iterdir():
        path.unlink()


@pytest.mark.parametrize(
    "spoil, words",
    [
        (remove_everything, r"private.*fgr holds no pictures"),
        (lambda folder: (folder / "pha" / "03.png").unlink(), r"1 of 8 .*fgr and 0 of 7 .*pha have .*/03\.jpg"),
        (lambda folder: (folder / "fgr" / "03.jpg").unlink(), r"0 of 7 .*fgr and 1 of 8 .*pha have .*/03\.png"),
    ],
)
def test_empty_and_unequal_folders_are_named_before_anything_starts(tmp_path, capsys, spoil, words):
    root = make_data(tmp_path / "data", ("private",))
    spoil(root / "private" / "train")
    assert train.main(flags(root, tmp_path)) == 1
    message = capsys.readouterr().err
    assert re.search(words, message) and message.count("\n") == 1
    assert not (tmp_path / "checkpoint").exists()


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--dataset-name", "videomatte240k"], "videomatte240k not found"),
        (["--dataset-name", "coco"], "unknown data set 'coco'"),
        (["--batch-size", "1"], "--batch-size must be at least 2"),
        (["--dataset-name", "Backgrounds"], "has no subjects"),
        (["--batch-size", "64"], "has 8 foregrounds, too few for a batch of 64"),
        (["--learning-rate", "fast"], "--learning-rate fast"),
        (["--crop-size", "64", "32"], "--crop-size 64 32"),
        (["--epoch-start", "7"], "--epoch-end must lie above"),
        (["--amp"], "GPUs only"),
        (["--device", "gpu:99"], "--device gpu"),
        (["--device", "tpu"], "--device tpu does not exist: pass cpu"),
        (["--model-backbone-scale", "0.7"], "--model-backbone-scale"),
    ],
)
def test_wrong_arguments_are_one_line_and_nothing_is_written(root, tmp_path, capsys, arguments, words):
    assert train.main(flags(root, tmp_path, *arguments)) == 1
    message = capsys.readouterr().err
    assert words in message and message.count("\n") == 1
    assert not (tmp_path / "checkpoint").exists() and not (tmp_path / "log").exists()


# -------------------------------------------------------------------------------------------------------------- stages
def test_stages_are_the_published_ones_and_follow_each_other(tmp_path):
    jobs = {n: parse_jobs(["--stage", str(n)])[0] for n in (1, 2, 3)}
    assert {n: (job.dataset_name, job.epoch_end, float(job.learning_rate)) for n, job in jobs.items()} == {
        1: ("videomatte240k", 1, 1e-4),
        2: ("distinctions646", 300, 5e-5),
        3: ("private", 300, 3e-5),
    }
    assert [(job.model_name, job.pretrain) for job in jobs.values()][:2] == [("stage1", None), ("stage2", "stage1")]
    assert all(job.batch_size == 2 and job.laplacian and job.model_type == "refine" for job in jobs.values())
    (args,) = parse_jobs(["--stage", "2", "--epoch_end", "3", "--pretrain", "x.pth", "--learning-rate", "1e-3"])
    assert (args.pretrain, args.epoch_end, float(args.learning_rate)) == ("x.pth", 3, 1e-3)


def test_base_training_comes_first_on_demand():
    base, refine = parse_jobs(["--stage", "1", "--base-epochs", "8", "--learning-rate", "paper"])
    assert (base.model_type, base.model_name, base.epoch_end, base.batch_size) == ("base", "stage1-base", 8, 8)
    assert (refine.model_type, refine.model_name, refine.pretrain) == ("refine", "stage1", "stage1-base")
    assert base.crop_size == [256, 512] and refine.crop_size == [1024, 2048]
    assert base.rates["decoder"] == 5e-4 and refine.rates["decoder"] == 1e-4


def test_a_missing_name_is_asked_for():
    with pytest.raises(UsageError, match="--dataset-name is missing"):
        parse_jobs(["--model-name", "x"])


def test_optimizer_state_is_kept_by_the_models_names(root):
    one, two = training_of(root), training_of(root)
    for training in (one, two):
        paddle.add_n([value.sum() for _, value in trained(training.model)]).backward()
        training.optimizer.step()
    states = [training.optimizer_by_name() for training in (one, two)]
    assert states[0].keys() == states[1].keys()
    assert len(states[0]) == 4 * len(trained(one.model))


def test_the_loss_scaling_of_mixed_precision_is_kept(root, tmp_path):
    class Scaler:  # with the state of paddle.amp.GradScaler on a GPU
        def __init__(self, scale, count):
            self.state = {"scale": np.float32([scale]), "incr_count": count, "use_dynamic_loss_scaling": True}

        def state_dict(self):
            return self.state

        def load_state_dict(self, state):
            self.state = state

    saved, loaded = (training_of(root, folder=tmp_path) for _ in range(2))
    saved.scaler, loaded.scaler = Scaler(4096.0, 17), Scaler(32768.0, 0)
    saved.progress = Progress(epoch=2, batch=3, step=11, best_sad=1.5, skipped=["a.jpg is damaged"])
    saved.save("last.pdparams")
    assert loaded.begin().startswith("resumed: ")
    assert loaded.progress == saved.progress
    assert loaded.scaler.state == {"scale": [4096.0], "incr_count": 17, "use_dynamic_loss_scaling": True}


# ---------------------------------------------------------------------------------------------------------- validation
class Network(paddle.nn.Layer):
    """Alpha from one channel of src, the foreground is the background; `modes` shows how it was called."""

    def __init__(self):
        super().__init__()
        self.norm, self.modes = paddle.nn.BatchNorm2D(3), []

    def forward(self, src, bgr):
        self.modes.append(self.training)
        return self.norm(src)[:, :1].clip(0, 1), bgr, None


def test_a_network_is_validated_in_evaluation_mode_without_gradients(root):
    rng, training, network = np.random.default_rng(0), training_of(root), Network()
    training.model = network
    src, bgr = rng.integers(0, 256, (2, 12, 9, 3), np.uint8)
    with training.exported() as predict:
        pha, fgr = predict(Sample("one", src[..., 0], src, bgr))
        assert not paddle.is_grad_enabled()
    assert network.modes == [False] and network.training
    np.testing.assert_allclose(pha, src[..., 0] / np.float32(255) / np.sqrt(1 + 1e-5), atol=1e-6)
    np.testing.assert_allclose(fgr, bgr / np.float32(255), atol=1e-7)
