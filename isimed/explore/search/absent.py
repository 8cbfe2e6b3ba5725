"""Not in this scan: a place that lies outside of what the other scan shows, and on which side.

What all crops of two scans agree on (``correspondence``) is a map of the whole body, so that it also says where a place
would be that the other scan does not show: above its top, below its bottom, beside it.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isimed.data.prepared.preprocess import Prepared

INWARD_MM = 16.0
CROSS_SECTION = 0.6  # of the area of the slice that far inward: at the crown or the skin, the last slice is a small cap
LIMIT_MM = -20.0
"""Beyond this a place is absent. What all crops agree on is drawn inwards where half of them find no counterpart, so
that the limit lies within the scan. Set on validation patients of headneck-ct: of places in whole scans 95 % pass."""
SIDES = (("to the left of", "to the right of"), ("behind", "in front of"), ("below", "above"))


def cut_sides(volume: Prepared) -> NDArray[np.bool_]:
    """(3, 2) whether a scan cuts the body at the low and the high end of each axis: its last slice is a full one."""
    body, inward = volume.body, max(1, round(INWARD_MM / volume.spacing))
    cut = np.zeros((3, 2), dtype=bool)
    for axis, size in enumerate(body.shape):
        for side, (last, inner) in enumerate(((0, inward), (size - 1, size - 1 - inward))):
            areas = [int(np.take(body, min(max(place, 0), size - 1), axis=axis).sum()) for place in (last, inner)]
            cut[axis, side] = areas[0] >= CROSS_SECTION * areas[1]
    return cut


def beyond(volume: Prepared, mm: ArrayLike) -> tuple[float, str]:
    """How far a place lies outside of what a scan shows, and on which side of it.

    Only sides on which the scan cuts the body count: at the skin, nothing is left out.

    Args:
        mm: (3,) the place, scanner mm of the volume.

    Returns:
        mm outside, on the side on which that is most; negative where the place lies inside, minus infinity where the
        scan shows the body whole. And "above", "below", "to the left of", "to the right of", "in front of" or "behind".
    """
    voxel, last = volume.to_voxel(np.asarray(mm, dtype=np.float64)), np.array(volume.body.shape) - 1
    outside = np.stack([-0.5 - voxel, voxel - last - 0.5], axis=1) * volume.spacing
    outside[~cut_sides(volume)] = -np.inf
    axis, side = np.unravel_index(outside.argmax(), outside.shape)
    return float(outside.max()), SIDES[int(axis)][int(side)]


def absent(volume: Prepared, mm: ArrayLike, *, limit_mm: float = LIMIT_MM) -> str:
    """Why a scan does not show a place, "lies above this scan"; "" where it does.

    Args:
        mm: (3,) where the place would be, as all crops agree.
        limit_mm: how far outside it may lie.
    """
    away, side = beyond(volume, mm)
    return f"lies {side} this scan" if away > limit_mm else ""
