"""Commands of the PyTorch original, as docs/from_pytorch.md has them, do what they did there."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import predict
import train
from tests.drawn_data import make_data
from tools import export
from utils.prediction import options
from utils.system.parser import ALIASES
from utils.training.options import PAPER_RATES, parse_jobs
from utils.weights.load import DEFAULT_WEIGHTS, read_state, save_weights

PAGE = Path(__file__).resolve().parent.parent / "docs" / "from_pytorch.md"
SIZE = 96, 128


def words_of(script, **places):
    """What follows the program's name in the command that replaces a script there; `places` are for its capitals."""
    (command,) = re.findall(rf"^# {script}\n((?:.*\\\n)*.*)", PAGE.read_text("utf-8"), flags=re.M)
    words = shlex.split(command.replace("\\\n", " "))
    words = words[next(i for i, word in enumerate(words) if word.startswith("--")) :]
    return [str(places.get(word, word)) for word in words]


def with_shipped(words, *more):
    """The same with the small network, whose weights are there."""
    return ["mobilenetv2" if word == "resnet50" else word for word in words] + list(more)


def picture(seed, size=SIZE):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def test_inference_of_folders(tmp_path, capsys):
    for folder in ("src", "bgr"):
        (tmp_path / folder).mkdir()
        Image.fromarray(picture(len(folder))).save(tmp_path / folder / "a.png")
    places = {"PATH_TO_IMAGES_SRC_DIR": tmp_path / "src", "PATH_TO_IMAGES_BGR_DIR": tmp_path / "bgr"}
    places |= {"PATH_TO_CHECKPOINT": DEFAULT_WEIGHTS, "PATH_TO_OUTPUT_DIR": tmp_path / "out"}
    assert predict.main(with_shipped(words_of("inference_images", **places), "--engine", "paddle")) == 0
    written = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*")}
    assert written == {"com/a.png", "fgr/a.png", "pha/a.png"}
    assert "--model-type has no effect here" in capsys.readouterr().err


def test_inference_of_a_video(tmp_path):
    pytest.importorskip("av")
    from tests.video_files import frames, scene, write_clip
    from utils.video.reader import open_clip

    places = {"PATH_TO_VIDEO": write_clip(tmp_path / "clip.mp4", frames(3)[0]), "PATH_TO_VIDEO_BGR": tmp_path / "b.png"}
    Image.fromarray(scene()).save(tmp_path / "b.png")
    places |= {"PATH_TO_CHECKPOINT": DEFAULT_WEIGHTS, "PATH_TO_OUTPUT_DIR": tmp_path / "out", "1920": 160, "1080": 120}
    assert predict.main(with_shipped(words_of("inference_video", **places), "--engine", "paddle")) == 0
    assert sorted(path.stem for path in (tmp_path / "out").iterdir()) == [
        f"clip_{kind}" for kind in ("com", "err", "fgr", "pha", "ref")
    ]
    clip = open_clip(tmp_path / "out" / "clip_com.mp4")
    assert (clip.width, clip.height) == (160, 120) and sum(1 for _ in clip) == 3


def test_base_training_starts_as_there(tmp_path):
    (args,) = parse_jobs(words_of("train_base"))
    assert (args.model_type, args.model_backbone, args.batch_size, args.epoch_end) == ("base", "resnet50", 8, 8)
    assert args.rates == PAPER_RATES["base"] and not args.laplacian and args.crop_size == [256, 512]

    root = make_data(tmp_path / "data", ("videomatte240k",))
    state = {name: x for name, x in read_state(DEFAULT_WEIGHTS).items() if name.startswith("backbone.")}
    save_weights(state, tmp_path / "encoder.pdparams")
    places = {"pretraining/best_deeplabv3_resnet50_voc_os16.pth": tmp_path / "encoder.pdparams"}
    small = f"--data-root {root} --crop-size 32 64 --valid-size 64 --valid-samples 2 --num-workers 0 --max-steps 1"
    small += f" --device cpu --checkpoint-dir {tmp_path}/checkpoint --log-dir {tmp_path}/log"
    assert train.main(with_shipped(words_of("train_base", **places), *small.split())) == 0
    state = read_state(tmp_path / "checkpoint" / "mattingbase-resnet50-videomatte240k" / "last.pdparams")
    assert not any(name.startswith("refiner.") for name in state)


def test_refine_training_has_the_settings_it_had_there():
    (args,) = parse_jobs(words_of("train_refine"))
    assert (args.model_type, args.batch_size, args.pretrain) == ("refine", 4, "PATH_TO_LAST_CHECKPOINT")
    assert args.rates == PAPER_RATES["refine"] and not args.laplacian and args.crop_size == [1024, 2048]
    (own,) = parse_jobs([*words_of("train_refine"), "--batch-size", "6", "--learning-rate", "1e-4", "--laplacian"])
    assert (own.batch_size, own.learning_rate, own.laplacian) == (6, "1e-4", True)


def test_export_has_the_settings_it_had_there(capsys):
    args = export.parse(words_of("export_onnx"))
    assert (args.model_type, args.format, args.opset, args.storage, args.validate) == (
        *("refine", "onnx", 16, "float32", True),
    )
    assert capsys.readouterr().err.count("has no effect") == 4


def test_every_other_name_is_on_the_page():
    text = PAGE.read_text("utf-8")
    missing = [name for names in ALIASES.values() for name in names if f"`{name}`" not in text]
    ignored = re.findall(
        r"`(\S+) .*of the PyTorch original, without effect", (PAGE.parent / "flags.md").read_text("utf-8")
    )
    missing += [flag for flag in ignored if f"`{flag}`" not in text]
    assert len(ignored) == 10
    assert not missing


@pytest.mark.parametrize("words", [["--model-type", "mattingbase"], ["--video-resize", "64", "48"]])
def test_what_would_give_another_result_is_refused(words, tmp_path):
    with pytest.raises((SystemExit, options.UsageError)):
        options.parse(["--images-src", str(tmp_path), "--images-bgr", str(tmp_path), *words], "")
    args = options.parse(["--images-src", "a.png", "--images-bgr", "b.png", "--device", "cuda:1"], "")
    assert (args.src, args.bgr, args.device) == ("a.png", "b.png", "gpu:1")
