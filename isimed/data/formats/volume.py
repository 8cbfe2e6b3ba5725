"""A scan as voxels and an affine: axes R A S inside, scanner millimetres outside."""

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import ArrayLike, NDArray

from isimed.core.errors import InputError
from isimed.data.formats.dispatch import format_of
from isimed.data.formats.reading import by_times, reason

LARGEST = 1e28  # no scan measures more; beyond it sums overflow in float32, and ±FLT_MAX is a filler of some programs


@dataclass(frozen=True, eq=False)
class Volume:
    """One 3D scan.

    Attributes:
        voxels: (X, Y, Z) array; the axes point to the patient's right, anterior and superior
            (the closest of the 48 axis orders for oblique scans).
        affine: (4, 4) float64, voxel index -> scanner millimetres (RAS+, as in NIfTI).
        name: what to call it in messages, usually the file name.
        notes: what a person should know about how it was read, one sentence each.
        file_axes: where the file's own axes point, for example ``LPI``.
    """

    voxels: NDArray
    affine: NDArray[np.float64]
    name: str = "volume"
    notes: tuple[str, ...] = ()
    file_axes: str = "RAS"

    @property
    def shape(self) -> tuple[int, int, int]:
        x, y, z = self.voxels.shape
        return x, y, z

    @property
    def spacing(self) -> NDArray[np.float64]:
        """(3,) voxel edge lengths in mm."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)

    def to_mm(self, indices: ArrayLike) -> NDArray[np.float64]:
        """(..., 3) voxel indices -> (..., 3) scanner mm."""
        return apply_affine(self.affine, indices)

    def to_voxel(self, points_mm: ArrayLike) -> NDArray[np.float64]:
        """(..., 3) scanner mm -> (..., 3) fractional voxel indices."""
        return apply_affine(np.linalg.inv(self.affine), points_mm)


def apply_affine(affine: NDArray, points: ArrayLike) -> NDArray[np.float64]:
    """Map (..., 3) points through a (4, 4) affine."""
    points = np.asarray(points, dtype=np.float64)
    if points.shape[-1:] != (3,):
        raise ValueError(f"points must be (..., 3), got {points.shape}")
    return points @ affine[:3, :3].T + affine[:3, 3]


def measured(voxels: NDArray) -> NDArray[np.bool_]:
    """Which voxels hold a value: False where one is NaN, infinite, or beyond ±1e28."""
    return np.asarray((voxels > -LARGEST) & (voxels < LARGEST))


def lowest_of(voxels: NDArray) -> float:
    """The lowest value that was measured, whatever stands where nothing was; NaN where nothing was at all.

    >>> lowest_of(np.array([np.nan, -1000.0, 40.0, -3e38]))
    -1000.0
    """
    if voxels.dtype.kind != "f":
        return float(voxels.min())
    good = measured(voxels)
    return float(np.min(voxels, where=good, initial=np.inf)) if good.any() else float("nan")


def read_volume(path: str | Path, *, channel: int | None = None, series: str | None = None) -> Volume:
    """Read a scan: NIfTI (.nii, .nii.gz), NRRD, MHA/MHD, or a DICOM series (a file, a folder or a zip of them).

    Args:
        path: the file or the folder of a series.
        channel: which channel of a 4D file (or stack of a DICOM series that holds several), counted from 0.
        series: SeriesInstanceUID, where a folder holds several.

    Returns:
        The volume, reoriented to R A S; integers stay integers, everything else is float32.

    Raises:
        InputError: one sentence naming the file and the remedy.
    """
    path = Path(path)
    try:
        raw = format_of(path).read(path, channel, series)
    except InputError:
        raise
    except PermissionError:
        raise InputError(f"{path} cannot be read: ask for read permission.") from None
    except MemoryError:
        raise InputError(f"{path} does not fit into memory: free some, or resample the scan first.") from None
    except (ImageFileError, HeaderDataError, EOFError, OSError, ValueError, OverflowError, RuntimeError) as error:
        raise InputError(f"{path} is damaged or not what its name says ({reason(error)}): export it again.") from error
    return to_ras(raw.array, raw.affine, path=path, notes=raw.notes)


def to_ras(array: NDArray, affine: NDArray, *, path: Path, notes: tuple[str, ...] = ()) -> Volume:
    """Check an array and its affine and turn the axes to R A S (exact: no interpolation)."""
    if array.ndim != 3 or min(array.shape) < 1:
        raise InputError(f"{path} has shape {by_times(array.shape)}: a volume needs three axes.")
    if array.dtype.kind not in "biuf":
        raise InputError(f"{path} holds {array.dtype} values: convert it to one real number a voxel.")
    affine = np.asarray(affine, dtype=np.float64)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-6 * max(np.prod(spacing), 1e-12):
        raise InputError(f"{path} has an affine that maps voxels to no place: repair its header (qform or sform).")
    orientation = nib.orientations.io_orientation(affine)
    if np.isnan(orientation).any():
        raise InputError(f"{path} has axes that cannot be told apart: repair its header (qform or sform).")
    turned = nib.orientations.apply_orientation(array, orientation)
    turned_affine = affine @ nib.orientations.inv_ornt_aff(orientation, array.shape)
    if array.dtype.kind == "b":
        turned = turned.astype(np.uint8)
    if array.dtype.kind == "f" and array.dtype != np.float32:
        turned = turned.astype(np.float32)
    codes = "".join(nib.orientations.aff2axcodes(affine))
    return Volume(voxels=turned, affine=turned_affine, name=path.name, notes=notes, file_axes=codes)
