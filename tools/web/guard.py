"""What stands before the web page's server: only the page's own addresses, no large bodies, nothing from elsewhere."""

import asyncio
from urllib.parse import urlsplit

UPLOAD = "/gradio_api/upload"
# The addresses that the page and gradio's Python client use. Gradio has more: a proxy, monitoring, editing.
API = "app_id cancel info queue/data queue/join reset startup-events theme.css upload upload_progress".split()
WHOLE_PATHS = {"/", "/config", "/theme.css", "/favicon.ico", "/manifest.json", "/robots.txt"}
WHOLE_PATHS |= {f"/gradio_api/{name}" for name in API}
PATHS = (
    "/assets/",
    "/static/",
    "/svelte/",
    *(f"/gradio_api/{name}" for name in ("file=", "heartbeat/", "call/", "run/")),
)
BODY = 64_000  # bytes of anything but an upload
LOOPBACK = ("localhost", "127.0.0.1", "::1")
REFLECTED = (b"x-forwarded-host", b"x-gradio-server")  # gradio would make the page's own address of them
# The browser asks nobody else, whatever the page's scripts want, and shows the page in no other one's frame.
SECURITY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)


class Guard:
    """ASGI middleware.

    Args:
        app: ASGI application.
        upload_bytes: largest body of an upload; other requests may send BODY bytes.
        room: function of bytes: whether so many more may be uploaded now.
        names: host names that the page answers to, in lower case; None: to any.
        origin: the page's origin behind a proxy, from which requests may come as well; None: there is none.
    """

    def __init__(self, app, upload_bytes, room=lambda _: True, names=None, origin=None):
        self.app, self.upload_bytes, self.room, self.names, self.origin = app, upload_bytes, room, names, origin
        self.coming = 0  # bytes of uploads that are on their way

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            closing = send({"type": "websocket.close", "code": 1000}) if scope["type"] == "websocket" else None
            return await (closing or self.app(scope, receive, send))
        path, headers = scope["path"], dict(scope["headers"])
        if not self.is_ours(headers):
            return await _answer(send, 403, b"this page does not answer to that name")
        fetched = path.startswith("/gradio_api/file=") and "://" in path  # from another server, by gradio
        if fetched or not (path in WHOLE_PATHS or path.startswith(PATHS)):
            return await _answer(send, 404, b"not found")
        limit = self.upload_bytes if path == UPLOAD else BODY
        stated = headers.get(b"content-length", b"0")
        if not stated.isdigit() or int(stated) > limit:
            return await _answer(send, 413, f"at most {limit} bytes are taken".encode())
        scope = {**scope, "headers": [pair for pair in scope["headers"] if pair[0] not in REFLECTED]}
        if path != UPLOAD:
            return await self.pass_on(scope, receive, send, limit)
        size = int(stated) or limit
        self.coming += size
        try:
            if not await asyncio.to_thread(self.room, self.coming):
                return await _answer(send, 507, b"the page's disk is full: try again in a few minutes")
            await self.pass_on(scope, receive, send, limit)
        finally:
            self.coming -= size

    def is_ours(self, headers):
        """Whether a request means this page, and comes from it if it comes from a page."""
        host, origin = (headers.get(name, b"").decode("latin-1").lower() for name in (b"host", b"origin"))
        try:
            named, of = urlsplit(f"//{host}").hostname, urlsplit(origin).netloc
        except ValueError:  # no address at all
            return False
        return (self.names is None or named in self.names) and (not origin or of == host or origin == self.origin)

    async def pass_on(self, scope, receive, send, limit):
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


async def _answer(send, status, text):
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
