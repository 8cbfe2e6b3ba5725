"""What can be measured on a volume's label maps for the quality report."""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, Field
from scipy import ndimage

from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort, Entry
from isimed.data.formats.label_map import KIND
from isimed.data.formats.volume import Volume
from isimed.data.prepared.geometry import check_overlap

SLAB = 16


class LabelFacts(BaseModel):
    """One label map: how many voxels of each value, and the value's centroid in scanner mm."""

    voxels: dict[int, int] = Field(default_factory=dict)
    centroids_mm: dict[int, tuple[float, float, float]] = Field(default_factory=dict)
    inside_body: float = 1.0


def measure_labels(
    cohort: Cohort, entry: Entry, image: Volume, body: Volume
) -> tuple[dict[str, LabelFacts], list[tuple[str, str]]]:
    """The label maps of a volume, and (kind, sentence) of what is odd about them.

    Args:
        body: where the body is, bool, on a grid of its own.
    """
    try:
        labels = cohort.read_labels(entry)
    except InputError as error:
        return {}, [("label unreadable", str(error))]
    around = replace(body, voxels=ndimage.binary_dilation(body.voxels))
    measured: dict[str, LabelFacts] = {}
    notes: list[tuple[str, str]] = []
    for name, label in labels.items():
        notes += [(KIND, str(note)) for note in label.notes if getattr(note, "kind", "") == KIND]
        try:
            notes += [(note.kind, str(note)) for note in check_overlap(label, image, name=name)]
        except InputError as error:
            notes.append(("label elsewhere", str(error)))
        measured[name] = _measure_label(label, around)
    return measured, notes


def _measure_label(label: Volume, body: Volume) -> LabelFacts:
    counts: dict[int, int] = {}
    sums: dict[int, NDArray] = {}
    on_body, looked = 0, 0
    for start in range(0, label.shape[2], SLAB):
        slab = label.voxels[..., start : start + SLAB].astype(np.int64)
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
        inside, total = _on(body, label.to_mm(some))
        on_body, looked = on_body + inside, looked + total
    return LabelFacts(
        voxels=dict(sorted(counts.items())),
        centroids_mm={value: three(label.to_mm(sums[value] / count)) for value, count in counts.items()},
        inside_body=on_body / looked if looked else 1.0,
    )


def _on(body: Volume, points_mm: NDArray) -> tuple[int, int]:
    """How many of the points lie on the body, lungs and other cavities too, and how many there are."""
    index = np.rint(body.to_voxel(points_mm)).astype(np.int64)
    kept = index[((index >= 0) & (index < body.shape)).all(axis=1)]
    return int(body.voxels[tuple(kept.T)].sum()), len(points_mm)


def three(values: ArrayLike) -> tuple[float, float, float]:
    """Three numbers, rounded to 0.1 µm."""
    x, y, z = (round(float(value), 4) for value in np.asarray(values))
    return x, y, z
