"""What is exported comes back as it was; what does not say its axes is refused, never guessed."""

import json
from pathlib import Path

import pytest

from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort, register
from isimed.ui.annotations.exporting import as_csv, as_fcsv, as_markups
from isimed.ui.annotations.point_files import from_file
from isimed.ui.annotations.things import Measurement, NamedPoint, Place
from tests.small import write_cohort

MM = (-12.5, 3.25, 40.0)
POINT = NamedPoint("=left, putamen", "small", Place("P0", MM), (Place("P1", (1.0, 2.0, -3.0), "found", 4.5, 6.0),))
LINE = ("across", ((0.0, 1.0, 2.0), (30.0, 41.0, 2.0)))


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    register(write_cohort(tmp_path / "source", patients=2, size=8))
    return Cohort.load("small")


def read(cohort: Cohort, name: str, text: str) -> list:
    return from_file(name, text.encode(), cohort, "P0")


def test_a_csv_round_trip_gives_the_same_points_with_their_matches(cohort: Cohort) -> None:
    other = NamedPoint("second", "small", Place("P1", (0.0, 0.0, 0.0)))
    assert read(cohort, "points.csv", as_csv([POINT, other])) == [POINT, other]


@pytest.mark.parametrize(("name", "write"), [("a.fcsv", as_fcsv), ("a.mrk.json", as_markups)])
def test_a_slicer_round_trip_gives_the_same_place(cohort: Cohort, name: str, write) -> None:
    assert read(cohort, name, write([("one", MM), ("two", (0.0, 0.0, 0.0))])) == [
        NamedPoint("one", "small", Place("P0", MM)),
        NamedPoint("two", "small", Place("P0", (0.0, 0.0, 0.0))),
    ]


def test_a_slicer_line_round_trip_is_the_same_distance(cohort: Cohort) -> None:
    found = read(cohort, "a.mrk.json", as_markups([("one", MM)], [LINE]))
    assert found[1] == Measurement("across", "P0", "distance", "axial", LINE[1])
    assert found[1].length_mm == pytest.approx(50.0)


def test_axes_are_taken_as_the_file_says(cohort: Cohort) -> None:
    ras = as_fcsv([("one", MM)]).replace("= LPS", "= 0")  # Slicer's older word for R A S
    x, y, z = MM
    assert read(cohort, "old.fcsv", ras)[0].clicked.mm == (-x, -y, z)
    markups = json.loads(as_markups([("one", MM)]))
    markups["markups"][0]["coordinateSystem"] = "RAS"
    assert read(cohort, "a.mrk.json", json.dumps(markups))[0].clicked.mm == (-x, -y, z)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.txt", "", "none of .mrk.json"),
        ("a.mrk.json", "{", "cannot be read"),
        ("a.mrk.json", "[]", "no list of markups"),
        ("a.mrk.json", '{"markups": [{"type": "Fiducial", "controlPoints": []}]}', "RAS or LPS"),
        ("a.mrk.json", '{"markups": [{"type": "ROI", "coordinateSystem": "LPS"}]}', "holds a ROI"),
        ("a.mrk.json", '{"markups": []}', "no points"),
        ("a.fcsv", "1,2,3,4,0,0,0,1,1,1,0,name,,\n", "RAS or LPS"),
        ("a.fcsv", "# CoordinateSystem = LPS\n1,2,3\n", "fewer than 12"),
        ("a.fcsv", "# CoordinateSystem = LPS\n1,nan,3,4,0,0,0,1,1,1,0,name,,\n", "three numbers"),
        ("a.csv", "name,x\n", "no column role"),
        ("a.csv", as_csv([NamedPoint("a", "b", Place("P9", MM))]), "a volume P9"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_sentence(cohort: Cohort, name: str, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as refused:
        read(cohort, name, text)
    assert "\n" not in str(refused.value)
    assert name in str(refused.value)
