"""What visitors send to the page, without the page: limits before decoding, words, results, the guard."""

import asyncio
import os
import time

import numpy as np
import pytest
from PIL import Image

from dataset.picture import PictureError, read_alpha, read_rgb
from tests.prediction.test_predictor import scene
from tests.web.hostile import png_of
from tools import app
from tools.web.guard import BODY, Guard
from tools.web.results import matte_pair, parse_colour, put_before, result_name
from tools.web.upload import Limits, read_upload, sweep
from tools.web.words import PAGE, REFUSALS, Refused, say, shown_name
from utils.background.match import Correction
from utils.picture.blend import blend
from utils.picture.write import write_picture
from utils.predictor import Matte

LIMITS = Limits(megabytes=1, megapixels=1)


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


@pytest.mark.parametrize(
    "text, colour",
    [
        ("#00fF10", (0, 255, 16)),
        ("rgba(12.4, 200, 7, 1)", (12, 200, 7)),
        ("rgb(300,0,1)", (255, 0, 1)),
        ("/etc/passwd", (0, 255, 0)),
        (None, (0, 255, 0)),
        ("rgba(" + "9" * 5000, (0, 255, 0)),
    ],
)
def test_colours_are_parsed_and_never_opened(text, colour):
    assert parse_colour(text) == colour


def test_names_are_shown_and_used_without_what_could_harm():
    assert shown_name("/tmp/secret/<img src=x>.png") == "img src=x.png"
    assert len(shown_name("a" * 300 + ".png")) == 40
    assert result_name("/x/my photo (1)_src.jpg") == "my_photo_1"
    assert result_name("/x/../..png") == result_name("/x/___.png") == "picture"


class Cut:
    """A matting that takes the right half."""

    def __call__(self, src, bgr, foreground=True):
        pha = np.zeros(src.shape[:2], np.uint8)
        pha[:, src.shape[1] // 2 :] = 255
        return Matte(pha, src, lambda: pha / np.float32(255), None, None)


def test_results_are_what_was_matted_and_go_before_colours_and_pictures(pair, tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    done = matte_pair(Cut(), *pair, Correction("off", "off", alpha=False), LIMITS, folder)
    assert (done["width"], done["height"]) == (168, 176)
    src, pha = read_rgb(pair[0]), read_alpha(folder / "one_pha.png")
    assert np.array_equal(read_rgb(folder / "one_fgr.png")[pha == 255], src[pha == 255])
    composite, first = put_before(folder, "#ff0000", None, LIMITS)
    assert np.array_equal(read_rgb(composite), blend(src, pha, np.broadcast_to(np.uint8([255, 0, 0]), src.shape)))
    composite, second = put_before(folder, "#ff0000", pair[1], LIMITS)
    assert np.array_equal(read_rgb(composite), blend(src, pha, read_rgb(pair[1])))
    assert first != second and not first.exists() and second.exists()
    with pytest.raises(Refused, match="deleted in the meantime"):
        put_before(tmp_path / "none", "#ff0000", None, LIMITS)


def test_pictures_of_other_shape_are_refused_with_both_sizes(pair, tmp_path):
    Image.new("RGB", (168, 40)).save(pair[1])
    with pytest.raises(PictureError) as caught:
        matte_pair(Cut(), *pair, Correction("off", "off"), LIMITS, tmp_path)
    assert "168x40, the source 168x176" in say(caught.value.note.kind, **caught.value.note.values)


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
    assert "--max-megapixels must be 1 or more" in capsys.readouterr().err


def through_guard(path, body=b"", headers=(), chunk=100_000):
    """Status that a request gets, and how much of its body the application behind the guard saw."""
    sent, seen, at = [], 0, 0

    async def application(scope, receive, send):
        nonlocal seen
        while (message := await receive())["type"] == "http.request":
            seen += len(message["body"])
            if not message["more_body"]:
                break
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive():
        nonlocal at
        at += chunk
        return {"type": "http.request", "body": body[at - chunk : at], "more_body": at < len(body)}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": path, "headers": list(headers)}
    asyncio.run(Guard(application, 3_000_000)(scope, receive, send))
    return sent[0]["status"], seen


def test_guard_lets_the_page_through_and_nothing_else():
    for path in ("/", "/gradio_api/queue/join", "/gradio_api/file=/tmp/x/a.png", "/assets/index.js"):
        assert through_guard(path)[0] == 200, path
    for path in (
        "/monitoring",
        "/gradio_api/proxy=http://x/",
        "/gradio_api/file=https://x/",
        "/gradio_api/vibe-edit",
        "/gradio_api/file= HTTP://x/",
        "/gradio_api/process_recording",
    ):
        assert through_guard(path)[0] == 404, path


def test_guard_cuts_off_large_bodies_stated_or_not():
    assert through_guard("/gradio_api/queue/join", headers=[(b"content-length", b"64001")])[0] == 413
    assert through_guard("/gradio_api/upload", headers=[(b"content-length", b"-1")])[0] == 413
    assert through_guard("/gradio_api/queue/join", bytes(5_000_000))[1] <= BODY
    assert through_guard("/gradio_api/upload", bytes(2_000_000)) == (200, 2_000_000)
