"""The search index over a table's codes: exact at any size, quick because most codes are ruled out unread."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from isimed.core.caching import kept
from isimed.explore.tables.components import Components, blocks, codes_of, components_of, principal_components, rows_of
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
        codes: (N, D) float32 or float16, not copied: they may lie on disk, only those that are left are read.
        components: theirs, if they are known.
    """

    def __init__(self, codes: NDArray[np.floating], components: Components | None = None) -> None:
        self.codes = codes
        self._components = components or principal_components(codes)
        axes = min(AXES, self._components.scores.shape[1])
        self._short = np.empty((len(codes), axes + 2), dtype=np.float32, order="F")
        for rows in blocks(len(codes)):
            along = self._components.scores[rows, :axes]
            squares = np.square(rows_of(codes, rows) - self._components.mean).sum(axis=1)
            beside = np.sqrt(np.maximum(squares - np.square(along).sum(axis=1), 0))
            self._short[rows] = np.column_stack([along, beside, squares / 2])
        self._longest = 2 * float(self._short[:, -1].max(initial=0))

    def order_of(self, query: NDArray[np.float32], allowed: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """(N,) numbers that rise with the distance: half its square less a constant; infinite where not allowed."""
        values, centred = self._short[:, -1].copy(), query - self._components.mean
        for rows in blocks(len(values)):
            values[rows] -= rows_of(self.codes, rows) @ centred
        return _only(values, allowed)

    def nearest_of_each(
        self, query: NDArray[np.float32], groups: Sequence[slice], *, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Squared distance and row of the nearest code of every group of rows that has an allowed one.

        Args:
            query: (D,).
            groups: neighbouring rows each.
            allowed: (N,) which rows may be found; all by default.
        """
        bounds, square, slack = self._bounds(query, allowed)
        first = np.array([part.start + int(bounds[part].argmin()) for part in groups], dtype=np.int64)
        known = np.isfinite(bounds[first])
        groups, first = [part for part, one in zip(groups, known, strict=True) if one], first[known]
        if not groups:
            return np.empty(0, np.float32), np.empty(0, np.int64)
        limits = np.maximum((self._squared(first, query) + slack - square) / 2, bounds[first])
        left = [part.start + np.flatnonzero(bounds[part] <= limit) for part, limit in zip(groups, limits, strict=True)]
        squared = self._squared(np.concatenate([np.empty(0, np.int64), *left]), query)
        best = []
        for rows, some in zip(left, np.split(squared, np.cumsum([len(rows) for rows in left])[:-1]), strict=True):
            least = int(some.argmin())
            best.append((some[least], rows[least]))
        return np.array([one for one, _ in best], np.float32), np.array([row for _, row in best], np.int64)

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

    def _bounds(
        self, query: NDArray[np.float32], allowed: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.float32], float, float]:
        """(N,) numbers: twice one and the square are at most the squared distance; that square, and what is rounded."""
        along = self._components.of(query)[: self._short.shape[1] - 2]
        square = float(np.square(query - self._components.mean).sum())
        beside = math.sqrt(max(square - float(along @ along), 0.0))
        bounds = _only(self._short @ np.array([*-along, -beside, 1], dtype=np.float32), allowed)
        return bounds, square, ROUNDING * (square + self._longest)

    def _candidates(self, query: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        """Rows, the k nearest among them."""
        bounds, square, slack = self._bounds(query, allowed)
        first = self._squared(_least(bounds, k), query)  # no code beyond the worst of these is among the k nearest
        rows = np.flatnonzero(bounds <= (first.max(initial=0) + slack - square) / 2)
        return rows if len(rows) <= len(bounds) // 8 else _least(self.order_of(query, allowed), k)

    def _squared(self, rows: NDArray[np.int64], query: NDArray[np.float32]) -> NDArray[np.float32]:
        squared = np.empty(len(rows), dtype=np.float32)
        for part in blocks(len(rows)):
            squared[part] = np.square(rows_of(self.codes, rows[part]) - query).sum(axis=1)
        return squared


def _only(values: NDArray[np.float32], allowed: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    if allowed is not None:
        values[~allowed] = np.inf
    return values


def _least(values: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Where the k least finite values are (more where several are as large as the last)."""
    last = np.partition(values, k - 1)[k - 1] if k < len(values) else np.inf
    return np.flatnonzero(values <= min(last, np.finfo(np.float32).max))
