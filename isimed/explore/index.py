"""The search index over a table's codes: exact while that is quick, inverted lists above."""

from functools import lru_cache
from typing import Any, Protocol

import faiss
import numpy as np
from numpy.typing import NDArray

from isimed.explore.store import Table

EXACT_UP_TO = 200_000
PROBES = 16


class Index(Protocol):
    """Finds the nearest of many codes."""

    def nearest(
        self, query: NDArray[np.float32], k: int, *, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Squared distances and rows of the (at most) k nearest codes, nearest first.

        Args:
            query: (D,). allowed: (N,) which rows may be found; all by default.
        """


@lru_cache(maxsize=4)
def codes_of(table: Table) -> NDArray[np.float32]:
    """(N, D) float32 codes of a table, kept for the next query."""
    return table.wide_code()


@lru_cache(maxsize=4)
def index_of(table: Table) -> Index:
    """The index of a table, kept for the next query."""
    return exact_index_of(table) if len(table) <= EXACT_UP_TO else InvertedLists(codes_of(table))


@lru_cache(maxsize=4)
def exact_index_of(table: Table) -> "ExactIndex":
    """Exact search over a table, of any size, kept for the next query."""
    return ExactIndex(codes_of(table))


class ExactIndex:
    """All distances as one product of matrices, which both cores share; faiss asks a single query of one.

    Args:
        codes: (N, D) float32, not copied.
    """

    def __init__(self, codes: NDArray[np.float32]) -> None:
        self.codes = codes
        self._half_squares = np.einsum("nd,nd->n", codes, codes) / 2

    def order_of(self, query: NDArray[np.float32], allowed: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """(N,) numbers that rise with the distance, ``(|c - q|² - |q|²) / 2``; infinite where not allowed."""
        values = self.codes @ query
        np.subtract(self._half_squares, values, out=values)
        if allowed is not None:
            values[~allowed] = np.inf
        return values

    def nearest(
        self, query: NDArray[np.float32], k: int, *, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """See `Index`."""
        values = self.order_of(query, allowed)
        rows = np.argpartition(values, k - 1)[:k] if k < len(values) else np.arange(len(values))
        rows = rows[np.isfinite(values[rows])]
        squared = np.square(self.codes[rows] - query).sum(axis=1)
        order = np.argsort(squared, kind="stable")
        return squared[order], rows[order]


class InvertedLists:
    """faiss' ``IndexIVFFlat``: only the lists nearest to the query are looked through.

    Args:
        codes: (N, D) float32.
    """

    def __init__(self, codes: NDArray[np.float32]) -> None:
        count, size = codes.shape
        lists = int(4 * np.sqrt(count))
        self._index = faiss.IndexIVFFlat(faiss.IndexFlatL2(size), size, lists)
        sample = np.random.default_rng(0).choice(count, size=min(count, 40 * lists), replace=False)
        self._index.train(codes[np.sort(sample)])
        self._index.add(codes)

    def nearest(
        self, query: NDArray[np.float32], k: int, *, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """See `Index`; the search itself leaves out what is not allowed."""
        selector = None if allowed is None else faiss.IDSelectorBatch(np.flatnonzero(allowed))
        parameters: Any = faiss.SearchParametersIVF()
        parameters.sel, parameters.nprobe = selector, PROBES
        squared, rows = self._index.search(query[None], k, params=parameters)
        found = rows[0] >= 0
        return squared[0][found], rows[0][found]
