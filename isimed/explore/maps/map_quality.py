"""How far a map can be trusted: are neighbours on the map neighbours in the latent space, and the reverse?"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isimed.explore.maps.pca import sample_rows

NEIGHBOURS = 12
QUERIES = 2000
WORK = 100_000_000  # pairs of (query, row) that are compared at most
BLOCK = 20_000_000
ROWS = 100_000


@dataclass(frozen=True)
class MapQuality:
    """Trustworthiness and continuity, 1 is perfect, about 0.5 is chance.

    Attributes:
        trustworthiness: falls when crops that are far apart in the latent space are neighbours on the map.
        continuity: falls when latent neighbours are torn apart on the map.
        neighbours: how many neighbours a crop has in these figures.
        queries: how many crops were asked, a stratified sample; their neighbours are sought among all rows.
    """

    trustworthiness: float
    continuity: float
    neighbours: int
    queries: int


def map_quality(
    vectors: ArrayLike, coordinates: ArrayLike, *, group: NDArray | None = None, neighbours: int = NEIGHBOURS
) -> MapQuality:
    """Trustworthiness and continuity of one map: (N, D) vectors, (N, 2 or 3) coordinates; see ``map_qualities``."""
    return map_qualities(vectors, {"map": coordinates}, group=group, neighbours=neighbours)["map"]


def map_qualities(
    vectors: ArrayLike,
    maps: Mapping[str, ArrayLike],
    *,
    group: NDArray | None = None,
    neighbours: int = NEIGHBOURS,
) -> dict[str, MapQuality]:
    """Trustworthiness and continuity of several maps of the same crops.

    ``T = 1 - 2 / (n k (2N - 3k - 1)) sum_i sum_{j in U_k(i)} (r(i, j) - k)``, with ``U_k(i)`` the k neighbours of i
    on the map that are not among its k neighbours in the latent space, and ``r`` their rank there; continuity is
    the same with the two spaces exchanged. Source: Venna & Kaski, Neighborhood preservation in nonlinear projection
    methods, ICANN 2001. The n queries are all rows up to 2,000, fewer above 50,000 rows; the N candidates are always
    all rows.

    Args:
        vectors: (N, D) latent vectors.
        maps: name -> (N, 2 or 3) coordinates.
        group: (N,) volume of each row, for a stratified choice of queries.
    """
    high, low = np.asarray(vectors), {name: np.asarray(places) for name, places in maps.items()}
    n = len(high)
    k = min(neighbours, max(1, (n - 2) // 2))
    queries = sample_rows(np.zeros(n) if group is None else group, int(np.clip(WORK // n, 100, QUERIES)))
    penalties = {name: np.zeros(2) for name in low}
    for start in range(0, len(queries), max(1, BLOCK // n)):
        part = queries[start : start + max(1, BLOCK // n)]
        far_high = _distances(high, part)
        for name, places in low.items():
            far_low = _distances(places, part)
            penalties[name] += _penalty(far_high, far_low, k), _penalty(far_low, far_high, k)
    worst = len(queries) * k * max(2 * n - 3 * k - 1, 1)
    found = {name: 1 - 2 * penalty / worst for name, penalty in penalties.items()}
    return {name: MapQuality(float(trust), float(kept), k, len(queries)) for name, (trust, kept) in found.items()}


def _distances(points: NDArray, queries: NDArray) -> NDArray[np.float32]:
    """(Q, N) squared distances but for each query's own square, which changes no rank; its own row is last.

    No more rows are float32 at a time than needed.
    """
    asked = np.ascontiguousarray(points[queries], dtype=np.float32)
    distances = np.empty((len(queries), len(points)), dtype=np.float32)
    for start in range(0, len(points), ROWS):
        part = np.ascontiguousarray(points[start : start + ROWS], dtype=np.float32)
        distances[:, start : start + ROWS] = np.einsum("nd,nd->n", part, part) - 2 * (asked @ part.T)
    distances[np.arange(len(queries)), queries] = np.inf
    return distances


def _penalty(true: NDArray, shown: NDArray, k: int) -> float:
    """Sum over the k neighbours in ``shown`` of how far down the list of ``true`` they stand, beyond k."""
    near = np.argpartition(shown, k - 1, axis=1)[:, :k]
    reach = np.take_along_axis(true, near, axis=1)
    order = np.sort(true, axis=1) if k > 30 else None
    total = 0
    for column in range(k):
        if order is None:
            rank = 1 + (true < reach[:, column, None]).sum(axis=1)
        else:
            rank = 1 + np.array([np.searchsorted(o, r) for o, r in zip(order, reach[:, column], strict=True)])
        total += int(np.maximum(rank - k, 0).sum())
    return float(total)
