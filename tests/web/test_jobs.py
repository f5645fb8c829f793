"""What the page's functions make of pairs and clips, and what stands before its server, without a page."""

import asyncio
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("gradio", reason="gradio is not installed")

from dataset.picture import PictureError, read_alpha, read_rgb
from tests.prediction.test_predictor import scene
from tests.web.visitor import LIMITS, Cut
from tools.web.guard import BODY, Guard
from tools.web.jobs import Jobs, parse_colour, result_name
from tools.web.words import Refused, say
from utils.picture.blend import blend
from utils.picture.write import write_picture

SOMEBODY = SimpleNamespace(session_hash="somebody")


@pytest.fixture
def asked(tmp_path):
    """What is asked for a pair of 168x176."""
    paths = {mark: tmp_path / f"one_{mark}.png" for mark in ("src", "bgr")}
    for path, picture in zip(paths.values(), scene(176, 168)):
        write_picture(path, picture)
    return {"colour": "#ff0000", "target_picture": None, **{mark: str(path) for mark, path in paths.items()}}


@pytest.fixture
def jobs(tmp_path):
    jobs = Jobs(tmp_path, LIMITS)
    jobs.matting = lambda *_: Cut()
    return jobs


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


def test_names_are_used_without_what_could_harm():
    assert result_name("/x/my photo (1)_src.jpg") == "my_photo_1"
    assert result_name("/x/../..png") == result_name("/x/___.png") == "picture"


def test_results_are_what_was_matted_and_go_before_colours_and_pictures(jobs, asked):
    outputs, notes = jobs.matte(SOMEBODY, asked)
    com, pha, fgr, over = (output["value"] for output in outputs[3:7])
    folder, first = outputs[7], outputs[0][1]
    assert notes[0].kind == "took" and (notes[0].values["width"], notes[0].values["height"]) == (168, 176)
    assert com == f"{folder}/one_com.png"
    src, pha, fgr = read_rgb(asked["src"]), read_alpha(pha), read_rgb(fgr)
    assert np.array_equal(fgr[pha == 255], src[pha == 255])
    assert np.array_equal(read_rgb(over), blend(fgr, pha, np.broadcast_to(np.uint8([255, 0, 0]), src.shape)))
    changed = {"folder": folder, "colour": "#ff0000", "target_picture": asked["bgr"], "notes": notes[1:]}
    ((_, second), over), kept = jobs.change_target(SOMEBODY, changed)
    assert kept == notes[1:]
    assert np.array_equal(read_rgb(over["value"]), blend(fgr, pha, read_rgb(asked["bgr"])))
    assert first != second
    with pytest.raises(PictureError):
        read_rgb(first)
    assert read_rgb(second).shape == src.shape
    jobs.leave(SOMEBODY)
    with pytest.raises(Refused, match="deleted in the meantime"):
        jobs.change_target(SOMEBODY, changed)


def test_pictures_of_other_shape_are_refused_with_both_sizes_and_leave_no_folder(jobs, asked):
    Image.new("RGB", (168, 40)).save(asked["bgr"])
    with pytest.raises(PictureError) as caught:
        jobs.matte(SOMEBODY, asked)
    assert "168x40, the source 168x176" in say(caught.value.note.kind, **caught.value.note.values)
    assert not list(jobs.results.glob("*/*")) and not jobs.busy


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
