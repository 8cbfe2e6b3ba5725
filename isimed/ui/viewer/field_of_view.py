"""How much of the other patients' scans is seen: the body at the height of the place, in one scale for all."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isimed.data.prepared.preprocess import Prepared
from isimed.explore.search.query import Point, Query
from isimed.ui.slice_viewer.options import Field
from isimed.ui.viewer.search import Found

LEAST_MM = 200.0  # a head
MOST = 1.5  # times what the clicked scan needs: one match at the shoulders must not make every neck small


def widest_mm(query: Query, found: Sequence[Found]) -> float:
    """Edge of the square that all matches are shown in, whole centimetres in mm.

    It holds the body from side to side and from front to back, at the height of the place, in the clicked scan and
    in those where the place was found.
    """
    own = max(LEAST_MM, _across(query.prepared(), query.mm))
    others = [_across(query.prepared(one.volume), one.mm) for one in found if not one.location.note]
    return 10.0 * math.ceil(min(max([own, *others]), MOST * own) / 10)


def field_around(volume: Prepared, mm: ArrayLike, edge_mm: float) -> Field:
    """The field around a place, moved so that it shows the body and not the black beside it.

    Where the body is smaller than the field it stands in the middle, whole.
    """
    first, last = _body_at(volume, mm)
    half = edge_mm / volume.spacing / 2
    middle = (first + last) / 2
    centre = np.clip(volume.to_voxel(np.asarray(mm)), np.minimum(first + half, middle), np.maximum(last - half, middle))
    x, y, z = volume.to_mm(centre)
    return Field((float(x), float(y), float(z)), edge_mm)


def _across(volume: Prepared, mm: Point) -> float:
    first, last = _body_at(volume, mm)
    return float((last - first)[:2].max()) * volume.spacing


def _body_at(volume: Prepared, mm: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(3,) where the body begins and ends, in voxels: at the height of a place, and from the scan's foot to its head.

    A head on broad shoulders counts as a head.
    """
    first, last = np.full(3, -0.5), np.array(volume.body.shape) - 0.5
    height = int(np.clip(np.rint(volume.to_voxel(np.asarray(mm))[2]), 0, volume.body.shape[2] - 1))
    slab = np.asarray(volume.body[:, :, height])
    for axis in (0, 1):
        held = np.flatnonzero(slab.any(axis=1 - axis))
        if held.size:
            first[axis], last[axis] = held[0] - 0.5, held[-1] + 0.5
    return first, last
