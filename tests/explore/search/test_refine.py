"""The last step of the search, on voxels whose true moves are known."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from isimed.data.prepared.preprocess import Prepared
from isimed.explore.search.locate import locate, locate_everywhere
from isimed.explore.search.refine import sharpen
from tests.explore.known import SHIFTS, code, known_table

SPACING = 3.0


def volume(seed: int, move_mm: tuple[float, ...], *, calibrated: bool = False) -> Prepared:
    """A smooth random body of 60 × 60 × 60 voxels of 3 mm around 0, moved in its scanner."""
    image = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(60, 60, 60)), 2.5)
    affine = np.diag([SPACING, SPACING, SPACING, 1.0])
    affine[:3, 3] = np.array(move_mm) - SPACING * 29.5
    image = (image / image.std()).astype(np.float16)
    body, background = np.ones(image.shape, bool), float(image.min())
    return Prepared(image, body, {}, affine, np.zeros(3), background, calibrated=calibrated)


@pytest.mark.parametrize("calibrated", [False, True])
def test_it_finds_the_place_that_looks_the_same(calibrated: bool) -> None:
    here, there = (volume(0, move, calibrated=calibrated) for move in ((0, 0, 0), (40, -25, 7)))
    for miss in ((9, -6, 3), (-12, 0, 12), (0, 0, 0)):
        found = sharpen(here, (10, 20, -5), there, np.add((50, -5, 2), miss), np.eye(3))
        assert np.linalg.norm(found.mm - (50, -5, 2)) < 2  # of a miss of 11 to 17
        assert found.spread_mm < 4
        assert found.correlation > 0.9


def test_a_turned_and_scaled_body_is_compared_turned_and_scaled() -> None:
    here = volume(0, (0, 0, 0))
    angle = np.deg2rad(20)
    turn = 1.15 * np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn.T
    there = Prepared(here.image, here.body, {}, affine @ here.affine, np.zeros(3), here.background)
    near = np.array([10.0, 20, -5]) @ turn + (6, -3, 6)
    turned, plain = (sharpen(here, (10, 20, -5), there, near, how) for how in (turn, np.eye(3)))
    assert np.linalg.norm(turned.mm - np.array([10.0, 20, -5]) @ turn) < 1.5
    assert plain.correlation < turned.correlation


def test_where_nothing_fits_the_place_hardly_moves_and_says_so() -> None:
    found = sharpen(volume(0, (0, 0, 0)), (0, 0, 0), volume(1, (0, 0, 0)), (5, 5, 5), np.eye(3))
    assert found.correlation < 0.7
    assert (
        found.spread_mm > sharpen(volume(0, (0, 0, 0)), (0, 0, 0), volume(0, (5, 5, 5)), (5, 5, 5), np.eye(3)).spread_mm
    )


def test_bone_does_not_drown_soft_tissue() -> None:
    """Organs agree on the place; a bright implant of another shape and place in each scan does not."""
    here, there = volume(0, (0, 0, 0), calibrated=True), volume(0, (0, 0, 0), calibrated=True)
    here.image[34:38, 20:44, 24:36] = 40
    there.image[38:43, 20:44, 28:42] = 40
    apart = sharpen(here, (0, 0, 0), there, (6, 6, 0), np.eye(3))
    at_once = sharpen(replace(here, calibrated=False), (0, 0, 0), there, (6, 6, 0), np.eye(3))
    assert np.linalg.norm(apart.mm) < 0.7 * np.linalg.norm(at_once.mm)


@pytest.mark.parametrize("calibrated", [False, True])
@pytest.mark.parametrize("point", [(0, 0, 0), (95, 95, 95), (500, 0, 0)])
def test_edges_and_flat_regions_give_finite_places(point: tuple[float, ...], calibrated: bool) -> None:
    here = volume(0, (0, 0, 0), calibrated=calibrated)
    flat = replace(here, image=np.zeros_like(here.image), background=0.0)
    for source, target in ((here, here), (here, flat), (flat, here)):
        found = sharpen(source, point, target, point, np.zeros((3, 3)))
        assert np.isfinite([*found.mm, found.spread_mm, found.correlation]).all()
        assert np.linalg.norm(found.mm - point) < 42


def test_the_whole_search_is_finer_than_its_first_two_steps() -> None:
    table = known_table()
    rng = np.random.default_rng(0)
    codes = table.code + code(rng.normal(0, 20, (len(table), 3)))
    noisy = type(table)(table.info, {**table._columns, "code": codes.astype(np.float16)})
    clicked = np.array([16.0, -16, 32])
    query = code(clicked)
    arguments = (noisy, lambda name: volume(0, SHIFTS[name]), query, "A", clicked)
    fine = locate_everywhere(*arguments, round_trip=True)
    coarse = {found.volume: found for found in locate_everywhere(*arguments, refine=False)}
    assert {found.volume for found in fine} == {"B", "C", "C2"}
    for found in fine:
        truth = clicked + SHIFTS[found.volume]
        assert np.linalg.norm(np.array(found.mm) - truth) < 0.5 * np.linalg.norm(
            np.array(coarse[found.volume].mm) - truth
        )
        assert found.round_trip_mm is not None
        assert found.round_trip_mm < 2
        assert locate(*arguments, found.volume, round_trip=True) == found
