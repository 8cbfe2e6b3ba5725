"""A volume that is too large to be shown, at a coarser resolution of its own."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from isimed.data.formats.reading import Note
from isimed.data.formats.volume import Volume

SHOWN_VOXELS = 2**28  # half a gigabyte of 16 bits: what a browser takes at once without complaint
COARSER = "shown coarser"


def coarsen(volume: Volume, most_voxels: int = SHOWN_VOXELS) -> Volume:
    """Average pairs of voxels along the finest axis, again and again, until a volume has at most so many.

    Whole numbers stay whole (rounded). The affine maps every new voxel to the middle of those it is the mean of.

    Returns:
        The same volume where it is small enough; else one with a note that says its spacing.
    """
    shape, affine = list(volume.shape), volume.affine
    axes = []
    while np.prod(shape) > most_voxels and max(shape) > 1:
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
        axis = int(np.argmin(np.where(np.array(shape) > 1, spacing, np.inf)))
        shape[axis] //= 2
        step = np.eye(4)
        step[axis, axis], step[axis, 3] = 2, 0.5
        affine = affine @ step
        axes.append(axis)
    if not axes:
        return volume
    spacing = " × ".join(f"{edge:.3g}" for edge in np.linalg.norm(affine[:3, :3], axis=0))
    note = Note(f"Shown at {spacing} mm: at its own resolution it is too large for a browser.", COARSER)
    return replace(volume, voxels=_halved(volume.voxels, axes), affine=affine, notes=(*volume.notes, note))


def _halved(voxels: NDArray, axes: list[int]) -> NDArray:
    """Means of pairs along one axis after the other; an odd last voxel is left out.

    It goes through the slices as they lie in memory: nothing as large as the volume is made but the result.
    """
    strides = np.abs(voxels.strides)
    slow = int(np.argmax(strides))
    shape = [size >> axes.count(axis) for axis, size in enumerate(voxels.shape)]
    result = np.empty(shape, dtype=voxels.dtype, order="F" if strides[0] < strides[-1] else "C")
    slices, thick = np.moveaxis(voxels, slow, 0), 2 ** axes.count(slow)
    for number, place in enumerate(np.moveaxis(result, slow, 0)):
        slab = np.moveaxis(slices[number * thick : (number + 1) * thick], 0, slow)
        for axis in axes:
            slab = _means(slab, axis)
        place[...] = np.moveaxis(slab, slow, 0)[0]
    return result


def _means(voxels: NDArray, axis: int) -> NDArray:
    pairs = np.moveaxis(voxels, axis, 0)
    pairs = pairs[: len(pairs) // 2 * 2]
    means = pairs[0::2].astype(np.float32)
    means += pairs[1::2]
    means /= 2
    whole = voxels.dtype.kind in "iu"
    return np.moveaxis(np.rint(means, out=means).astype(voxels.dtype) if whole else means, 0, axis)
