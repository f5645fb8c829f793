"""Weight files are read right, refused in one sentence, and never run."""

import io
import os
import pickle
import pickletools
import shutil
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import paddle
import pytest

from model import MattingBase, MattingRefine
from tests.torch_file import ORDERED_DICT, number, numbers, state_pickle, tensor, text, torch_zip, write_torch
from utils.system.errors import UsageError
from utils.weights import load as checkpoint
from utils.weights.load import (
    DEFAULT_WEIGHTS,
    WeightsError,
    open_weights,
    our_names,
    read_state,
    save_weights,
)

DATA = Path(__file__).resolve().parents[1] / "data" / "checkpoints"


@pytest.fixture(scope="module")
def refine():
    return MattingRefine("mobilenetv2")


@pytest.fixture(scope="module")
def official(refine):
    """A state dict with PyTorch's names: every tensor different, running variances positive."""
    random = np.random.default_rng(0)
    state = {}
    for name, value in refine.state_dict().items():
        array = random.random(value.shape, np.float32)
        name = name.replace("._mean", ".running_mean").replace("._variance", ".running_var")
        state[name] = array
        if name.endswith("running_var"):
            state[name.replace("running_var", "num_batches_tracked")] = np.int64(7)
    return state


def refused(path, words, function=read_state):
    with pytest.raises(WeightsError, match=words) as caught:
        function(path)
    message = str(caught.value)
    assert str(path) in message and "\n" not in message and len(message) < 700
    return message


# ---------------------------------------------------------------- what torch and paddle write


@pytest.mark.parametrize("name", ["zip.pth", "legacy.pth"])
def test_files_of_torch_are_read(name):
    state = read_state(DATA / name)
    grid = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(state["a"], grid)
    np.testing.assert_array_equal(state["transposed"], grid.T)
    np.testing.assert_array_equal(state["row"], grid[1])
    np.testing.assert_array_equal(state["half"], np.array([0.5, 1.5], np.float32))
    np.testing.assert_array_equal(state["brain"], np.array([0.5, -1.5], np.float32))
    assert state["half"].dtype == state["brain"].dtype == np.float32
    assert state["count"] == 3 and state["count"].shape == () and state["count"].dtype == np.int64
    assert state["empty"].shape == (0, 4)


def test_a_file_of_a_big_endian_machine_is_read(tmp_path):
    values = np.arange(6, dtype=np.float32)
    path = tmp_path / "a.pth"
    code = state_pickle({"a": values})
    path.write_bytes(torch_zip(code, {"0": values.astype(">f4").tobytes()}, [("archive/byteorder", b"big")]))
    np.testing.assert_array_equal(read_state(path)["a"], values)


def test_a_nested_state_with_dataparallel_names():
    state = read_state(DATA / "nested.pth")
    assert list(state) == ["weight", "bias"]
    np.testing.assert_array_equal(state["weight"], np.full((1, 2), 0.25, np.float32))


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("kind", ["protocol2", "protocol4", "nested", "half"])
def test_files_of_paddle_are_read(version, kind):
    state = read_state(DATA / f"paddle{version}_{kind}.pdparams")
    assert sorted(state) == ["_mean", "_variance", "bias", "weight"]
    np.testing.assert_array_equal(state["_variance"], np.ones(3, np.float32))
    assert state["weight"].dtype == np.float32


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_a_pickle_of_arrays_of_any_protocol_is_read_or_refused(tmp_path, protocol):
    arrays = {"a": np.arange(6, dtype=">f4").reshape(2, 3), "b": np.asfortranarray(np.arange(6.0).reshape(2, 3))}
    path = tmp_path / "a.pdparams"
    path.write_bytes(pickle.dumps(arrays, protocol))
    if protocol < 2:  # no header to tell them by; paddle.save writes 2 and above
        refused(path, "not weights")
        return
    state = read_state(path)
    for name in arrays:
        np.testing.assert_array_equal(state[name], arrays[name])
        assert state[name].dtype == np.dtype("float32")


