"""A place that the other scan does not show is said to lie above, below or beside it, and has no coordinates."""

import numpy as np
import pytest

from isimed.cli.locate import HEADER, row
from isimed.cli.terminal.output import print_csv
from isimed.data.prepared.preprocess import Prepared
from isimed.explore.search.absent import LIMIT_MM, absent, beyond, cut_sides
from isimed.explore.search.locate import Location, locate_everywhere, with_notes
from isimed.explore.tables.store import Table
from tests.explore.known import SHIFTS, code, known_table

SPACING = 4.0
AXIS = np.arange(-72, 73, SPACING)
PLACE = np.stack(np.meshgrid(AXIS, AXIS, AXIS, indexing="ij"), -1)


def scan(body: np.ndarray, start: np.ndarray) -> Prepared:
    """A scan whose body is cut to its box; ``start`` is the mm of its first voxel."""
    affine = np.diag([SPACING] * 3 + [1.0])
    affine[:3, 3] = start
    return Prepared(np.zeros(body.shape, np.float16), body, {}, affine, np.zeros(3), -1.0)


def ball(*, below: float = np.inf) -> Prepared:
    """A head of 72 mm, of which the scan shows what lies below a height."""
    layers = int((below > AXIS).sum())
    return scan((np.linalg.norm(PLACE, axis=-1) <= 72)[:, :, :layers], PLACE[0, 0, 0])


def test_a_side_is_cut_where_the_last_slice_is_a_cross_section_and_not_at_the_crown_or_the_skin() -> None:
    assert not cut_sides(ball()).any()
    assert cut_sides(ball(below=20)).astype(int).tolist() == [[0, 0], [0, 0], [0, 1]]
    assert cut_sides(scan(np.ones((20, 20, 20), bool), np.zeros(3))).all()


@pytest.mark.parametrize(
    ("mm", "away", "side"),
    [
        ((38, 38, 90), 12.0, "above"),
        ((38, 38, -9), 7.0, "below"),
        ((120, 38, 38), 42.0, "to the right of"),
        ((-10, 38, -5), 8.0, "to the left of"),
        ((38, 88, 38), 10.0, "in front of"),
        ((38, -10, 38), 8.0, "behind"),
    ],
)
def test_how_far_and_on_which_side_a_place_lies_outside(mm: tuple, away: float, side: str) -> None:
    cube = scan(np.ones((20, 20, 20), bool), np.zeros(3))  # -2 to 78 mm
    assert beyond(cube, mm) == (pytest.approx(away), side)


def test_nothing_is_absent_from_a_scan_that_shows_the_body_whole() -> None:
    for mm in ((0, 0, 200), (300, 0, 0), (0, 0, 71)):
        assert absent(ball(), mm) == ""
    assert absent(ball(below=20), (0, 0, 60)) == "lies above this scan"
    assert absent(ball(below=20), (300, 0, -40)) == ""
    assert absent(ball(below=20), (0, 0, 20 + LIMIT_MM - 8)) == ""


def cut_table(axis: int, *, above: bool) -> tuple[Table, Prepared]:
    """Volume B with one half of its field of view cut off: its crops, and its body."""
    table = known_table()
    kept = table.position[:, axis] >= 0 if above else table.position[:, axis] <= 0
    keep = (table.volume != "B") | kept
    part = slice(len(AXIS) // 2, None) if above else slice(0, len(AXIS) // 2 + 1)
    box = tuple(part if one == axis else slice(None) for one in range(3))
    body = np.ones(PLACE.shape[:3], bool)[box]
    return Table(table.info, {name: column[keep] for name, column in table._columns.items()}), scan(
        body, PLACE[box][0, 0, 0] + SHIFTS["B"]
    )


def found_in_b(table: Table, body: Prepared, clicked: np.ndarray) -> Location:
    """The place in B that a click into A finds."""
    volumes = {name: body if name == "B" else ball() for name in SHIFTS}
    found = locate_everywhere(table, volumes.__getitem__, code(clicked), "A", clicked, refine=False)
    assert {location.note for location in found if location.volume != "B"} == {""}
    return next(location for location in found if location.volume == "B")


@pytest.mark.parametrize(
    ("axis", "above", "clicked", "note"),
    [
        (2, False, (5, -3, 40), "lies above this scan"),
        (2, True, (5, -3, -40), "lies below this scan"),
        (0, True, (-40, 10, 10), "lies to the left of this scan"),
        (1, False, (10, 40, 10), "lies in front of this scan"),
        (2, False, (5, -3, -36), ""),
        (0, True, (36, 10, 10), ""),
    ],
)
def test_a_click_on_what_the_other_field_of_view_leaves_out_is_told_with_its_side(
    axis: int, above: bool, clicked: tuple, note: str
) -> None:
    assert found_in_b(*cut_table(axis, above=above), np.array(clicked, float)).note == note


def test_the_table_of_locate_leaves_the_coordinates_of_such_a_place_empty(capsys: pytest.CaptureFixture[str]) -> None:
    here = Location("B", "B", (1.0, 2.0, 90.0), 3.0, 4.0, 5.0)
    elsewhere = with_notes(lambda _: ball(below=20), [here])
    print_csv(HEADER, [row(here), row(elsewhere[0])])
    lines = capsys.readouterr().out.splitlines()[1:]
    assert lines == ["B,1.00,2.00,90.00,3.00,4.00,5.00,", "B,,,,3.00,4.00,5.00,lies above this scan"]
