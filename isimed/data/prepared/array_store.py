"""Named arrays in one memory-mapped file with a checksum, written whole or not at all."""

import errno
import json
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from isimed.core.errors import InputError

ARRAYS, META = "arrays.bin", "meta.json"
ALIGNMENT = 64
BLOCK = 2**22
UNFINISHED = ".writing-"
STALE_AFTER_S = 24 * 3600


class DiskFullError(InputError):
    """No space is left: going on with other volumes would not help."""


def write_arrays(folder: Path, arrays: Mapping[str, NDArray], meta: Mapping[str, Any]) -> None:
    """Write a folder of one array file and its description; an older folder of that name is replaced.

    Args:
        folder: its parent is made where it is missing.
        arrays: any shapes and plain types.
        meta: JSON-able; stored beside the arrays' types and shapes.

    Raises:
        DiskFullError: no space is left; nothing half written remains.
        InputError: the folder cannot be written.
    """
    temporary = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        owner = f"{UNFINISHED}{socket.gethostname()}-{os.getpid()}-"
        temporary = Path(tempfile.mkdtemp(prefix=owner, dir=folder.parent))
        places = {}
        with (temporary / ARRAYS).open("wb") as file:
            for name, array in arrays.items():
                file.write(b"\0" * (-file.tell() % ALIGNMENT))
                array = np.ascontiguousarray(array)
                places[name] = {"offset": file.tell(), "dtype": array.dtype.str, "shape": array.shape}
                file.write(array.reshape(-1).view(np.uint8).data)
            file.write(b"\0" * (-file.tell() % 8))
            file.flush()
            os.fsync(file.fileno())  # or a power cut could leave the name without the content
        status = (temporary / ARRAYS).stat()
        about = {"arrays": places, "size": status.st_size, "checksum": _checksum(temporary / ARRAYS)}
        _write_json(temporary / META, {**meta, **about, "mtime_ns": status.st_mtime_ns})
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskFullError(f"The disk of {folder.parent} is full: free space, or move ISIMED_HOME.") from error
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # another process was faster: its copy serves
            raise InputError(f"{folder.parent} cannot be written ({error.strerror}): check ISIMED_HOME.") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def open_arrays(folder: Path) -> tuple[dict[str, NDArray], dict[str, Any]] | None:
    """The arrays, memory-mapped and read-only, and the meta of a folder; None where it is missing or damaged.

    A file that is as it was written is trusted by its size and time; else its checksum decides.
    """
    try:
        meta = json.loads((folder / META).read_bytes())
        status = (folder / ARRAYS).stat()
        if status.st_size != meta["size"]:
            return None
        if status.st_mtime_ns != meta["mtime_ns"]:
            if _checksum(folder / ARRAYS) != meta["checksum"]:
                return None
            _note_time(folder, meta, status.st_mtime_ns)
        mapped = _map(folder / ARRAYS)
        arrays = {}
        for name, place in meta["arrays"].items():
            dtype, shape = np.dtype(place["dtype"]), tuple(place["shape"])
            end = place["offset"] + int(np.prod(shape)) * dtype.itemsize
            arrays[name] = mapped[place["offset"] : end].view(dtype).reshape(shape)
        return arrays, meta
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def is_intact(folder: Path) -> bool:
    """Compare the checksum, whatever the file's time: reads everything."""
    try:
        return _checksum(folder / ARRAYS) == json.loads((folder / META).read_bytes())["checksum"]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def clear_unfinished(parent: Path) -> None:
    """Remove what killed processes of this machine left half written, and anything of others that is a day old."""
    for folder in parent.glob(f"{UNFINISHED}*"):
        host, _, rest = folder.name.removeprefix(UNFINISHED).rpartition("-")[0].rpartition("-")
        dead = host == socket.gethostname() and rest.isdigit() and not psutil.pid_exists(int(rest))
        try:
            if dead or time.time() - folder.stat().st_mtime > STALE_AFTER_S:
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue


def _map(path: Path) -> NDArray[np.uint8]:
    try:
        return np.memmap(path, dtype=np.uint8, mode="r")
    except OSError as error:
        if error.errno != errno.EMFILE or not _allow_more_files():
            raise
        return np.memmap(path, dtype=np.uint8, mode="r")


def _allow_more_files() -> bool:
    """Every mapped volume holds a file open: raise the process's limit as far as the system lets it."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return False
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= hard:
        return False
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return True


def _checksum(path: Path) -> int:
    """Sum of 64-bit words weighted by their block: finds any changed byte, and is as fast as memory."""
    total = 0
    with path.open("rb") as file:
        for index, block in enumerate(iter(lambda: file.read(BLOCK), b"")):
            words = np.frombuffer(block[: len(block) // 8 * 8], dtype="<u8")
            total += (2 * index + 1) * int(words.sum(dtype=np.uint64))
    return total % 2**64


def _note_time(folder: Path, meta: dict[str, Any], mtime_ns: int) -> None:
    meta["mtime_ns"] = mtime_ns
    try:
        _write_json(folder / META, meta)
    except OSError:
        return  # a cache that cannot be written still serves


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(content))
    temporary.replace(path)
