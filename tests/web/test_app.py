"""The web page: what it gives is what predict.py writes, it stays up whatever it is sent, and shows no other file."""

import io
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
from PIL import Image

import predict
from dataset.picture import read_alpha, read_photo, read_rgb
from tests.app_server import (
    BROWSER,
    DRIVER,
    ROOT,
    SAMPLE,
    browsing,
    give,
    matte_sample,
    narrow,
    replace,
    requested,
    serving,
    wait,
)
from tests.prediction.test_predictor import scene

pytest.importorskip("httpx", reason="gradio is not installed")
pytest.importorskip("gradio", reason="gradio is not installed")

from tests.web.visitor import Visitor, given, pictures, png
from tools import app
from tools.web import jobs
from tools.web.words import Refused
from utils.system.errors import UsageError


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Address of the page, and the folder that its files are in."""
    folder = tmp_path_factory.mktemp("page")
    with serving(folder, "--max-megabytes", "2", "--max-clip-megabytes", "2", "--max-seconds", "2") as (
        address,
        process,
    ):
        (files,) = folder.glob("matting-page-*")
        yield address, files
        assert process.poll() is None, (folder / "page.log").read_text()
    assert not files.exists(), "the files of the visitors are still there"


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    """Folder with what predict.py writes for the sample pair."""
    out = tmp_path_factory.mktemp("predicted")
    assert predict.main(["--src", str(SAMPLE["src"]), "--bgr", str(SAMPLE["bgr"]), "--output-dir", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def small():
    """A pair of 168x176 as PNG files in memory."""
    return [png(picture) for picture in scene(176, 168)]


def test_eight_at_once_get_what_predict_writes(page, truth):
    def visit(number):
        visitor = Visitor(page[0])
        src, bgr = (visitor.upload(f"v{number}_{mark}.jpg", path.read_bytes()) for mark, path in SAMPLE.items())
        results = visitor.matte(src, bgr)
        assert isinstance(results, list), results
        return [np.array(Image.open(io.BytesIO(visitor.get(file)))) for file in pictures(results)]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(visit, range(8)))
    for com, pha, fgr, over in answers:
        assert np.array_equal(pha, read_alpha(truth / "sample_pha.png"))
        assert np.array_equal(fgr, read_rgb(truth / "sample_fgr.png"))
        cut_out = read_photo(truth / "sample_com.png")
        assert np.array_equal(com, np.dstack([cut_out.rgb, cut_out.alpha]))
        assert (over[pha == 0] == [255, 0, 0]).all() and np.array_equal(over[pha == 255], fgr[pha == 255])


def test_the_network_of_the_start_serves_pictures_and_clips_of_its_precision(tmp_path, monkeypatch):
    from tools.web.page import Page

    opened, somebody, gone = [], SimpleNamespace(session_hash=None), {"src": "gone", "bgr": "gone", "form": "mp4"}

    def visited(page, *_):
        for visit in (page.matte, page.matte_clip):
            opened.append(visit.__name__)
            with pytest.raises(Refused):
                visit(somebody, gone)
        raise OSError("enough")

    def open_network(**network):
        opened.append(network["precision"])
        return SimpleNamespace(**network)

    monkeypatch.setattr(jobs, "Matting", open_network)
    monkeypatch.setattr(Page, "launch", visited)
    for fastest in ("float32", "int8"):
        monkeypatch.setattr(jobs, "fastest_precision", lambda *_, fastest=fastest: fastest)
        files = tmp_path / fastest
        files.mkdir()
        with mock.patch.dict(os.environ), pytest.raises(UsageError, match="cannot be listened on"):
            app.serve(app.parse([]), files)
    served = ["float32", "matte", "matte_clip"]
    assert opened == [*served, *served, "int8"]


def test_it_listens_on_this_machine_only(page):
    port = int(page[0].rpartition(":")[2])
    with pytest.raises(OSError):  # another address of this machine, where 0.0.0.0 would answer
        socket.create_connection(("127.0.0.2", port), 5).close()


def test_no_clock_lies_over_the_page_while_it_opens_and_changes_its_language(page):
    calls = Visitor(page[0]).http.get("/config").json()["dependencies"]
    worded = [call for call in calls if len(call["outputs"]) > 20]
    assert [call["show_progress"] for call in worded] == ["hidden", "hidden"]


def test_no_other_file_and_no_other_server_is_reached(page, small):
    address, files = page
    visitor = Visitor(address)
    secret = files.parent / "secret.png"
    secret.write_bytes(small[0])
    for path in (
        f"file={secret}",
        "file=/etc/passwd",
        "file=/etc/hosts",
        f"file={files}/../secret.png",
        "file=../../etc/passwd",
        "file=%2e%2e/%2e%2e/etc/passwd",
        f"file={files}/%2e%2e/secret.png",
        f"file={files}/..%2fsecret.png",
        f"file={ROOT / 'README.md'}",
        f"file={ROOT / 'image' / 'sample_src.jpg'}",
        "file=/proc/self/environ",
        f"file=file://{secret}",
        f"file={address}/config",
        f"proxy={address}/config",
        f"file={files}",
        f"file/{secret}",
        "file=",
        f"stream/x/y/{secret}",
        "monitoring",
        "vibe-code/",
    ):
        answer = visitor.http.get(f"/gradio_api/{path}")
        assert answer.status_code in (403, 404, 405, 422), (path, answer.status_code, answer.text[:200])
    for path in (
        "/static/../../../../../etc/passwd",
        "/assets/%2e%2e/%2e%2e/%2e%2e/launches.py",
        "/monitoring",
        "/custom_component/1/client/component/../../x",
        "/svelte/../../../app.py",
    ):
        assert visitor.http.get(path).status_code in (400, 403, 404), path
    bgr = visitor.upload("b.png", small[1])
    for path in (
        str(secret),
        "/etc/passwd",
        f"{files}/../secret.png",
        f"{address}/config",
        f"file://{secret}",
        f"{bgr}/../../../secret.png",
        str(SAMPLE["src"]),
        "\0",
        "x" * 10_000,
    ):
        assert isinstance(visitor.matte(path, bgr), str), path
    for form in ("png", "../x", None):
        assert isinstance(visitor.call("matte_clip", None, None, "#000", None, form, "en"), str)
    assert visitor.http.post("/gradio_api/queue/join", content=b"[" * 2_000_000).status_code == 413
    assert visitor.http.get("/config").status_code == 200


def clip_of(picture, frames, container="mp4"):
    av = pytest.importorskip("av", reason="av is not installed")
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream("libx264", rate=10)
        stream.height, stream.width, stream.pix_fmt = *picture.shape[:2], "yuv420p"
        for _ in range(frames):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        out.mux(stream.encode())
    return file.getvalue()


def test_clips_are_matted_and_odd_ones_refused(page, small):
    av = pytest.importorskip("av", reason="av is not installed")
    visitor = Visitor(page[0])
    src, bgr = scene(176, 168)
    clip = clip_of(src, 4)
    background = given(visitor.upload("b.png", small[1]))

    def matte(name, data, form="mp4"):
        source = given(visitor.upload(name, data))
        return visitor.call("matte_clip", source, background, "#ff0000", None, form, "en")

    results = matte("my clip.mp4", clip)
    assert isinstance(results, list), results
    com, pha = (update["value"] for update in results[1:3])
    with av.open(io.BytesIO(visitor.get(com))) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == 4 and frames[0].shape == src.shape
    corner = frames[3][:20, :20].reshape(-1, 3).mean(axis=0)
    assert corner[0] > 230 and corner[1:].max() < 25
    assert results[4].startswith("- ") and "4 frames" in results[4] and "/" not in results[4].replace("rgb/", "")
    assert isinstance(matte("a.mkv", clip_of(src, 2, "matroska"), "webm"), list)
    assert "longer than 2 seconds" in matte("long.mp4", clip_of(src, 25))
    playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
    dash = b"\x1aE\xdf\xa3<MPD profiles='urn:mpeg:dash:profile:isoff-on-demand:2011'>"
    for data in (playlist, b"ffconcat version 1.0\nfile /etc/passwd\n", dash, clip[:40], small[0], clip[:-900]):
        said = matte("a.mp4", data)
        assert isinstance(said, str) and ("not a video" in said or "cannot be matted" in said), said


@pytest.mark.skipif(not (BROWSER and DRIVER), reason="chromium and chromium-driver are not installed")
def test_browser_downloads_the_alpha_that_predict_writes(page, truth, tmp_path):
    pytest.importorskip("selenium", reason="selenium is not installed")
    address, files = page
    with browsing(tmp_path, "zh-CN") as driver:
        assert "1280×720，用时" in matte_sample(driver, address)
        driver.find_element("id", "get_pha").click()
        target = tmp_path / "downloads" / "sample_pha.png"
        wait(driver, lambda _: target.exists() and target.stat().st_size)  # empty until it is complete
        assert np.array_equal(read_alpha(target), read_alpha(truth / "sample_pha.png"))
        assert driver.find_element("id", "run").text == "开始抠图"
        driver.find_element("css selector", "#language label").click()
        wait(driver, lambda d: d.find_element("id", "run").text == "Cut out")
        wait(driver, lambda d: "engine" in d.find_element("id", "notes").text)  # what was said follows
        text = tmp_path / "text.png"
        text.write_text("no picture")
        replace(driver, "src", text)
        wait(driver, lambda d: "text.png is not a picture" in d.find_element("id", "said").text)
        driver.find_element("id", "run").click()
        wait(driver, lambda d: "text.png is not a picture" in d.find_element("id", "said").text)
        assert not driver.find_elements("css selector", ".toast-body")  # gradio's own, which go away by themselves
        elsewhere = [url for url in requested(driver) if not url.startswith(address)]
        refusals = [entry["message"] for entry in driver.get_log("browser") if "Security Policy" in entry["message"]]
        assert not elsewhere and not refusals
        assert len(list((files / "results").glob("*/*/sample_pha.png"))) == 1
    until = time.monotonic() + 20
    while list((files / "results").glob("*/*/sample_pha.png")):
        assert time.monotonic() < until, "results stay after the page is closed"
        time.sleep(0.2)


@pytest.mark.skipif(not (BROWSER and DRIVER), reason="chromium and chromium-driver are not installed")
@pytest.mark.parametrize("language, first", [("en-US", "en"), ("zh-CN", "zh")])
def test_a_phone_shows_what_is_wrong_in_view_and_swaps(page, tmp_path, language, first):
    pytest.importorskip("selenium", reason="selenium is not installed")
    turned = tmp_path / "turned.jpg"
    Image.open(SAMPLE["bgr"]).rotate(180).save(turned)
    with browsing(tmp_path, language) as driver:
        narrow(driver)
        driver.get(page[0])
        give(driver, "src", SAMPLE["bgr"])
        give(driver, "bgr", SAMPLE["src"])
        wait(driver, lambda d: all(name.endswith(".preview.jpg") for name in shown(d)))  # looked at
        names = shown(driver)
        driver.find_element("id", "swap").click()
        wait(driver, lambda d: shown(d) == names[::-1])
        replace(driver, "bgr", turned)
        driver.find_element("id", "run").click()
        box = wait(driver, lambda d: d.find_elements("css selector", "#said .said"))[0]
        wait(driver, lambda d: 0 <= in_view(d, box) < 844)
        wait(driver, lambda d: 0 <= in_view(d, d.find_element("css selector", "#result img")) < 844)
        assert "--" not in box.text and ("两张照片" in box.text) == (first == "zh")
        assert driver.execute_script("return document.documentElement.scrollWidth") <= 390


def shown(driver, *fields):
    pictures = [driver.find_element("css selector", f"#{field} img") for field in fields or ("src", "bgr")]
    return [picture.get_attribute("src") for picture in pictures]


def in_view(driver, element):
    return driver.execute_script("return arguments[0].getBoundingClientRect().top", element)


@pytest.mark.skipif(not (BROWSER and DRIVER), reason="chromium and chromium-driver are not installed")
def test_the_page_is_as_wide_in_chinese_before_there_is_a_result(page, tmp_path):
    pytest.importorskip("selenium", reason="selenium is not installed")
    with browsing(tmp_path, "zh-CN", (1400, 900)) as driver:
        driver.get(page[0])
        wait(driver, lambda d: d.find_element("id", "run").text == "开始抠图")
        assert driver.execute_script("return document.querySelector('.gradio-container').offsetWidth") == 1280
        photo, text = tmp_path / "IMG_1.HEIC", tmp_path / "a.raw"  # of which the browser knows no type
        photo.write_bytes(SAMPLE["src"].read_bytes())
        text.write_text("no picture")
        give(driver, "src", photo)
        wait(driver, lambda d: shown(d, "src")[0].endswith("IMG_1.HEIC.preview.jpg"))
        wait(driver, lambda d: d.find_elements("css selector", "#bgr input[type=file]"))[0].send_keys(str(text))
        wait(driver, lambda d: "a.raw 不是可读取的图片" in d.find_element("id", "said").text)