def test_our_own_torch_writer_agrees_with_the_reader(tmp_path, official):
    state = read_state(write_torch(tmp_path / "a.pth", official))
    assert list(state) == list(official)
    for name in official:
        np.testing.assert_array_equal(state[name], official[name])


# ---------------------------------------------------------------- nothing is run

ATTACKS = {
    "os.system": b"cos\nsystem\n(" + text("touch {}") + b"tR",
    "posix.system": b"cposix\nsystem\n(" + text("touch {}") + b"tR",
    "builtins.eval": b"cbuiltins\neval\n(" + text("open('{}', 'w')") + b"tR",
    "builtins.exec": b"c__builtin__\nexec\n(" + text("open('{}', 'w')") + b"tR",
    "builtins.getattr": b"cbuiltins\ngetattr\n(cnumpy\nndarray\n" + text("__class__") + b"tR",
    "numpy.load": b"cnumpy\nload\n(" + text("{}") + b"tR",
    "subprocess.Popen": b"\x8c\x0asubprocess\x8c\x05Popen\x93(" + text("touch {}") + b"tR",
    "dotted name": b"\x8c\x05numpy\x8c\x0fndarray.tofile.x\x93".replace(b"\x0f", b"\x10") + b")R",
    "torch.load": b"ctorch\nload\n(" + text("{}") + b"tR",
    "INST": b"(" + text("touch {}") + b"ios\nsystem\n",
    "OBJ": b"(cos\nsystem\n" + text("touch {}") + b"o",
    "NEWOBJ": b"cos\nsystem\n(" + text("touch {}") + b"t\x81",
    "EXT1": b"\x82\x01)R",
}


def placed(attack, where):
    """A pickle that hides an attack at the top, as a value, inside a tensor's arguments, or in a state."""
    if where == "top":
        return b"\x80\x02" + attack + b"."
    if where == "value":
        return b"\x80\x02" + ORDERED_DICT + b"(" + text("a") + attack + b"u."
    if where == "argument":
        return b"\x80\x02}(" + text("a") + b"ctorch._utils\n_rebuild_tensor_v2\n(" + attack + b"K\x00))\x89tRu."
    if where == "state":
        return b"\x80\x02" + ORDERED_DICT + b"(" + text("a") + ORDERED_DICT + b"}(" + text("k") + attack + b"ubu."
    return b"\x80\x02}(" + text("a") + b"cnumpy._core.multiarray\n_reconstruct\n(" + attack + b"K\x00)tRu."


@pytest.mark.parametrize("container", ["pth", "pdparams", "legacy"])
@pytest.mark.parametrize("where", ["top", "value", "argument", "state", "array"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_a_malicious_pickle_is_refused_and_not_run(tmp_path, attack, where, container):
    mark = tmp_path / "pwned"
    command = str(mark).encode()
    code = ATTACKS[attack]
    for pattern in (b"touch {}", b"open('{}', 'w')", b"{}"):
        if b"X" + struct.pack("<I", len(pattern)) + pattern in code:
            filled = pattern.replace(b"{}", command)
            code = code.replace(text(pattern.decode()), text(filled.decode()))
            break
    data = placed(code, where)
    if container == "pth":
        data = torch_zip(data, {})
    elif container == "legacy":
        data = b"".join(pickle.dumps(v, 2) for v in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})) + data
    path = tmp_path / f"evil.{container}"
    path.write_bytes(data)
    message = refused(path, "asks to run or load|pickle instruction")
    assert attack.split(".")[0] in message or "." not in attack or "builtin" in message
    assert not mark.exists()


def test_the_attacks_would_work_on_pythons_own_loader(tmp_path):
    mark = tmp_path / "pwned"
    pickle.loads(b"\x80\x02cos\nsystem\n(" + text(f"touch {mark}") + b"tR.")
    assert mark.exists()


