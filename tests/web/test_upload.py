"""What visitors send to the page, without the page: limits before decoding, words, results, the guard."""

import os
import time
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from dataset.picture import read_rgb
from tests.prediction.test_predictor import scene
from tests.web.hostile import png_of
from tools import app
from tools.web.upload import read_upload, room, sweep
from tools.web.words import PAGE, REFUSALS, Refused, say, shown_name
from utils.picture.write import write_picture

LIMITS = app.parse(["--max-megabytes", "1", "--max-megapixels", "1"])


@pytest.fixture
def pair(tmp_path):
    paths = []
    for mark, picture in zip(("src", "bgr"), scene(176, 168)):
        paths.append(tmp_path / f"one_{mark}.png")
        write_picture(paths[-1], picture)
    return paths


def refused(path, limits=LIMITS):
    with pytest.raises(Refused) as caught:
        read_upload(path, limits)
    note = caught.value.note
    for language in ("en", "zh"):
        assert str(path.parent) not in say(note.kind, language, **note.values), "a folder of the server"
    return note.kind


def test_pictures_are_measured_before_they_are_decoded(tmp_path):
    for name, size in (("many", (2000, 1000)), ("long", (20_000, 2)), ("bomb", (30_000, 30_000))):
        (tmp_path / f"{name}.png").write_bytes(png_of(*size, b""))  # whoever decodes it says that it is damaged
    (tmp_path / "heavy.png").write_bytes(bytes(1_100_000))
    Image.new("RGB", (8, 8)).save(tmp_path / "moving.gif")
    (tmp_path / "text.png").write_text("a picture")
    assert [refused(tmp_path / f"{name}.png") for name in ("many", "long", "bomb", "heavy", "text")] == [
        "too_large",
        "too_large",
        "too_large",
        "too_heavy",
        "no_picture",
    ]
    assert refused(tmp_path / "moving.gif") == "no_picture"
    assert refused(tmp_path / "none.png") == "gone"


def test_damaged_pictures_are_refused_by_name(pair):
    cut = pair[0].with_name("cut.png")
    cut.write_bytes(pair[0].read_bytes()[:-2000])
    empty = pair[0].with_name("empty.png")
    empty.touch()
    assert refused(cut) == refused(empty) == "picture_damaged"
    assert np.array_equal(read_upload(pair[0], LIMITS), read_rgb(pair[0]))


def test_every_message_has_both_languages_and_the_same_fields():
    import string

    for key, texts in {**PAGE, **REFUSALS}.items():
        fields = [{field for _, field, _, _ in string.Formatter().parse(text) if field} for text in texts.values()]
        assert list(texts) == ["en", "zh"] and fields[0] == fields[1], key
    assert say("run", "zh") == PAGE["run"]["zh"] and say("run", "fr") == PAGE["run"]["en"]


def test_names_are_shown_without_what_could_harm():
    assert shown_name("/tmp/secret/<img src=x>.png") == "img src=x.png"
    assert len(shown_name("a" * 300 + ".png")) == 40


def test_sweep_deletes_old_files_and_their_folders_only(tmp_path):
    for name in ("old/run/a.png", "new/run/b.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.touch()
    ago = time.time() - 100
    for path in (tmp_path / "old" / "run" / "a.png", tmp_path / "new", tmp_path / "new" / "run"):
        os.utime(path, (ago, ago))
    sweep(tmp_path, 50)
    assert not list(tmp_path.rglob("a.png")) and (tmp_path / "new" / "run" / "b.png").exists()
    for path in (tmp_path / "old" / "run", tmp_path / "old"):
        os.utime(path, (ago, ago))
    sweep(tmp_path, 50)
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_without_gradio_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr(app, "find_spec", lambda name: None)
    assert app.main([]) == 1
    assert "pip install -r requirements/app.txt" in capsys.readouterr().err


def test_bad_limits_name_their_flag(capsys):
    assert app.main(["--max-megapixels", "0"]) == 1
    assert "--max-megapixels: must be 1 or more" in capsys.readouterr().err


def test_a_gigabyte_of_the_disk_stays_free_and_no_share_of_it(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(bytes(2_000_000))
    for size in (2 * 10**9, 252 * 10**9):  # a small disk, and a large one of which little is left
        for free, fits in ((1_010_000_000, True), (1_000_900_000, False)):
            disk = SimpleNamespace(total=size, free=free)
            monkeypatch.setattr("shutil.disk_usage", lambda _, disk=disk: disk)
            assert room(tmp_path, 1_000_000) is fits
    assert not room(tmp_path, 1_000_000, quota=2_500_000)
