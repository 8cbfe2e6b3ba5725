"""Voxels for the browser, served beside the app under unguessable names, and to those alone who have logged in."""

import secrets
import threading
from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from isimed.ui import login

VOXELS_PATH = "isimed/voxels"  # relative, so that the browser finds it behind any proxy
MAX_ENTRIES = 96
MAX_BYTES = 2 * 2**30
PART_BYTES = 2**22


class VoxelRegistry:
    """Which arrays the browser may fetch, by token; the least recently used ones are forgotten.

    Args:
        max_entries: how many tokens are valid at once.
        max_bytes: how many bytes their arrays may hold together; the newest array is always kept.
    """

    def __init__(self, *, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._arrays: OrderedDict[str, NDArray] = OrderedDict()
        self._tokens: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()

    def publish(self, array: NDArray, key: str, session: str) -> str:
        """The token under which one session fetches an array.

        Args:
            array: any shape; sent as its little-endian bytes in C order.
            key: what the array is; the same key and session give the same token.
            session: whose it is; another session gets another token.
        """
        array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        with self._lock:
            token = self._tokens.setdefault((key, session), secrets.token_urlsafe(24))
            self._arrays[token] = array
            self._arrays.move_to_end(token)
            self._forget_oldest()
        return token

    def get(self, token: str) -> NDArray | None:
        with self._lock:
            if token in self._arrays:
                self._arrays.move_to_end(token)
            return self._arrays.get(token)

    def __len__(self) -> int:
        return len(self._arrays)

    def _forget_oldest(self) -> None:
        total = sum(array.nbytes for array in self._arrays.values())
        while len(self._arrays) > self._max_entries or (total > self._max_bytes and len(self._arrays) > 1):
            _, array = self._arrays.popitem(last=False)
            total -= array.nbytes
        self._tokens = {owner: token for owner, token in self._tokens.items() if token in self._arrays}


registry = VoxelRegistry()


def publish(array: NDArray, key: str, session: str) -> str:
    """Let one session fetch an array; returns the URL, relative to the app. Needs no running server."""
    return f"{VOXELS_PATH}/{registry.publish(array, key, session)}"


def routes(base: str = "") -> list[Route]:
    """For ``st.App(routes=...)``: voxels by token, below a base path such as "/lab"."""
    return [Route(f"{base}/{VOXELS_PATH}/{{token}}", _voxels)]


async def _voxels(request: Request) -> Response:
    if not login.passed(request):
        return PlainTextResponse("Log in first.", status_code=403, headers={"Cache-Control": "no-store"})
    array = registry.get(request.path_params["token"])
    if array is None:
        return PlainTextResponse("Unknown or forgotten.", status_code=404, headers={"Cache-Control": "no-store"})
    # The encoding is named to keep Streamlit's middleware from compressing: seconds of CPU for a large scan.
    headers = {"Cache-Control": "private, max-age=86400", "Content-Encoding": "identity"}
    return InParts(array.data.cast("B"), media_type="application/octet-stream", headers=headers)


class InParts(Response):
    """A large scan leaves part by part, as fast as the browser takes it; others are answered in between."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        starts = range(0, max(1, len(self.body)), PART_BYTES)
        for start in starts:
            part, more = self.body[start : start + PART_BYTES], start != starts[-1]
            await send({"type": "http.response.body", "body": part, "more_body": more})