# ---------------------------------------------------------------- crafted sizes


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (dict(count=4, shape=[5]), "beyond its storage"),
        (dict(count=4, shape=[2, 2], strides=[3, 1]), "beyond its storage"),
        (dict(count=4, shape=[4], offset=1), "beyond its storage"),
        (dict(count=4, shape=[4], offset=-1), "no sensible number"),
        (dict(count=4, shape=[2], strides=[-1]), "no sensible number"),
        (dict(count=4, shape=[1 << 40], strides=[0]), "beyond its storage"),
        (dict(count=4, shape=[1 << 62, 4], strides=[0, 0]), "beyond its storage"),
        (dict(count=4, shape=[0, 1 << 62], strides=[1 << 62, 1]), "cut off or damaged"),
        (dict(count=1 << 60, shape=[4]), "no sensible number"),
        (dict(count=1 << 30, shape=[1 << 30]), "fewer bytes"),
        (dict(count=-4, shape=[4]), "no sensible number"),
        (dict(count=4, shape=[1] * 9), "cut off or damaged"),
    ],
)
def test_sizes_that_the_file_does_not_have_are_refused(tmp_path, arguments, words):
    path = tmp_path / "a.pth"
    code = b"\x80\x02}(" + text("a") + tensor("0", "FloatStorage", **arguments) + b"u."
    path.write_bytes(torch_zip(code, {"0": bytes(16)}))
    refused(path, words)


def test_a_tensor_is_no_storage_of_another(tmp_path):
    """The inner one is the last number 4 times over: what is viewed through it lies behind the file's bytes."""
    inner = tensor("0", "FloatStorage", 4, [4], strides=[0], offset=3)
    code = b"ctorch._utils\n_rebuild_tensor_v2\n(" + inner + number(0) + numbers([4]) + numbers([1]) + b"\x89}tR"
    path = tmp_path / "a.pth"
    path.write_bytes(torch_zip(b"\x80\x02}(" + text("a") + code + b"u.", {"0": bytes(16)}))
    refused(path, "a tensor without storage")


def test_one_storage_named_many_times_does_not_fill_the_memory(tmp_path):
    items = b"".join(text(f"t{i}") + tensor("0", "BFloat16Storage", 1 << 16, [1 << 16]) for i in range(1000))
    path = tmp_path / "a.pth"
    path.write_bytes(torch_zip(b"\x80\x02}(" + items + b"u.", {"0": bytes(1 << 17)}))
    refused(path, "fewer bytes")


def test_one_text_converted_many_times_is_refused(tmp_path):
    encode = b"c_codecs\nencode\n"
    long = text("x" * 50_000) + b"q\x01" + text("latin1") + b"\x86R0"
    again = encode + b"h\x01" + text("latin1") + b"\x86R0"
    path = tmp_path / "a.pdparams"
    path.write_bytes(b"\x80\x02" + encode + long + again * 5000 + b"}.")
    refused(path, "fewer bytes")


def test_deep_nesting_does_not_exhaust_the_stack(tmp_path):
    path = tmp_path / "a.pdparams"
    path.write_bytes(b"\x80\x02})" + b"\x85" * 150_000 + b"K\x01s.")
    refused(path, "keys are not names")
    path.write_bytes(b"\x80\x02" + (b"}" + text("a")) * 1000 + b"N" + b"s" * 1000 + b".")
    refused(path, "nested too deeply")


@pytest.mark.parametrize("instruction", [b"}", b"]", b"(", b"}\x94", b")\x85"])
def test_a_small_file_of_many_objects_does_not_fill_the_memory(tmp_path, instruction):
    path = tmp_path / "a.pdparams"
    path.write_bytes(b"\x80\x04" + instruction * 300_000 + b".")
    tracemalloc.start()
    refused(path, "more objects than weights have")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 << 20


def test_one_dict_named_many_times_is_not_copied_without_end(tmp_path):
    """Each dict holds the one before eight times: 8**18 dicts in less than a kilobyte."""
    levels = [
        b"}(" + b"".join(number(i) + b"h" + bytes([n]) for i in range(8)) + b"uq" + bytes([n + 1]) for n in range(18)
    ]
    path = tmp_path / "a.pdparams"
    path.write_bytes(b"\x80\x02}q\x00" + b"".join(levels) + b".")
    refused(path, "nested too deeply")


