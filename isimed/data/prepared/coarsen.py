"""A volume that is too large to be shown, at a coarser resolution of its own."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from isimed.data.formats.reading import Note
from isimed.data.formats.volume import Volume

SHOWN_VOXELS = 2**28  # half a gigabyte of 16 bits: what a browser takes at once without complaint
SLAB = 16
COARSER = "shown coarser"


def coarsen(volume: Volume, most_voxels: int = SHOWN_VOXELS) -> Volume:
    """Average pairs of voxels along the finest axis, again and again, until a volume has at most so many.

    Whole numbers stay whole (rounded). The affine maps every new voxel to the middle of those it is the mean of.

    Returns:
        The same volume where it is small enough; else one with a note that says its spacing.
    """
    voxels, affine = volume.voxels, volume.affine
    while voxels.size > most_voxels and max(voxels.shape) > 1:
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
        axis = int(np.argmin(np.where(np.array(voxels.shape) > 1, spacing, np.inf)))
        voxels = _halved(voxels, axis)
        step = np.eye(4)
        step[axis, axis], step[axis, 3] = 2, 0.5
        affine = affine @ step
    if voxels is volume.voxels:
        return volume
    spacing = " × ".join(f"{edge:.3g}" for edge in np.linalg.norm(affine[:3, :3], axis=0))
    note = Note(f"Shown at {spacing} mm: at its own resolution it is too large for a browser.", COARSER)
    return replace(volume, voxels=voxels, affine=affine, notes=(*volume.notes, note))


def _halved(voxels: NDArray, axis: int) -> NDArray:
    """Means of pairs along an axis, a slab at a time; an odd last voxel is left out."""
    count = voxels.shape[axis] // 2
    shape = [*voxels.shape[:axis], count, *voxels.shape[axis + 1 :]]
    result = np.empty(shape, dtype=voxels.dtype)
    source, target = np.moveaxis(voxels, axis, 0), np.moveaxis(result, axis, 0)
    for start in range(0, count, SLAB):
        pairs = source[2 * start : 2 * min(start + SLAB, count)].astype(np.float32)
        means = (pairs[0::2] + pairs[1::2]) / 2
        target[start : start + SLAB] = np.rint(means) if voxels.dtype.kind in "iu" else means
    return result
