"""What a map says about a table, worked out once and kept: coordinates, turned axes, errors, quality.

Kept in the map's folder, by the table's fingerprint: ``points-<fingerprint>/*.npy`` and ``points.json``. Opening
them again reads a few memory-mapped arrays, however long they took to make.
"""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from isimed.core.files import UNREADABLE, write_file, write_json
from isimed.core.progress import Progress, Say, part_of, silent
from isimed.explore.maps.axes import TurnedAxes, axis_correlation, fit_axes
from isimed.explore.maps.map_quality import MapQuality, map_qualities, map_quality
from isimed.explore.maps.pca import Map, Source, map_folder, project, read_map, sample_rows
from isimed.explore.maps.umap_layout import (
    REFERENCE_LIMIT,
    UmapParameters,
    fit_layout,
    layout_folder,
    read_layout,
    write_layout,
)
from isimed.explore.tables.store import Table

SHOWN = 3


@dataclass(frozen=True, eq=False)
class Points:
    """A table on a map.

    Attributes (N rows):
        pcs: (N, K) float32 principal components, memory-mapped.
        turned: (N, 3) float32 position in mm as the best linear predictors read it from the components.
        error_mm: (N,) float32 distance of that reading, made without the patient's own crops, to the true position;
            NaN with a single patient.
        axes: the predictors.
        r: (3, 3) correlation of PC1-3 (rows) with the sagittal, coronal and axial position, over all rows.
        quality: name (``pca2``, ``pca3``, ``turned``: of its three axes together) -> MapQuality.
    """

    pcs: NDArray[np.float32]
    turned: NDArray[np.float32]
    error_mm: NDArray[np.float32]
    axes: TurnedAxes
    r: NDArray[np.float64]
    quality: dict[str, MapQuality]


@dataclass(frozen=True, eq=False)
class UmapPoints:
    """A table on a UMAP layout: places (N, 2) float32, no unit; quality against the latent vectors."""

    places: NDArray[np.float32]
    quality: MapQuality
    reference_rows: int


def open_points(table: Table, fitted: Map, *, progress: Progress | None = None, say: Say | None = None) -> Points:
    """Place a table on its map and measure the result, or read what an earlier call kept."""
    folder = _folder(table, fitted)
    if folder and (kept := _read_points(folder, len(table))):
        return kept
    say = say or silent
    say("Placing crops in the map")
    pcs = project(table, fitted, progress=part_of(progress, 0, 0.4))
    components = pcs.T
    say("Turning the axes")
    reference = np.isin(table.volume, fitted.info.reference_volumes)
    axes, held_out = fit_axes(components[reference], table.position[reference], table.subject[reference])
    turned = axes.apply(components)
    judged = turned.copy()  # patients outside the reference are held out anyway
    judged[reference] = held_out
    error_mm = np.linalg.norm(judged - table.position, axis=1).astype(np.float32)
    part_of(progress, 0, 0.6)(1, 1)
    say("Measuring the map")
    vectors = getattr(table, fitted.info.source)
    flat = {f"pca{size}": components[:, :size] for size in (2, SHOWN) if len(pcs) >= size}
    quality = map_qualities(vectors, flat | {"turned": turned}, group=table.group)
    r = axis_correlation(components[:, :SHOWN], table.position)
    points = Points(components, turned, error_mm, axes, r, quality)
    if folder:
        _write_points(points, folder)
    part_of(progress, 0, 1)(1, 1)
    return points


def open_umap(
    table: Table,
    fitted: Map,
    points: Points,
    parameters: UmapParameters,
    *,
    progress: Progress | None = None,
    say: Say | None = None,
) -> UmapPoints:
    """The table on a UMAP layout; fits it first on the map's reference crops (at most 50,000) if there is none."""
    say = say or silent
    folder = layout_folder(fitted, parameters)
    kept = folder / f"places-{table.fingerprint}.npz" if folder else None
    if kept and (found := _read_umap(kept, len(table))):
        return found
    layout = read_layout(folder)
    if layout is None:
        reference = np.flatnonzero(np.isin(table.volume, fitted.info.reference_volumes))
        chosen = reference[sample_rows(table.group[reference], REFERENCE_LIMIT, seed=parameters.seed)]
        layout = fit_layout(points.pcs[chosen], parameters, progress=part_of(progress, 0, 0.85), say=say)
        if folder:
            write_layout(layout, folder)
    say("Placing crops in the UMAP")
    places = layout.place(points.pcs, progress=part_of(progress, 0.85, 0.95))
    say("Measuring the UMAP")
    quality = map_quality(getattr(table, fitted.info.source), places, group=table.group)
    found = UmapPoints(places, quality, len(layout.reference))
    if kept:
        write_file(kept, lambda file: np.savez(file, places=places, about=_about(found)))
    return found


def points_are_kept(table: Table, source: Source) -> bool:
    """Whether `open_map` and `open_points` only read what an earlier call made."""
    fitted = read_map(map_folder(table, source))
    folder = _folder(table, fitted) if fitted else None
    return bool(folder and _read_points(folder, len(table)))


def umap_is_kept(table: Table, fitted: Map, parameters: UmapParameters) -> bool:
    """Whether `open_umap` only reads what an earlier call made."""
    folder = layout_folder(fitted, parameters)
    return bool(folder and (folder / f"places-{table.fingerprint}.npz").is_file())


def _folder(table: Table, fitted: Map) -> Path | None:
    return fitted.folder / f"points-{table.fingerprint}" if fitted.folder else None


def _about(found: UmapPoints) -> NDArray:
    text = json.dumps({"quality": vars(found.quality), "reference_rows": found.reference_rows})
    return np.frombuffer(text.encode(), dtype=np.uint8)


def _read_umap(path: Path, rows: int) -> UmapPoints | None:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            about = json.loads(arrays["about"].tobytes())
            places = arrays["places"]
        return (
            UmapPoints(places, MapQuality(**about["quality"]), about["reference_rows"]) if len(places) == rows else None
        )
    except UNREADABLE:
        return None


def _write_points(points: Points, folder: Path) -> None:
    for name in ("pcs", "turned", "error_mm"):  # transposed: one component lies together on the disk
        array = np.ascontiguousarray(getattr(points, name).T)
        write_file(folder / f"{name}.npy", partial(np.save, arr=array, allow_pickle=False))
    about = {
        "axes": {name: value.tolist() for name, value in vars(points.axes).items()},
        "r": points.r.tolist(),
        "quality": {name: vars(value) for name, value in points.quality.items()},
    }
    write_json(folder / "points.json", about)


def _read_points(folder: Path, rows: int) -> Points | None:
    try:
        about = json.loads((folder / "points.json").read_bytes())
        arrays = {
            name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False).T
            for name in ("pcs", "turned", "error_mm")
        }
        axes = TurnedAxes(**{name: np.array(value, dtype=float) for name, value in about["axes"].items()})
        quality = {name: MapQuality(**value) for name, value in about["quality"].items()}
        points = Points(**arrays, axes=axes, r=np.array(about["r"]), quality=quality)
        whole = len(points.error_mm) == len(points.pcs) == rows and "turned" in quality
        return points if whole else None
    except UNREADABLE:
        return None
