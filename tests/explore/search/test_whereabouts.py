"""Predicted position, organ votes, and numbers laid over a scan, on codes whose answers are known."""

import numpy as np
import pytest

from isimed.data.formats.volume import Volume
from isimed.data.prepared.preprocess import Prepared
from isimed.explore.search.similarity import similarity_map
from isimed.explore.search.whereabouts import organ_vote
from isimed.explore.tables.store import Table
from tests.explore.known import SHIFTS, code, known_table

SPACING = 2.0
SIZE = 73  # voxels: -72 to 72 mm, a little more than the grid


@pytest.fixture(scope="module")
def table() -> Table:
    return known_table()


def prepared(volume: str, organs: np.ndarray | None = None) -> Prepared:
    affine = np.diag([SPACING] * 3 + [1.0])
    affine[:3, 3] = np.array(SHIFTS[volume]) - 72
    shape = (SIZE,) * 3
    body = np.ones(shape, bool)
    body[:4] = False
    labels = {} if organs is None else {"organs": organs.astype(np.uint16)}
    return Prepared(np.zeros(shape, np.float16), body, labels, affine, np.array(SHIFTS[volume], float), -1.0)


def scan(volume: str) -> Volume:
    """The same field of view at another spacing."""
    affine = np.diag([3.0, 4.0, 6.0, 1.0])
    affine[:3, 3] = np.array(SHIFTS[volume]) - 70
    return Volume(np.zeros((48, 36, 24), np.int16), affine)


def test_similarity_is_the_distance_to_the_place_that_is_looked_for(table: Table) -> None:
    wanted = np.array([10.0, -20, 30])
    found = similarity_map(table, code(wanted), "B", prepared("B"), scan("B"))
    assert found.shape == (36, 36, 36)  # 144 mm at 4 mm
    size = np.array(found.shape)
    place = (np.argwhere(np.isfinite(found)) + 0.5) * (np.array(scan("B").shape) / size) - 0.5
    mm = scan("B").to_mm(place) - np.array(SHIFTS["B"])
    inside = (np.abs(mm) < 64).all(axis=1)
    away = np.linalg.norm(mm - wanted, axis=1)
    np.testing.assert_allclose(found[np.isfinite(found)][inside], away[inside], atol=0.5)
    assert np.isnan(found[0, :, :]).all()  # outside the body


def test_organs_are_voted_by_what_lies_at_or_near_the_place() -> None:
    organs = np.zeros((SIZE,) * 3, np.uint8)
    organs[30:40, 30:40, 30:40] = 3
    volumes = {name: prepared(name, organs) for name in ("A", "B")} | {"C": prepared("C")}

    def at(name: str, voxel: list[int]) -> np.ndarray:
        return volumes[name].to_mm(np.array(voxel))

    assert organ_vote({name: at(name, [35, 35, 35]) for name in volumes}, volumes) == {3: 2}
    assert organ_vote({"A": at("A", [43, 35, 35]), "B": at("B", [60, 60, 60])}, volumes) == {3: 1, 0: 1}
    assert organ_vote({"A": at("A", [-900, 35, 35])}, volumes) == {0: 1}