def test_a_legacy_file_without_the_bytes_of_a_tensor_is_refused(tmp_path):
    data = (DATA / "legacy.pth").read_bytes()
    head, keys = data[: data.rindex(b"\x80\x02]")], data[data.rindex(b"\x80\x02]") :]
    path = tmp_path / "a.pth"
    path.write_bytes(head + pickle.dumps([], 2) + keys[keys.index(b"e.") + 2 :])
    refused(path, "storages of other names")
    path.write_bytes(head + b"\x80\x02](" + b")" + b"\x85" * 150_000 + b"e." + keys)  # a key that must not be hashed
    refused(path, "storages of other names")


def test_a_huge_memo_number_costs_nothing(tmp_path):
    path = tmp_path / "a.pdparams"
    path.write_bytes(b"\x80\x02}r\xff\xff\xff\x7f.")
    refused(path, "no tensors")


def test_lengths_beyond_the_file_are_refused(tmp_path):
    path = tmp_path / "a.pdparams"
    for code in (b"\x8e" + b"\xff" * 7 + b"\x0f", b"\x8d\xff\xff\xff\xff\xff\0\0\0"):
        path.write_bytes(b"\x80\x05" + code + b"abc.")
        refused(path, "cut off or damaged")


def test_a_compressed_archive_is_refused(tmp_path):
    path = tmp_path / "a.pth"
    storages = {"0": bytes(1 << 20)}
    code = state_pickle({"a": np.zeros(1 << 18, np.float32)})
    path.write_bytes(torch_zip(code, storages, compression=zipfile.ZIP_DEFLATED))
    refused(path, "packed again with compression")


def test_only_known_functions_are_called(tmp_path):
    path = tmp_path / "a.pdparams"
    for value in (b"}", b"K\x01", b"ctorch\nFloatStorage\n"):
        path.write_bytes(b"\x80\x02" + value + b")R.")
        refused(path, "a call of what is no function")


def test_object_arrays_are_refused(tmp_path):
    path = tmp_path / "a.pdparams"
    path.write_bytes(pickle.dumps({"a": np.array([{}, 1], object)}, 4))
    refused(path, "unknown type")


# ---------------------------------------------------------------- other files


