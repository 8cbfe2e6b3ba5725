"""The few directions in which a table's codes differ: what search and prediction work in."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isimed.explore.index import codes_of
from isimed.explore.store import Table

SAMPLE = 20_000
COMPONENTS = 24


@dataclass(frozen=True, eq=False)
class Components:
    """Leading principal components of codes.

    Attributes:
        mean: (D,). directions: (K, D), orthonormal.
        scores: (N, K) of every row of the table.
    """

    mean: NDArray[np.float32]
    directions: NDArray[np.float32]
    scores: NDArray[np.float32]

    def of(self, codes: ArrayLike) -> NDArray[np.float32]:
        """(..., D) codes -> (..., K)."""
        return ((np.asarray(codes, dtype=np.float32) - self.mean) @ self.directions.T).astype(np.float32)


@lru_cache(maxsize=4)
def components_of(table: Table) -> Components:
    """The components of a table, kept for the next query."""
    codes = codes_of(table)
    some = codes[:: max(1, len(codes) // SAMPLE)]
    mean: NDArray[np.float32] = some.mean(axis=0, dtype=np.float32)
    centred = some - mean
    _, vectors = np.linalg.eigh(centred.T @ centred)
    directions = np.ascontiguousarray(vectors[:, ::-1][:, : min(COMPONENTS, len(some))].T, dtype=np.float32)
    scores = ((codes - mean) @ directions.T).astype(np.float32)
    return Components(mean, directions, scores)
