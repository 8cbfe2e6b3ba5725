"""What is too large is shown coarser, at the same places."""

import numpy as np
import pytest

from isimed.data.formats.volume import Volume
from isimed.data.prepared.coarsen import coarsen


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_values_stay_where_they_are(dtype: type) -> None:
    grid = np.stack(np.meshgrid(*[np.arange(size) for size in (24, 21, 10)], indexing="ij"), axis=-1)
    affine = np.diag([1.0, 1.0, 5.0, 1.0])
    affine[:3, 3] = -30, 12, 7
    voxels = (grid @ np.array([10, -20, 40])).astype(dtype)  # linear in space: a mean is the value in the middle
    coarse = coarsen(Volume(voxels, affine), 24 * 21 * 10 // 3)
    assert coarse.shape == (12, 10, 10)  # the two finest axes, once each; the odd last voxel is left out
    assert coarse.voxels.dtype == dtype
    assert coarse.notes == ("Shown at 2 × 2 × 5 mm: at its own resolution it is too large for a browser.",)
    np.testing.assert_allclose(np.linalg.norm(coarse.affine[:3, :3], axis=0), [2, 2, 5])
    index = np.stack(np.meshgrid(*[np.arange(size) for size in coarse.shape], indexing="ij"), axis=-1)
    inside = (coarse.to_mm(index) - affine[:3, 3]) / [1, 1, 5]
    np.testing.assert_allclose(coarse.voxels, inside @ np.array([10, -20, 40]), atol=0.51)


def test_what_fits_is_left_alone() -> None:
    volume = Volume(np.zeros((4, 5, 6), np.int16), np.eye(4))
    assert coarsen(volume, 120) is volume
