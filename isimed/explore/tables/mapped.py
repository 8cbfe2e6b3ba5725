"""Codes of a large table stay on disk: float16 in one file that is mapped, a cache that can be deleted."""

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from isimed.core import paths
from isimed.core.files import DiskFullError, write_file
from isimed.explore.tables.store import Table

IN_MEMORY_BYTES = 2**28  # of codes as float32: what is larger stays on disk
BLOCK = 65_536  # rows that are computed with at once


def mapped_codes(table: Table) -> NDArray[np.float16] | None:
    """(N, D) codes of a table as its files hold them, read from disk where they are looked at.

    Returns:
        None where they are small enough for memory, where the table is in no files, or where the disk is full.
    """
    files = table.files
    if not files:
        return None
    rows = sum(pq.read_metadata(file).num_rows for file in files)
    width = pq.read_schema(files[0]).field("code").type.list_size
    if 4 * rows * width <= IN_MEMORY_BYTES:
        return None
    file = paths.home() / "codes" / f"{table.fingerprint}-{_stamp(files)}.npy"
    if not file.is_file():
        with suppress(OSError):
            for old in file.parent.glob(f"{table.fingerprint}-*.npy"):
                old.unlink()
        try:
            write_file(file, lambda opened: _write(opened, table, (rows, width)))
        except DiskFullError:
            return None
    return np.load(file, mmap_mode="r")


def _write(file: BinaryIO, table: Table, shape: tuple[int, int]) -> None:
    np.lib.format.write_array_header_1_0(file, {"descr": "<f2", "fortran_order": False, "shape": shape})
    for part in table.parts("code"):
        file.write(np.ascontiguousarray(part, dtype="<f2").data)


def _stamp(files: tuple[Path, ...]) -> str:
    """Changes when a file of the table does."""
    said = [(file.name, status.st_size, status.st_mtime_ns) for file in files if (status := file.stat())]
    return hashlib.sha256(repr(said).encode()).hexdigest()[:16]
