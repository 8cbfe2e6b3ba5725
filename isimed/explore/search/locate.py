"""The clicked point in every other patient.

1. The clicked crop's code is compared with the codes of a target's grid: how alike the best crop is ranks the
   targets (``isimed.explore.search.retrieve``).
2. All other crops of the two volumes are asked as well, and the place follows from what they agree on
   (``isimed.explore.search.correspondence``). Both need the table alone: some milliseconds a volume, once.
3. The voxels around that place are compared with those around the clicked point (``isimed.explore.search.refine``).
4. Or, where seconds may pass the first time: a smooth field is fitted between the two scans
   (``isimed.explore.search.field``), and every click in them is looked up in it.

Where only some crops may be found, what all of them agree on is no answer. Codes are laid out like the body, so the
point between the allowed crops follows from a local linear map code -> mm around the best of them (``interpolated``).

How sure: the spread of what a place stands on (``uncertainty_mm``), and how far the same search from the found
point back misses the clicked one (``round_trip_mm``).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isimed.data.prepared.preprocess import Prepared
from isimed.explore.search.absent import absent
from isimed.explore.search.correspondence import correspondence
from isimed.explore.search.field import kept_field
from isimed.explore.search.refine import sharpen
from isimed.explore.search.retrieve import Match, nearest_in_each
from isimed.explore.tables.components import codes_of, rows_of
from isimed.explore.tables.filters import Filter
from isimed.explore.tables.store import Table

NEIGHBOURS = 32
COMPONENTS = 6
RIDGE = 1e-2
TELLS, LEAST_MM = 2.4, 0.1  # benchmarks/studies/field_uncertainty.py
Volumes = Callable[[str], Prepared]


@dataclass(frozen=True)
class Location:
    """The same place in another volume.

    Attributes:
        subject, volume: where.
        mm: (x, y, z) scanner mm of the target volume.
        distance: latent distance of the best crop, mm where the network has a distance head.
        uncertainty_mm: spread of what ``mm`` stands on: crops around it, or shifts that fit its voxels; of a field,
            what eight of ten places are off at most.
        round_trip_mm: how far the way back lands from the clicked point; None where it was not asked for.
        note: why this volume does not show the place, "lies above this scan"; ``mm`` is then where it would be.
    """

    subject: str
    volume: str
    mm: tuple[float, float, float]
    distance: float
    uncertainty_mm: float
    round_trip_mm: float | None = None
    note: str = ""


def locate_everywhere(
    table: Table,
    volumes: Volumes,
    code: ArrayLike,
    source: str,
    point_mm: ArrayLike,
    *,
    where: Filter | None = None,
    refine: bool = True,
    deform: bool = False,
    round_trip: bool = False,
) -> list[Location]:
    """The clicked place in every volume, best (nearest in the latent space) first.

    Args:
        table: the cohort's embedding table, with the clicked volume in it.
        volumes: id -> prepared volume; opened only where they are needed.
        code: (D,) of the clicked crop, see ``isimed.explore.search.retrieve.code_at``.
        source, point_mm: the clicked volume and point, scanner mm.
        where: what a found crop must be; by default of another patient.
        refine: compare the voxels too; about 50 ms a volume.
        deform: fit a smooth field to the voxels instead; seconds a volume, once.
        round_trip: also search back from each place, as a field always does; twice the work.
    """
    where = where or Filter(not_subject=str(table.subject[table.rows(source).start]))
    found = from_table(table, code, source, point_mm, where=where, round_trip=round_trip)
    if not all_crops_may_agree(table, source, where):
        return found
    how = {"refine": refine, "deform": deform, "round_trip": round_trip}
    return _by_voxels(table, volumes, with_notes(volumes, found), source, point_mm, **how)


def locate(
    table: Table,
    volumes: Volumes,
    code: ArrayLike,
    source: str,
    point_mm: ArrayLike,
    target: str,
    *,
    refine: bool = True,
    deform: bool = False,
    round_trip: bool = False,
) -> Location:
    """The clicked place in one volume.

    Args:
        target: the volume's id. The others, and the options, are those of ``locate_everywhere``.

    Raises:
        InputError: the target is not in the table.
    """
    allowed = np.zeros(len(table), dtype=bool)
    allowed[table.rows(target)] = True
    nearest = nearest_in_each(table, code, allowed)
    found = with_notes(volumes, agree(table, nearest, source, point_mm, round_trip=round_trip))
    how = {"refine": refine, "deform": deform, "round_trip": round_trip}
    return _by_voxels(table, volumes, found, source, point_mm, **how)[0]


def _by_voxels(
    table: Table,
    volumes: Volumes,
    found: Sequence[Location],
    source: str,
    point_mm: ArrayLike,
    *,
    refine: bool,
    deform: bool,
    round_trip: bool,
) -> list[Location]:
    """Step 4 where a field is wanted, else step 3, or neither."""
    if deform:
        return deformed(table, volumes, found, source, point_mm)
    return refined(table, volumes, found, source, point_mm, round_trip=round_trip) if refine else list(found)


def from_table(
    table: Table, code: ArrayLike, source: str, point_mm: ArrayLike, *, where: Filter, round_trip: bool = False
) -> list[Location]:
    """Steps 1 and 2: the clicked place in every volume that the filter lets through, best first.

    Under a filter that asks for crops each place is that of the best allowed ones. The arguments are those of
    ``locate_everywhere``.
    """
    if not all_crops_may_agree(table, source, where):
        return interpolated(table, code, where=where)
    found = nearest_in_each(table, code, where.mask(table))
    return agree(table, found, source, point_mm, round_trip=round_trip)


def all_crops_may_agree(table: Table, source: str, where: Filter) -> bool:
    """Whether steps 2 and 3 answer what is asked: any crop will do, and the clicked volume is embedded too."""
    return not where.asks_for_crops and source in table.volumes  # a table may still be growing


def interpolated(table: Table, code: ArrayLike, *, where: Filter | None = None) -> list[Location]:
    """The place of a code in every volume, best first, from the best crops that the filter lets through.

    Args:
        code: (D,) of the clicked crop.
        where: what a found crop must be; volumes without such a crop are left out.
    """
    query = np.asarray(code, dtype=np.float32)
    allowed = (where or Filter()).mask(table)
    found = [
        _interpolated(table, query, volume, allowed[table.rows(volume)])
        for volume in table.volumes
        if allowed[table.rows(volume)].any()
    ]
    return sorted(found, key=lambda location: location.distance)


def agree(
    table: Table, found: Sequence[Match | Location], source: str, point_mm: ArrayLike, *, round_trip: bool = False
) -> list[Location]:
    """Step 2: where all crops of two volumes agree that the clicked point is.

    Args:
        found: which volumes, in any order, which is kept.
        source, point_mm: the clicked volume and point, scanner mm.
        round_trip: also how far the way back, fitted for itself, lands from the clicked point; twice the work.

    Returns:
        The same volumes and latent distances with the place and the spread of the agreement around it.
    """
    point = np.asarray(point_mm, dtype=np.float64)
    agreed = []
    for one in found:
        there = correspondence(table, source, one.volume).place(point)
        home = correspondence(table, one.volume, source).place(there.mm).mm if round_trip else None
        miss = _miss(home, point)
        agreed.append(Location(one.subject, one.volume, _point(there.mm), one.distance, there.spread_mm, miss))
    return agreed


def with_notes(volumes: Volumes, found: Sequence[Location]) -> list[Location]:
    """Found places, those outside of what their scan shows with a note that says so.

    Args:
        volumes: id -> prepared volume.
        found: from ``agree``, before voxels are compared, which never lets a place leave the scan.
    """
    return [replace(one, note=absent(volumes(one.volume), one.mm)) for one in found]


def refined(
    table: Table,
    volumes: Volumes,
    found: Sequence[Location],
    source: str,
    point_mm: ArrayLike,
    *,
    round_trip: bool = False,
) -> list[Location]:
    """Step 3: move found places to where the voxels look like those around the clicked point.

    Args:
        found: from ``agree``, in any order; kept. The others as in ``locate_everywhere``.
    """
    clicked, moved = volumes(source), []
    for location in found:
        target, there = volumes(location.volume), correspondence(table, source, location.volume).place(point_mm)
        sharp = sharpen(clicked, point_mm, target, location.mm, there.turn)
        miss = None
        if round_trip:
            back = correspondence(table, location.volume, source).place(sharp.mm)
            home = sharpen(target, sharp.mm, clicked, back.mm, back.turn)
            miss = _miss(home.mm, np.asarray(point_mm))
        moved.append(replace(location, mm=_point(sharp.mm), uncertainty_mm=sharp.spread_mm, round_trip_mm=miss))
    return moved


def deformed(
    table: Table, volumes: Volumes, found: Sequence[Location], source: str, point_mm: ArrayLike
) -> list[Location]:
    """Step 4, instead of 3: places looked up in smooth fields between the scans; seconds a volume, once.

    How sure is told by two things that know nothing of each other: how far apart the shifts lie that fit the voxels
    around the place about equally well, and by how much the other scan's own field misses the way back. `TELLS` makes
    of their geometric mean what eight of ten places are off at most (docs/search.md, on synthetic patients).

    Args:
        found: from ``agree``, in any order; kept. The others as in ``locate_everywhere``.
    """
    clicked, point, moved = volumes(source), np.asarray(point_mm, dtype=np.float64), []
    for location in found:
        target, there = volumes(location.volume), correspondence(table, source, location.volume)
        back = correspondence(table, location.volume, source)
        mm = kept_field(clicked, target, there.map).map(point)
        spread = sharpen(clicked, point, target, mm, there.matrix[:3]).spread_mm
        miss = float(np.linalg.norm(kept_field(target, clicked, back.map).map(mm) - point))
        unsure = TELLS * float(np.sqrt(max(spread, LEAST_MM) * max(miss, LEAST_MM)))
        moved.append(replace(location, mm=_point(mm), uncertainty_mm=unsure, round_trip_mm=miss))
    return moved


def interpolate(
    codes: NDArray, centres_mm: NDArray, query: NDArray, *, step: float
) -> tuple[NDArray[np.float64], float, float]:
    """Where a code lies between the crops of a volume: a weighted linear fit code -> mm around the best matches.

    Args:
        codes: (N, D).
        centres_mm: (N, 3).
        query: (D,).
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


def _interpolated(table: Table, query: NDArray[np.float32], volume: str, allowed: NDArray[np.bool_]) -> Location:
    rows = table.rows(volume)
    codes, centres_mm = rows_of(codes_of(table), rows)[allowed], table.centre_mm[rows][allowed]
    mm, distance, spread = interpolate(codes, centres_mm, query, step=table.info.step_mm)
    return Location(str(table.subject[rows.start]), volume, _point(mm), distance, spread)


def _miss(home: NDArray | None, point: NDArray) -> float | None:
    return None if home is None else float(np.linalg.norm(home - point))


def _point(mm: NDArray) -> tuple[float, float, float]:
    x, y, z = map(float, mm)
    return x, y, z
