"""Finer than one crop's match: what all crops of two volumes agree on.

The match of a single crop errs by what its code says wrongly, and looking again around it errs the same way. But
a body is one piece: neighbours move together. So crops from all over the source are matched in the target and the
other way round, and an affine map of scanner millimetres is fitted to these pairs, robustly: one of the whole body
(`Correspondence.map`), and for a place that is asked for one to which the pairs around it count most
(`Correspondence.place`), since no neck bends as another does. Network and tables stay as they are: this costs some
milliseconds a pair of volumes, once, and a fraction of one a place.

Making the mean codes of two volumes equal before matching was tried and left out: patients whose fields of view
differ are then moved against each other (headneck-ct, validation patients: 31 mm with it, 12 mm without).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isimed.core.caching import kept
from isimed.explore.search.local_map import local_map
from isimed.explore.tables.components import components_of
from isimed.explore.tables.store import Table

SAMPLE = 250  # crops of each volume that are matched
CODE_COMPONENTS = 8
FAR = 2.5  # times the median latent distance
LOCAL_MM = 25.0
NEAR_MM = 50.0  # how near pairs are that count for a place; on validation patients, see docs/search.md
EVERYWHERE = 0.02  # what all others count, so that a place beyond all pairs goes where the whole body goes


@dataclass(frozen=True, eq=False)
class Correspondence:
    """Where the places of one volume are in another.

    Attributes:
        matrix: (4, 3) of the whole body: target mm = [source mm, 1] @ matrix.
        places_mm: (M, 3) source mm of the pairs it was fitted to.
        ends_mm: (M, 3) target mm of the same.
    """

    matrix: NDArray[np.float64]
    places_mm: NDArray[np.float64]
    ends_mm: NDArray[np.float64]

    def map(self, points_mm: ArrayLike) -> NDArray[np.float64]:
        """(..., 3) source mm -> target mm, as the whole body goes."""
        return np.asarray(points_mm, dtype=np.float64) @ self.matrix[:3] + self.matrix[3]

    def place(self, point_mm: ArrayLike) -> "Place":
        """Where a place of the source (3,) is in the target, as what lies around it goes."""
        offset = self.places_mm - np.asarray(point_mm, dtype=np.float64)
        squared = np.square(offset).sum(axis=1)
        weights = np.exp(-0.5 * squared / NEAR_MM**2) + EVERYWHERE
        matrix = robust_affine(offset, self.ends_mm, weights=weights, rounds=2)
        missed = np.square(self.ends_mm - _extended(offset) @ matrix).sum(axis=1)
        close = np.exp(-0.5 * (squared - squared.min()) / LOCAL_MM**2)
        return Place(matrix[3], matrix[:3], float(np.sqrt(close @ missed / close.sum())))


@dataclass(frozen=True, eq=False)
class Place:
    """Where one place of a volume is in another.

    Attributes:
        mm: (3,) target mm.
        turn: (3, 3): a step of the source, times this, is the step of the target.
        spread_mm: root mean square of what the pairs around it miss.
    """

    mm: NDArray[np.float64]
    turn: NDArray[np.float64]
    spread_mm: float


@kept(4096)
def correspondence(table: Table, source: str, target: str) -> Correspondence:
    """The map between two volumes of a table, kept for the next query."""
    here, there = table.rows(source), table.rows(target)
    scores = components_of(table).scores[:, :CODE_COMPONENTS]
    return fit_correspondence(scores[here], table.centre_mm[here], scores[there], table.centre_mm[there])


def fit_correspondence(
    codes: NDArray, places: NDArray, target_codes: NDArray, target_places: NDArray
) -> Correspondence:
    """The map between two sets of crops.

    Args:
        codes, target_codes: (N, K) and (M, K) leading components of the codes.
        places, target_places: (N, 3) and (M, 3) scanner mm.
    """
    source_places, target_places = places.astype(np.float64), target_places.astype(np.float64)
    some, some_places = _thin(codes), _thin(source_places)
    some_targets, some_target_places = _thin(target_codes), _thin(target_places)
    forward, away_there = local_map(some, target_codes, target_places)
    back, away_here = local_map(some_targets, codes, source_places)
    x, y = np.concatenate([some_places, back]), np.concatenate([forward, some_target_places])
    shown = _shown(np.concatenate([away_there, away_here]))
    x, y = x[shown], y[shown]
    return Correspondence(robust_affine(x, y), x, y)


def _thin(rows: NDArray) -> NDArray:
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(SAMPLE, len(rows))).astype(int))]


def _shown(away: NDArray) -> NDArray[np.bool_]:
    """Which crops the other volume shows too: what it does not show finds only matches that are far off."""
    return away <= FAR * np.median(away)


def _extended(points: NDArray) -> NDArray[np.float64]:
    return np.column_stack([points, np.ones(len(points))])


def robust_affine(x: NDArray, y: NDArray, *, weights: NDArray | None = None, rounds: int = 5) -> NDArray[np.float64]:
    """(4, 3) least squares with Cauchy weights: pairs that are far off count little.

    Args:
        x, y: (N, 3) each.
        weights: (N,) how much each pair counts from the start; all alike by default.
    """
    features, first = _extended(x), np.ones(len(x)) if weights is None else weights
    counted = first
    for _ in range(rounds):
        root = np.sqrt(counted)[:, None]
        matrix = np.linalg.lstsq(root * features, root * y, rcond=None)[0]
        misses = np.linalg.norm(y - features @ matrix, axis=1)
        usual = float(np.median(misses)) if weights is None else _median(misses, weights)
        counted = first / (1 + np.square(misses / max(usual, 1e-6)))
    return matrix


def _median(values: NDArray, weights: NDArray) -> float:
    """The value below which half of the weight lies."""
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order[np.searchsorted(total, total[-1] / 2)]])
