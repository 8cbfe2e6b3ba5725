import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from isimed.evaluation.context.common_frame import align
from isimed.evaluation.tasks.distance import between_patients
from tests.evaluation.made import crops, lifted

NAMES = ("brainstem", "left parotid", "right parotid", "larynx", "mandible", "cord")


def patients(count: int = 8, *, noise: float = 0.0) -> tuple[list[dict], list[Rotation], np.ndarray]:
    """The same landmarks, each patient turned and moved."""
    rng = np.random.default_rng(0)
    shape = rng.normal(0, 60, (len(NAMES), 3))
    turns = [Rotation.from_rotvec(rng.normal(0, 0.2, 3)) for _ in range(count)]
    moves = rng.normal(0, 80, (count, 3))
    places = [
        dict(zip(NAMES, turn.apply(shape + rng.normal(0, noise, shape.shape)) + move, strict=True))
        for turn, move in zip(turns, moves, strict=True)
    ]
    return places, turns, moves


def test_turned_and_moved_patients_are_laid_on_each_other() -> None:
    places, turns, moves = patients()
    maps, miss = align(places)
    assert miss == pytest.approx(0, abs=1e-6)
    point = np.array([[10.0, -20, 30]])
    found = [maps[i].map(turns[i].apply(point) + moves[i]) for i in maps]
    np.testing.assert_allclose(found, np.broadcast_to(found[0], np.shape(found)), atol=1e-6)


def test_a_landmark_that_moves_with_the_field_of_view_counts_little() -> None:
    places, turns, moves = patients(noise=1.0)
    rng = np.random.default_rng(3)
    for one in places:
        one["cord"] = one["cord"] + [0, 0, rng.normal(0, 60)]
    maps, miss = align(places)
    assert miss > 15
    point = np.array([[0.0, 0, 0]])
    found = np.array([maps[i].map(turns[i].apply(point) + moves[i])[0] for i in maps])
    assert np.linalg.norm(found - found.mean(axis=0), axis=1).max() < 5


def test_few_landmarks_give_no_place() -> None:
    places, _, _ = patients(3)
    few = [places[0], places[1], {name: places[2][name] for name in NAMES[:3]}]
    assert set(align(few)[0]) == {0, 1}
    assert align([{}, {}])[0] == {}


def test_distances_between_patients_are_true_in_the_frame_of_their_landmarks() -> None:
    anatomy, subject = crops(8, 20)
    places, turns, moves = patients()
    number = np.repeat(np.arange(8), 20)
    scanner = np.array([turns[i].apply(p) + moves[i] for i, p in zip(number, anatomy, strict=True)])
    maps, _ = align(places)
    common = np.concatenate([maps[i].map(scanner[number == i]) for i in range(8)])
    assert between_patients(lifted(anatomy), common, subject)["rmse_mm"].value == pytest.approx(0, abs=1e-5)
    assert between_patients(lifted(anatomy), scanner, subject)["rmse_mm"].value > 30
