"""What can be measured on one volume for the quality report, kept on disk until its files change."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import ndimage

from isimed import settings
from isimed.data.array_store import open_arrays, write_arrays
from isimed.data.cache import source_stamp
from isimed.data.cohort import Cohort, Entry
from isimed.data.geometry import check_overlap
from isimed.data.memory import MemoryBudget, working_bytes
from isimed.data.preprocess import Preparation, body_mask, finite, resample
from isimed.data.thumbnails import planes
from isimed.data.volume import Volume, apply_affine
from isimed.errors import InputError

VERSION = 5
COARSE_MM = 6.0
SHAPE_EDGE = 16
SLAB = 16
FACES = ("left", "right", "posterior", "anterior", "inferior", "superior")


class LabelFacts(BaseModel):
    """One label map: how many voxels of each value, and the value's centroid in scanner mm."""

    voxels: dict[int, int] = Field(default_factory=dict)
    centroids_mm: dict[int, tuple[float, float, float]] = Field(default_factory=dict)
    volume_ml: dict[int, float] = Field(default_factory=dict)
    inside_body: float = 1.0


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
    body_on_face: dict[str, float] = Field(default_factory=dict, description="share of a face that is body")
    empty_ends: tuple[int, int] = Field((0, 0), description="constant slices at the inferior and superior end")
    abrupt_ends: tuple[bool, bool] = Field((False, False), description="whether body stops where they begin")
    end_values: tuple[float, float] = Field(
        (0, 0), description="the value of the first and the last slice's first voxel"
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
        digest = hashlib.sha256(f"{VERSION}\0{cohort.modality}\0{source_stamp(cohort, entry)}".encode()).hexdigest()
        folder = settings.home() / "quality" / digest[:24]
        if found := open_arrays(folder):
            return Facts.model_validate(found[1]["facts"] | {"id": entry.id, "subject": entry.subject}), found[0]
        with budget.room_for(working_bytes(cohort.files(entry))):
            facts, arrays = measure(cohort.read(entry), cohort.modality)
            measured = _label_facts(cohort, entry, facts)
    except InputError as error:
        return Facts(id=entry.id, subject=entry.subject, error=str(error)), {}
    facts = measured.model_copy(update={"id": entry.id, "subject": entry.subject})
    small = {name: array for name, array in arrays.items() if name != "coarse_body"}
    write_arrays(folder, small, {"facts": facts.model_dump(mode="json")})
    return facts, small


def measure(volume: Volume, modality: str) -> tuple[Facts, dict[str, NDArray]]:
    """The facts of a volume without its labels, and the arrays that `facts_of` describes."""
    notes: list[str] = list(volume.notes)
    exact = _exact_facts(volume)
    if exact["not_finite"] == volume.voxels.size:
        raise InputError(f"{volume.name} holds no finite voxel: export it again.")
    volume = finite(volume, notes)
    above = Preparation.for_modality(modality).foreground_above
    coarse, affine = resample(volume, COARSE_MM)
    body = body_mask(coarse, above=above)
    low, middle, high = np.percentile(coarse, (1, 50, 99))
    facts = Facts(
        id="",
        subject="",
        shape=volume.shape,
        spacing_mm=_three(volume.spacing),
        file_axes=volume.file_axes,
        field_of_view_mm=_three(volume.spacing * volume.shape),
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
        digest=exact["digest"],
        notes=[(getattr(note, "kind", "reading"), str(note)) for note in notes],
    )
    arrays: dict[str, NDArray] = {"body": np.zeros((SHAPE_EDGE,) * 3, np.float32)}
    centre = (np.array(volume.shape) - 1) / 2
    if body.any():
        box = ndimage.find_objects(body.astype(np.uint8))[0]
        facts.body_mm = _three(np.array(body[box].shape) * COARSE_MM)
        facts.abrupt_ends = _abrupt_ends(body, facts, volume)
        arrays["body"] = _standard_box(np.where(body, coarse, coarse.min())[box], low, high)
        middle_index = np.array([(axis.start + axis.stop - 1) / 2 for axis in box])
        centre = volume.to_voxel(apply_affine(affine, middle_index))
    arrays |= planes(volume, centre, window=_window(modality, float(low), float(high)))
    return facts, arrays


def _exact_facts(volume: Volume) -> dict[str, Any]:
    """One pass over all voxels, a few slices at a time."""
    digest = hashlib.blake2b(repr(volume.shape).encode(), digest_size=16)
    low, high, not_finite, repeated = np.inf, -np.inf, 0, 0
    constant: list[bool] = []
    before = None
    for start in range(0, volume.shape[2], SLAB):
        slab = np.ascontiguousarray(np.moveaxis(volume.voxels[..., start : start + SLAB], 2, 0), dtype=np.float32)
        digest.update(slab.data)
        good = np.isfinite(slab)
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
        "empty_ends": (ends[0], ends[1]), "digest": digest.hexdigest(),
    }  # fmt: skip


