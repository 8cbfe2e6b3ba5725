"""Any volume -> comparable voxels: isotropic, cut to the body, intensities near [-1, 1].

The recipe is the paper's (arXiv 2410.16947): foreground box, percentiles 5-95 to [-1, 1]. CT may use a
fixed Hounsfield window instead, since its numbers already mean the same in every scan. The affine of the
result maps its voxels to the scanner's millimetres exactly, so nothing is lost on the way back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import ndimage

from isimed.core.errors import InputError
from isimed.data.formats.label_map import KIND, as_labels
from isimed.data.formats.reading import Note
from isimed.data.formats.volume import Volume, apply_affine, measured
from isimed.data.prepared.body import constant, find_body, unpadded
from isimed.data.prepared.geometry import check_overlap, upright

CT_FOREGROUND_HU = -500.0
SLAB = 32


class Preparation(BaseModel):
    """How volumes are made comparable. Part of every checkpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    spacing_mm: float = Field(default=3.0, gt=0, description="Edge of a voxel after resampling, in mm.")
    intensity: Literal["percentile", "window"] = Field(
        default="percentile", description="Scale percentiles of the volume to [-1, 1], or clip CT to a fixed HU window."
    )
    percentiles: tuple[float, float] = Field(default=(5.0, 95.0), description="Percentiles that become -1 and 1.")
    window_hu: tuple[float, float] = Field(
        default=(-1000.0, 1500.0), description="Hounsfield units that become -1 and 1."
    )
    foreground_above: float = Field(default=0.0, description="Voxels above this value are body (MRI 0, CT -500 HU).")

    @classmethod
    def for_modality(cls, modality: str, *, spacing_mm: float = 3.0) -> "Preparation":
        """The default for a cohort: a HU window for CT, percentiles for everything else."""
        if modality.upper().startswith("CT"):
            return cls(spacing_mm=spacing_mm, intensity="window", foreground_above=CT_FOREGROUND_HU)
        return cls(spacing_mm=spacing_mm)


@dataclass(frozen=True, eq=False)
class Prepared:
    """One volume, comparable with the others of its cohort.

    Attributes:
        image: (X, Y, Z) float16, axes R A S, isotropic, cut to the body's box.
        body: (X, Y, Z) bool, the body with its cavities.
        labels: name (``organs``, ``tumour``) -> (X, Y, Z) uint16 on the same grid; wider where a label is beyond.
        affine: (4, 4) voxel -> scanner mm.
        box_centre_mm: (3,) centre of the body's box in scanner mm, the origin of positions.
        background: the image's value outside the scan.
        notes: what a person should know about how it was read and prepared, one sentence each.
        calibrated: whether a value means the same in every scan, as Hounsfield units do.
    """

    image: NDArray[np.float16]
    body: NDArray[np.bool_]
    labels: Mapping[str, NDArray[np.unsignedinteger]]
    affine: NDArray[np.float64]
    box_centre_mm: NDArray[np.float64]
    background: float
    notes: tuple[str, ...] = ()
    calibrated: bool = False

    @property
    def spacing(self) -> float:
        """Edge of a voxel in mm: prepared volumes are isotropic."""
        return float(np.linalg.norm(self.affine[:3, 0]))

    def to_mm(self, indices: NDArray) -> NDArray[np.float64]:
        """(..., 3) voxel indices -> scanner mm."""
        return apply_affine(self.affine, indices)

    def to_voxel(self, points_mm: NDArray) -> NDArray[np.float64]:
        """(..., 3) scanner mm -> fractional voxel indices."""
        return apply_affine(np.linalg.inv(self.affine), points_mm)

    def position(self, points_mm: NDArray) -> NDArray[np.float64]:
        """(..., 3) scanner mm -> mm from the body's centre: sagittal (left to right), coronal, axial."""
        return np.asarray(points_mm, dtype=np.float64) - self.box_centre_mm


def prepare(volume: Volume, preparation: Preparation, *, labels: Mapping[str, Volume] | None = None) -> Prepared:
    """Resample, find the body, cut to its box, scale intensities.

    Raises:
        InputError: the volume holds no body under this preparation, is constant, or lies elsewhere than a label map.
    """
    notes = list(volume.notes)
    maps = {name: as_labels(label) for name, label in (labels or {}).items()}
    for name, label in maps.items():
        notes += [note for note in label.notes if getattr(note, "kind", "") == KIND]
        notes += check_overlap(label, volume, name=name)
    volume = unpadded(finite(volume, notes), above=preparation.foreground_above, notes=notes)
    volume = upright(volume, notes)
    image, affine = resample(volume, preparation.spacing_mm)
    image, body = find_body(image, above=preparation.foreground_above, notes=notes)
    if not body.any():
        raise InputError(
            f"{volume.name} has no voxel above {preparation.foreground_above:g}: "
            "check that it is not empty and that the cohort's modality is right."
        )
    box = ndimage.find_objects(body.astype(np.uint8))[0]
    start = np.array([axis.start for axis in box])
    image, body = image[box], np.ascontiguousarray(body[box])
    affine = affine @ _translation(start)
    scaled, background = _scale(image, preparation, name=volume.name)
    on_grid = {name: resample_labels(label, affine, image.shape) for name, label in maps.items()}
    centre = apply_affine(affine, (np.array(image.shape) - 1) / 2)
    return Prepared(
        image=np.ascontiguousarray(scaled, dtype=np.float16),
        body=body,
        labels=on_grid,
        affine=affine,
        box_centre_mm=centre,
        background=background,
        notes=tuple(notes),
        calibrated=preparation.intensity == "window",
    )


