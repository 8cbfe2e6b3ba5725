"""The clicked point in every other patient: coarse from the table, finer between its rows, finest by looking again.

1. The query's code is compared with the codes of a target's grid.
2. Codes are laid out like the body, so the point between grid crops follows from a local linear map
   code -> mm around the best matches: no network needed.
3. To refine, crops around that point are embedded and the map is fitted again on them.

How sure: the spread of the matches that the local fit stands on (``uncertainty_mm``), and how far the way back
from the found point misses the clicked one (``round_trip_mm``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isimed.data.preprocess import Prepared
from isimed.explore.embed import embed_crops
from isimed.explore.filters import Filter
from isimed.explore.index import codes_of
from isimed.explore.store import Table
from isimed.models.checkpoint import Checkpoint
from isimed.patches import crop_centre_mm, nearest_centres

NEIGHBOURS = 32
COMPONENTS = 6
RIDGE = 1e-2
STAR = np.array([[0, 0, 0], [1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]])


@dataclass(frozen=True)
class Location:
    """The same place in another volume.

    Attributes:
        subject, volume: where.
        mm: (x, y, z) scanner mm of the target volume.
        distance: latent distance of the best crop, mm where the network has a distance head.
        uncertainty_mm: spread of the matches around ``mm``.
        round_trip_mm: how far the way back lands from the clicked point; None where not refined.
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
    """The queried place in every volume, best first, from the table alone.

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
        mm, distance, spread = interpolate(codes, centres_mm, query, step=_step(table))
        found.append(Location(str(table.subject[rows.start]), volume, _point(mm), distance, spread))
    return sorted(found, key=lambda location: location.distance)


def refine(
    checkpoint: Checkpoint,
    table: Table,
    code: ArrayLike,
    coarse: Sequence[Location],
    targets: Sequence[Prepared],
    *,
    source_volume: str,
    source_mm: ArrayLike,
    step_mm: float | None = None,
) -> list[Location]:
    """Look again around coarse locations: seven crops each, one batch of a few dozen in all.

    Args:
        coarse: from ``locate_everywhere``.
        targets: the prepared volume of each.
        source_volume, source_mm: where was clicked, for the way back.
        step_mm: arm of the star of crops; half the table's grid by default.
    """
    query = np.asarray(code, dtype=np.float32)
    back = table.rows(source_volume)
    found = []
    for location, target in zip(coarse, targets, strict=True):
        arm = step_mm or _step(table) / 2
        centres = nearest_centres(target, np.asarray(location.mm) + STAR * arm, checkpoint.card.crop_size)
        centres = np.clip(centres, 0, np.array(target.image.shape) - 1)
        _, codes = embed_crops(checkpoint, target, centres)
        rows = table.rows(location.volume)
        all_codes = np.concatenate([codes, codes_of(table)[rows]])
        all_mm = np.concatenate([crop_centre_mm(target, centres, checkpoint.card.crop_size), table.centre_mm[rows]])
        mm, distance, spread = interpolate(all_codes, all_mm, query, step=arm)
        nearest = codes[np.square(codes - query).sum(1).argmin()]
        home, _, _ = interpolate(codes_of(table)[back], table.centre_mm[back], nearest, step=_step(table))
        round_trip = float(np.linalg.norm(home - np.asarray(source_mm)))
        found.append(Location(location.subject, location.volume, _point(mm), distance, spread, round_trip))
    return found


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


def _step(table: Table) -> float:
    return table.info.step_mm


def _point(mm: NDArray) -> tuple[float, float, float]:
    x, y, z = map(float, mm)
    return x, y, z
