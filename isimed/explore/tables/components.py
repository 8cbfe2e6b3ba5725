"""The few directions in which a table's codes differ: what search and prediction work in."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isimed.core.caching import kept
from isimed.explore.tables.store import Table

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


@kept(4)
def codes_of(table: Table) -> NDArray[np.float32]:
    """(N, D) float32 codes of a table, kept for the next query."""
    return table.wide_code()


@kept(4)
def components_of(table: Table) -> Components:
    """The components of a table, kept for the next query."""
    return principal_components(codes_of(table))


def principal_components(codes: NDArray[np.float32]) -> Components:
    """Leading components of (N, D) float32 codes, fitted on (at most twice) ``SAMPLE`` of them."""
    some = codes[:: max(1, len(codes) // SAMPLE)]
    mean: NDArray[np.float32] = some.mean(axis=0, dtype=np.float32)
    centred = some - mean
    _, vectors = np.linalg.eigh(centred.T @ centred)
    directions = np.ascontiguousarray(vectors[:, ::-1][:, : min(COMPONENTS, len(some))].T, dtype=np.float32)
    scores = codes @ directions.T
    scores -= directions @ mean
    return Components(mean, directions, scores)
