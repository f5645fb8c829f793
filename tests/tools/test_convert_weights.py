"""tools/convert_weights.py converts strictly, says what does not fit, and leaves nothing behind when it fails."""

import os

import numpy as np
import paddle
import pytest

from model import MattingBase, MattingRefine
from tests.torch_file import text, torch_zip, write_torch
from tools.convert_weights import main
from utils.picture.resize import fit
from utils.picture.sample_pair import read_sample_pair
from utils.predictor import Matting
from utils.system.files import sha256_file
from utils.weights.load import DEFAULT_WEIGHTS, read_state


def torch_state(model, seed=0):
    """Random tensors under PyTorch's names, running variances positive."""
    random = np.random.default_rng(seed)
    state = {}
    for name, value in model.state_dict().items():
        torch_name = name.replace("._mean", ".running_mean").replace("._variance", ".running_var")
        state[torch_name] = random.random(value.shape, np.float32) * 0.1 + 0.01
        if torch_name.endswith("running_var"):
            state[torch_name.replace("running_var", "num_batches_tracked")] = np.int64(1)
    return state


@pytest.fixture(scope="module")
def refine_state():
    return torch_state(MattingRefine("mobilenetv2"))


def test_conversion_is_exact_and_prints_both_checksums(tmp_path, capsys, refine_state):
    source = write_torch(tmp_path / "a.pth", {"module." + name: array for name, array in refine_state.items()})
    output = tmp_path / "out" / "a.pdparams"
    assert main([str(source), "--output", str(output)]) == 0
    loaded = paddle.load(str(output))
    assert len(refine_state) == 382 and len(loaded) == 319
    for name, tensor in loaded.items():
        torch_name = name.replace("._mean", ".running_mean").replace("._variance", ".running_var")
        np.testing.assert_array_equal(tensor.numpy(), refine_state[torch_name])
    printed = capsys.readouterr().out
    assert f"{sha256_file(source)}  {source}" in printed and f"{sha256_file(output)}  {output}" in printed
    assert os.listdir(output.parent) == ["a.pdparams"]


@pytest.mark.parametrize(
    ("model", "tensors"),
    [
        (lambda: MattingBase("mobilenetv2"), 302),
        (lambda: MattingRefine("mobilenetv2", refine_kernel_size=1), 319),
        (lambda: MattingBase("resnet50"), 312),
    ],
)
def test_other_models_are_converted(tmp_path, capsys, model, tensors):
    source = write_torch(tmp_path / "a.pth", torch_state(model()))
    assert main([str(source), "--output", str(tmp_path / "a.pdparams"), "--dtype", "float16"]) == 0
    printed = capsys.readouterr().out
    assert f"converted {tensors} tensors" in printed
    assert (tmp_path / "a.pdparams").stat().st_size < 0.6 * source.stat().st_size


def failed(capsys, arguments, folder):
    before = sorted(os.listdir(folder))
    assert main([str(argument) for argument in arguments]) != 0
    errors = capsys.readouterr().err
    assert sorted(os.listdir(folder)) == before
    assert "Traceback" not in errors
    last = errors.strip().splitlines()[-1]
    assert last.startswith("error: ")
    return errors


def test_tensors_that_do_not_fit_are_named_and_nothing_is_written(tmp_path, capsys, refine_state):
    state = dict(refine_state)
    del state["decoder.conv4.bias"], state["aspp.project.0.weight"]
    state["extra.one"], state["extra.two"] = np.zeros(1, np.float32), np.zeros(2, np.float32)
    state["refiner.conv4.bias"] = np.zeros(5, np.float32)
    source = write_torch(tmp_path / "a.pth", state)
    (error,) = failed(capsys, [source, "--output", tmp_path / "a.pdparams"], tmp_path).splitlines()
    for words in (
        "lacks 2 tensors",
        "aspp.project.0.weight",
        "has 2 that do not belong here",
        "extra.one",
        "extra.two",
    ):
        assert words in error
    assert "has 1 of another shape (refiner.conv4.bias (5,) instead of (4,))" in error


def test_a_wrong_backbone_is_named(tmp_path, capsys, refine_state):
    source = write_torch(tmp_path / "a.pth", refine_state)
    errors = failed(capsys, [source, "--output", tmp_path / "a.pdparams", "--model-backbone", "resnet50"], tmp_path)
    assert "holds mobilenetv2 weights, but the model is resnet50: pass --model-backbone mobilenetv2" in errors
    assert len(errors.splitlines()) == 1


def test_the_next_command_is_printed_and_the_network_is_the_same(tmp_path, capsys):
    source, output = write_torch(tmp_path / "a.pth", people_in_torch()), tmp_path / "b.pdparams"
    assert main([str(source), "--output", str(output)]) == 0
    printed = capsys.readouterr().out
    assert "converted 319 tensors (mobilenetv2, refine)" in printed
    assert f"written: {output}; try: python predict.py --model-path {output} --src SRC --bgr BGR" in printed
    pair = [fit(picture, (180, 320)) for picture in read_sample_pair()]
    ours, shipped = (Matting(path, engine="paddle")(*pair).com for path in (output, DEFAULT_WEIGHTS))
    np.testing.assert_array_equal(ours, shipped)
    assert 0.1 < (ours[..., 3] > 128).mean() < 0.6


def people_in_torch():
    """The shipped weights as PyTorch would have saved them."""
    state = {}
    for name, array in read_state(DEFAULT_WEIGHTS).items():
        name = name.replace("._mean", ".running_mean").replace("._variance", ".running_var")
        state[name] = array
        if name.endswith("running_var"):
            state[name.replace("running_var", "num_batches_tracked")] = np.int64(1)
    return state


def test_a_malicious_checkpoint_is_not_run(tmp_path, capsys):
    mark = tmp_path / "pwned"
    code = b"\x80\x02cposix\nsystem\n(" + text(f"touch {mark}") + b"tR."
    (tmp_path / "a.pth").write_bytes(torch_zip(code, {}))
    errors = failed(capsys, [tmp_path / "a.pth", "--output", tmp_path / "a.pdparams"], tmp_path)
    assert "asks to run or load posix.system" in errors and not mark.exists()


def test_wrong_flags_and_files_are_one_line(tmp_path, capsys, refine_state):
    source = write_torch(tmp_path / "a.pth", refine_state)
    assert "has to end in .pdparams" in failed(capsys, [source, "--output", tmp_path / "a.pth2"], tmp_path)
    same = tmp_path / "a.pdparams"
    same.write_bytes(source.read_bytes())
    assert "is an input and would be overwritten: pass another --output" in failed(
        capsys, [same, "--output", same], tmp_path
    )
    assert "does not exist" in failed(capsys, [tmp_path / "no.pth", "--output", tmp_path / "b.pdparams"], tmp_path)
    (tmp_path / "page.pth").write_text("<html></html>")
    assert "a web page" in failed(capsys, [tmp_path / "page.pth", "--output", tmp_path / "b.pdparams"], tmp_path)
