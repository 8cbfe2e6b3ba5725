"""Crops: cubes of voxels with a known centre. Random ones for training, a grid for embedding."""

import numpy as np
from numpy.typing import NDArray

from isimed.data.prepared.preprocess import Prepared

CROP_SIZE = 32
ATTEMPTS = 20


def cut_crops(volume: Prepared, centres: NDArray, size: int = CROP_SIZE) -> NDArray[np.float32]:
    """Cut cubes around voxels; what lies outside the volume is background.

    Args:
        volume: the prepared volume, only the needed voxels are read.
        centres: (N, 3) integer voxel indices; a crop spans ``centre - size // 2`` to ``+ size // 2 - 1``
            for even sizes.
        size: edge in voxels.

    Returns:
        (N, 1, size, size, size) float32.
    """
    centres = np.asarray(centres, dtype=np.int64).reshape(-1, 3)
    crops = np.full((len(centres), 1, size, size, size), volume.background, dtype=np.float32)
    shape = np.array(volume.image.shape)
    for crop, start in zip(crops[:, 0], centres - size // 2, strict=True):
        low, high = np.maximum(start, 0), np.minimum(start + size, shape)
        if (low < high).all():
            source = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
            target = tuple(slice(a, b) for a, b in zip(low - start, high - start, strict=True))
            crop[target] = volume.image[source]
    return crops


def crop_centre_mm(volume: Prepared, centres: NDArray, size: int = CROP_SIZE) -> NDArray[np.float64]:
    """(N, 3) scanner mm of the geometric centre of the crops that ``cut_crops`` cuts.

    An even crop has no middle voxel: its centre lies half a voxel below the voxel it was cut around.
    """
    return volume.to_mm(crop_middles(centres, size))


def crop_middles(centres: NDArray, size: int = CROP_SIZE) -> NDArray[np.float64]:
    """(N, 3) fractional voxel indices of those centres."""
    return np.asarray(centres) - _above_middle(size)


def nearest_centres(volume: Prepared, points_mm: NDArray, size: int = CROP_SIZE) -> NDArray[np.int64]:
    """(N, 3) voxel indices whose crops are centred nearest to points in scanner mm."""
    return np.rint(centres_around(volume, points_mm, size)).astype(np.int64)


def centres_around(volume: Prepared, points_mm: NDArray, size: int = CROP_SIZE) -> NDArray[np.float64]:
    """(N, 3) fractional voxel indices around which crops would be centred at points in scanner mm themselves."""
    return volume.to_voxel(points_mm) + _above_middle(size)


def _above_middle(size: int) -> float:
    return 0.5 if size % 2 == 0 else 0.0


def random_centres(volume: Prepared, count: int, rng: np.random.Generator, *, peek: bool = False) -> NDArray[np.int64]:
    """(count, 3) voxel indices, drawn evenly from the body.

    Args:
        volume: the prepared volume.
        count: how many.
        rng: where the numbers come from.
        peek: draw from the whole box and throw away what misses the body. Touches a few voxels of the mask instead of
            reading all of it, which matters to a training that draws at every step. Other voxels come out.
    """
    if peek:
        found = np.empty((0, 3), dtype=np.int64)
        for _ in range(ATTEMPTS):
            tried = rng.integers(0, volume.body.shape, size=(4 * count, 3))
            found = np.concatenate([found, tried[volume.body[tuple(tried.T)]]])
            if len(found) >= count:
                return found[:count]
    chosen = rng.choice(np.flatnonzero(volume.body), size=count)
    return np.stack(np.unravel_index(chosen, volume.body.shape), axis=1)


def grid_centres(volume: Prepared, step_mm: float) -> NDArray[np.int64]:
    """(N, 3) voxel indices of a regular grid, those that lie in the body.

    The grid is centred on the volume; its step is the nearest whole number of voxels, at least one.
    """
    step = max(1, round(step_mm / volume.spacing))
    axes = [np.arange(((size - 1) % step) // 2, size, step) for size in volume.body.shape]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    return grid[volume.body[tuple(grid.T)]]
