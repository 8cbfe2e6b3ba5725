"""The few directions in which a table's codes differ: what search and prediction work in."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isimed.core.caching import kept
from isimed.explore.tables.mapped import BLOCK, mapped_codes
from isimed.explore.tables.store import Table

SAMPLE = 20_000
COMPONENTS = 24


@dataclass(frozen=True, eq=False)
class Components:
    """Leading principal components of codes.

    Attributes:
        mean: (D,).
        directions: (K, D), orthonormal.
        scores: (N, K) of every row of the table.
    """

    mean: NDArray[np.float32]
    directions: NDArray[np.float32]
    scores: NDArray[np.float32]

    def of(self, codes: ArrayLike) -> NDArray[np.float32]:
        """(..., D) codes -> (..., K)."""
        return ((np.asarray(codes, dtype=np.float32) - self.mean) @ self.directions.T).astype(np.float32)


@kept(4)
def codes_of(table: Table) -> NDArray[np.floating]:
    """(N, D) codes of a table, kept for the next query: float32, or float16 on disk where the table is large."""
    mapped = mapped_codes(table)
    return table.wide_code() if mapped is None else mapped


def rows_of(codes: NDArray[np.floating], rows: NDArray | slice) -> NDArray[np.float32]:
    """Some of `codes_of`, to compute with."""
    return np.asarray(codes[rows], dtype=np.float32)


def blocks(count: int) -> Iterator[slice]:
    """Parts of so many rows that codes are computed with at once."""
    return (slice(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK))


@kept(4)
def components_of(table: Table) -> Components:
    """The components of a table, kept for the next query."""
    return principal_components(codes_of(table))


def principal_components(codes: NDArray[np.floating]) -> Components:
    """Leading components of (N, D) codes, fitted on (at most twice) ``SAMPLE`` of them."""
    some = rows_of(codes, slice(None, None, max(1, len(codes) // SAMPLE)))
    mean: NDArray[np.float32] = some.mean(axis=0, dtype=np.float32)
    centred = some - mean
    scatter = (centred.T @ centred).astype(np.float64)  # else directions are orthonormal to four digits only
    _, found = leading_directions(scatter, min(COMPONENTS, len(some)))
    directions = np.ascontiguousarray(found, dtype=np.float32)
    scores = np.empty((len(codes), len(directions)), dtype=np.float32)
    for rows in blocks(len(codes)):
        np.matmul(rows_of(codes, rows) - mean, directions.T, out=scores[rows])
    return Components(mean, directions, scores)


def leading_directions(scatter: NDArray, count: int) -> tuple[NDArray, NDArray]:
    """Principal directions from a covariance, or any multiple of it: for more rows than fit into memory at once.

    Args:
        scatter: (D, D) symmetric.

    Returns:
        (count,) eigenvalues, the largest first and none below 0, and (count, D) orthonormal directions.
    """
    values, vectors = np.linalg.eigh(scatter)
    return np.clip(values[::-1][:count], 0, None), vectors[:, ::-1][:, :count].T


def leading_scores(rows: ArrayLike, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Principal components of some rows, by singular values in float64: for figures that are reported.

    Args:
        rows: (N, D).

    Returns:
        (N, count) scores, about the mean, and (count,) each one's share of the variance.

    >>> scores, share = leading_scores([[0, 0], [3, 4], [6, 8]], 1)
    >>> np.abs(scores).ravel().round(6).tolist(), share.round(6).tolist()
    ([5.0, 0.0, 5.0], [1.0])
    """
    wide = np.asarray(rows, dtype=np.float64)
    left, singular, _ = np.linalg.svd(wide - wide.mean(axis=0), full_matrices=False)
    total = max(float(np.square(singular).sum()), np.finfo(float).tiny)
    return left[:, :count] * singular[:count], np.square(singular[:count]) / total
