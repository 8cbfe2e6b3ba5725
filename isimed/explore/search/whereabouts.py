"""Which organ a place lies in, told by other patients."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isimed.data.prepared.preprocess import Prepared

ORGAN_WITHIN_MM = 10.0


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
