"""What stands before the web page's server: only the page's own addresses, no large bodies, nothing from elsewhere."""

# The addresses that the page and gradio's Python client use. Gradio has more: a proxy, monitoring, editing.
PATHS = (
    "/assets/", "/static/", "/svelte/",
    *(f"/gradio_api/{name}" for name in ("file=", "heartbeat/", "call/", "run/")),
)  # fmt: skip
WHOLE_PATHS = (
    "/", "/config", "/theme.css", "/favicon.ico", "/manifest.json", "/robots.txt",
    *(f"/gradio_api/{name}" for name in (
        "app_id", "cancel", "info", "queue/data", "queue/join", "reset", "startup-events", "theme.css", "upload",
        "upload_progress",
    )),
)  # fmt: skip
BODY = 1_000_000  # bytes of anything but an upload
# The browser asks nobody else, whatever the page's scripts want.
SECURITY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; "
    "object-src 'none'; base-uri 'self'; form-action 'self'"
)


class Guard:
    """ASGI middleware.

    Args:
        app: ASGI application.
        upload_bytes: largest body of an upload; other requests may send BODY bytes.
    """

    def __init__(self, app, upload_bytes):
        self.app, self.upload_bytes = app, upload_bytes

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await (_close(send) if scope["type"] == "websocket" else self.app(scope, receive, send))
        path = scope["path"]
        if not (path in WHOLE_PATHS or path.startswith(PATHS)) or _elsewhere(path):
            return await _answer(send, 404, b"not found")
        limit = self.upload_bytes if path.endswith("/upload") else BODY
        stated = dict(scope["headers"]).get(b"content-length", b"0")
        if not stated.isdigit() or int(stated) > limit:
            return await _answer(send, 413, f"at most {limit} bytes are taken".encode())
        received = 0

        async def counted():
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            # A body of unstated length that does not end is cut off as if its sender had gone.
            return message if received <= limit else {"type": "http.disconnect"}

        async def secured(message):
            if message["type"] == "http.response.start":
                extra = ((b"content-security-policy", SECURITY.encode()), (b"x-content-type-options", b"nosniff"))
                message = {**message, "headers": [*message.get("headers", ()), *extra]}
            await send(message)

        await self.app(scope, counted, secured)


def _elsewhere(path):
    """Whether a file of another server is asked for, which gradio would fetch."""
    return path.partition("file=")[2].lstrip().lower().startswith(("http:", "https:"))


async def _answer(send, status, text):
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})


async def _close(send):
    await send({"type": "websocket.close", "code": 1000})
