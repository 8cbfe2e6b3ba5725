"""A place that the other scan does not show is said to lie above, below or beside it, and has no coordinates."""

import numpy as np
import pytest

from isimed.cli.locate import HEADER, row
from isimed.cli.output import print_csv
from isimed.explore.search.absent import LIMIT_MM, beyond
from isimed.explore.search.locate import Location, from_table
from isimed.explore.tables.filters import Filter
from isimed.explore.tables.store import Table
from tests.explore.known import STEP, code, known_table

BOX = np.array([[0.0, 0, 0], [90, 60, 30]])


def cut(axis: int, *, above: bool) -> Table:
    """Volume B with one half of its field of view cut off."""
    table = known_table()
    kept = table.position[:, axis] > 0 if above else table.position[:, axis] < 0
    keep = (table.volume != "B") | kept
    return Table(table.info, {name: column[keep] for name, column in table._columns.items()})


def found_in_b(table: Table, clicked: np.ndarray) -> Location:
    """The place in B that a click into A finds."""
    found = from_table(table, code(clicked), "A", clicked, where=Filter(not_subject="A"))
    return next(location for location in found if location.volume == "B")


@pytest.mark.parametrize(
    ("mm", "away", "side"),
    [
        ((45, 30, 40), 6.0, "above"),
        ((45, 30, -9), 5.0, "below"),
        ((120, 30, 15), 26.0, "to the right of"),
        ((-10, 30, -5), 6.0, "to the left of"),
        ((45, 70, 15), 6.0, "in front of"),
        ((45, -10, 15), 6.0, "behind"),
        ((45, 30, 15), -19.0, "below"),
    ],
)
def test_how_far_and_on_which_side_a_place_lies_outside(mm: tuple, away: float, side: str) -> None:
    told = beyond(BOX, 8.0, mm)
    assert told[0] == pytest.approx(away)
    if away > 0:
        assert told[1] == side


@pytest.mark.parametrize(
    ("axis", "above", "clicked", "side"),
    [
        (2, False, (5, -3, 60), "lies above this scan"),
        (2, True, (5, -3, -60), "lies below this scan"),
        (0, True, (-60, 10, 10), "lies to the left of this scan"),
        (1, False, (10, 60, 10), "lies in front of this scan"),
    ],
)
def test_a_place_outside_the_other_field_of_view_is_told_with_its_side(
    axis: int, above: bool, clicked: tuple, side: str
) -> None:
    assert found_in_b(cut(axis, above=above), np.array(clicked, float)).note == side


def test_a_place_that_the_other_scan_shows_is_given() -> None:
    table = cut(2, above=True)
    for height in (STEP + LIMIT_MM, 30, 60):
        assert found_in_b(table, np.array([10, -20, float(height)])).note == ""
    whole = from_table(known_table(), code(np.zeros(3)), "A", np.zeros(3), where=Filter(not_subject="A"))
    assert {location.note for location in whole} == {""}


def test_the_table_of_locate_leaves_the_coordinates_of_such_a_place_empty(capsys: pytest.CaptureFixture[str]) -> None:
    found = found_in_b(cut(2, above=False), np.array([5.0, -3, 60]))
    print_csv(HEADER, [row(found)])
    line = capsys.readouterr().out.splitlines()[1].split(",")
    assert line[:4] == ["B", "", "", ""]
    assert line[-1] == "lies above this scan"
    assert float(line[4]) > 0
