"""Embeddings that were made once: a file a volume and network, a row a crop. Safe to delete at any time."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from isimed.core.files import UNREADABLE, write_file

Features = tuple[NDArray[np.float32], NDArray[np.float32]]


def embedded_once(file: Path, points: NDArray, embed: Callable[[NDArray], Features]) -> Features:
    """(n, D) embeddings and (n, K) codes of (n, 3) voxels; only voxels that the file lacks are embedded.

    A process that is killed, or another that writes at the same time, costs some crops, never a wrong one.
    """
    points = np.asarray(points, dtype=np.int64).reshape(-1, 3)
    kept = _read(file)
    known = {} if kept is None else {tuple(point): row for row, point in enumerate(kept[0].tolist())}
    new = np.array([p for p in dict.fromkeys(map(tuple, points.tolist())) if p not in known], dtype=np.int64)
    if len(new):
        made = embed(new)
        parts: tuple[NDArray, ...] = (new, *made)
        kept = parts if kept is None else tuple(map(np.concatenate, zip(kept, parts, strict=True)))
        known |= {tuple(point): len(known) + row for row, point in enumerate(new.tolist())}
        write_file(file, partial(np.savez, points=kept[0], embedding=kept[1], code=kept[2]))
    assert kept is not None
    rows = [known[tuple(point)] for point in points.tolist()]
    return kept[1][rows], kept[2][rows]


def _read(file: Path) -> tuple[NDArray, ...] | None:
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            found = tuple(arrays[name] for name in ("points", "embedding", "code"))
    except UNREADABLE:
        return None
    return found if len({len(part) for part in found}) == 1 else None
