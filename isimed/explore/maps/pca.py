"""PCA maps of embedding tables: fitted once on stated patients, kept, and new patients placed into them.

A map is a fixed function from a crop's vector to 50 coordinates. It lies beside the table it was fitted on,
in ``_maps/<code or embedding>``, without pickle: ``map.json`` says everything about it, ``pca.safetensors``
holds mean and components. When the cohort grows, the new table takes over the map of the old one, so old
points stay where they are; it is fitted anew only on request. Each volume is projected by itself, so its
coordinates do not depend, to the last bit, on which other volumes stand in the table.

Sign convention: each component points the way that correlates positively with the body axis it follows most
(sagittal to the right, coronal to the front, axial to the head), on the reference patients.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from isimed.core.errors import InputError
from isimed.core.files import new_folder, read_in, write_file
from isimed.core.progress import Progress, Say, silent
from isimed.explore.maps.axes import axis_correlation, axis_signs
from isimed.explore.tables.components import leading_directions
from isimed.explore.tables.store import Table, TableInfo, read_info
from isimed.models.card import versions

COMPONENTS = 50
Source = Literal["code", "embedding"]


class MapInfo(BaseModel):
    """What a map was fitted on.

    Attributes:
        source: the crops' vectors: ``code`` or ``embedding``.
        reference_volumes, reference_subjects: what it was fitted on; all else is placed into it.
        rows: crops among them.
        explained: share of the variance of each component, 0 to 1.
        created: UTC time, which also names the map: a new fit is another map.
    """

    model_config = ConfigDict(frozen=True)

    source: Source
    checkpoint_fingerprint: str
    reference_volumes: list[str]
    reference_subjects: list[str]
    rows: int
    explained: list[float]
    signs: str = "each component correlates positively with the body axis it follows most, on the reference patients"
    created: str
    versions: dict[str, str] = {}


@dataclass(frozen=True, eq=False)
class Map:
    """A fitted PCA.

    Attributes:
        mean: (D,) float32.
        components: (K, D) float32, orthonormal rows.
        folder: where it is kept; None for tables that are only in memory.
    """

    info: MapInfo
    mean: NDArray[np.float32]
    components: NDArray[np.float32]
    folder: Path | None = None

    def pcs(self, vectors: NDArray) -> NDArray[np.float32]:
        """(N, D) vectors -> (N, K) principal components, in the units of the vectors (mm for codes in mm)."""
        centred: NDArray[np.float32] = np.asarray(vectors, dtype=np.float32) - self.mean
        return centred @ self.components.T


def default_source(info: TableInfo) -> Source:
    """The code where its distances are mm, else the embedding (as in the paper, arXiv 2410.16947)."""
    return "code" if info.in_mm else "embedding"


def open_map(
    table: Table, *, source: Source | None = None, progress: Progress | None = None, say: Say | None = None
) -> Map:
    """The map of a table: the one kept beside it, else that of an earlier table of the same cohort, else a new one.

    Args:
        source: which vectors; by default ``default_source``.
        progress: called with (done, total).
        say: called with what is being done.

    Raises:
        InputError: the table is too small, or the disk is full.
    """
    source = source or default_source(table.info)
    folder = map_folder(table, source)
    return (
        read_map(folder) or _inherit(table, source, folder) or fit_map(table, source=source, progress=progress, say=say)
    )


def fit_map(
    table: Table,
    *,
    source: Source,
    subjects: Sequence[str] | None = None,
    progress: Progress | None = None,
    say: Say | None = None,
) -> Map:
    """Fit PCA on the crops of some patients and keep it beside the table, in place of the map that was there.

    The covariance is summed volume by volume in float64, so a million rows need no more memory than one volume.

    Args:
        subjects: the reference patients; all by default.

    Raises:
        InputError: fewer than 4 reference crops, or the disk is full.
    """
    wanted = None if subjects is None else set(subjects)
    volumes = [v for v in table.volumes if wanted is None or str(table.subject[table.rows(v).start]) in wanted]
    rows = [table.rows(volume) for volume in volumes]
    count = sum(part.stop - part.start for part in rows)
    if count < 4:
        raise InputError(f"A map needs at least 4 reference crops, {table.info.cohort} has {count}: embed more of it.")
    vectors = getattr(table, source)
    (say or silent)("Fitting PCA")
    mean, covariance = _moments(vectors, rows, count, progress)
    kept = min(COMPONENTS, count - 1, len(mean))
    values, directions = leading_directions(covariance, kept)
    total = max(float(np.trace(covariance)), np.finfo(float).tiny)
    info = MapInfo(
        source=source,
        checkpoint_fingerprint=table.info.checkpoint_fingerprint,
        reference_volumes=volumes,
        reference_subjects=[name for name in table.subjects if wanted is None or name in wanted],
        rows=count,
        explained=(values / total).tolist(),
        created=datetime.now(UTC).isoformat(),
        versions=versions(),
    )
    fitted = Map(info, mean.astype(np.float32), directions.astype(np.float32))
    pcs = np.concatenate([fitted.pcs(vectors[part]) for part in rows])
    position = np.concatenate([table.position[part] for part in rows])
    signs = axis_signs(axis_correlation(pcs, position))
    fitted = Map(info, fitted.mean, np.ascontiguousarray(fitted.components * signs[:, None], dtype=np.float32))
    return fitted if not table.files else write_map(fitted, map_folder(table, source))


def project(table: Table, fitted: Map, *, progress: Progress | None = None) -> NDArray[np.float32]:
    """(K, N) principal components of every row: each volume is placed by itself, so none moves another."""
    vectors = getattr(table, fitted.info.source)
    result = np.empty((len(fitted.components), len(table)), dtype=np.float32)
    for number, volume in enumerate(table.volumes):
        rows = table.rows(volume)
        result[:, rows] = fitted.pcs(vectors[rows]).T
        if progress:
            progress(number + 1, len(table.volumes))
    return result


def sample_rows(volume: NDArray, limit: int, *, seed: int = 0) -> NDArray[np.int64]:
    """At most ``limit`` rows, sorted, every volume with its share (at least one crop while the limit allows).

    Args:
        volume: (N,) the volume, or any other group, of every row.
    """
    if len(volume) <= limit:
        return np.arange(len(volume))
    _, group, sizes = np.unique(volume, return_inverse=True, return_counts=True)
    dice = np.random.default_rng(seed).random(len(volume))
    order = np.argsort(group + dice)  # by group, then by dice: a ninth of lexsort's time for a million rows
    rank = np.arange(len(volume)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    share = (rank + dice[order] * 1e-6 + 0.5) / np.repeat(sizes, sizes)
    share[rank == 0] = 0  # the first of each volume before all others
    return np.sort(order[np.argsort(share, kind="stable")[:limit]])


def map_folder(table: Table, source: Source) -> Path:
    return table.folder / "_maps" / source


def read_map(folder: Path) -> Map | None:
    """The map in a folder, or None where it is missing or damaged."""
    try:
        info = MapInfo.model_validate_json(read_in(folder, lambda place: (place / "map.json").read_bytes()))
        arrays = read_in(folder, lambda place: load_file(place / "pca.safetensors"))
        return Map(info, arrays["mean"], arrays["components"], folder)
    except (OSError, ValidationError, SafetensorError, KeyError, json.JSONDecodeError):
        return None


def write_map(fitted: Map, folder: Path) -> Map:
    """Keep a map, whole or not at all; layouts and coordinates of the map that was there go with it."""
    with new_folder(folder) as unfinished:
        write_file(unfinished / "pca.safetensors", save({"mean": fitted.mean, "components": fitted.components}))
        write_file(unfinished / "map.json", fitted.info.model_dump_json(indent=1) + "\n")
    return Map(fitted.info, fitted.mean, fitted.components, folder)


def _inherit(table: Table, source: Source, folder: Path) -> Map | None:
    """Take over the newest map of an earlier table of the cohort, if its network, grid and patients are still here."""
    if not table.files:
        return None
    same = ("checkpoint_fingerprint", "step_mm", "crop_size", "spacing_mm")
    found = []
    for other in table.folder.parent.glob(f"*/_maps/{source}/map.json"):
        candidate = read_map(other.parent)
        try:
            info = read_info(other.parents[2])
        except (OSError, ValueError):
            continue
        fits = all(getattr(info, name) == getattr(table.info, name) for name in same)
        if candidate and fits and set(candidate.info.reference_volumes) <= set(table.volumes):
            found.append(candidate)
    if not found:
        return None
    newest = max(found, key=lambda candidate: candidate.info.created)
    written = write_map(newest, folder)
    if newest.folder:
        old = shutil.ignore_patterns("places-*", ".*")  # places are those of the other table
        for layout in newest.folder.glob("umap-*"):
            shutil.copytree(layout, folder / layout.name, dirs_exist_ok=True, ignore=old)
    return written


def _moments(
    vectors: NDArray, rows: Sequence[slice], count: int, progress: Progress | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean (D,) and covariance (D, D) of some row ranges."""
    mean = np.sum([vectors[part].sum(axis=0, dtype=np.float64) for part in rows], axis=0) / count
    centre = mean.astype(np.float32)
    covariance = np.zeros((len(mean), len(mean)))
    for number, part in enumerate(rows):
        centred = vectors[part].astype(np.float32) - centre
        covariance += centred.T @ centred
        if progress:
            progress(number + 1, len(rows))
    return mean, covariance / max(1, count - 1)
