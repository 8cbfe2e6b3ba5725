"""Comparing two latent spaces on the same crops: aligned maps, linear CKA, shared neighbours."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.neighbors import NearestNeighbors

from isimed.explore.tables.store import Table

NEIGHBOURS = 10


@dataclass(frozen=True, eq=False)
class Alignment:
    """One map moved onto another by translation, rotation or reflection, and scale.

    Attributes:
        coordinates: (N, C) the second map, moved.
        disparity: share of the first map's spread that the second does not explain; 0 is the same map.
    """

    coordinates: NDArray[np.float64]
    disparity: float


def procrustes(target: ArrayLike, source: ArrayLike) -> Alignment:
    """Move a map onto another, as near as rotation, reflection, one scale and translation allow.

    Minimises ``|target - (s source R + t)|``: with centred maps and the singular value decomposition
    ``source^T target = U S V^T``, ``R = U V^T`` and ``s = sum(S) / |source|^2``. Source: Gower & Dijksterhuis,
    Procrustes Problems, Oxford 2004.

    Args:
        target, source: (N, C), row i of both is the same crop.

    Raises:
        ValueError: the shapes differ.
    """
    a, b = np.asarray(target, dtype=np.float64), np.asarray(source, dtype=np.float64)
    if a.shape != b.shape:
        raise ValueError(f"both maps must have the same shape, got {a.shape} and {b.shape}")
    mean = a.mean(axis=0)
    a, b = a - mean, b - b.mean(axis=0)
    spread = np.square(b).sum()
    if spread == 0:
        return Alignment(np.broadcast_to(mean, a.shape).copy(), 1.0)
    u, s, vt = np.linalg.svd(b.T @ a)
    moved = b @ (u @ vt) * (s.sum() / spread)
    disparity = np.square(a - moved).sum() / max(np.square(a).sum(), np.finfo(float).tiny)
    return Alignment(moved + mean, float(disparity))


def linear_cka(first: ArrayLike, second: ArrayLike) -> float:
    """Linear centred kernel alignment of two sets of vectors of the same crops, 0 to 1; 1 is the same up to rotation.

    ``|Y^T X|_F^2 / (|X^T X|_F |Y^T Y|_F)`` with centred columns. Source: Kornblith et al., Similarity of Neural
    Network Representations Revisited, arXiv 1905.00414.

    Args:
        first: (N, D).
        second: (N, E).

    Raises:
        ValueError: the numbers of rows differ.
    """
    x, y = _centred(first), _centred(second)
    if len(x) != len(y):
        raise ValueError(f"both must have the same rows, got {len(x)} and {len(y)}")
    norms = np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)
    return float(np.square(np.linalg.norm(y.T @ x)) / norms) if norms > 0 else 0.0


def neighbour_overlap(
    first: ArrayLike, second: ArrayLike, *, neighbours: int = NEIGHBOURS, queries: ArrayLike | None = None
) -> float:
    """Mean share of a crop's k nearest neighbours that are the same in both spaces, 0 to 1; chance is k / N.

    Args:
        first: (N, D).
        second: (N, E).
        queries: rows to ask; all by default. Their neighbours are sought among all rows.

    Raises:
        ValueError: the numbers of rows differ.
    """
    x = np.ascontiguousarray(first, dtype=np.float32)
    y = np.ascontiguousarray(second, dtype=np.float32)
    if len(x) != len(y):
        raise ValueError(f"both must have the same rows, got {len(x)} and {len(y)}")
    asked = np.arange(len(x)) if queries is None else np.asarray(queries)
    k = min(neighbours, len(x) - 1)
    near = [_neighbours(space, asked, k) for space in (x, y)]
    shared = [len(set(a) & set(b)) for a, b in zip(*near, strict=True)]
    return float(np.mean(shared)) / k


def same_crops(first: Table, second: Table) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of two tables that are the same crop: same volume, centres within 0.05 mm.

    Returns:
        (M,) rows of the first and of the second table, M may be 0.
    """
    ours, theirs = [], []
    for volume in [v for v in first.volumes if v in set(second.volumes)]:
        a, b = first.rows(volume), second.rows(volume)
        index = {_place(mm): row for row, mm in enumerate(second.centre_mm[b], start=b.start)}
        for row, mm in enumerate(first.centre_mm[a], start=a.start):
            if (other := index.get(_place(mm))) is not None:
                ours.append(row)
                theirs.append(other)
    return np.array(ours, dtype=np.int64), np.array(theirs, dtype=np.int64)


def _place(mm: NDArray) -> tuple[int, ...]:
    return tuple(np.rint(np.asarray(mm, dtype=np.float64) * 10).astype(int).tolist())


def _centred(vectors: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(vectors, dtype=np.float64)
    return array - array.mean(axis=0)


def _neighbours(points: NDArray[np.float32], queries: NDArray, k: int) -> list[list[int]]:
    search = NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(points)
    found = search.kneighbors(points[queries], return_distance=False)
    return [[row for row in rows if row != own][:k] for own, rows in zip(queries.tolist(), found.tolist(), strict=True)]
