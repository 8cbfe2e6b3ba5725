"""How a volume lies in space: shear taken out, and whether two grids meet."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from isimed.core.errors import InputError
from isimed.data.formats.reading import Note
from isimed.data.formats.volume import Volume, apply_affine

SHEAR_DEGREES = 1.0
MOST_POINTS = 20_000
SAME_GRID_VOXELS = 0.01


def shear_degrees(affine: NDArray) -> float:
    """How far the axes of an affine are from right angles, at most."""
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    cosines = np.abs((axes.T @ axes)[np.triu_indices(3, 1)])
    return float(np.degrees(np.arcsin(np.clip(cosines.max(), 0, 1))))


def upright(volume: Volume, notes: list[str]) -> Volume:
    """A sheared volume (gantry tilt) on a grid of right angles: each plane is shifted, scanner mm stay true.

    The first two axes of the grid keep their direction and spacing, the third one becomes their normal. A
    volume that is not sheared by a degree is returned as it is.
    """
    degrees = shear_degrees(volume.affine)
    if degrees < SHEAR_DEGREES:
        return volume
    notes.append(Note(f"Sheared by {degrees:.1f}°: planes were shifted to right angles for the crops.", "gantry tilt"))
    matrix = volume.affine[:3, :3]
    x = matrix[:, 0] / np.linalg.norm(matrix[:, 0])
    normal = np.cross(x, matrix[:, 1])
    normal /= np.linalg.norm(normal)
    spacing = np.array([volume.spacing[0], abs(matrix[:, 1] @ np.cross(normal, x)), abs(matrix[:, 2] @ normal)])
    axes = np.stack([x, np.cross(normal, x), normal * np.sign(normal @ matrix[:, 2])], axis=1) * spacing
    to_new = np.linalg.inv(axes)
    corners = np.array(np.meshgrid(*[(0, size - 1) for size in volume.shape], indexing="ij")).reshape(3, -1).T
    reached = (apply_affine(volume.affine, corners) - volume.affine[:3, 3]) @ to_new.T
    start, end = np.floor(reached.min(axis=0) + 1e-6), np.ceil(reached.max(axis=0) - 1e-6)
    affine = np.eye(4)
    affine[:3, :3] = axes
    affine[:3, 3] = volume.affine[:3, 3] + axes @ start
    shape = tuple(int(n) for n in end - start + 1)
    to_old = np.linalg.inv(volume.affine) @ affine
    lowest = volume.voxels.min()
    result = np.empty(shape, dtype=volume.voxels.dtype if volume.voxels.dtype.kind == "f" else np.float32)
    for z in range(shape[2]):
        offset = to_old[:3, :3] @ [0, 0, z] + to_old[:3, 3]
        _plane(volume.voxels, to_old[:3, :3], offset, float(lowest), result[..., z : z + 1])
    return replace(volume, voxels=result, affine=affine)


def _plane(voxels: NDArray, matrix: NDArray, offset: NDArray, lowest: float, target: NDArray) -> None:
    """Interpolate one plane of the new grid; the two old planes around it are all that is read."""
    low = int(np.clip(np.floor(offset[2] - 1e-6), 0, voxels.shape[2] - 1))
    slab = voxels[..., low : low + 2].astype(np.float32)
    moved = offset - [0, 0, low]
    ndimage.affine_transform(slab, matrix, moved, target.shape, output=target, order=1, mode="constant", cval=lowest)


def check_overlap(label: Volume, volume: Volume, *, name: str) -> list[Note]:
    """Notes on a label map that lies on another grid than its image.

    Raises:
        InputError: the two do not meet anywhere, or no labelled voxel lies inside the image.
    """
    if label.shape == volume.shape:
        corners = np.array(np.meshgrid(*[(0, size - 1) for size in volume.shape], indexing="ij")).reshape(3, -1).T
        off = np.abs(volume.to_voxel(label.to_mm(corners)) - corners).max()
        if off <= SAME_GRID_VOXELS:
            return []
    labelled = np.flatnonzero(np.ravel(label.voxels, order="K") != 0)
    if len(labelled) == 0:
        points = np.array([(np.array(label.shape) - 1) / 2])
    else:
        chosen = labelled[:: max(1, len(labelled) // MOST_POINTS)]
        points = _unravel_in_memory_order(chosen, label.voxels)
    where = volume.to_voxel(label.to_mm(points))
    inside = ((where > -0.5) & (where < np.array(volume.shape) - 0.5)).all(axis=1).mean()
    if inside == 0:
        raise InputError(
            f"{label.name} ({name}) does not overlap its image {volume.name}: "
            "check that they belong together and that neither lost its header's position."
        )
    notes = [Note(f"{name} lies on another grid than the image: resampled by nearest neighbour.", "label grid")]
    if inside < 0.98:
        notes.append(Note(f"{1 - inside:.0%} of the {name} labels lie outside the image.", "label mismatch"))
    return notes


def _unravel_in_memory_order(flat: NDArray, array: NDArray) -> NDArray:
    """(N, 3) indices of positions in ``np.ravel(array, order="K")``."""
    order = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
    stored = np.unravel_index(flat, [array.shape[axis] for axis in order])
    indices = np.empty((len(flat), array.ndim), dtype=np.int64)
    for axis, values in zip(order, stored, strict=True):
        indices[:, axis] = values
    return indices
