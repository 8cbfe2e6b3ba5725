"""Crops: the right voxels, the right centre, nothing lost at the border."""

import numpy as np
import pytest

from isimed.data.prepared.crops import crop_centre_mm, cut_crops, grid_centres, nearest_centres, random_centres
from isimed.data.prepared.preprocess import Preparation, Prepared
from isimed.models.card import Card


@pytest.fixture
def volume() -> Prepared:
    """Every voxel holds its own index, packed into one number that float16 keeps exactly."""
    shape = (12, 10, 8)
    image = np.arange(np.prod(shape)).reshape(shape).astype(np.float16)
    affine = np.array([[0, -2.0, 0, 5], [3.0, 0, 0, -7], [0, 0, 2.5, 11], [0, 0, 0, 1]])
    body = np.zeros(shape, bool)
    body[2:10, 2:8, 1:7] = True
    return Prepared(image=image, body=body, labels={}, affine=affine, box_centre_mm=np.zeros(3), background=-1.0)


def test_crop_holds_the_voxels_around_its_centre(volume: Prepared) -> None:
    crop = cut_crops(volume, np.array([[6, 5, 4]]), 4)[0, 0]
    np.testing.assert_array_equal(crop, volume.image[4:8, 3:7, 2:6])


def test_outside_the_volume_is_background(volume: Prepared) -> None:
    crop = cut_crops(volume, np.array([[0, 0, 0]]), 4)[0, 0]
    np.testing.assert_array_equal(crop[2:, 2:, 2:], volume.image[:2, :2, :2])
    assert (crop[:2] == -1).all()
    assert (crop[:, :2] == -1).all()
    assert (cut_crops(volume, np.array([[99, 99, 99]]), 4) == -1).all()


@pytest.mark.parametrize("size", [4, 5])
def test_centre_is_the_middle_of_the_voxels(volume: Prepared, size: int) -> None:
    centre = np.array([[6, 5, 4]])
    start = centre - size // 2
    corners = np.stack([start, start + size - 1])
    np.testing.assert_allclose(crop_centre_mm(volume, centre, size), volume.to_mm(corners).mean(axis=0), atol=1e-12)


@pytest.mark.parametrize("size", [4, 5])
def test_voxel_to_mm_and_back_is_the_identity(volume: Prepared, size: int) -> None:
    centres = np.argwhere(volume.body)
    np.testing.assert_array_equal(nearest_centres(volume, crop_centre_mm(volume, centres, size), size), centres)


@pytest.mark.parametrize("peek", [False, True])
def test_random_centres_lie_in_the_body_reach_all_of_it_and_follow_the_seed(volume: Prepared, peek: bool) -> None:
    centres = random_centres(volume, 2000, np.random.default_rng(3), peek=peek)
    assert volume.body[tuple(centres.T)].all()
    np.testing.assert_array_equal(centres, random_centres(volume, 2000, np.random.default_rng(3), peek=peek))
    drawn = np.zeros(volume.body.shape, int)
    np.add.at(drawn, tuple(centres.T), 1)
    assert (drawn[volume.body] > 0).mean() > 0.99
    assert drawn.max() < 30  # 7 times each on average: none is preferred


def test_a_body_that_peeking_hardly_hits_is_drawn_from_all_the_same() -> None:
    body = np.zeros((60, 60, 60), bool)
    body[7, 8, 9] = True
    thin = Prepared(np.zeros(body.shape, np.float16), body, {}, np.eye(4), np.zeros(3), -1.0)
    assert random_centres(thin, 3, np.random.default_rng(0), peek=True).tolist() == [[7, 8, 9]] * 3


def test_the_edge_of_a_voxel_is_that_of_the_affine() -> None:
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    affine = np.eye(4)
    affine[:3, :3] = 1.7 * turn
    one = Prepared(np.zeros((2, 2, 2), np.float16), np.ones((2, 2, 2), bool), {}, affine, np.zeros(3), -1.0)
    assert one.spacing == pytest.approx(1.7)


def test_grid_is_regular_and_in_the_body() -> None:
    body = np.ones((33, 33, 33), bool)
    body[:4] = False
    cube = Prepared(np.zeros(body.shape, np.float16), body, {}, np.diag([2.0, 2, 2, 1]), np.zeros(3), -1.0)
    centres = grid_centres(cube, 16)
    assert body[tuple(centres.T)].all()
    steps = np.diff(np.unique(centres[:, 2]))
    assert (steps == 8).all()
    lows, highs = centres[:, 1].min(), 32 - centres[:, 1].max()
    assert abs(lows - highs) <= 1
    finer = grid_centres(cube, 3)  # 1.5 voxels: the nearest whole number of them is 2
    assert set(np.diff(np.unique(finer[:, 2]))) == {2}


def test_the_default_grid_is_a_quarter_of_a_crop() -> None:
    card = Card(name="x", method="isimed", crop_size=32, preparation=Preparation(spacing_mm=3.0))
    assert card.step_mm == 32 * 3.0 / 4
    body = np.ones((70, 70, 70), bool)
    cube = Prepared(np.zeros(body.shape, np.float16), body, {}, np.diag([3.0, 3, 3, 1]), np.zeros(3), -1.0)
    for axis in range(3):
        places = np.unique(grid_centres(cube, card.step_mm)[:, axis])
        assert set(np.diff(places)) == {8}
        assert len(places) == 9


def test_at_the_upper_border_too_what_lies_outside_is_background(volume: Prepared) -> None:
    crops = cut_crops(volume, np.array([[11, 9, 7], [0, 9, 4]]), 4)
    assert crops.shape == (2, 1, 4, 4, 4)
    assert crops.dtype == np.float32
    np.testing.assert_array_equal(crops[0, 0, :3, :3, :3], volume.image[9:12, 7:10, 5:8])
    assert (crops[0, 0, 3] == -1).all()
    assert (crops[0, 0, :, :, 3] == -1).all()
    np.testing.assert_array_equal(crops[1, 0, 2:, :3], volume.image[:2, 7:10, 2:6])


def test_a_grid_of_a_box_of_three_lengths_is_centred_along_each() -> None:
    shape = (30, 21, 12)
    box = Prepared(np.zeros(shape, np.float16), np.ones(shape, bool), {}, np.diag([2.0, 2, 2, 1]), np.zeros(3), -1.0)
    for step_mm, step in ((16.0, 8), (6.0, 3), (0.5, 1)):
        centres = grid_centres(box, step_mm)
        for axis, size in enumerate(shape):
            places = np.unique(centres[:, axis])
            assert set(np.diff(places)) <= {step}
            assert places[0] == ((size - 1) % step) // 2
            assert 0 <= (size - 1 - places[-1]) - places[0] <= 1
        assert len(centres) == np.prod([len(np.unique(centres[:, axis])) for axis in range(3)])
        assert len(np.unique(centres, axis=0)) == len(centres)


@pytest.mark.parametrize("peek", [False, True])
def test_the_first_and_the_last_voxel_of_the_box_are_drawn_too(peek: bool) -> None:
    body = np.ones((3, 4, 5), bool)
    small = Prepared(np.zeros(body.shape, np.float16), body, {}, np.eye(4), np.zeros(3), -1.0)
    drawn = random_centres(small, 500, np.random.default_rng(0), peek=peek)
    assert drawn.shape == (500, 3)
    assert drawn.min(axis=0).tolist() == [0, 0, 0]
    assert drawn.max(axis=0).tolist() == [2, 3, 4]
