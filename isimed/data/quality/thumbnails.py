"""Small pictures of the three planes, as arrays, in radiological convention (the patient's right on the left)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from isimed.data.formats.volume import Volume

EDGE = 144
LETTERS = {"axial": ("R", "L", "A", "P"), "coronal": ("R", "L", "S", "I"), "sagittal": ("A", "P", "S", "I")}


def planes(volume: Volume, centre: ArrayLike, *, window: tuple[float, float], edge: int = EDGE) -> dict[str, NDArray]:
    """The three planes through a voxel.

    Args:
        centre: (3,) voxel indices.
        window: values that become black and white.
        edge: pixels of the longest side; pixels are square in mm.

    Returns:
        ``axial``, ``coronal``, ``sagittal``: (rows, columns) uint8. `LETTERS` says where their left, right, upper and
        lower edges point.
    """
    x, y, z = (int(np.clip(np.rint(c), 0, size - 1)) for c, size in zip(np.asarray(centre), volume.shape, strict=True))
    dx, dy, dz = volume.spacing
    pixel_mm = float((volume.spacing * volume.shape).max()) / edge
    voxels = volume.voxels
    return {
        "axial": _picture(voxels[::-1, ::-1, z].T, (dy, dx), window, pixel_mm),
        "coronal": _picture(voxels[::-1, y, ::-1].T, (dz, dx), window, pixel_mm),
        "sagittal": _picture(voxels[x, ::-1, ::-1].T, (dz, dy), window, pixel_mm),
    }


def _picture(
    plane: NDArray, spacing: tuple[float, float], window: tuple[float, float], pixel_mm: float
) -> NDArray[np.uint8]:
    low, high = window
    plane = np.nan_to_num(plane.astype(np.float32), nan=low)
    shades = np.clip((plane - low) / (high - low), 0, 1) * 255
    rows, columns = (max(1, round(size * mm / pixel_mm)) for size, mm in zip(plane.shape, spacing, strict=True))
    factor = (rows / plane.shape[0], columns / plane.shape[1])
    return np.clip(ndimage.zoom(shades, factor, order=1, mode="nearest", grid_mode=True), 0, 255).astype(np.uint8)
