"""The clicked point in every other patient.

1. The query's code is compared with the codes of a target's grid.
2. Codes are laid out like the body, so the point between grid crops follows from a local linear map
   code -> mm around the best matches: no network needed.
3. All other crops of the two volumes are asked as well, and the place follows from what they agree on
   (``isimed.explore.agree``).

How sure: the spread of the matches that a place stands on (``uncertainty_mm``), and how far the way back
from the found point misses the clicked one (``round_trip_mm``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isimed.explore.agree import correspondence
from isimed.explore.filters import Filter
from isimed.explore.index import codes_of
from isimed.explore.store import Table

NEIGHBOURS = 32
COMPONENTS = 6
RIDGE = 1e-2


@dataclass(frozen=True)
class Location:
    """The same place in another volume.

    Attributes:
        subject, volume: where.
        mm: (x, y, z) scanner mm of the target volume.
        distance: latent distance of the best crop, mm where the network has a distance head.
        uncertainty_mm: spread of the matches around ``mm``.
        round_trip_mm: how far the way back lands from the clicked point; None before ``agree``.
    """

    subject: str
    volume: str
    mm: tuple[float, float, float]
    distance: float
    uncertainty_mm: float
    round_trip_mm: float | None = None


def locate_everywhere(
    table: Table, code: ArrayLike, *, subject: str | None = None, where: Filter | None = None
) -> list[Location]:
    """The queried crop's place in every volume, best first, from its code and the table alone.

    Args:
        table: the cohort's embedding table.
        code: (512,) of the clicked crop.
        subject: the patient who was clicked; left out.
        where: what else a found crop must be; volumes without such a crop are left out.
    """
    query = np.asarray(code, dtype=np.float32)
    wanted = where or Filter()
    if subject is not None:
        wanted = replace(wanted, not_subject=subject)
    allowed = wanted.mask(table)
    found = []
    for volume in table.volumes:
        rows = table.rows(volume)
        may = allowed[rows]
        if not may.any():
            continue
        codes, centres_mm = codes_of(table)[rows][may], table.centre_mm[rows][may]
        mm, distance, spread = interpolate(codes, centres_mm, query, step=table.info.step_mm)
        found.append(Location(str(table.subject[rows.start]), volume, _point(mm), distance, spread))
    return sorted(found, key=lambda location: location.distance)


def agree(
    table: Table, found: Sequence[Location], source: str, point_mm: ArrayLike, *, round_trip: bool = False
) -> list[Location]:
    """Move found places to where all crops of the two volumes agree that the clicked point is.

    Args:
        found: from ``locate_everywhere``, in any order; kept.
        source, point_mm: the clicked volume and point, scanner mm.
        round_trip: also how far the way back, fitted for itself, lands from the clicked point; twice the work.

    Returns:
        The same volumes and latent distances with a finer place and the spread of the agreement around it.
    """
    point = np.asarray(point_mm, dtype=np.float64)
    moved = []
    for location in found:
        there = correspondence(table, source, location.volume)
        mm = there.map(point)
        home = correspondence(table, location.volume, source).map(mm) if round_trip else None
        miss = None if home is None else float(np.linalg.norm(home - point))
        moved.append(replace(location, mm=_point(mm), uncertainty_mm=there.spread(point), round_trip_mm=miss))
    return moved


def interpolate(
    codes: NDArray, centres_mm: NDArray, query: NDArray, *, step: float
) -> tuple[NDArray[np.float64], float, float]:
    """Where a code lies between the crops of a volume: a weighted linear fit code -> mm around the best matches.

    Args:
        codes: (N, D). centres_mm: (N, 3). query: (D,).
        step: distance of neighbouring crops in mm; the answer stays within it of the matches' box.

    Returns:
        (3,) mm, latent distance of the best crop, and the weighted spread of the matches in mm.
    """
    distances = np.sqrt(np.maximum(np.square(codes - query).sum(axis=1, dtype=np.float64), 0))
    best = np.argsort(distances)[:NEIGHBOURS]
    near, places, away = codes[best].astype(np.float64), centres_mm[best].astype(np.float64), distances[best]
    reach = max(float(np.median(away) - away[0]), 1e-6)
    weights = np.exp(-0.5 * np.square((away - away[0]) / reach))
    weights /= weights.sum()
    mean, place = weights @ near, weights @ places
    spread = float(np.sqrt(weights @ np.square(places - place).sum(axis=1)))
    root = np.sqrt(weights)[:, None]
    _, size, directions = np.linalg.svd(root * (near - mean), full_matrices=False)
    directions = directions[: min(COMPONENTS, len(best) - 1)]
    features = root * ((near - mean) @ directions.T)
    penalty = RIDGE * float(size[0] ** 2) * np.eye(len(directions))
    solved = np.linalg.solve(features.T @ features + penalty, features.T @ (root * (places - place)))
    point = place + ((query - mean) @ directions.T) @ solved
    top = places[: min(8, len(places))]
    return np.clip(point, top.min(axis=0) - step, top.max(axis=0) + step), float(away[0]), spread


def _point(mm: NDArray) -> tuple[float, float, float]:
    x, y, z = map(float, mm)
    return x, y, z
