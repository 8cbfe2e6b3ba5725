"""What an ASGI app answers, without a server."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

from starlette.datastructures import Headers


def ask(app, path: str, *, host: str = "localhost", kind: str = "http", headers: dict | None = None) -> SimpleNamespace:
    """The answer to one request: status_code, headers, content; of a websocket the type of its first message."""
    sent = []
    more = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    scope = {
        "type": kind, "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": [(b"origin", b"http://elsewhere"), (b"host", host.encode()), *more], "http_version": "1.1",
        "scheme": {"http": "http", "websocket": "ws"}[kind], "root_path": "", "subprotocols": [],
    }  # fmt: skip

    async def receive():
        return {"type": "websocket.connect"} if kind == "websocket" else {"type": "http.request", "body": b""}

    async def send(message):
        sent.append(message)

    with ThreadPoolExecutor(1) as pool:  # a loop of its own: browser tests keep one running in the main thread
        pool.submit(asyncio.run, app(scope, receive, send)).result()
    if kind == "websocket":
        return SimpleNamespace(type=sent[0]["type"])
    content = b"".join(bytes(message.get("body", b"")) for message in sent[1:])
    return SimpleNamespace(status_code=sent[0]["status"], headers=Headers(raw=sent[0]["headers"]), content=content)
