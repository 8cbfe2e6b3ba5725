"""Where in the body a crop looks to be from, told by other patients: predicted position, organ, and surprises."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isimed.core.caching import kept
from isimed.data.formats.volume import Volume
from isimed.data.prepared.preprocess import Prepared
from isimed.explore.search.overlay import over_scan
from isimed.explore.tables.components import components_of
from isimed.explore.tables.store import Table

RIDGE = 1e-3
ORGAN_WITHIN_MM = 10.0


@dataclass(frozen=True)
class Whereabouts:
    """What appearance alone says about a place.

    Attributes:
        predicted: (3,) mm from the centre of the body's box, along sagittal, coronal, axial.
        true: the same, where it really is.
        gap_mm: distance between the two.
    """

    predicted: tuple[float, float, float]
    true: tuple[float, float, float]

    @property
    def gap_mm(self) -> float:
        return float(np.linalg.norm(np.subtract(self.predicted, self.true)))


def where_is(table: Table, code: ArrayLike, volume: Prepared, point_mm: ArrayLike, *, subject: str) -> Whereabouts:
    """Predict a place's position in the body from its code, by patients other than its own.

    Args:
        code: (D,) of the crop around the point.
        volume, point_mm: where it really is, scanner mm.
        subject: whose it is; this patient's crops are not used.
    """
    weights = _predictor(table, subject)
    predicted = np.append(components_of(table).of(code), 1.0) @ weights
    return Whereabouts(_triple(predicted), _triple(volume.position(np.asarray(point_mm, dtype=float))))


def surprise_map(table: Table, volume: str, target: Prepared, scan: Volume) -> NDArray[np.float32]:
    """How far every place of a volume lies from where it looks to be, in mm.

    Returns:
        (X, Y, Z) over the scan's field of view at about 4 mm; NaN outside the body.
    """
    rows = table.rows(volume)
    weights = _predictor(table, str(table.subject[rows.start]))
    scores = components_of(table).scores[rows]
    gap = np.column_stack([scores, np.ones(len(scores))]) @ weights - table.position[rows]
    return np.linalg.norm(over_scan(gap, table, volume, target, scan), axis=-1)


def organ_vote(
    found: Mapping[str, ArrayLike], volumes: Mapping[str, Prepared], *, within_mm: float = ORGAN_WITHIN_MM
) -> Counter[int]:
    """Which organ the found places lie in, or the nearest one within some mm: one vote a labelled volume.

    Args:
        found: volume id -> (3,) scanner mm of the same place.
        volumes: id -> prepared volume; those without organ labels do not vote.

    Returns:
        Label -> votes; 0 for "no organ near".
    """
    votes: Counter[int] = Counter()
    for name, mm in found.items():
        volume = volumes.get(name)
        if volume is not None and "organs" in volume.labels:
            votes[_organ_near(volume, np.asarray(mm), within_mm)] += 1
    return votes


def _organ_near(volume: Prepared, mm: NDArray, within_mm: float) -> int:
    organs = volume.labels["organs"]
    spacing = volume.spacing
    middle = np.rint(volume.to_voxel(mm)).astype(int)
    reach = int(np.ceil(within_mm / spacing))
    low = np.maximum(middle - reach, 0)
    near = np.asarray(organs[tuple(slice(a, max(a, b)) for a, b in zip(low, middle + reach + 1, strict=True))])
    places = np.argwhere(near)
    if not len(places):
        return 0
    away = np.square(places + low - middle).sum(axis=1)
    best = int(away.argmin())
    return int(near[tuple(places[best])]) if away[best] * spacing**2 <= within_mm**2 else 0


@kept(64)
def _predictor(table: Table, subject: str) -> NDArray[np.float64]:
    """(K + 1, 3) ridge regression of position on components, from all patients but one."""
    others = table.subject != subject
    if not others.any():
        others = np.ones(len(table), dtype=bool)
    scores = components_of(table).scores[others].astype(np.float64)
    features = np.column_stack([scores, np.ones(len(scores))])
    gram = features.T @ features
    penalty = np.diag(np.append(np.full(scores.shape[1], RIDGE * np.trace(gram) / len(gram)), 0.0))
    return np.linalg.solve(gram + penalty, features.T @ table.position[others])


def _triple(values: NDArray) -> tuple[float, float, float]:
    x, y, z = map(float, values)
    return x, y, z
