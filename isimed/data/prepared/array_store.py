"""Named arrays in one memory-mapped file with a checksum, written whole or not at all."""

import errno
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isimed.core.errors import InputError
from isimed.core.files import new_folder, write_json

ARRAYS, META = "arrays.bin", "meta.json"
ALIGNMENT = 64
BLOCK = 2**22


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
    with new_folder(folder) as unfinished:
        places = {}
        with (unfinished / ARRAYS).open("wb") as file:
            for name, array in arrays.items():
                file.write(b"\0" * (-file.tell() % ALIGNMENT))
                array = np.ascontiguousarray(array)
                places[name] = {"offset": file.tell(), "dtype": array.dtype.str, "shape": array.shape}
                file.write(array.reshape(-1).view(np.uint8).data)
            file.write(b"\0" * (-file.tell() % 8))
        status = (unfinished / ARRAYS).stat()
        about = {"arrays": places, "size": status.st_size, "checksum": _checksum(unfinished / ARRAYS)}
        write_json(unfinished / META, {**meta, **about, "mtime_ns": status.st_mtime_ns})


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
    with suppress(InputError):  # a cache that cannot be written still serves
        write_json(folder / META, meta)
