"""A scan as voxels and an affine: axes R A S inside, scanner millimetres outside."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import ArrayLike, NDArray

from isimed.errors import InputError

NIFTI_SUFFIXES = (".nii", ".nii.gz")
SITK_SUFFIXES = (".nrrd", ".nhdr", ".mha", ".mhd")
VOLUME_SUFFIXES = NIFTI_SUFFIXES + SITK_SUFFIXES
MAX_VOXELS = 2_000_000_000


@dataclass(frozen=True, eq=False)
class Volume:
    """One 3D scan.

    Attributes:
        voxels: (X, Y, Z) array; the axes point to the patient's right, anterior and superior
            (the closest of the 48 axis orders for oblique scans).
        affine: (4, 4) float64, voxel index -> scanner millimetres (RAS+, as in NIfTI).
        name: what to call it in messages, usually the file name.
        notes: what a person should know about how it was read, one sentence each.
    """

    voxels: NDArray
    affine: NDArray[np.float64]
    name: str = "volume"
    notes: tuple[str, ...] = ()

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


def read_volume(path: str | Path, *, channel: int | None = None) -> Volume:
    """Read a scan: NIfTI (.nii, .nii.gz), NRRD, MHA/MHD.

    Args:
        path: the file.
        channel: which channel of a 4D file, counted from 0.

    Returns:
        The volume, reoriented to R A S; integers stay integers, everything else is float32.

    Raises:
        InputError: one sentence naming the file and the remedy.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist: check the path.")
    reader = _reader(path)
    try:
        array, affine, notes = reader(path, channel)
    except InputError:
        raise
    except PermissionError:
        raise InputError(f"{path} cannot be read: ask for read permission.") from None
    except (ImageFileError, EOFError, OSError, ValueError, RuntimeError, MemoryError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path} is damaged or not what its name says ({reason}): export it again.") from error
    return to_ras(array, affine, path=path, notes=notes)


def to_ras(array: NDArray, affine: NDArray, *, path: Path, notes: tuple[str, ...] = ()) -> Volume:
    """Check an array and its affine and turn the axes to R A S (exact: no interpolation)."""
    if array.ndim != 3 or min(array.shape) < 1:
        raise InputError(f"{path} has shape {'×'.join(map(str, array.shape))}: a volume needs three axes.")
    if array.dtype.kind not in "biuf":
        raise InputError(f"{path} holds {array.dtype} values: convert it to one real number a voxel.")
    affine = np.asarray(affine, dtype=np.float64)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise InputError(f"{path} has an affine that maps voxels to no place: repair its header (qform or sform).")
    orientation = nib.orientations.io_orientation(affine)
    if np.isnan(orientation).any():
        raise InputError(f"{path} has axes that cannot be told apart: repair its header (qform or sform).")
    turned = nib.orientations.apply_orientation(array, orientation)
    turned_affine = affine @ nib.orientations.inv_ornt_aff(orientation, array.shape)
    if array.dtype.kind == "b":
        turned = turned.astype(np.uint8)
    return Volume(voxels=turned, affine=turned_affine, name=path.name, notes=notes)


Reader = Callable[[Path, int | None], tuple[NDArray, NDArray, tuple[str, ...]]]


def _reader(path: Path) -> Reader:
    name = path.name.lower()
    if name.endswith(NIFTI_SUFFIXES):
        return _read_nifti
    if name.endswith(SITK_SUFFIXES):
        return _read_sitk
    raise InputError(f"{path} is not a known format: give one of {', '.join(VOLUME_SUFFIXES)}.")


def _read_nifti(path: Path, channel: int | None) -> tuple[NDArray, NDArray, tuple[str, ...]]:
    image = nib.load(path)
    shape, data = image.shape, image.dataobj
    if np.prod(shape, dtype=np.float64) > MAX_VOXELS:
        raise InputError(f"{path} promises {'×'.join(map(str, shape))} voxels: more than fits here, check its header.")
    if len(shape) == 4 and shape[3] == 1:
        channel = 0
    if len(shape) == 4:
        array = data[..., _checked_channel(path, shape, channel)]
    else:
        array = np.asanyarray(data)
    if array.dtype.kind == "f":
        array = array.astype(np.float32, copy=False)
    return array, image.affine, ()


def _read_sitk(path: Path, channel: int | None) -> tuple[NDArray, NDArray, tuple[str, ...]]:
    import SimpleITK as sitk

    image = sitk.ReadImage(str(path))
    components = image.GetNumberOfComponentsPerPixel()
    if components > 1:
        shape = (*image.GetSize(), components)
        image = sitk.VectorIndexSelectionCast(image, _checked_channel(path, shape, channel))
    if image.GetDimension() == 4:
        shape = image.GetSize()
        image = image[..., _checked_channel(path, shape, channel)]
    return sitk.GetArrayFromImage(image).T, sitk_affine(image), ()


def sitk_affine(image) -> NDArray[np.float64]:  # noqa: ANN001 - SimpleITK has no types
    """The voxel -> scanner mm affine of a SimpleITK image; its L P S axes are turned to R A S."""
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def _checked_channel(path: Path, shape: tuple[int, ...], channel: int | None) -> int:
    size = "×".join(map(str, shape))
    if channel is None:
        raise InputError(f"{path} has {len(shape)} dimensions ({size}): choose one of its channels with --channel.")
    if not 0 <= channel < shape[3]:
        raise InputError(f"{path} has {shape[3]} channels ({size}): --channel must be 0 to {shape[3] - 1}.")
    return channel
