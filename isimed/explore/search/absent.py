"""Not in this scan: a place that lies outside of what the other scan shows, and on which side.

What all crops of two scans agree on (``correspondence``) is a map of the whole body, so that it also says where a place
would be that the other scan does not show: above its top, below its bottom, beside it.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from isimed.explore.search.correspondence import CODE_COMPONENTS
from isimed.explore.search.local_map import local_map
from isimed.explore.tables.components import components_of
from isimed.explore.tables.store import Table

LIMIT_MM = 0.0
AROUND = 12  # crops around a place that are asked with it
SIDES = (("to the left of", "to the right of"), ("behind", "in front of"), ("below", "above"))


def beyond(centres_mm: NDArray, step_mm: float, mm: ArrayLike) -> tuple[float, str]:
    """How far a place lies outside of the box that a scan's crops fill, and on which side of it.

    Args:
        centres_mm: (N, 3) of the scan's crops, R A S+.
        step_mm: distance of neighbouring crops: each stands for what lies within half of it.
        mm: (3,) the place in the same scanner mm.

    Returns:
        mm outside, along the axis on which that is most; negative where the place lies inside. And "above", "below",
        "to the left of", "to the right of", "in front of" or "behind".
    """
    point, half = np.asarray(mm, dtype=np.float64), step_mm / 2
    outside = np.stack([centres_mm.min(axis=0) - half - point, point - centres_mm.max(axis=0) - half])
    side, axis = np.unravel_index(outside.argmax(), outside.shape)
    return float(outside.max()), SIDES[int(axis)][int(side)]


def absent(table: Table, volume: str, mm: ArrayLike) -> str:
    """Why a volume has no such place, "lies above this scan"; "" where it has."""
    away, side = beyond(table.centre_mm[table.rows(volume)], table.info.step_mm, mm)
    return f"lies {side} this scan" if away > LIMIT_MM else ""


def lost(table: Table, source: str, target: str, mm: ArrayLike) -> tuple[float, str]:
    """How far the way to another scan and back misses a place, and on which side of what comes back it lies.

    The crops around the place are looked for in the target, and what is found there in the source again. Where the
    target shows the place they come back; where it ends before, the nearest that it shows does, from its edge.

    Returns:
        mm, along the axis on which the miss is largest; and "above", "below" or another side, as `beyond` gives them.
    """
    here, there = table.rows(source), table.rows(target)
    scores = components_of(table).scores[:, :CODE_COMPONENTS]
    places, target_places = table.centre_mm[here].astype(np.float64), table.centre_mm[there].astype(np.float64)
    near = np.argsort(np.square(places - np.asarray(mm)).sum(axis=1))[:AROUND]
    found, _ = local_map(scores[here][near], scores[there], target_places)
    _, nearest = cKDTree(target_places).query(found)
    back, _ = local_map(scores[there][nearest], scores[here], places)
    miss = np.median(places[near] - back - (found - target_places[nearest]), axis=0)
    axis = int(np.abs(miss).argmax())
    return float(np.abs(miss[axis])), SIDES[axis][int(miss[axis] > 0)]
