"""File names as people and cameras give them: pairs find each other, files are written whole, messages are one line."""

import os
import sys
import tempfile
from collections import Counter
from io import BytesIO, TextIOWrapper
from pathlib import Path, PurePosixPath

import numpy as np
import paddle
import pytest
from PIL import Image

from dataset.folders import ForegroundDataset
from dataset.picture import SUFFIXES, PictureError, find_pictures, read_alpha, read_rgb
from tests.properties import given, names, pictures, seeds, settings, st
from utils.picture.write import write_picture
from utils.prediction.outputs import Output, output_paths
from utils.prediction.pairs import BGR_MARK, SRC_MARK, find_pairs, plan
from utils.system.command_line import UsageError, command_line
from utils.system.errors import user_message
from utils.system.files import atomic_path, real_path, write_json, write_text
from utils.weights.load import WeightsError, open_weights, read_state, save_weights

LOSSLESS = (".png", ".tif", ".tiff", ".bmp", ".webp")
stems = names.filter(lambda name: not name.startswith(".") and len(name.encode()) < 200)
suffixes = st.builds(
    lambda suffix, upper: suffix.upper() if upper else suffix, st.sampled_from(SUFFIXES), st.booleans()
)
few = st.lists(stems, min_size=1, max_size=6, unique=True)


@pytest.fixture
def folder():
    """A new folder in each call, since hypothesis calls a test many times."""
    made = []

    def make():
        made.append(tempfile.TemporaryDirectory())
        return Path(made[-1].name)

    yield make
    for each in made:
        each.cleanup()


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


@given(wanted=few, suffix=suffixes, other=suffixes, data=st.data())
def test_every_source_finds_the_background_of_its_name(folder, wanted, suffix, other, data):
    root = folder()
    for stem in wanted:
        touch(root / "src" / (stem + data.draw(st.sampled_from(["", SRC_MARK])) + suffix))
        touch(root / "bgr" / (stem + data.draw(st.sampled_from(["", BGR_MARK])) + other))
    pairs = find_pairs(root / "src", root / "bgr")
    assert len(pairs) == len(wanted)
    for pair in pairs:
        if pair.problem is None:
            name = pair.src.stem
            assert pair.bgr.parent == root / "bgr"
            assert pair.bgr.stem in {name, name.removesuffix(SRC_MARK), pair.name, pair.name + BGR_MARK}
    sound = [pair for pair in pairs if pair.problem is None]
    assert len({pair.name for pair in sound}) == len(sound)
    if not any(mark in stem for stem in wanted for mark in (SRC_MARK, BGR_MARK)):
        assert len(sound) == len(pairs) and {pair.name for pair in pairs} == set(wanted)


@given(wanted=few, suffix=suffixes, sub=stems)
def test_results_are_named_as_their_sources_and_none_twice(folder, wanted, suffix, sub):
    root = folder()
    for stem in wanted:
        touch(root / "src" / sub / (stem + suffix))
    touch(root / "bgr.png")
    types = ("pha", "com")
    targets, unread = plan(root / "src", root / "bgr.png", Output(root / "out", types))
    assert unread == 0 and len(targets) == len(wanted)
    sound = [paths for pair, paths in targets.items() if pair.problem is None]
    written = Counter(path for paths in sound for path in paths.values())
    assert max(written.values()) == 1
    for path in written:
        assert (root / "out") in path.parents and path.suffix == ".png"
        assert PurePosixPath(path).relative_to(root / "out").parts[1] == sub


@given(stem=stems, suffix=st.sampled_from(LOSSLESS), seed=seeds)
def test_a_picture_of_any_name_is_written_whole_and_read_back(folder, stem, suffix, seed):
    root, array = folder(), pictures(np.random.default_rng(seed), 3, 5, 3)
    path = root / (stem + suffix)
    write_picture(path, array)
    assert os.listdir(root) == [stem + suffix]
    assert find_pictures(root) == [path]
    np.testing.assert_array_equal(read_rgb(path), array)
    with pytest.raises(ZeroDivisionError), atomic_path(path) as temporary:
        temporary.write_bytes(b"half")
        raise ZeroDivisionError
    assert os.listdir(root) == [stem + suffix]
    np.testing.assert_array_equal(read_rgb(path), array)
    assert real_path(path) == os.path.realpath(path)


