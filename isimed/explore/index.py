"""The search index over a table's codes: exact while that is quick, inverted lists above."""

from functools import lru_cache
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from isimed.explore.store import Table

EXACT_UP_TO = 200_000
PROBES = 16


@lru_cache(maxsize=4)
def codes_of(table: Table) -> NDArray[np.float32]:
    """(N, D) float32 codes of a table, kept for the next query."""
    return table.wide_code()


@lru_cache(maxsize=4)
def squared_lengths_of(table: Table) -> NDArray[np.float32]:
    """(N,) of ``codes_of``, kept: with them all distances from a code are one product of matrices."""
    codes = codes_of(table)
    return np.einsum("nd,nd->n", codes, codes)


@lru_cache(maxsize=4)
def index_of(table: Table) -> faiss.Index:
    """The index of a table, kept for the next query."""
    return build_index(codes_of(table))


def build_index(codes: NDArray[np.float32], *, exact_up_to: int = EXACT_UP_TO) -> faiss.Index:
    """Exact search (``IndexFlatL2``) up to a number of rows, inverted lists (``IndexIVFFlat``) above.

    Args:
        codes: (N, D) float32.
        exact_up_to: rows from which on recall is traded for time.
    """
    count, size = codes.shape
    if count <= exact_up_to:
        index: faiss.Index = faiss.IndexFlatL2(size)
    else:
        lists = int(4 * np.sqrt(count))
        index = faiss.IndexIVFFlat(faiss.IndexFlatL2(size), size, lists)
        index.nprobe = PROBES
        sample = np.random.default_rng(0).choice(count, size=min(count, 40 * lists), replace=False)
        index.train(codes[np.sort(sample)])
    index.add(codes)
    return index


def search(
    index: faiss.Index, queries: NDArray[np.float32], k: int, *, selector: faiss.IDSelector | None = None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Squared distances (Q, k) and rows (Q, k) of the k nearest rows that the selector lets through, -1 for none."""
    parameters: Any = faiss.SearchParametersIVF() if isinstance(index, faiss.IndexIVF) else faiss.SearchParameters()
    parameters.sel = selector
    if isinstance(index, faiss.IndexIVF):
        parameters.nprobe = index.nprobe
    return index.search(queries, k, params=parameters)
