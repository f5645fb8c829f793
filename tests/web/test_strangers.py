"""What strangers may try at the page: fetch, forge, flood, stay. Each hook into Gradio has a test that needs it."""

import json
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

httpx = pytest.importorskip("httpx", reason="gradio is not installed")
pytest.importorskip("gradio", reason="gradio is not installed")

from tests.prediction.test_predictor import scene
from tests.web import hostile
from tests.web.visitor import LIMITS, Cut, Visitor, given, page_here, pictures, png
from tools.web import jobs
from tools.web.upload import check_clip
from tools.web.words import Refused

# Decoders may leave out a chunk that is none of the picture's, or read what others would not.
HARMLESS = (
    "bomb: text",
    "bomb: profile",
    "a chunk of 4 GB",
    "profile of noise",
    "flipped bits",
    "moving, a million pictures",
    "icon",
    "tiff, rows of a strip",
)
PUBLIC = "http://93.184.216.34/x.png"


class Slow(Cut):
    """A Matting that waits until it is told to go on."""

    def __init__(self):
        self.began, self.go_on = threading.Event(), threading.Event()

    def __call__(self, src, bgr, foreground=True):
        self.began.set()
        assert self.go_on.wait(30)
        return super().__call__(src, bgr)


@pytest.fixture(scope="module")
def pair():
    return [png(picture) for picture in scene(176, 168)]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with page_here(tmp_path_factory.mktemp("page").resolve()) as (page, address):
        yield page, address


@pytest.fixture
def slow(tmp_path):
    matting = Slow()
    with page_here(tmp_path.resolve(), matting=matting) as (page, address):
        yield page, address, matting
        matting.go_on.set()


def files_of(page):
    return [path for path in page.files.rglob("*") if path.is_file()]


def wait_for(condition, seconds=10):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


# Addresses


def test_no_input_fetches_an_address(served, pair, monkeypatch):
    page, address = served
    asked, session = [], "s1"

    async def answer(self, request):
        asked.append(str(request.url))
        return httpx.Response(200, content=pair[0])

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", answer)
    resolve = socket.getaddrinfo

    def ask(host, *rest, **options):
        asked.extend([host] if host != "127.0.0.1" else [])
        return resolve(host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    visitor = Visitor(address, session)
    count = 0
    for dependency in page.blocks.config["dependencies"]:
        inputs = len(dependency["inputs"])
        for place in range(inputs):
            data = [given(PUBLIC) if i == place else None for i in range(inputs)]
            body = {"data": data, "fn_index": dependency["id"], "session_hash": session}
            said = visitor.http.post(f"/gradio_api/{'queue/join' if dependency['queue'] else 'run/x'}", json=body)
            if dependency["queue"] and said.status_code == 200:
                said = visitor.http.get("/gradio_api/queue/data", params={"session_hash": session})
            assert "93.184" not in said.text and str(page.files) not in said.text
            count += 1
    for path in ("https://example.com/x.png", "http://169.254.169.254/latest", "HTTP://93.184.216.34/y"):
        assert isinstance(visitor.call("matte", *[given(path)] * 2, "#000000", None, "en"), str)
    assert count > 20 and not asked
    for path in (f"file={PUBLIC}", f"file= {PUBLIC}", f"proxy={PUBLIC}", "file=https://example.com/"):
        assert visitor.http.get(f"/gradio_api/{path}").status_code in (403, 404)
    assert not asked


def test_what_downloads_raises(served):
    import asyncio

    import gradio.processing_utils as utils
    import safehttpx

    for download in (utils.save_url_to_cache, utils.ssrf_protected_download, utils.unsafe_download):
        with pytest.raises(Exception, match="only uploaded files"):
            download(PUBLIC, "/tmp/none")
    for download in (utils.async_ssrf_protected_download, utils.async_ssrf_protected_get, safehttpx.get):
        with pytest.raises(Exception, match="only uploaded files"):
            asyncio.run(download(PUBLIC, "/tmp/none"))


@pytest.mark.parametrize(
    "headers, status",
    [
        ({}, 200),
        ({"Host": "localhost:7860"}, 200),
        ({"Host": "attacker.example"}, 403),
        ({"Host": "127.0.0.1.attacker.example:7860"}, 403),
        ({"Host": "[::1"}, 403),
        ({"Origin": "http://attacker.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1"}, 403),  # another port of this machine
    ],
)
def test_only_this_page_may_ask_by_the_names_of_this_machine(served, headers, status):
    answer = httpx.get(f"{served[1]}/config", headers=headers)
    assert answer.status_code == status
    if status == 200:
        assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]