@given(name=names, text=st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_a_text_of_any_name_has_exactly_its_letters(folder, name, text):
    path = folder() / name
    write_text(path, text)
    assert path.read_bytes() == text.encode() and os.listdir(path.parent) == [name]
    write_json(path, {text: [text]})
    assert path.read_text(encoding="utf-8").endswith("}\n")


@given(wanted=few, suffix=suffixes)
def test_only_pictures_are_found_and_hidden_ones_are_not(folder, wanted, suffix):
    root = folder()
    for stem in wanted:
        touch(root / (stem + suffix))
        touch(root / f".{stem}{suffix}")
        touch(root / f"{stem}.txt")
    assert {path.name for path in find_pictures(root)} == {stem + suffix for stem in wanted}


@settings(max_examples=30)
@given(wanted=few, suffix=st.sampled_from(LOSSLESS), upper=st.booleans(), seed=seeds)
def test_foreground_and_alpha_of_any_name_belong_together(folder, wanted, suffix, upper, seed):
    root, rng = folder(), np.random.default_rng(seed)
    alphas = {}
    for stem in wanted:
        alphas[stem] = pictures(rng, 2, 3)
        write_picture(root / "fgr" / f"{stem}.png", np.dstack([alphas[stem]] * 3))
        write_picture(root / "pha" / (stem + (suffix.upper() if upper else suffix)), alphas[stem])
    data = ForegroundDataset(root)
    assert len(data) == len(wanted)
    for i in range(len(data)):
        stem = data.items[i][1].stem
        fgr, pha = data[i]
        np.testing.assert_array_equal(pha, alphas[stem])
        np.testing.assert_array_equal(fgr, np.dstack([pha] * 3))


@settings(max_examples=20)
@given(name=names.filter(lambda name: len(name.encode()) < 200), seed=seeds)
def test_a_checkpoint_of_any_name_is_read_back(folder, name, seed):
    root = folder()
    weights = {"layer.weight": np.random.default_rng(seed).random((2, 3), np.float32)}
    save_weights(weights, root / name)
    assert os.listdir(root) == [name]
    np.testing.assert_array_equal(read_state(root / name)["layer.weight"], weights["layer.weight"])
    (root / name).write_bytes(b"damaged")
    before = paddle.nn.Linear(2, 3)
    with pytest.raises(WeightsError) as error:
        open_weights(root / name).load(before)
    assert "\n" not in user_message(error.value)


@given(name=names)
def test_a_missing_file_is_one_line_whatever_it_is_called(name):
    path = Path("no such folder") / name
    for read in (read_rgb, read_alpha, find_pictures, read_state):
        with pytest.raises((PictureError, WeightsError)) as error:
            read(path)
        line = user_message(error.value)
        assert line and "\n" not in line and line.isprintable() or not str(path).isprintable()
    with pytest.raises(PictureError):
        find_pairs(path, path)


@given(name=stems, kind=st.sampled_from(["pha", "fgr", "com"]))
def test_one_result_never_takes_the_name_of_another(name, kind):
    folder = Path("output")
    single, many = (output_paths(folder, name, ("pha", "fgr", "com"), by_type=by_type) for by_type in (False, True))
    assert len(set(single.values())) == len(set(many.values())) == 3
    assert single[kind].name == f"{name}_{kind}.png" and many[kind] == folder / kind / f"{name}.png"


# ------------------------------------------------------------------------------------------ names that are no Unicode
def test_names_that_are_no_utf_8_are_printed_and_written(tmp_path, monkeypatch):
    """As old archives hold them, in Latin-1: Python keeps the bytes as lone surrogates, which UTF-8 cannot encode."""
    name = os.fsdecode(b"gr\xfcn.png")
    try:
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    except OSError:
        pytest.skip("this file system takes names in UTF-8 only")
    out, err = (TextIOWrapper(BytesIO(), "utf-8", errors) for errors in ("strict", "backslashreplace"))  # as Python's
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)

    @command_line
    def program(fails):
        print(tmp_path / name)
        if fails:
            raise UsageError(f"{tmp_path / name} is refused")

    assert program(False) == 0 and program(True) == 1
    for stream, words in ((out, "gr\\udcfcn.png"), (err, "error:")):
        stream.flush()
        assert words in stream.buffer.getvalue().decode("utf-8")
