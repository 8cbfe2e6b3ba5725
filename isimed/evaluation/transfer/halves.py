"""Landmarks that a scan does not show: each target is cut in two, and what was cut away must not be found in the rest.

Nothing is embedded again: only crops that lie whole within a half have a part in it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from isimed.data.prepared.preprocess import Prepared
from isimed.evaluation.sampling.organ_places import Places
from isimed.explore.search.absent import beyond
from isimed.explore.search.correspondence import CODE_COMPONENTS, fit_correspondence
from isimed.explore.tables.components import components_of
from isimed.explore.tables.store import Table

MARGIN_MM = 10.0  # nearer to the cut than this a landmark is neither shown nor absent
LEAST_CROPS = 20
INSIDE_MM = -1000.0  # of a half that shows the body whole, where no place can lie beyond


@dataclass(frozen=True, eq=False)
class Halves:
    """What the search says of landmarks in halves of scans.

    Attributes:
        absent: (N,) whether the half does not show the landmark.
        beyond_mm: (N,) how far outside of the half the search puts it, see ``isimed.explore.search.absent.beyond``.
        target: (N,) number of the target volume.
    """

    absent: NDArray[np.bool_]
    beyond_mm: NDArray[np.float64]
    target: NDArray[np.int64]


def in_halves(
    table: Table,
    volumes: Sequence[Prepared],
    ids: Sequence[str],
    places: Sequence[Places],
    pairs: Sequence[tuple[int, int]],
) -> Halves | None:
    """Every landmark that a pair shares, looked for in the lower and the upper half of the target.

    Args:
        table: with the volumes of the pairs in it.
        volumes, ids, places: of all volumes, by number; a volume's landmarks in scanner mm.
        pairs: numbers of source and target; a pair that comes twice counts once.

    Returns:
        None where no half shows, or lacks, any.
    """
    rows = [
        (absent, away if np.isfinite(away) else INSIDE_MM, target)
        for source, target in dict.fromkeys(pairs)
        for absent, away in _pair(table, volumes[target], (ids[source], ids[target]), (places[source], places[target]))
    ]
    if not rows:
        return None
    absent, away, target = zip(*rows, strict=True)
    return Halves(np.array(absent, dtype=bool), np.array(away), np.array(target))


def _pair(
    table: Table, target: Prepared, names: tuple[str, str], places: tuple[Places, Places]
) -> Iterator[tuple[bool, float]]:
    here, there = (table.rows(name) for name in names)
    scores = components_of(table).scores[:, :CODE_COMPONENTS]
    height = target.to_voxel(table.centre_mm[there])[:, 2]
    middle, reach = target.body.shape[2] // 2, table.info.crop_size / 2
    for half, whole in ((slice(0, middle), height + reach <= middle), (slice(middle, None), height - reach >= middle)):
        if whole.sum() < LEAST_CROPS:
            continue
        found = fit_correspondence(
            scores[here], table.centre_mm[here], scores[there][whole], table.centre_mm[there][whole]
        )
        shown = _part(target, half)
        for name in places[0].keys() & places[1].keys():
            level = target.to_voxel(places[1][name])[2]
            inside = (middle - level if half.start == 0 else level - middle) * target.spacing
            if abs(inside) >= MARGIN_MM:
                yield bool(inside < 0), beyond(shown, found.place(places[0][name]).mm)[0]


def _part(volume: Prepared, half: slice) -> Prepared:
    affine = volume.affine.copy()
    affine[:3, 3] = volume.to_mm(np.array([0, 0, half.start]))
    return replace(volume, image=volume.image[:, :, half], body=volume.body[:, :, half], affine=affine, labels={})
