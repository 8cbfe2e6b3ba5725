"""Search on codes whose answers are known: the code is the position, turned into many dimensions."""

import numpy as np
import pytest

from isimed.explore.search.index import Index
from isimed.explore.search.locate import interpolate, interpolated
from isimed.explore.search.retrieve import nearest_crops, nearest_in_others
from isimed.explore.tables.filters import Filter
from isimed.explore.tables.store import Table
from tests.explore.known import STEP, code, known_table


@pytest.fixture(scope="module")
def table() -> Table:
    return known_table()


def test_nearest_in_others_gives_one_crop_a_volume_of_other_patients(table: Table) -> None:
    row = table.rows("C").start + 300
    matches = nearest_in_others(table, table.code[row], subject="C")
    assert [match.volume for match in matches] == ["A", "B"]
    for match in matches:
        np.testing.assert_allclose(table.position[match.row], table.position[row])
        np.testing.assert_allclose(match.centre_mm, table.centre_mm[match.row])
        assert match.distance < 0.5


def test_distance_is_the_latent_distance_in_mm(table: Table) -> None:
    query = code(np.array([0, 0, 5.0]))
    match = nearest_in_others(table, query, subject="A")[0]
    assert match.distance == pytest.approx(5.0, abs=0.1)


def test_search_over_all_leaves_the_patient_out(table: Table) -> None:
    query = table.code[table.rows("C").start + 10]
    assert {match.subject for match in nearest_crops(table, query, k=9)} == {"A", "B", "C"}
    assert {match.subject for match in nearest_crops(table, query, k=9, subject="C")} == {"A", "B"}
    exact = np.linalg.norm(table.code.astype(np.float32) - query.astype(np.float32), axis=1)
    found = [match.distance for match in nearest_crops(table, query, k=25)]
    np.testing.assert_allclose(found, np.sort(exact)[:25], atol=0.3)


def test_interpolation_finds_points_between_the_grid(table: Table) -> None:
    rng = np.random.default_rng(1)
    rows = table.rows("B")
    for position in rng.uniform(-50, 50, (20, 3)):
        mm, distance, spread = interpolate(
            table.code[rows].astype(np.float32), table.centre_mm[rows], code(position), step=STEP
        )
        assert np.linalg.norm(mm - (position + (5, -3, 4))) < 1.5
        assert distance < STEP
        assert 0 < spread < 3 * STEP


def test_interpolation_stays_with_the_matches(table: Table) -> None:
    rows = table.rows("A")
    far = code(np.array([500.0, 0, 0]))
    mm, _, _ = interpolate(table.code[rows].astype(np.float32), table.centre_mm[rows], far, step=STEP)
    assert (np.abs(mm) <= 64 + STEP).all()


def test_interpolated_places_are_sorted_and_right(table: Table) -> None:
    position = np.array([10.0, -20, 30])
    found = interpolated(table, code(position), where=Filter(not_subject="A"))
    assert [location.distance for location in found] == sorted(location.distance for location in found)
    shift = {"B": (5, -3, 4), "C": (100, 50, -20), "C2": (0, 7, 0)}
    for location in found:
        assert np.linalg.norm(np.array(location.mm) - position - shift[location.volume]) < 1.5


@pytest.mark.parametrize(
    ("where", "allowed"),
    [
        (Filter(organ=1), lambda t, rows: (t.organ[rows] == 1).all()),
        (Filter(min_tumour=0.1), lambda t, rows: (t.tumour[rows] >= 0.1).all()),
        (
            Filter(position=(40, 40, 40), within_mm=30),
            lambda t, rows: (np.linalg.norm(t.position[rows] - 40, axis=1) <= 30).all(),
        ),
    ],
)
def test_filters_hold_inside_the_search(table: Table, where: Filter, allowed) -> None:
    query = code(np.array([-50, -50, -50]))  # far from whatever the filters ask for
    crops = nearest_crops(table, query, k=12, where=where)
    best = nearest_in_others(table, query, subject="A", where=where)
    assert len(crops) == 12
    for matches in (crops, best):
        rows = np.array([match.row for match in matches])
        assert allowed(table, rows)
        exact = np.linalg.norm(table.code[where.mask(table)].astype(np.float32) - query, axis=1)
        assert matches[0].distance == pytest.approx(exact.min(), abs=0.3)


def test_a_volume_without_an_allowed_crop_is_left_out(table: Table) -> None:
    nowhere = Filter(position=(500, 0, 0), within_mm=10)
    assert nearest_crops(table, code(np.zeros(3)), where=nowhere) == []
    assert interpolated(table, code(np.zeros(3)), where=nowhere) == []


def test_few_allowed_crops_still_give_a_place(table: Table) -> None:
    one = Filter(not_subject="A", position=(0, 0, 0), within_mm=1)
    found = interpolated(table, code(np.array([3.0, 0, 0])), where=one)
    assert {location.volume for location in found} == {"B", "C", "C2"}
    assert np.linalg.norm(np.array(found[0].mm) - found_shift(found[0].volume)) < STEP


def found_shift(volume: str) -> np.ndarray:
    return np.array({"B": (5, -3, 4), "C": (100, 50, -20), "C2": (0, 7, 0)}[volume])


def test_an_index_gives_distances_nearest_first_of_the_allowed_rows_only() -> None:
    rng = np.random.default_rng(1)
    codes = code(rng.uniform(-64, 64, (800, 3))).astype(np.float32)
    index, query, allowed = Index(codes), codes[17], np.arange(800) % 2 == 0
    squared, rows = index.nearest(query, 5)
    assert rows[0] == 17
    assert squared == pytest.approx(np.square(codes[rows] - query).sum(axis=1), abs=0.05)
    assert (np.diff(squared) >= 0).all()
    assert allowed[index.nearest(query, 5, allowed=allowed)[1]].all()
    assert len(index.nearest(query, 5, allowed=np.arange(800) == 17)[1]) == 1
    assert len(index.nearest(query, 5, allowed=np.zeros(800, bool))[1]) == 0


@pytest.mark.parametrize("spread", [np.geomspace(100, 0.01, 64), np.ones(64), np.zeros(64)])
def test_search_misses_nothing_whether_its_bound_says_much_or_nothing(spread: np.ndarray) -> None:
    rng = np.random.default_rng(2)
    codes, queries = (rng.normal(0, spread, (count, 64)).astype(np.float32) + 30 for count in (2000, 20))
    allowed = rng.random(2000) < 0.5
    index = Index(codes)
    for query in queries:
        squared = np.square(codes - query).sum(axis=1)
        for rows, mask in ((np.arange(2000), None), (np.flatnonzero(allowed), allowed)):
            found, places = index.nearest(query, 15, allowed=mask)
            assert found == pytest.approx(np.sort(squared[rows])[:15], rel=1e-5, abs=1e-3)
            assert np.isin(places, rows).all()
            assert len(set(places)) == 15
