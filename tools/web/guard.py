"""What stands before the web page's server: only the page's own addresses, no large bodies, nothing from elsewhere."""

import asyncio
import re
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse

UPLOAD = "/gradio_api/upload"
# The addresses that the page and gradio's Python client use. Gradio has more: a proxy, monitoring, editing, and files
# that it fetches from another server.
PATHS = re.compile(
    r"/|/(config|theme\.css|favicon\.ico|manifest\.json|robots\.txt)|/(assets|static|svelte)/.*|/gradio_api/("
    r"app_id|cancel|info|queue/data|queue/join|reset|startup-events|theme\.css|upload|upload_progress"
    r"|file=(?!.*://).*|(heartbeat|call|run)/.*)",
    re.DOTALL,
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
        host: address that is listened on; the names of this machine are known if nobody else can reach it.
        root: the page's address behind a proxy, from whose origin requests may come as well, or None.
    """

    def __init__(self, app, upload_bytes, room=lambda _: True, host="0.0.0.0", root=None):
        self.app, self.upload_bytes, self.room = app, upload_bytes, room
        local, proxy = host in LOOPBACK or host.startswith("127."), urlsplit(root or "")
        self.names = {host.lower(), *LOOPBACK, proxy.hostname} if local else None  # None: any
        self.origin = f"{proxy.scheme}://{proxy.netloc}" if proxy.netloc else None
        self.coming = 0  # bytes of uploads that are on their way

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            closing = send({"type": "websocket.close", "code": 1000}) if scope["type"] == "websocket" else None
            return await (closing or self.app(scope, receive, send))

        def refuse(status, text):
            return PlainTextResponse(text, status)(scope, receive, send)

        headers, uploads = Headers(scope=scope), scope["path"] == UPLOAD
        if not self.is_ours(headers):
            return await refuse(403, "this page does not answer to that name")
        if not PATHS.fullmatch(scope["path"]):
            return await refuse(404, "not found")
        limit, stated = self.upload_bytes if uploads else BODY, headers.get("content-length", "0")
        if not stated.isdecimal() or int(stated) > limit:
            return await refuse(413, f"at most {limit} bytes are taken")
        size = (int(stated) or limit) if uploads else 0
        self.coming += size
        try:
            if uploads and not await asyncio.to_thread(self.room, self.coming):
                return await refuse(507, "the page's disk is full: try again in a few minutes")
            await self.pass_on(scope, receive, send, limit)
        finally:
            self.coming -= size

    def is_ours(self, headers):
        """Whether a request means this page, and comes from it if it comes from a page."""
        host, origin = (headers.get(name, "").lower() for name in ("host", "origin"))
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

        kept = [pair for pair in scope["headers"] if pair[0] not in REFLECTED]
        await self.app({**scope, "headers": kept}, counted, secured)
