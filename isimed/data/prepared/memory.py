"""Parallel work on volumes within a memory budget: small ones side by side, the largest ones alone."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

BUDGET_SHARE = 0.25
BUDGET_BYTES = 3 * 2**30
WORKING_COPIES = 3
COMPRESSED_GROWTH = 4


class MemoryBudget:
    """Admits work while its estimated bytes fit together; what is larger than the budget runs alone.

    Args:
        limit: bytes; by default 3 GB or a quarter of the machine's memory, whichever is less.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit or int(min(BUDGET_BYTES, BUDGET_SHARE * psutil.virtual_memory().total))
        self._used = 0
        self._changed = threading.Condition()

    @contextmanager
    def room_for(self, size: int) -> Iterator[None]:
        size = min(size, self.limit)
        with self._changed:
            self._changed.wait_for(lambda: self._used + size <= self.limit)
            self._used += size
        try:
            yield
        finally:
            with self._changed:
                self._used -= size
                self._changed.notify_all()


def working_bytes(files: list[Path]) -> int:
    """About how much memory the preparation of a volume takes, from its files' sizes alone."""
    return WORKING_COPIES * sum(_unpacked_bytes(file) for file in files)


def _unpacked_bytes(file: Path) -> int:
    size = file.stat().st_size
    name = file.name.lower()
    if name.endswith(".gz"):
        with file.open("rb") as opened:
            opened.seek(max(0, size - 4))
            return max(size, int.from_bytes(opened.read(4), "little"))  # gzip's last word: the size modulo 4 GB
    return size * COMPRESSED_GROWTH if name.endswith((".nrrd", ".mha", ".zip")) else size


def default_workers() -> int:
    return min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