def _body_on_faces(body: NDArray[np.bool_]) -> dict[str, float]:
    sides = [body.take(index, axis=axis).mean() for axis in range(3) for index in (0, -1)]
    return {name: round(float(share), 4) for name, share in zip(FACES, sides, strict=True)}


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


def _label_facts(cohort: Cohort, entry: Entry, facts: Facts) -> Facts:
    try:
        labels = cohort.read_labels(entry)
    except InputError as error:
        return facts.model_copy(update={"notes": [*facts.notes, ("label unreadable", str(error))]})
    image = cohort.read(entry) if labels else None
    measured, notes = {}, list(facts.notes)
    for name, label in labels.items():
        assert image is not None
        try:
            notes += [(note.kind, str(note)) for note in check_overlap(label, image, name=name)]
        except InputError as error:
            notes.append(("label elsewhere", str(error)))
        measured[name] = _measure_label(label, image, Preparation.for_modality(cohort.modality).foreground_above)
    return facts.model_copy(update={"labels": measured, "notes": notes})


def _measure_label(label: Volume, image: Volume, above: float) -> LabelFacts:
    counts: dict[int, int] = {}
    sums: dict[int, NDArray] = {}
    on_body, looked = 0, 0
    for start in range(0, label.shape[2], SLAB):
        slab = np.rint(label.voxels[..., start : start + SLAB]).astype(np.int64)
        where = np.array(np.nonzero(slab)).T
        if not len(where):
            continue
        values = slab[tuple(where.T)]
        where[:, 2] += start
        for value in np.unique(values):
            chosen = where[values == value]
            counts[int(value)] = counts.get(int(value), 0) + len(chosen)
            sums[int(value)] = sums.get(int(value), np.zeros(3)) + chosen.sum(axis=0)
        some = where[:: max(1, len(where) // 500)]
        inside, total = _bright(image, label.to_mm(some), above)
        on_body, looked = on_body + inside, looked + total
    ml = float(abs(np.linalg.det(label.affine[:3, :3]))) / 1000
    return LabelFacts(
        voxels=dict(sorted(counts.items())),
        centroids_mm={value: _three(label.to_mm(sums[value] / count)) for value, count in counts.items()},
        volume_ml={value: round(count * ml, 2) for value, count in counts.items()},
        inside_body=on_body / looked if looked else 1.0,
    )


def _bright(image: Volume, points_mm: NDArray, above: float) -> tuple[int, int]:
    """How many of the points lie on voxels above a value, and how many there are."""
    index = np.rint(image.to_voxel(points_mm)).astype(np.int64)
    kept = index[((index >= 0) & (index < image.shape)).all(axis=1)]
    return int((image.voxels[tuple(kept.T)] > above).sum()), len(points_mm)


def _window(modality: str, low: float, high: float) -> tuple[float, float]:
    return (-160.0, 240.0) if modality.upper().startswith("CT") else (low, max(high, low + 1e-6))


def _three(values: Mapping | NDArray) -> tuple[float, float, float]:
    x, y, z = (round(float(value), 4) for value in np.asarray(values))
    return x, y, z
