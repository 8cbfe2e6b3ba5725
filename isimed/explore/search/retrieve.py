"""The same place in other patients: nearest codes, best first."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isimed.core.errors import InputError
from isimed.data.prepared.crops import centres_around, nearest_centres
from isimed.data.prepared.preprocess import Prepared
from isimed.explore.search.index import index_of
from isimed.explore.tables.components import codes_of, rows_of
from isimed.explore.tables.embed import embed_crops
from isimed.explore.tables.filters import Filter
from isimed.explore.tables.store import Table
from isimed.models.checkpoint import Checkpoint


@dataclass(frozen=True)
class Match:
    """A crop that a query found.

    Attributes:
        row: its row in the table.
        subject, volume: whose it is.
        centre_mm: (x, y, z) scanner mm of the target volume.
        distance: latent L2 distance, in mm where the network has a distance head.
    """

    row: int
    subject: str
    volume: str
    centre_mm: tuple[float, float, float]
    distance: float


def code_at(
    checkpoint: Checkpoint, volume: Prepared, point_mm: ArrayLike, *, anywhere: bool = False
) -> NDArray[np.float32]:
    """(D,) code of the crop around a point in scanner mm of a prepared volume; of a dense network, of the point itself.

    Args:
        anywhere: also of a place in the air far from the body, whose crop is empty.

    Raises:
        InputError: the point is not finite, or a crop around it would hold nothing of the body's box.
    """
    if not anywhere:
        check_point(volume, point_mm, reach_mm=checkpoint.card.crop_mm / 2)
    point, size = np.atleast_2d(np.asarray(point_mm, dtype=float)), checkpoint.card.crop_size
    exact = checkpoint.card.architecture == "dense"
    centre = (centres_around if exact else nearest_centres)(volume, point, size)
    return embed_crops(checkpoint, volume, centre)[1][0]


def check_point(volume: Prepared, point_mm: ArrayLike, *, reach_mm: float) -> None:
    """Refuse a point of which the scan shows nothing.

    Args:
        reach_mm: how far from the body's box a point may still lie.

    Raises:
        InputError: it is not finite, or lies outside.
    """
    point = np.asarray(point_mm, dtype=float)
    said = ", ".join(f"{value:g}" for value in point.ravel())
    if point.shape != (3,) or not np.isfinite(point).all():
        raise InputError(f"({said}) is not a place: give three finite numbers of scanner mm.")
    reach, last = reach_mm / volume.spacing, np.array(volume.image.shape) - 1
    voxel = volume.to_voxel(point)
    if (voxel < -reach).any() or (voxel > last + reach).any():
        ends = volume.to_mm(np.array([np.zeros(3), last]))
        spans = ", ".join(f"{axis} {min(a, b):.0f} to {max(a, b):.0f}" for axis, a, b in zip("xyz", *ends, strict=True))
        raise InputError(f"({said}) lies outside the scan: its body spans {spans} mm.")


def code_in(table: Table, name: str, volume: Prepared, point_mm: ArrayLike) -> NDArray[np.float32] | None:
    """The same code read from a table, without the network, where the crop is one of the table's; else None.

    Args:
        name: the volume's id; it may not be embedded yet.
    """
    if name not in table.volumes:
        return None
    rows, size = table.rows(name), table.info.crop_size
    wanted = nearest_centres(volume, np.atleast_2d(np.asarray(point_mm, dtype=float)), size)
    same = (nearest_centres(volume, table.centre_mm[rows], size) == wanted).all(axis=1)
    return rows_of(codes_of(table), rows)[same.argmax()] if same.any() else None


def nearest_in_others(table: Table, code: ArrayLike, *, subject: str, where: Filter | None = None) -> list[Match]:
    """The nearest crop of every volume of the other patients, nearest volume first.

    Args:
        table: an embedding table.
        code: (D,) query.
        subject: the patient to leave out: all of this patient's volumes are.
        where: what else a crop must be; volumes without such a crop are left out.
    """
    return nearest_in_each(table, code, replace(where or Filter(), not_subject=subject).mask(table))


def nearest_in_each(table: Table, code: ArrayLike, allowed: NDArray[np.bool_]) -> list[Match]:
    """The nearest allowed crop of every volume that has one, nearest volume first.

    Args:
        allowed: (N,) which rows of the table may be found.
    """
    index, query = index_of(table), np.asarray(code, dtype=np.float32)
    squared, rows = index.nearest_of_each(query, [table.rows(volume) for volume in table.volumes], allowed=allowed)
    return [_match(table, int(rows[n]), squared[n]) for n in np.argsort(squared, kind="stable")]


def nearest_crops(
    table: Table, code: ArrayLike, *, k: int = 20, subject: str | None = None, where: Filter | None = None
) -> list[Match]:
    """The k nearest crops of the whole cohort; all patients but one where ``subject`` is given.

    Args:
        where: what else a crop must be; the search itself leaves the others out.
    """
    wanted = where or Filter()
    if subject is not None:
        wanted = replace(wanted, not_subject=subject)
    query, mask = np.asarray(code, dtype=np.float32), wanted.mask(table)
    distances, rows = index_of(table).nearest(query, k, allowed=None if mask.all() else mask)
    return [_match(table, int(row), distance) for row, distance in zip(rows, distances, strict=True)]


def _match(table: Table, row: int, squared: float) -> Match:
    x, y, z = map(float, table.centre_mm[row])
    return Match(
        row=row,
        subject=str(table.subject[row]),
        volume=str(table.volume[row]),
        centre_mm=(x, y, z),
        distance=float(np.sqrt(max(squared, 0.0))),
    )