def finite(volume: Volume, notes: list[str]) -> Volume:
    """The volume with NaN, infinite and overflowing voxels set to its lowest value: resampling would spread them.

    Raises:
        InputError: no voxel is finite.
    """
    if volume.voxels.dtype.kind != "f":
        return volume
    good = measured(volume.voxels)
    if good.all():
        return volume
    if not good.any():
        raise InputError(f"{volume.name} holds no finite voxel: export it again.")
    bad = good.size - int(good.sum())
    notes.append(Note(f"{bad} voxels are not finite: set to the lowest value.", "not finite"))
    return replace(volume, voxels=np.where(good, volume.voxels, volume.voxels[good].min()))


def resample(volume: Volume, spacing_mm: float) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Resample to isotropic voxels, axis by axis, with a triangle filter that is as wide as the coarser grid.

    Coarsening averages instead of skipping voxels (no aliasing); refining is linear interpolation. The new
    grid is centred on the old one, and the returned affine says where it is to floating-point accuracy.

    Returns:
        (X', Y', Z') float32 and its (4, 4) affine.
    """
    array, affine = volume.voxels, volume.affine.copy()
    ratios = spacing_mm / volume.spacing
    for axis in np.argsort(-ratios):  # the axis that shrinks most first: least work and memory
        ratio = ratios[axis]
        centres = _grid(array.shape[axis], ratio)
        array = _apply_along(_triangle_weights(array.shape[axis], centres, ratio), array, axis)
        affine[:3, 3] += affine[:3, axis] * centres[0]
        affine[:3, axis] *= ratio
    return array, affine


def resample_labels(labels: Volume, affine: NDArray, shape: tuple[int, ...]) -> NDArray[np.unsignedinteger]:
    """Nearest label at every voxel of another grid; 0 where the label map does not reach.

    Args:
        labels: the label map on its own grid, as `as_labels` gives it.
        affine: (4, 4) of the wanted grid.
        shape: (X, Y, Z) of the wanted grid.
    """
    to_label = np.linalg.inv(labels.affine) @ affine
    values = labels.voxels if labels.voxels.dtype.itemsize > 1 else labels.voxels.astype(np.uint16)
    found = ndimage.affine_transform(
        values, to_label[:3, :3], offset=to_label[:3, 3], output_shape=shape, order=0, cval=0
    )
    return np.asarray(found)


def _scale(image: NDArray[np.float32], preparation: Preparation, *, name: str) -> tuple[NDArray, float]:
    if preparation.intensity == "window":
        low, high = preparation.window_hu
        image = np.clip(image, low, high)
    else:
        low, high = np.percentile(image, preparation.percentiles)
    if constant(low, high):
        raise InputError(f"{name} is constant between its percentiles: check that it is an image, not a mask.")
    scaled = np.clip((image - low) * (2 / (high - low)) - 1, -1000, 1000)
    return scaled, float(scaled.min())


def _grid(size: int, ratio: float) -> NDArray[np.float64]:
    """Where the new samples of an axis lie, in old voxels, centred on the old axis."""
    count = max(1, int(np.floor((size - 1) / ratio + 1e-6)) + 1)
    return np.asarray((size - 1) / 2 + (np.arange(count) - (count - 1) / 2) * ratio, dtype=np.float64)


def _triangle_weights(size: int, centres: NDArray, ratio: float) -> NDArray[np.float32]:
    """(len(centres), size) interpolation weights; each row sums to one."""
    width = max(1.0, ratio)
    weights = np.clip(1 - np.abs(np.arange(size) - centres[:, None]) / width, 0, None)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _apply_along(weights: NDArray[np.float32], array: NDArray, axis: int) -> NDArray[np.float32]:
    """Multiply one axis by a matrix, a slab at a time: no float copy of the whole volume is ever made."""
    shape = list(array.shape)
    shape[axis] = len(weights)
    result = np.empty(shape, dtype=np.float32)
    along = 0 if axis == 2 else 2
    source, target = np.moveaxis(array, along, 0), np.moveaxis(result, along, 0)
    contracted = axis if along == 0 else axis + 1
    for start in range(0, len(source), SLAB):
        slab = source[start : start + SLAB].astype(np.float32)
        target[start : start + SLAB] = np.moveaxis(np.tensordot(weights, slab, (1, contracted)), 0, contracted)
    return result


def _translation(offset: NDArray) -> NDArray[np.float64]:
    matrix = np.eye(4)
    matrix[:3, 3] = offset
    return matrix