def test_its_own_origin_may_ask(served):
    assert httpx.get(f"{served[1]}/config", headers={"Origin": served[1]}).status_code == 200


def test_no_address_of_a_header_comes_back(served):
    for header in ("X-Forwarded-Host", "X-Gradio-Server"):
        for path in ("/", "/config"):
            answer = httpx.get(served[1] + path, headers={header: "http://attacker.example"})
            assert answer.status_code == 200 and "attacker" not in answer.text


def test_behind_a_proxy_it_answers_to_its_name_there(tmp_path):
    with page_here(tmp_path.resolve(), root="https://matting.example/page") as (_, address):
        headers = {"Host": "matting.example", "Origin": "https://matting.example"}
        answer = httpx.get(f"{address}/config", headers=headers)
        assert answer.status_code == 200 and answer.json()["root"] == "https://matting.example/page"


# Uploads


def test_hostile_pictures_are_refused_in_words_and_leave_it_serving(served, pair):
    page, address = served
    visitor = Visitor(address)
    bgr = visitor.upload("b.png", pair[1])
    attempts = hostile.pictures(pair[0])
    assert len(attempts) >= 60
    for kind, (name, data) in attempts.items():
        src = visitor.upload(name, data)
        if src is None:
            continue  # refused at the door
        assert src.startswith(f"{page.files}/") and ".." not in src.split("/"), kind
        said = visitor.matte(src, bgr)
        if kind in HARMLESS and isinstance(said, list):
            continue
        assert isinstance(said, str) and any(
            word in said for word in ("upload", "damaged", "at most", "save it", "uncropped")
        ), kind
        assert str(page.files) not in said and "<img" not in said and "Traceback" not in said, kind
    assert not [path for path in page.files.rglob("*") if not path.resolve().is_relative_to(page.files)]
    assert isinstance(visitor.matte(visitor.upload("a.png", pair[0]), bgr), list)


def test_hostile_clips_are_refused_and_their_notes_show_nothing_of_others(served, pair):
    av = pytest.importorskip("av", reason="av is not installed")
    page, address = served
    visitor = Visitor(address)
    bgr = given(visitor.upload("b.png", pair[1]))
    good = hostile.moving(176, 168, 8, "mp4")

    def matte(name, data, visitor=visitor):
        return visitor.call("matte_clip", given(visitor.upload(name, data)), bgr, "#000000", None, "mp4", "en")

    for kind, data in hostile.clips(good, av).items():
        said = matte("secret.mp4", data)
        assert isinstance(said, str), (kind, said)
        assert any(word in said for word in ("not a video", "longer than", "cannot be matted")), (kind, said)
        assert str(page.files) not in said
    with ThreadPoolExecutor(2) as pool:
        names = ("anna", "bertha")
        answers = list(pool.map(lambda name: matte(f"{name}.mp4", good, Visitor(address, name)), names))
    for name, other, results in zip(names, names[::-1], answers):
        notes = json.dumps(results[3:])
        assert isinstance(results, list) and other not in json.dumps(results) and name in results[1]["value"]["path"]
        assert "8 frames" in notes and "/" not in notes.replace("</", "")


