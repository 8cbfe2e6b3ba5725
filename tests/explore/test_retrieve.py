"""Search on codes whose answers are known: the code is the position, turned into many dimensions."""

import numpy as np
import pytest

from isimed.explore.locate import interpolate, locate_everywhere
from isimed.explore.retrieve import nearest_crops, nearest_in_others
from isimed.explore.store import Table, TableInfo

STEP = 16.0
TURN = np.linalg.qr(np.random.default_rng(0).normal(size=(512, 512)))[0][:3]


def code(position: np.ndarray) -> np.ndarray:
    """An isometry of mm into 512 dimensions."""
    return np.asarray(position, dtype=np.float64) @ TURN


@pytest.fixture(scope="module")
def table() -> Table:
    axis = np.arange(-64, 65, STEP)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    shifts = {"A": (0, 0, 0), "B": (5, -3, 4), "C": (100, 50, -20), "C2": (0, 7, 0)}
    parts = [(name, grid + np.array(shift)) for name, shift in shifts.items()]
    info = TableInfo(
        cohort="known", cohort_fingerprint="", checkpoint="isometry", checkpoint_fingerprint="", step_mm=STEP,
        crop_size=32, spacing_mm=2, in_mm=True,
    )  # fmt: skip
    n = len(grid)
    return Table(
        info,
        {
            "subject": np.repeat(["A", "B", "C", "C"], n),
            "volume": np.repeat([name for name, _ in parts], n),
            "centre_mm": np.concatenate([mm for _, mm in parts]).astype(np.float32),
            "position": np.tile(grid, (4, 1)).astype(np.float32),
            "code": np.tile(code(grid), (4, 1)).astype(np.float16),
        },
    )


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


def test_locate_everywhere_is_sorted_and_right(table: Table) -> None:
    position = np.array([10.0, -20, 30])
    found = locate_everywhere(table, code(position), subject="A")
    assert [location.distance for location in found] == sorted(location.distance for location in found)
    shift = {"B": (5, -3, 4), "C": (100, 50, -20), "C2": (0, 7, 0)}
    for location in found:
        assert np.linalg.norm(np.array(location.mm) - position - shift[location.volume]) < 1.5
