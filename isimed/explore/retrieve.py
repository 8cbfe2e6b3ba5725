"""The same place in other patients: nearest codes, best first."""

from dataclasses import dataclass
from functools import lru_cache

import faiss
import numpy as np
from numpy.typing import ArrayLike, NDArray

from isimed.data.preprocess import Prepared
from isimed.explore.embed import embed_crops
from isimed.explore.store import Table
from isimed.models.checkpoint import Checkpoint
from isimed.patches import nearest_centres


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


def code_at(checkpoint: Checkpoint, volume: Prepared, point_mm: ArrayLike) -> NDArray[np.float32]:
    """(512,) code of the crop around a point in scanner mm of a prepared volume."""
    centre = nearest_centres(volume, np.atleast_2d(np.asarray(point_mm, dtype=float)), checkpoint.card.crop_size)
    return embed_crops(checkpoint, volume, centre)[1][0]


def nearest_in_others(table: Table, code: ArrayLike, *, subject: str) -> list[Match]:
    """The nearest crop of every volume of the other patients, nearest volume first.

    Args:
        table: an embedding table.
        code: (512,) query.
        subject: the patient to leave out: all of this patient's volumes are.
    """
    query = np.asarray(code, dtype=np.float32)
    distances = faiss.pairwise_distances(query[None], codes_of(table))[0]
    best = []
    for volume in table.volumes:
        rows = table.rows(volume)
        if table.subject[rows.start] != subject:
            best.append(rows.start + int(distances[rows].argmin()))
    best.sort(key=lambda row: distances[row])
    return [_match(table, row, distances[row]) for row in best]


def nearest_crops(table: Table, code: ArrayLike, *, k: int = 20, subject: str | None = None) -> list[Match]:
    """The k nearest crops of the whole cohort; all patients but one where ``subject`` is given."""
    query = np.asarray(code, dtype=np.float32)[None]
    parameters = None
    if subject is not None:
        allowed = np.flatnonzero(table.subject != subject)
        parameters = faiss.SearchParameters(sel=faiss.IDSelectorBatch(allowed))
    distances, rows = _index(table).search(query, min(k, len(table)), params=parameters)
    pairs = zip(rows[0], distances[0], strict=True)
    return [_match(table, int(row), distance) for row, distance in pairs if row >= 0]


def _match(table: Table, row: int, squared: float) -> Match:
    x, y, z = map(float, table.centre_mm[row])
    return Match(
        row=row,
        subject=str(table.subject[row]),
        volume=str(table.volume[row]),
        centre_mm=(x, y, z),
        distance=float(np.sqrt(max(squared, 0.0))),
    )


@lru_cache(maxsize=4)
def codes_of(table: Table) -> NDArray[np.float32]:
    """(N, D) float32 codes of a table, kept for the next query."""
    return np.ascontiguousarray(table.code, dtype=np.float32)


@lru_cache(maxsize=4)
def _index(table: Table) -> faiss.Index:
    index = faiss.IndexFlatL2(codes_of(table).shape[1])
    index.add(codes_of(table))
    return index