def test_no_frame_of_a_clip_is_decoded_that_was_not_measured(tmp_path, monkeypatch):
    """Of frames that grow on the way FFmpeg sees the size before it makes room; there are no more than were counted."""
    av = pytest.importorskip("av", reason="av is not installed")
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as out:
        stream, at = out.add_stream("mpeg2video", rate=25), 0
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for height, width, frames in ((48, 64, 4), (6000, 6000, 2)):
            coder = av.CodecContext.create("mpeg2video", "w")
            coder.width, coder.height, coder.pix_fmt, coder.framerate = width, height, "yuv420p", 25
            coder.time_base = Fraction(1, 25)
            grey = np.full((height * 3 // 2, width), 90, np.uint8)
            for number in range(frames + 1):
                frame = av.VideoFrame.from_ndarray(grey, "yuv420p") if number < frames else None
                for packet in coder.encode(frame):
                    packet.stream, packet.pts, packet.dts, at = stream, at, at, at + 1
                    out.mux(packet)
    asked = {"src": str(path), "bgr": None, "colour": "#000000", "target_picture": None, "form": "mp4"}
    sizes = []

    class Measuring(Cut):
        def __call__(self, src, bgr, foreground=True):
            sizes.append(src.shape)
            return super().__call__(src, bgr)

    page = jobs.Jobs(tmp_path, LIMITS)
    page.matting = lambda *_: Measuring()
    somebody = SimpleNamespace(session_hash=None)
    assert check_clip(path, LIMITS) == 6
    notes = {note.kind: note.values for note in page.matte_clip(somebody, asked)[1]}
    assert set(sizes) == {(48, 64, 3)} and 0 < len(sizes) <= 4 and "damaged" in notes
    monkeypatch.setattr(jobs, "check_clip", lambda path, limits: 2)
    with pytest.raises(Refused, match="more frames than its index"):
        page.matte_clip(somebody, asked)
    assert len(sizes) <= 4 + 4


# Queue


def test_nothing_goes_round_the_queue(served, pair):
    page, address = served
    visitor = Visitor(address)
    src, bgr = (given(visitor.upload(name, data)) for name, data in zip(("a.png", "b.png"), pair))
    body = {"data": [src, bgr, "#ff0000", None, "en"]}
    for way in ("run", "api"):
        assert visitor.http.post(f"/gradio_api/{way}/matte", json=body).status_code == 404
    (index,) = (d["id"] for d in page.blocks.config["dependencies"] if d["api_name"] == "matte")
    assert visitor.http.post("/gradio_api/run/x", json={**body, "fn_index": index}).status_code == 404


def test_visitors_without_a_session_share_nothing(served, pair):
    page, address = served
    visitor = Visitor(address)
    src, bgr = (visitor.upload(name, data) for name, data in zip(("a.png", "b.png"), pair))
    results = [visitor.matte(src, bgr) for _ in range(2)]
    folders = {os.path.dirname(os.path.dirname(pictures(result)[0]["path"])) for result in results}
    assert len(folders) == 2
    for name in ("None", "null", ""):
        with httpx.stream("GET", f"{address}/gradio_api/heartbeat/{name}", timeout=5) as beat:
            next(beat.iter_bytes(), None) if beat.status_code == 200 else None
    time.sleep(0.3)
    assert all(visitor.get(picture) for result in results for picture in pictures(result))


def test_a_visitor_has_two_jobs_waiting_at_most_and_none_after_leaving(slow, pair):
    page, address, matting = slow
    visitor = Visitor(address, "greedy")
    src, bgr = (given(visitor.upload(name, data)) for name, data in zip(("a.png", "b.png"), pair))
    job = ["matte", src, bgr, "#ff0000", None, "en"]
    assert visitor.begin(*job).status_code == 200
    assert matting.began.wait(10)
    assert [visitor.begin(*job).status_code for _ in range(4)] == [200, 200, 503, 503]
    assert Visitor(address, "other").begin(*job).status_code == 200
    assert Visitor(address, "x" * 65).begin(*job).status_code == 400
    assert len(page.blocks._queue) == 3
    with httpx.stream("GET", f"{address}/gradio_api/heartbeat/greedy", timeout=5) as beat:
        next(beat.iter_bytes())
    wait_for(lambda: len(page.blocks._queue) == 1)
    matting.go_on.set()
    wait_for(lambda: len(page.blocks._queue) == 0 and not page.busy)
    wait_for(lambda: len(list(page.results.glob("*/*"))) == 1)  # of the other; what the first one left is gone


def test_an_address_of_the_network_has_two_jobs_whatever_its_sessions(slow):
    import asyncio
    import types

    from tools.web import hooks

    pushed, queue = [], types.SimpleNamespace(event_queue_per_concurrency_id={}, active_jobs=[])

    async def push(body, request, username):
        pushed.append(types.SimpleNamespace(session_hash=body.session_hash, request=request))
        queue.event_queue_per_concurrency_id["network"] = types.SimpleNamespace(queue=pushed)
        return True, "1", "success"

    queue.push = push
    hooks.be_fair(queue)

    def ask(session, host):
        request = types.SimpleNamespace(client=types.SimpleNamespace(host=host))
        return asyncio.run(queue.push(types.SimpleNamespace(session_hash=session), request, None))[0]

    assert [ask(session, "203.0.113.7") for session in "abc"] == [True, True, False]
    assert ask("d", "203.0.113.8") and all(ask(session, "127.0.0.1") for session in "efg")


def test_sessions_are_forgotten(tmp_path, monkeypatch):
    import tools.web.page

    assert tools.web.page.SESSIONS <= 200
    monkeypatch.setattr(tools.web.page, "SESSIONS", 3)
    with page_here(tmp_path.resolve()) as (page, address):
        visitor = Visitor(address)
        for number in range(6):
            body = {"data": ["en", None, None], "session_hash": f"many{number}", "fn_index": translation(page)}
            assert visitor.http.post("/gradio_api/run/x", json=body).status_code == 200
        assert len(page.blocks.state_holder.session_data) <= 3


def translation(page):
    return next(
        d["id"] for d in page.blocks.config["dependencies"] if d["targets"][0][1] == "change" and not d["queue"]
    )


# Files


def test_bodies_are_small_unless_they_are_uploads(served):
    for path in ("queue/join", "call/matte", "call/upload", "run/upload", "cancel", "upload_progress/upload"):
        answer = httpx.post(f"{served[1]}/gradio_api/{path}", content=b"[" * 70_000)
        assert answer.status_code in (404, 413), path


def test_no_upload_leaves_what_the_page_does_not_know(served, pair):
    page, address = served
    before = set(files_of(page))
    post = f"{address}/gradio_api/upload"
    for files in (
        [("other", ("a.png", pair[0]))],
        [("files", ("..", pair[0]))],
        [("files", (".. ", pair[0]))],
        [("files", ("a.png", pair[0]))] * 5,
        [("files", ("a.png", pair[0])), ("more", ("b.png", pair[1]))],
        [("files", ("a.png", bytes(2_050_000)))],
    ):
        assert httpx.post(post, files=files).status_code in (400, 413)
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as line:  # breaks off in the middle
        head = f"POST /gradio_api/upload HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 900000\r\n"
        head += "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
        part = '--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
        line.sendall(head.encode() + part.encode() + bytes(100_000))
        wait_for(lambda: set(files_of(page)) - before)
    wait_for(lambda: not set(files_of(page)) - before)


def test_a_full_folder_takes_nothing_more(tmp_path, pair):
    with page_here(tmp_path.resolve()) as (page, address):
        visitor = Visitor(address)
        src, bgr = (visitor.upload(name, data) for name, data in zip(("a.png", "b.png"), pair))
        page.quota = 1_500_000  # each file counts for a megabyte
        answer = visitor.http.post("/gradio_api/upload", files={"files": ("c.png", pair[0])})
        assert answer.status_code == 507 and "full" in answer.text
        assert "disk is full" in visitor.matte(src, bgr)
        assert len(files_of(page)) == 2


def test_old_files_go_but_not_those_that_somebody_waits_for(slow, pair):
    page, address, matting = slow
    visitor = Visitor(address, "a")
    paths = [visitor.upload(f"{n}.png", pair[n % 2] + bytes(n)) for n in range(6)]
    (page.files / "examples").mkdir(exist_ok=True)
    (page.files / "examples" / "kept.jpg").write_bytes(b"x")
    (page.files / "tmpleft").write_bytes(b"x")
    for session, src, bgr in (("a", *paths[:2]), ("b", *paths[2:4])):
        Visitor(address, session).begin("matte", given(src), given(bgr), "#000000", None, "en")
    assert matting.began.wait(10)
    ago = time.time() - 3600
    for path in page.files.rglob("*"):
        os.utime(path, (ago, ago))
    page.sweep()
    left = {path.name for path in files_of(page)}
    assert left == {"0.png", "1.png", "2.png", "3.png", "kept.jpg"} and len(page.busy) == 1
    assert all(folder.is_dir() for folder in page.busy)
    matting.go_on.set()
    wait_for(lambda: not page.busy and len(list(page.results.glob("*/*/*_pha.png"))) == 2)
    wait_for(lambda: not any(page.blocks._queue.active_jobs))
    for path in page.files.rglob("*"):
        os.utime(path, (ago, ago))
    page.sweep()
    assert [path.name for path in files_of(page)] == ["kept.jpg"]


def test_folders_of_killed_pages_are_removed_and_those_of_living_ones_kept(tmp_path, monkeypatch):
    pytest.importorskip("fcntl", reason="no such locks on this system")
    import tempfile

    from tools.web.upload import own_folder

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    living = own_folder()
    for name in ("matting-page-dead", "matting-page-young", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").touch()
    ago = time.time() - 3600
    for folder in (living, tmp_path / "matting-page-dead", tmp_path / "other"):
        os.utime(folder, (ago, ago))
    new = own_folder()
    assert {path.name for path in tmp_path.iterdir()} == {living.name, new.name, "matting-page-young", "other"}


def test_errors_tell_nothing_of_the_server(served, pair):
    page, address = served
    visitor = Visitor(address)
    bgr = visitor.upload("b.png", pair[1])
    for data in ([None], ["x"] * 40, {"a": 1}, [given("/etc/passwd"), given(bgr), "#000", None, "en"]):
        answer = visitor.http.post("/gradio_api/call/matte", json={"data": data})
        said = answer.text
        if answer.status_code == 200:
            said = visitor.http.get(f"/gradio_api/call/matte/{json.loads(said)['event_id']}").text
        assert "Traceback" not in said and str(page.files) not in said and "/etc" not in said
