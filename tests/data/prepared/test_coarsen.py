"""What is too large is shown coarser, at the same places."""

import numpy as np
import pytest

from isimed.data.formats.volume import Volume
from isimed.data.prepared.coarsen import COARSER, coarsen


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


def test_the_finest_axis_is_halved_also_where_the_affine_turns_it() -> None:
    affine = np.array([[0, 0, 3.0, 5], [1.0, 0, 0, 6], [0, 2.0, 0, 7], [0, 0, 0, 1]])
    volume = Volume(np.arange(40 * 6 * 5).reshape(40, 6, 5).astype(np.float32), affine)
    coarse = coarsen(volume, 40 * 6 * 5 - 1)
    assert coarse.shape == (20, 6, 5)
    np.testing.assert_allclose(coarse.spacing, [2, 2, 3])
    np.testing.assert_array_equal(coarse.voxels, (volume.voxels[::2] + volume.voxels[1::2]) / 2)  # many slabs
    np.testing.assert_allclose(coarse.to_mm([0, 0, 0]), volume.to_mm([0.5, 0, 0]))
    (note,) = coarse.notes
    assert (note.kind, "2 × 2 × 3 mm" in note) == (COARSER, True)


def test_whole_numbers_stay_whole_and_others_do_not() -> None:
    pair = np.array([[[1]], [[4]]])
    assert coarsen(Volume(pair.astype(np.int16), np.eye(4)), 1).voxels.tolist() == [[[2]]]
    assert coarsen(Volume(pair.astype(np.float32), np.eye(4)), 1).voxels.tolist() == [[[2.5]]]


def test_one_voxel_is_never_halved() -> None:
    line = Volume(np.zeros((1, 2, 1), np.int16), np.diag([0.1, 5, 5, 1]))
    assert coarsen(line, 0).shape == (1, 1, 1)


@pytest.mark.parametrize("turn", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
@pytest.mark.parametrize("step", [1, -1])
def test_a_scan_is_coarsened_alike_however_it_lies_in_memory(turn: tuple[int, ...], step: int) -> None:
    voxels = np.random.default_rng(0).integers(-1000, 1000, (13, 10, 9), dtype=np.int16)
    affine = np.diag([1.0, 1.0, 1.2, 1.0])
    plain = coarsen(Volume(voxels, affine), 200)
    stored = np.ascontiguousarray(voxels.transpose(turn)[:, ::step])  # another order of axes, one of them reversed
    seen = stored[:, ::step].transpose(np.argsort(turn))
    np.testing.assert_array_equal(seen, voxels)
    np.testing.assert_array_equal(coarsen(Volume(seen, affine), 200).voxels, plain.voxels)
