"""The page in this process, with a network that costs nothing, and what a program can do with a page."""

import io
import json
import os
import socket
from contextlib import contextmanager
from unittest import mock

import httpx
import numpy as np
from PIL import Image

from tools import app
from utils.predictor import Matte

LIMITS = app.parse(["--max-megabytes", "2", "--max-clip-megabytes", "2", "--max-seconds", "2"])


class Cut:
    """A Matting that takes the right half."""

    engine = "none"

    def __call__(self, src, bgr, foreground=True):
        pha = np.zeros(src.shape[:2], np.uint8)
        pha[:, src.shape[1] // 2 :] = 255
        return Matte(pha, src, lambda: pha / np.float32(255), None, None)


@contextmanager
def page_here(folder, matting=None, root=None):
    """Serve a Page from this process; gives it and its address."""
    files = folder / "files"
    files.mkdir()
    with mock.patch.dict(os.environ, GRADIO_TEMP_DIR=str(files), GRADIO_ANALYTICS_ENABLED="False"):
        from tools.web.page import Page

        page = Page(files, LIMITS)
        page.matting = lambda precision: matting or Cut()
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        page.launch("127.0.0.1", port, root)
        try:
            yield page, f"http://127.0.0.1:{port}"
        finally:
            page.blocks.close(verbose=False)


class Visitor:
    """What a program can do with the page."""

    def __init__(self, address, session=None):
        self.http, self.session = httpx.Client(base_url=address, timeout=60), session

    def upload(self, name, data):
        """Path of the upload on the server; None if it was refused."""
        answer = self.http.post("/gradio_api/upload", files={"files": (name, data)})
        return answer.json()[0] if answer.status_code == 200 else None

    def begin(self, name, *arguments):
        """The answer to the request for a job."""
        session = {"session_hash": self.session} if self.session else {}
        return self.http.post(f"/gradio_api/call/{name}", json={"data": list(arguments), **session})

    def call(self, name, *arguments):
        """The results, or the text of the error."""
        answer = self.begin(name, *arguments)
        if answer.status_code != 200:
            return f"{answer.status_code}: {answer.text}"
        lines = self.http.get(f"/gradio_api/call/{name}/{answer.json()['event_id']}").text.splitlines()
        kind, data = lines[-3 if lines[-1] == "" else -2 :][:2]
        data = json.loads(data.partition(":")[2])
        return data if kind == "event: complete" else str(data)

    def matte(self, src, bgr):
        return self.call("matte", *map(given, (src, bgr)), "#ff0000", None, "en")

    def get(self, file):
        return self.http.get(file["url"]).content


def given(path):
    """An uploaded file, as a function of the page takes it."""
    return {"path": path, "meta": {"_type": "gradio.FileData"}} if path else None


def pictures(results):
    """com, pha, fgr and over of matte's results, as files of the server."""
    return [update["value"] for update in results[3:7]]


def png(picture):
    """A picture as a PNG file in memory."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()
