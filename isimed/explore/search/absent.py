"""Not in this scan: a place that lies outside of what the other scan shows, and on which side.

What all crops of two scans agree on (``correspondence``) is a map of the whole body, so that it also says where a place
would be that the other scan does not show: above its top, below its bottom, beside it.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isimed.explore.tables.store import Table

LIMIT_MM = 0.0
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
