"""Where a checkpoint may come from: a folder, or an address that the user names. Nothing is asked for by itself."""

import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import SplitResult, urlsplit
from urllib.request import url2pathname

from isimed.core.errors import InputError

TIMEOUT_S = 60
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Hubs send large files from elsewhere; that has to be as safe as the address that was named."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_opener = urllib.request.build_opener(_Redirects)


def check_address(address: str) -> None:
    """Refuse what could be read or changed on its way.

    Raises:
        InputError: neither https, nor http of this machine.

    >>> check_address("https://hub.example/lab/net/resolve/main")
    """
    parts = _parts(address)
    if not (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)):
        raise InputError(f"{address} is not safe: give an address that begins with https://, or a folder.")


def is_address(source: str) -> bool:
    """Whether a source is on the network: what has a scheme of more than one letter is (``C:`` is a drive)."""
    return len(_parts(source).scheme) > 1 and not source.startswith("file:")


def joined(source: str, *names: str) -> str:
    """A file or folder below a source."""
    if is_address(source):
        return "/".join([source.rstrip("/"), *names])
    folder = url2pathname(urlsplit(source).path) if source.startswith("file:") else source
    return str(Path(folder).expanduser().joinpath(*names))


@contextmanager
def opened(place: str) -> Iterator[tuple[IO[bytes], int | None]]:
    """Open a file of a source.

    Yields:
        The file, and its size in bytes where that is known.

    Raises:
        FileNotFoundError: there is none.
        InputError: it cannot be read, or the address is not safe.
    """
    try:
        if is_address(place):
            check_address(place)
            with _opener.open(place, timeout=TIMEOUT_S) as answer:
                length = answer.headers.get("Content-Length", "")
                yield answer, int(length) if length.isdigit() else None
        else:
            with _opened_here(place) as file:
                yield file, os.fstat(file.fileno()).st_size
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (404, 410):
            raise FileNotFoundError(place) from None
        raise InputError(f"{place} cannot be fetched ({error.code} {error.reason}): check the address.") from None
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", None) or error
        raise InputError(f"{place} cannot be fetched ({reason}): check the address and the network.") from None


def _opened_here(place: str) -> IO[bytes]:
    try:
        return Path(place).open("rb")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise FileNotFoundError(place) from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise InputError(f"{place[:200]} cannot be read ({why}): check the path and its permissions.") from None


def _parts(source: str) -> SplitResult:
    try:
        return urlsplit(source)
    except ValueError as error:
        raise InputError(f"{source} is neither a folder nor an address ({error}): check it.") from None
