"""The search index over a table's codes: exact at any size, quick because most codes are ruled out unread."""

import math

import numpy as np
from numpy.typing import NDArray

from isimed.core.caching import kept
from isimed.explore.tables.components import Components, codes_of, components_of, principal_components
from isimed.explore.tables.store import Table

AXES = 14  # of a short code, which with the length beside them and the square is 16 numbers: a line of memory
ROUNDING = 4e-6  # of the squared lengths: what float32 sums may miss


@kept(4)
def index_of(table: Table) -> "Index":
    """The index of a table, kept for the next query."""
    return Index(codes_of(table), components_of(table))


class Index:
    """Finds the nearest of many codes, and misses none: what a bound rules out is not read, the rest is measured.

    A short code is a code's part along the leading components and the length of what lies beside them. By Cauchy and
    Schwarz two short codes are never farther apart than their codes. Codes trained to be places lie near few
    components, so that little is left to measure; of codes that do not, all are, in one product that all cores share.

    Args:
        codes: (N, D) float32, not copied.
        components: theirs, if they are known.
    """

    def __init__(self, codes: NDArray[np.float32], components: Components | None = None) -> None:
        self.codes = codes
        self._half_squares = np.einsum("nd,nd->n", codes, codes) / 2
        self._components = components or principal_components(codes)
        along, mean = self._components.scores[:, :AXES], self._components.mean
        half_lengths = np.maximum(self._half_squares - codes @ mean + mean @ mean / 2, 0)
        beside = np.sqrt(np.maximum(2 * half_lengths - np.einsum("nd,nd->n", along, along), 0))
        self._short = np.asfortranarray(np.column_stack([along, beside, half_lengths]))

    def order_of(self, query: NDArray[np.float32], allowed: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """(N,) numbers that rise with the distance, ``(|c - q|² - |q|²) / 2``; infinite where not allowed."""
        values = self.codes @ query
        np.subtract(self._half_squares, values, out=values)
        return _only(values, allowed)

    def nearest(
        self, query: NDArray[np.float32], k: int, *, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Squared distances and rows of the (at most) k nearest codes, nearest first.

        Args:
            query: (D,).
            allowed: (N,) which rows may be found; all by default.
        """
        rows = self._candidates(query, k, allowed)
        squared = self._squared(rows, query)
        order = np.argsort(squared, kind="stable")[:k]
        return squared[order], rows[order]

    def _candidates(self, query: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        """Rows, the k nearest among them."""
        along = self._components.of(query)[:AXES]
        square = float(np.square(query - self._components.mean).sum())
        beside = math.sqrt(max(square - float(along @ along), 0.0))
        bounds = _only(self._short @ np.array([*-along, -beside, 1], dtype=np.float32), allowed)
        first = self._squared(_least(bounds, k), query)  # no code beyond the worst of these is among the k nearest
        farthest = first.max(initial=0) + ROUNDING * (square + 2 * self._half_squares.max(initial=0))
        rows = np.flatnonzero(bounds <= (farthest - square) / 2)
        return rows if len(rows) <= len(bounds) // 8 else _least(self.order_of(query, allowed), k)

    def _squared(self, rows: NDArray[np.int64], query: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.square(self.codes[rows] - query).sum(axis=1)


def _only(values: NDArray[np.float32], allowed: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    if allowed is not None:
        values[~allowed] = np.inf
    return values


def _least(values: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Where the k least finite values are (more where several are as large as the last)."""
    last = np.partition(values, k - 1)[k - 1] if k < len(values) else np.inf
    return np.flatnonzero(values <= min(last, np.finfo(np.float32).max))
