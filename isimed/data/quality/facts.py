"""What can be measured on one volume for the quality report, kept on disk until its files change."""

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import ndimage

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort, Entry
from isimed.data.formats.volume import Volume, apply_affine, measured
from isimed.data.prepared.array_store import open_arrays, write_arrays
from isimed.data.prepared.body import find_body, unpadded
from isimed.data.prepared.memory import MemoryBudget, working_bytes
from isimed.data.prepared.preprocess import Preparation, finite, resample
from isimed.data.prepared.source import remember_digest, source_stamp
from isimed.data.quality.label_facts import LabelFacts, measure_labels, three
from isimed.data.quality.thumbnails import planes

VERSION = 9
COARSE_MM = 6.0
SHAPE_EDGE = 16
SLAB = 16
FACES = ("left", "right", "posterior", "anterior", "inferior", "superior")


class Facts(BaseModel):
    """One volume, measured. Lengths in mm; shape and spacing in R A S order."""

    model_config = ConfigDict(extra="ignore")

    id: str
    subject: str
    error: str = ""
    shape: tuple[int, int, int] = (0, 0, 0)
    spacing_mm: tuple[float, float, float] = (0, 0, 0)
    file_axes: str = ""
    field_of_view_mm: tuple[float, float, float] = (0, 0, 0)
    intensity: dict[str, float] = Field(default_factory=dict, description="min, p1, median, p99, max")
    not_finite: int = 0
    constant: bool = False
    body_fraction: float = 0.0
    body_mm: tuple[float, float, float] = (0, 0, 0)
    body_centre_mm: tuple[float, float, float] = Field(default=(0, 0, 0), description="of the body's box, scanner mm")
    thin_mm: float = Field(default=0, description="how far parts of the body below 3 cm reach beyond the rest of it")
    body_on_face: dict[str, float] = Field(default_factory=dict, description="share of a face that is body")
    empty_ends: tuple[int, int] = Field(default=(0, 0), description="constant slices at the inferior and superior end")
    abrupt_ends: tuple[bool, bool] = Field(default=(False, False), description="whether body stops where they begin")
    end_values: tuple[float, float] = Field(
        default=(0, 0), description="the value of the first and the last slice's first voxel"
    )
    repeated_slices: int = 0
    digest: str = ""
    labels: dict[str, LabelFacts] = Field(default_factory=dict)
    notes: list[tuple[str, str]] = Field(default_factory=list, description="(kind, sentence) from reading")


def facts_of(cohort: Cohort, entry: Entry, budget: MemoryBudget) -> tuple[Facts, dict[str, NDArray]]:
    """Measure a volume, or find it measured.

    Returns:
        The facts; and arrays: ``body`` (16, 16, 16) float32, the body's box in R A S, and the thumbnails
        ``axial``, ``coronal``, ``sagittal`` (uint8, radiological). No arrays where the volume cannot be read.
    """
    try:
        stamp = source_stamp(cohort, entry)
        digest = hashlib.sha256(f"{VERSION}\0{cohort.modality}\0{stamp}".encode()).hexdigest()
        folder = paths.home() / "quality" / digest[:24]
        if found := open_arrays(folder):
            return Facts.model_validate(found[1]["facts"] | {"id": entry.id, "subject": entry.subject}), found[0]
        with budget.room_for(working_bytes(cohort.files(entry))):
            volume = cohort.read(entry)
            facts, arrays, body = measure(volume, cohort.modality)
            facts.digest = remember_digest(stamp, volume)
            labels, notes = measure_labels(cohort, entry, volume, body)
    except InputError as error:
        return Facts(id=entry.id, subject=entry.subject, error=str(error)), {}
    known = {"id": entry.id, "subject": entry.subject, "labels": labels, "notes": [*facts.notes, *notes]}
    facts = facts.model_copy(update=known)
    write_arrays(folder, arrays, {"facts": facts.model_dump(mode="json")})
    return facts, arrays


