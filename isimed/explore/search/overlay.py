"""Numbers known at a table's grid points -> an array over the whole scan, to be laid over its slices."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from isimed.data.formats.volume import Volume
from isimed.data.prepared.preprocess import Prepared
from isimed.explore.tables.store import Table

VOXEL_MM = 4.0
LEAST_WEIGHT = 0.05


def over_scan(values: NDArray, table: Table, volume: str, target: Prepared, scan: Volume) -> NDArray[np.float32]:
    """Interpolate values of a volume's crops (trilinear) over the field of view of its scan.

    Args:
        values: (N, C), one row for each row of the volume in the table.
        target: the volume as it was prepared for the table.
        scan: the volume as it is shown.

    Returns:
        (X, Y, Z, C) over the same field of view as the scan, with voxels of about 4 mm; NaN outside the body and far
        from any crop.
    """
    step = max(1, round(table.info.step_mm / target.spacing))
    centres = target.to_voxel(table.centre_mm[table.rows(volume)])
    index = np.rint((centres - centres[0]) / step).astype(int)
    low, shape = index.min(axis=0), np.ptp(index, axis=0) + 1
    cell = tuple((index - low).T)
    known = np.zeros(shape, dtype=np.float32)
    known[cell] = 1
    fields = np.zeros((values.shape[1], *shape), dtype=np.float32)
    fields[(slice(None), *cell)] = np.asarray(values, dtype=np.float32).T

    size = np.maximum(1, np.rint(np.array(scan.shape) * scan.spacing / VOXEL_MM).astype(int))
    voxels = [(np.arange(n) + 0.5) * (whole / n) - 0.5 for n, whole in zip(size, scan.shape, strict=True)]
    points = target.to_voxel(scan.to_mm(np.stack(np.meshgrid(*voxels, indexing="ij"), axis=-1)))
    coordinates = np.moveaxis((points - centres[0]) / step - low, -1, 0)
    weight = ndimage.map_coordinates(known, coordinates, order=1)
    inside = ndimage.map_coordinates(target.body.astype(np.uint8), np.moveaxis(points, -1, 0), order=0) > 0
    shown = inside & (weight > LEAST_WEIGHT)
    sampled = [ndimage.map_coordinates(field, coordinates[:, shown], order=1) / weight[shown] for field in fields]
    result = np.full((*size, values.shape[1]), np.nan, dtype=np.float32)
    result[shown] = np.stack(sampled, axis=-1)
    return result