OTHER = {
    "text": (b"weights are at http://example.com\n", "another kind of file"),
    "html": (b"\n<!DOCTYPE html><html><body>Sign in", "a web page"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(50), "another kind of file"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
    "zip": (torch_zip(None, {}, [("readme.txt", b"x")]), "no data.pkl"),
    "empty": (b"", "has 0 bytes"),
    "noise": (bytes(range(1, 255)), "another kind of file"),
    "zeros": (bytes(100), "another kind of file"),
    "number": (pickle.dumps(3, 2), "holds no tensors"),
    "words": (pickle.dumps({"a": "b"}, 2), "holds no tensors"),
}


@pytest.mark.parametrize("kind", OTHER)
def test_other_kinds_of_file_are_named(tmp_path, kind):
    data, words = OTHER[kind]
    path = tmp_path / "weights.pth"
    path.write_bytes(data)
    refused(path, words)


def test_missing_files_folders_and_programs_are_named(tmp_path, monkeypatch):
    refused(tmp_path / "missing.pth", "does not exist")
    refused(tmp_path, "is not a file")
    refused(DATA / "script.pth", "TorchScript")
    with monkeypatch.context() as patch:
        patch.setattr("utils.weights.file.MAX_BYTES", 1 << 10)
        refused(DATA / "zip.pth", "bytes, as no weights have")
    refused(DATA / "module.pth", "torch.nn.modules.linear.Linear")


@pytest.mark.parametrize("name", ["zip.pth", "legacy.pth", "paddle2_protocol2.pdparams", "paddle3_half.pdparams"])
def test_a_file_cut_anywhere_is_refused(tmp_path, name):
    data = (DATA / name).read_bytes()
    path = tmp_path / name
    for length in range(1, len(data), 7):
        path.write_bytes(data[:length])
        with pytest.raises(WeightsError):
            read_state(path)
    path.write_bytes(data[: len(data) * 2 // 3])
    refused(path, "cut off")


@pytest.mark.parametrize("name", ["zip.pth", "legacy.pth", "nested.pth", "paddle2_protocol2.pdparams"])
def test_changed_bytes_raise_nothing_but_weights_error(tmp_path, name):
    random = np.random.default_rng(3)
    whole = np.frombuffer((DATA / name).read_bytes(), np.uint8)
    path = tmp_path / name
    for _ in range(300):
        broken = whole.copy()
        broken[random.integers(0, len(broken), 2)] = random.integers(0, 256, 2)
        path.write_bytes(broken.tobytes())
        try:
            read_state(path)
        except WeightsError as error:
            assert "\n" not in str(error)


# ---------------------------------------------------------------- into a model


def test_official_weights_load_strictly(tmp_path, refine, official):
    open_weights(write_torch(tmp_path / "a.pth", official)).load(refine)
    state = refine.state_dict()
    np.testing.assert_array_equal(state["refiner.bn1._mean"].numpy(), official["refiner.bn1.running_mean"])
    for name, array in our_names(official).items():
        np.testing.assert_array_equal(state[name].numpy(), array)
    assert len(state) == 319


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_saved_weights_are_read_by_plain_paddle_load_and_by_us(tmp_path, refine, official, dtype):
    path = tmp_path / "a.pdparams"
    state = our_names(official)
    save_weights(state, path, dtype)
    assert os.listdir(tmp_path) == ["a.pdparams"]
    plain = paddle.load(str(path))
    assert list(plain) == list(state)
    assert str(plain["refiner.conv1.weight"].dtype).endswith(dtype)
    assert str(plain["refiner.bn1._variance"].dtype).endswith("float32")
    open_weights(path).load(refine)
    for name, array in refine.state_dict().items():
        np.testing.assert_allclose(array.numpy(), state[name], rtol=0 if dtype == "float32" else 2**-11, atol=1e-7)
    save_weights(refine, path)
    assert list(read_state(path)) == list(refine.state_dict())


def test_float16_refuses_what_it_cannot_hold(tmp_path):
    with pytest.raises(ValueError, match="too large for float16"):
        save_weights({"a": np.full((1, 1), 1e5, np.float32)}, tmp_path / "a.pdparams", "float16")
    assert os.listdir(tmp_path) == []


def without(state, start):
    return {name: array for name, array in state.items() if not name.startswith(start)}


def test_a_checkpoint_of_another_model_is_named(tmp_path, refine, official):
    path = tmp_path / "a.pth"

    def message(state, words, model=refine):
        before = model.state_dict()["refiner.conv1.weight"].numpy().copy() if hasattr(model, "refiner") else None
        write_torch(path, state)
        result = refused(path, words, lambda path: open_weights(path).load(model))
        if before is not None:
            np.testing.assert_array_equal(model.state_dict()["refiner.conv1.weight"].numpy(), before)
        return result

    message(without(official, "refiner."), "without the refiner")
    message(official, r"17 that do not belong here \(refiner", MattingBase("mobilenetv2"))
    message({"backbone.layer3.0.conv1.weight": np.zeros(1)}, "holds resnet50 weights, but the model is mobilenetv2")
    message({"backbone.layer3.6.conv1.weight": np.zeros(1)}, "holds resnet101 weights, but the model is mobilenetv2")
    message(without(official, "decoder."), r"lacks 17 tensors \(decoder.conv1.weight")
    message({**official, "extra": np.zeros(1)}, r"1 that do not belong here \(extra\)")
    wrong = {**official, "decoder.conv4.bias": np.zeros(36, np.float32)}
    message(wrong, r"decoder.conv4.bias \(36,\) instead of \(37,\)")
    message(
        {**official, "decoder.conv4.bias": np.full(37, np.nan, np.float32)}, "undefined numbers in decoder.conv4.bias"
    )
    open_weights(write_torch(path, without(official, "refiner."))).load(MattingBase("mobilenetv2"))


WRONG = {  # tensor, its values, and what is said of them
    "integers": ("decoder.conv4.bias", np.zeros(37, np.int64), "numbers that are no floats in decoder.conv4.bias"),
    "truth values": ("decoder.conv4.bias", np.zeros(37, bool), "numbers that are no floats in decoder.conv4.bias"),
    "undefined": ("decoder.conv4.bias", np.full(37, np.nan, np.float32), "undefined numbers in decoder.conv4.bias"),
    "infinite": ("refiner.conv4.bias", np.float32([0, -np.inf, 0, 0]), "infinite or undefined numbers in refiner"),
    "too large": ("refiner.conv4.bias", np.full(4, 1e300), "infinite or undefined numbers in refiner.conv4.bias"),
    "negative": ("refiner.bn1._variance", -np.ones(24, np.float32), "negative variances in refiner.bn1._variance"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_numbers_that_no_network_has_are_refused_by_every_loader(tmp_path, refine, official, kind):
    name, values, words = WRONG[kind]
    path = tmp_path / "a.pdparams"
    path.write_bytes(pickle.dumps({**our_names(official), name: values}, 4))
    before = {name: value.numpy().copy() for name, value in refine.state_dict().items()}
    for load in (
        lambda path: open_weights(path).load(refine),
        lambda path: open_weights(path).matching(refine),
        lambda path: open_weights(path).build(),
    ):
        refused(path, words, load)
    for name, value in refine.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name])


def test_names_out_of_a_file_do_not_reach_the_terminal_as_they_are(tmp_path, refine, official):
    """A tensor's name could clear the screen, turn the writing or fill it."""
    names = ["a\x1b[2Jb", "x\u202ey", "z" * 10_000]
    path = write_torch(tmp_path / "a.pth", {**official, **{name: np.zeros(1, np.float32) for name in names}})
    message = refused(path, "3 that do not belong here", lambda path: open_weights(path).load(refine))
    assert message.isprintable() and r"a\x1b[2Jb" in message and r"x\u202ey" in message
    path.write_bytes(torch_zip(b"\x80\x02c\x1b[2J\n\xe2\x80\xae\n.", {}))
    assert refused(path, "asks to run or load").isprintable()


@pytest.mark.parametrize(("backbone", "kernel"), [("mobilenetv2", 1), ("resnet50", 3)])
def test_a_network_is_built_of_what_the_file_says(tmp_path, backbone, kernel):
    made = MattingRefine(backbone, refine_kernel_size=kernel)
    path = tmp_path / "a.pdparams"
    save_weights(made, path)
    weights = open_weights(path)
    model = weights.build(refine_mode="thresholding", refine_threshold=0.2)
    assert weights.backbone == backbone and not model.training
    assert model.refiner.mode == "thresholding" and model.refiner.threshold == 0.2
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), made.state_dict()[name].numpy())
    base = weights.build(model_type="base")
    assert isinstance(base, MattingBase) and not isinstance(base, MattingRefine)
    with pytest.raises(UsageError, match="backbone_scale"):
        weights.build(backbone_scale=0.7)
    other = "mobilenetv2" if backbone == "resnet50" else "resnet50"
    refused(path, f"holds {backbone} weights, but the model is {other}", lambda _: weights.build(other))
    refused(path, f"holds {backbone} weights", lambda _: weights.matching(MattingBase(other)))


def test_deeplab_names():
    state = our_names(
        {
            "classifier.classifier.0.convs.0.0.weight": 1,
            "classifier.classifier.1.weight": 2,
            "backbone.low_level_features.1.conv.1.weight": 3,
            "backbone.high_level_features.17.conv.3.weight": 4,
            "backbone.layer1.0.conv1.weight": 5,
        }
    )
    assert state == {
        "aspp.convs.0.0.weight": 1,
        "classifier.classifier.1.weight": 2,
        "backbone.features.1.conv.1.weight": 3,
        "backbone.features.17.conv.3.weight": 4,
        "backbone.layer1.0.conv1.weight": 5,
    }


def deeplab_state(model):
    """A DeepLabV3 checkpoint's tensors in VainF's names, cut down to those that could match, and some that do not."""
    random, state = np.random.default_rng(1), {}
    for name, value in model.state_dict().items():
        name = name.replace("aspp.", "classifier.classifier.0.").replace("._mean", ".running_mean")
        if name.startswith("backbone.features."):
            half = "low" if int(name.split(".")[2]) < 4 else "high"
            name = name.replace("features", half + "_level_features")
        array = random.random(value.shape, np.float32)
        if name in ("backbone.conv1.weight", "backbone.low_level_features.0.0.weight"):
            array = array[:, :3]
        if not name.startswith("decoder."):
            state[name.replace("._variance", ".running_var")] = array
    return {**state, "classifier.classifier.4.weight": np.zeros((21, 256, 1, 1), np.float32)}


@pytest.mark.parametrize(("backbone", "matched", "total"), [("mobilenetv2", 284, 302), ("resnet50", 294, 312)])
def test_of_deeplab_all_but_the_first_layer_and_the_decoder_fits(tmp_path, backbone, matched, total):
    model = MattingBase(backbone)
    state = deeplab_state(model)
    found = open_weights(write_torch(tmp_path / "deeplab.pth", state)).matching(model)
    assert len(found) == matched and len(model.state_dict()) == total
    rate3 = "classifier.classifier.0.convs.1.0.weight"
    np.testing.assert_array_equal(found["aspp.convs.1.0.weight"], state[rate3])
    if backbone == "mobilenetv2":
        for index, half in ((3, "low"), (4, "high"), (17, "high")):
            array = state[f"backbone.{half}_level_features.{index}.conv.2.weight"]
            np.testing.assert_array_equal(found[f"backbone.features.{index}.conv.2.weight"], array)
    assert not any(name.startswith("decoder.") for name in found)
    other = write_torch(tmp_path / "other.pth", {"encoder.weight": np.zeros(1, np.float32)})
    refused(other, "holds no weights of this network", lambda path: open_weights(path).matching(model))


# ---------------------------------------------------------------- the shipped weights


def test_the_shipped_weights_load(refine):
    open_weights(DEFAULT_WEIGHTS).load(refine)
    assert DEFAULT_WEIGHTS.stat().st_size < 11e6


def test_a_shipped_file_that_was_changed_is_refused(tmp_path, monkeypatch):
    for name in (DEFAULT_WEIGHTS.name, checkpoint.CHECKSUMS):
        shutil.copy(DEFAULT_WEIGHTS.parent / name, tmp_path)
    monkeypatch.setattr(checkpoint, "WEIGHTS_FOLDER", tmp_path)
    path = tmp_path / DEFAULT_WEIGHTS.name
    assert len(read_state(path)) == 319
    data = bytearray(path.read_bytes())
    data[-1000] ^= 1
    path.write_bytes(data)
    refused(path, "SHA-256 differs")


def test_the_interpreter_reads_every_instruction_of_the_shipped_file_as_python_does():
    data = DEFAULT_WEIGHTS.read_bytes()
    assert sum(1 for _ in pickletools.genops(io.BytesIO(data))) > 1000
    expected = pickle.loads(data)  # our own file, checked by its SHA-256
    state = read_state(DEFAULT_WEIGHTS)
    for name, array in expected.items():
        np.testing.assert_array_equal(state[name], array.astype(np.float32))


def test_number_helper_matches_pickle():
    assert pickle.loads(b"\x80\x02" + number(-5) + b".") == -5
