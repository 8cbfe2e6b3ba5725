"""What all crops of two volumes agree on, on codes whose answers are known."""

import numpy as np
import pytest

from isimed.explore.search.correspondence import Correspondence, correspondence, robust_affine
from isimed.explore.search.locate import agree, interpolated
from isimed.explore.tables.filters import Filter
from isimed.explore.tables.store import Table
from tests.explore.known import SHIFTS, code, known_table


@pytest.fixture(scope="module")
def noisy() -> Table:
    """Codes that err by 10 mm each."""
    table = known_table()
    rng = np.random.default_rng(0)
    codes = table.code + code(rng.normal(0, 10 / np.sqrt(3), (len(table), 3)))
    return Table(table.info, {**table._columns, "code": codes.astype(np.float16)})


def test_all_crops_together_are_finer_than_one(noisy: Table) -> None:
    rng = np.random.default_rng(1)
    single, together = [], []
    for position in rng.uniform(-45, 45, (10, 3)):
        row = int(np.square(noisy.position[noisy.rows("A")] - position).sum(1).argmin())
        clicked = noisy.centre_mm[noisy.rows("A")][row]
        coarse = interpolated(noisy, noisy.code[noisy.rows("A")][row], where=Filter(not_subject="A"))
        fine = agree(noisy, coarse, "A", clicked, round_trip=True)
        for found, errors in ((coarse, single), (fine, together)):
            errors += [np.linalg.norm(np.array(x.mm) - clicked - SHIFTS[x.volume]) for x in found]
        assert [x.distance for x in fine] == [x.distance for x in coarse]
        assert all(x.round_trip_mm is not None and x.round_trip_mm < 3 for x in fine)
    assert np.median(together) < 2.5
    assert np.median(single) > 2 * np.median(together)


def test_a_volume_that_shows_only_a_part_is_not_stretched(noisy: Table) -> None:
    table = known_table()
    keep = (table.volume != "B") | (table.position[:, 2] > 0)  # B was cut off below the middle
    part = Table(table.info, {name: column[keep] for name, column in table._columns.items()})
    found = correspondence(part, "A", "B").map([10.0, -20, 30])
    assert np.linalg.norm(found - np.array([15.0, -23, 34])) < 4


def test_the_spread_is_the_size_of_the_misses(noisy: Table) -> None:
    assert correspondence(known_table(), "A", "B").place([0, 0, 0]).spread_mm < 3
    assert 5 < correspondence(noisy, "A", "B").place([0, 0, 0]).spread_mm < 20


def bent(points: np.ndarray) -> np.ndarray:
    """A head that nods: above 0 the body leans forward, ever more."""
    up = np.maximum(points[..., 2], 0)
    return points + np.stack([0 * up, up**2 / 200, -up / 10], axis=-1)


@pytest.fixture(scope="module")
def nodding() -> Correspondence:
    rng = np.random.default_rng(0)
    places = rng.uniform([-80, -80, -200], [80, 80, 120], (500, 3))
    ends = bent(places) + rng.normal(0, 5, (500, 3))
    ends[::10] += rng.normal(0, 80, (50, 3))  # pairs that are no pairs
    return Correspondence(robust_affine(places, ends), places, ends)


@pytest.mark.parametrize("point", [[10.0, -20, 90], [0, 0, 0], [-30, 40, -150]])
def test_a_place_goes_where_what_lies_around_it_goes(nodding: Correspondence, point: list[float]) -> None:
    true = bent(np.array(point))
    assert np.linalg.norm(nodding.place(point).mm - true) < 6
    assert np.linalg.norm(nodding.place(point).mm - true) < np.linalg.norm(nodding.map(point) - true)


def test_a_place_beyond_all_pairs_goes_about_where_the_whole_body_goes(nodding: Correspondence) -> None:
    """A cut scan gives no pairs beyond its end, and "not in this scan" rests on where such a place would be."""
    far = [0.0, 0.0, -500.0]
    assert np.linalg.norm(nodding.place(far).mm - nodding.map(far)) < 40


def test_a_place_does_not_depend_on_where_the_scanner_has_its_nought(nodding: Correspondence) -> None:
    shift = np.array([300.0, -1000, 5000])
    moved = Correspondence(nodding.matrix, nodding.places_mm + shift, nodding.ends_mm - shift)
    point = np.array([10.0, -20, 90])
    here, there = nodding.place(point), moved.place(point + shift)
    np.testing.assert_allclose(there.mm, here.mm - shift, atol=1e-6)
    assert there.spread_mm == pytest.approx(here.spread_mm)


def test_patients_with_other_fields_of_view_are_not_moved_against_each_other() -> None:
    """A shows the lower two thirds of the body, B the upper two thirds."""
    table = known_table()
    keep = ~((table.volume == "A") & (table.position[:, 2] > 20)) & ~(
        (table.volume == "B") & (table.position[:, 2] < -20)
    )
    part = Table(table.info, {name: column[keep] for name, column in table._columns.items()})
    for point in ([10.0, -20, 0], [-40, 30, 15], [0, 0, -15]):
        assert np.linalg.norm(correspondence(part, "A", "B").map(point) - np.add(point, SHIFTS["B"])) < 4
