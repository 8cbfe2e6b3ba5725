"""What the server answers beside Streamlit's own pages, to whom, and what a page may ask for.

Voxels are patient data. A page may ask this server alone (Content-Security-Policy), and the server answers only to
the names that it was told of: a foreign page whose name is pointed at this machine (DNS rebinding) gets nothing.
"""

import os
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose
from streamlit import config

from isimed.ui import link
from isimed.ui.slice_viewer import files, voxel_server

HOSTS = "ISIMED_HOSTS"  # names besides this machine's own, separated by commas
LOOPBACK = ("localhost", "127.0.0.1", "::1")
# Streamlit's page has inline scripts and styles, its components are blobs, and plotly's WebGL compiles its shaders'
# callers: all of that is code of this server, and none of it can ask another host.
POLICY = "; ".join(
    [
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "media-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    ]
)
# A page's address ends in its name, or in "/" for the first one: its base is the server, behind any prefix too.
BASE_SCRIPT = b'<script>window.__streamlit = {BACKEND_BASE_URL: new URL("./", location.href).href}</script>'
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",  # addresses of pages name patients
    "X-Content-Type-Options": "nosniff",
}


def routes() -> list[BaseRoute]:
    """For ``st.App(routes=...)``: voxels and the viewer's files, below the app's base URL if it has one."""
    base = (config.get_option("server.baseUrlPath") or "").strip("/")
    base = f"/{base}" if base else ""
    return [*voxel_server.routes(base), *files.routes(base)]


def middleware() -> list[Middleware]:
    """For ``st.App(middleware=...)``."""
    return [Middleware(Guard, hosts=known_hosts()), Middleware(KnownBase)]


def known_hosts() -> tuple[str, ...]:
    """The names under which this server is asked for: this machine's, Streamlit's options, and ``ISIMED_HOSTS``."""
    told = [config.get_option("server.address"), config.get_option("browser.serverAddress")]
    told += os.environ.get(HOSTS, "").split(",")
    return (*LOOPBACK, *(name.strip().strip("[]").lower() for name in told if name and name.strip()))


class Guard:
    """Answers only to known hosts, and says with every answer what a page may ask for."""

    def __init__(self, app: ASGIApp, *, hosts: Sequence[str]) -> None:
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        host = host_of(Headers(scope=scope).get("host", ""))

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        if host in self._hosts:
            await self._app(scope, receive, send_guarded)
        elif scope["type"] == "websocket":
            await WebSocketClose(1008, "unknown host")(scope, receive, send)
        else:
            words = f"This server was not told that it is called {host!r}: start it with {HOSTS} set to that name."
            await PlainTextResponse(words, status_code=421)(scope, receive, send_guarded)


class KnownBase:
    """Tells Streamlit's page where its server is: else a link into a page asks below that page first, in vain."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start: Message | None = None

        async def send_with_base(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and is_page(scope, MutableHeaders(scope=message)):
                start = message  # its length changes
            elif start is not None and message["type"] == "http.response.body":
                body = message["body"].replace(b"<head>", b"<head>" + BASE_SCRIPT + link.SCRIPT, 1)
                headers = MutableHeaders(scope=start)
                headers["Content-Length"] = str(int(headers["Content-Length"]) + len(body) - len(message["body"]))
                await send(start)
                await send({**message, "body": body})
                start = None
            else:
                await send(message)

        wanted = Headers(scope=scope).get("accept", "") if scope["type"] == "http" else ""
        if "text/html" not in wanted:
            await self._app(scope, receive, send)
            return
        plainly = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]  # to be read here
        await self._app({**scope, "headers": plainly}, receive, send_with_base)


def is_page(scope: Scope, headers: MutableHeaders) -> bool:
    """Is this answer Streamlit's HTML, whole and uncompressed?"""
    html = headers.get("content-type", "").startswith("text/html")
    whole = "content-encoding" not in headers and "content-length" in headers
    return scope["method"] == "GET" and html and whole


def host_of(header: str) -> str:
    """The name in a Host header, without its port; "" where there is none.

    >>> host_of("Localhost:8501"), host_of("[::1]:8501")
    ('localhost', '::1')
    """
    try:
        return (urlsplit(f"//{header}").hostname or "").removesuffix(".")
    except ValueError:
        return ""
