from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from isimed.data.prepared.crops import cut_crops
from isimed.data.prepared.preprocess import Prepared
from isimed.evaluation.sampling.matched import matched_centres, patient_blocks
from isimed.evaluation.sampling.perturb import PERTURBATIONS
from isimed.evaluation.sampling.sample import (
    body_centres,
    describe,
    distance_to_tumour,
    first_rows,
    organ_centres,
    tumour_centres,
)
from isimed.evaluation.statistics.scores import auc


def volume(tumour_at: tuple[int, int, int] | None, *, size: int = 40, seed: int = 0) -> Prepared:
    grid = np.stack(np.meshgrid(*[np.arange(size)] * 3, indexing="ij"))
    labels: dict[str, NDArray] = {"organs": np.where(grid[0] < 5, 1, 0).astype(np.uint16)}
    tumour = np.zeros((size,) * 3, np.uint16)
    if tumour_at is not None:
        tumour[np.linalg.norm(grid - np.array(tumour_at)[:, None, None, None], axis=0) < 4] = 1
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    image = np.random.default_rng(seed).normal(size=(size,) * 3).astype(np.float16)
    return Prepared(
        image=image,
        body=np.ones((size,) * 3, bool),
        labels={**labels, "tumour": tumour},
        affine=affine,
        box_centre_mm=np.full(3, 3 * (size - 1) / 2),
        background=-1.0,
    )


@pytest.fixture(scope="module")
def cohort() -> tuple[list[Prepared], list[str]]:
    places = [(10 + 4 * (i % 3), 20 + 3 * (i % 2), 12 + 5 * (i % 4)) for i in range(12)]
    return [volume(place, seed=i) for i, place in enumerate(places)], [f"S{i:02d}" for i in range(12)]


def test_draws_belong_to_the_volume_and_the_seed() -> None:
    one = volume(None)
    a = body_centres(one, "a", seed=0)
    assert (a == body_centres(one, "a", seed=0)).all()
    assert (a != body_centres(one, "b", seed=0)).any()
    assert (a != body_centres(one, "a", seed=1)).any()


@pytest.mark.parametrize("draw", [body_centres, tumour_centres])
def test_fewer_crops_are_the_first_of_more(draw) -> None:
    one = volume((20, 20, 20))
    few, many = ({tuple(p) for p in draw(one, "a", seed=0, count=count).tolist()} for count in (16, 32))
    assert len(few) > 12
    assert few <= many


def test_crops_outside_the_tumour_are_those_of_the_body() -> None:
    one = volume((20, 20, 20))
    body = {tuple(p) for p in body_centres(one, "a", seed=0).tolist()}
    assert sum(tuple(p) in body for p in tumour_centres(one, "a", seed=0).tolist()) == 20


def test_organs_with_the_ids_of_an_atlas_are_drawn_from() -> None:
    one = volume(None)
    organs = one.labels["organs"].astype(np.uint64) * 3_000_000_000
    crops = organ_centres(replace(one, labels={"organs": organs}), "a", seed=0, count=32)
    assert len(crops) == 4
    assert (organs[tuple(crops.T)] > 0).all()


def test_the_share_of_centres_in_tumour_is_the_papers() -> None:
    one = volume((20, 20, 20))
    centres = tumour_centres(one, "a", seed=0)
    assert len(centres) == 32
    inside = one.labels["tumour"][tuple(centres.T)] > 0
    assert inside.sum() >= 12
    assert inside.mean() == pytest.approx(0.39, abs=0.05)


def test_labels_of_crops() -> None:
    one = volume((20, 20, 20))
    centres = np.array([[20, 20, 20], [20, 20, 27], [2, 2, 2], [20, 20, 35]])
    crops = describe([one], ["S"], [centres], crop_size=32)
    assert crops.has_tumour.tolist() == [True, True, False, True]
    assert crops.near_tumour.tolist() == [True, True, False, False]
    assert crops.organ.tolist() == [0, 0, 1, 0]
    assert (np.abs(crops.relative) <= 1.01).all()
    assert (organ_centres(one, "a", seed=0)[:, 0] < 5).all()


def test_matched_crops_have_the_same_places_in_every_block(cohort: tuple) -> None:
    volumes, subjects = cohort
    crops = describe(volumes, subjects, matched_centres(volumes, subjects, seed=0), crop_size=32)
    labels = crops.near_tumour
    assert labels.mean() == pytest.approx(0.5)
    block = patient_blocks(subjects, seed=0)
    blocks = np.array([block[name] for name in crops.subject])
    for b in np.unique(blocks):
        here = blocks == b
        for axis in range(3):
            for score in (crops.position[here, axis], np.abs(crops.position[here, axis] - 7)):
                assert auc(labels[here], score) == pytest.approx(0.5, abs=0.06)
    assert (crops.tumour_mm[~labels] > 12).all()


def test_blocks_hold_two_patients_or_more(cohort: tuple) -> None:
    _, subjects = cohort
    sizes = np.bincount(list(patient_blocks(subjects, seed=0).values()))
    assert (sizes >= 2).all()
    assert sizes.sum() == 12


def test_distance_to_tumour_is_that_of_a_distance_transform() -> None:
    one = volume((10, 30, 12))
    centres = np.random.default_rng(0).integers(0, 40, (50, 3))
    everywhere = ndimage.distance_transform_edt(one.labels["tumour"] == 0, sampling=3.0)
    np.testing.assert_allclose(distance_to_tumour(one, centres), everywhere[tuple(centres.T)])
    assert np.isinf(distance_to_tumour(volume(None), centres)).all()


def test_first_rows() -> None:
    assert first_rows(np.array([0, 0, 0, 1, 2, 2, 2]), 2).tolist() == [0, 1, 3, 4, 5]


@pytest.mark.parametrize("size", [16, 15])
def test_the_empty_change_changes_nothing(size: int) -> None:
    one = volume(None)
    centres = np.array([[20, 20, 20], [1, 20, 38]])
    same = PERTURBATIONS[0].cut(one, centres, size, seed=0)
    inside = (slice(None), slice(None), *[slice(size // 2 - 1, size // 2 + 2)] * 3)
    expected = cut_crops(one, centres, size)
    if size % 2:
        np.testing.assert_allclose(same[inside], expected[inside], atol=1e-3)
    else:  # an even crop is centred half a voxel lower: its grid is the same
        np.testing.assert_allclose(same[inside], expected[inside], atol=1e-3)


@pytest.mark.parametrize("change", PERTURBATIONS[1:], ids=lambda change: change.name)
def test_every_change_changes_and_repeats(change) -> None:
    one = volume(None)
    centres = np.array([[20, 20, 20]])
    a, b = change.cut(one, centres, 16, seed=3), change.cut(one, centres, 16, seed=3)
    assert (a == b).all()
    assert np.isfinite(a).all()
    assert not np.allclose(a, cut_crops(one, centres, 16), atol=1e-3)
