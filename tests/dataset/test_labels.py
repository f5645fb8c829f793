"""Data sets whose alphas are none: each is told in one line by check_dataset, train.py and eval.py."""

import numpy as np
import pytest
from PIL import Image

import eval as door
import train
from dataset.folders import ForegroundDataset
from dataset.labels import check_labels, kind_of, looked_at
from dataset.picture import PictureError, read_alpha, read_rgb
from tests.drawn_data import make_data
from tools import check_dataset

WRONG = {  # name -> (what is done to pha and fgr, words of the line, whether it is an error)
    "ones": (lambda pha, fgr: (pha // 128, fgr), "values 0 and 1 of 255: multiply it by 255", True),
    "16 bit": (lambda pha, fgr: (pha.astype(np.uint16), fgr), "16 bits hold values up to 255", True),
    "trimap": (lambda pha, fgr: (np.where((pha > 0) & (pha < 255), 128, pha), fgr), "is a trimap", True),
    "inverted": (lambda pha, fgr: (255 - pha, fgr), "corners are opaque", False),
    "mask": (lambda pha, fgr: (np.where(pha > 127, 255, 0), fgr), "no soft pixel", False),
    "premultiplied": (lambda pha, fgr: (pha, fgr * (pha[..., None] / 255)), "colours fade with alpha", False),
}


def spoil(folder, change):
    """Write all alphas and foregrounds of a folder anew, changed."""
    for path in sorted((folder / "pha").iterdir()):
        fgr_path = next((folder / "fgr").glob(f"{path.stem}.*"))
        pha, fgr = change(read_alpha(path), read_rgb(fgr_path))
        fgr_path.unlink()
        Image.fromarray(pha if pha.dtype == np.uint16 else pha.astype(np.uint8)).save(path)
        Image.fromarray(fgr.astype(np.uint8)).save(fgr_path.with_suffix(".png"))


@pytest.fixture
def data(tmp_path):
    """Discs with a soft edge as a private data set, train and valid, and backgrounds."""
    return make_data(tmp_path / "data", ("private",), train=4)


def lines(captured, words):
    return [line for line in captured.err.splitlines() if words in line]


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_data_set_is_told_in_one_line(data, tmp_path, capsys, name):
    change, words, fatal = WRONG[name]
    spoil(data / "private/train", change)
    folder = str(data / "private/train/pha/")
    for quick in ([], ["--quick"]):
        assert check_dataset.main(["--data-root", str(data), "private", *quick]) == int(fatal)
        assert len(lines(capsys.readouterr(), words)) == 1
    arguments = ["--data-path", f"{data}/private/train", "--backgrounds", f"{data}/backgrounds/valid"]
    door.main([*arguments, "--metrics", "mad", "--pred", f"{data}/private/train"])
    captured = capsys.readouterr()
    (told,) = lines(captured, words)
    assert folder in told and told.startswith("error: " if fatal else "warning: ")
    assert ("MAD" in captured.out or "mad" in captured.out) != fatal
    if fatal:
        flags = [
            "--dataset-name",
            "private",
            "--model-name",
            "a",
            "--valid-dataset-name",
            "private",
            "--epoch-end",
            "1",
        ]
        folders = ["--checkpoint-dir", f"{tmp_path}/checkpoint", "--log-dir", f"{tmp_path}/log"]
        small = ["--batch-size", "2", "--num-workers", "0", "--device", "cpu"]
        assert train.main(["--data-root", str(data), *flags, *folders, *small]) == 1
        (told,) = lines(capsys.readouterr(), words)
        assert folder in told and not (tmp_path / "log").exists()


def test_the_sheet_says_what_a_row_shows(data, tmp_path, monkeypatch):
    spoil(data / "private/train", WRONG["ones"][0])
    captions = []
    monkeypatch.setattr(check_dataset, "contact_sheet", lambda rows, said: captions.extend(said) or rows[0][0])
    check_dataset.main(["--data-root", str(data), "private", "--sheet", f"{tmp_path}/sheets"])
    assert any("its alpha" in caption and "multiply it by 255" in caption for caption in captions)


def test_alphas_that_are_right_pass(data):
    dataset = ForegroundDataset(data / "private/train")
    assert check_labels(looked_at(dataset)) == []
    half = np.full((60, 60), 255, np.uint8)
    half[:20] = 0  # a subject that fills the lower frame, and hair in one colour
    half[20:24] = np.array([40, 90, 160, 220], np.uint8)[:, None]
    assert kind_of(half) is None and kind_of(np.zeros((9, 9), np.uint8)) is None
    dark = np.full((60, 60, 3), 30, np.uint8)
    assert kind_of(half, dark) is None


def test_a_single_odd_file_stops_nothing(data):
    dataset = ForegroundDataset(data / "private/train")
    items = [*looked_at(dataset), *((path, pha // 128, fgr) for path, pha, fgr in looked_at(dataset, 1))]
    assert check_labels(items) == []
    with pytest.raises(PictureError, match=r"00.png: .* \(2 of 2 files looked at\)"):
        check_labels([(path, pha // 128, fgr) for path, pha, fgr in looked_at(dataset, 2)])


def test_names_that_do_not_pair_are_told_once_with_what_is_there(data):
    for path in sorted((data / "private/train/pha").iterdir()):
        path.rename(path.with_name(f"{path.stem}_alpha.png"))
    words = r"4 of 4 files in .*fgr and 4 of 4 files in .*pha have no partner, such as .*fgr/00.jpg.* .*pha/00_a"
    with pytest.raises(PictureError, match=words):
        ForegroundDataset(data / "private/train")