def measure(volume: Volume, modality: str) -> tuple[Facts, dict[str, NDArray], Volume]:
    """The facts of a volume without its labels, the arrays that `facts_of` describes, and its body at 6 mm."""
    notes: list[str] = list(volume.notes)
    exact = _exact_facts(volume)
    if exact["not_finite"] == volume.voxels.size:
        raise InputError(f"{volume.name} holds no finite voxel: export it again.")
    volume = finite(volume, notes)
    above = Preparation.for_modality(modality).foreground_above
    volume = unpadded(volume, above=above, notes=notes)
    coarse, affine = resample(volume, COARSE_MM)
    coarse, body = find_body(coarse, above=above, notes=notes)
    low, middle, high = np.percentile(coarse, (1, 50, 99))
    facts = Facts(
        id="",
        subject="",
        shape=volume.shape,
        spacing_mm=three(volume.spacing),
        file_axes=volume.file_axes,
        field_of_view_mm=three(volume.spacing * volume.shape),
        intensity={
            "min": exact["low"],
            "p1": float(low),
            "median": float(middle),
            "p99": float(high),
            "max": exact["high"],
        },
        not_finite=exact["not_finite"],
        constant=exact["low"] == exact["high"],
        body_fraction=float(body.mean()),
        body_on_face=_body_on_faces(body),
        empty_ends=exact["empty_ends"],
        end_values=(float(volume.voxels[0, 0, 0]), float(volume.voxels[0, 0, -1])),
        repeated_slices=exact["repeated"],
        notes=[(getattr(note, "kind", "reading"), str(note)) for note in notes],
    )
    arrays: dict[str, NDArray] = {"body": np.zeros((SHAPE_EDGE,) * 3, np.float32)}
    shown = volume
    if body.any():
        box = ndimage.find_objects(body.astype(np.uint8))[0]
        facts.thin_mm = _thin_mm(body)
        facts.body_mm = three(np.array(body[box].shape) * COARSE_MM)
        corners = [[axis.start for axis in box], [axis.stop - 1 for axis in box]]
        facts.body_centre_mm = three(apply_affine(affine, corners).mean(axis=0))
        facts.abrupt_ends = _abrupt_ends(body, facts, volume)
        arrays["body"] = _standard_box(np.where(body, coarse, coarse.min())[box], low, high)
        shown = _cut(volume, apply_affine(affine, corners))
    arrays |= planes(shown, (np.array(shown.shape) - 1) / 2, window=_window(modality, float(low), float(high)))
    return facts, arrays, replace(volume, voxels=body, affine=affine)


def _cut(volume: Volume, corners_mm: NDArray) -> Volume:
    """The part of a volume between two corners, with a margin; its place is not kept."""
    first, last = volume.to_voxel(corners_mm)
    margin = COARSE_MM / volume.spacing
    low = np.maximum(np.floor(first - margin), 0).astype(int)
    high = np.minimum(np.ceil(last + margin) + 1, volume.shape).astype(int)
    return replace(volume, voxels=volume.voxels[tuple(slice(a, b) for a, b in zip(low, high, strict=True))])


def _exact_facts(volume: Volume) -> dict[str, Any]:
    """One pass over all voxels, a few slices at a time."""
    low, high, not_finite, repeated = np.inf, -np.inf, 0, 0
    constant: list[bool] = []
    before = None
    for start in range(0, volume.shape[2], SLAB):
        slab = np.ascontiguousarray(np.moveaxis(volume.voxels[..., start : start + SLAB], 2, 0), dtype=np.float32)
        good = measured(slab)
        not_finite += slab.size - int(np.count_nonzero(good))
        if not good.all():
            slab = np.where(good, slab, np.float32(0))
        if good.any():
            low, high = min(low, float(slab[good].min())), max(high, float(slab[good].max()))
        for plane in slab:
            flat = bool(plane.max() == plane.min())
            repeated += int(not flat and before is not None and np.array_equal(plane, before))
            constant.append(flat)
            before = plane
    ends = [constant[::step].index(False) if not all(constant) else len(constant) for step in (1, -1)]
    return {
        "low": float(low), "high": float(high), "not_finite": not_finite, "repeated": repeated,
        "empty_ends": (ends[0], ends[1]),
    }  # fmt: skip


def _body_on_faces(body: NDArray[np.bool_]) -> dict[str, float]:
    sides = [np.moveaxis(body, axis, 0)[index].mean() for axis in range(3) for index in (0, -1)]
    return {name: round(float(share), 4) for name, share in zip(FACES, sides, strict=True)}


def _thin_mm(body: NDArray[np.bool_]) -> float:
    """How far what an opening takes away widens the body's box, mm: a body loses its rim, a table all of itself."""
    core = ndimage.binary_opening(body, iterations=2)
    if not core.any():
        return 0.0
    whole, rest = (ndimage.find_objects(mask.astype(np.uint8))[0] for mask in (body, core))
    beyond = [max(b.start - a.start, a.stop - b.stop) for a, b in zip(whole, rest, strict=True)]
    return COARSE_MM * max(beyond)


def _abrupt_ends(body: NDArray[np.bool_], facts: Facts, volume: Volume) -> tuple[bool, bool]:
    """Whether large body areas stand next to constant slices: the rest of the scan is probably missing."""
    areas = body.sum(axis=(0, 1))
    used = np.flatnonzero(areas)
    found = []
    for empty, edge in zip(facts.empty_ends, (used[0], used[-1]), strict=True):
        inside = areas[min(edge + 1, used[-1])] if edge == used[0] else areas[max(edge - 1, used[0])]
        found.append(bool(empty >= 2 and inside > 0.5 * areas.max()))
    return found[0], found[1]


def _standard_box(box: NDArray, low: float, high: float) -> NDArray[np.float32]:
    """The body's box as 16³ values of mean 0 and deviation 1, to compare bodies whatever their size."""
    scaled = np.clip((box - low) / max(high - low, 1e-6), 0, 1)
    small = ndimage.zoom(scaled, SHAPE_EDGE / np.array(box.shape), order=1, mode="nearest", grid_mode=True)
    return ((small - small.mean()) / max(float(small.std()), 1e-6)).astype(np.float32)


def _window(modality: str, low: float, high: float) -> tuple[float, float]:
    return (-160.0, 240.0) if modality.upper().startswith("CT") else (low, max(high, low + 1e-6))
