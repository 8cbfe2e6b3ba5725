"""A file of points is looked up at once, and what was found goes back into a file that is read again."""

import csv
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from isimed.__main__ import main
from isimed.data.cohorts.cohort import Cohort
from isimed.explore.tables.embed import embed_cohort
from isimed.models.checkpoint import load_checkpoint
from isimed.ui.annotations.exporting import as_csv, as_fcsv, as_markups
from isimed.ui.annotations.point_files import from_file
from isimed.ui.annotations.things import NamedPoint, Place


@pytest.fixture
def points(cohort: Cohort) -> list[NamedPoint]:
    table = embed_cohort(cohort, load_checkpoint("untrained"), step_mm=40)
    inside = table.centre_mm[table.rows("P0")]
    return [
        NamedPoint(name, cohort.name, Place("P0", tuple(float(v) for v in mm)))
        for name, mm in zip(("carina", "=apex"), np.round(inside[[0, 3]], 2), strict=True)
    ]


def locate(cohort: Cohort, *options: str) -> int:
    return main(["locate", str(cohort.root), "--checkpoint", "untrained", "--step-mm", "40", "--coarse", *options])


@pytest.mark.parametrize("suffix", [".csv", ".fcsv", ".mrk.json"])
def test_every_point_of_a_file_is_found_in_every_other_patient(
    suffix: str, cohort: Cohort, points: list[NamedPoint], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = [(one.name, one.clicked.mm) for one in points]
    text = {".csv": as_csv(points), ".fcsv": as_fcsv(named), ".mrk.json": as_markups(named)}[suffix]
    (file := tmp_path / f"points{suffix}").write_text(text)
    volume = () if suffix == ".csv" else ("--volume", "P0")
    assert locate(cohort, "--points", str(file), *volume, "--json", "--out", str(tmp_path / "found.csv")) == 0
    found = json.loads(capsys.readouterr().out)
    assert {(one["point"], one["volume"]) for one in found} == {(p.name, v) for p in points for v in ("P1", "P2")}
    assert all(one["round_trip_mm"] is not None for one in found if not one["note"])
    assert locate(cohort, "--volume", "P0", "--mm", *map(str, points[0].clicked.mm), "--json") == 0
    alone = json.loads(capsys.readouterr().out)
    assert [{"point": "carina"} | one for one in alone] == [one for one in found if one["point"] == "carina"]
    again = from_file("found.csv", (tmp_path / "found.csv").read_bytes(), cohort, "")
    assert [(one.name, one.clicked.mm) for one in again] == named
    kept = [[*place.mm] for one in again for place in one.found]
    shown = [[one[f"{axis}_mm"] for axis in "xyz"] for one in found if not one["note"]]
    np.testing.assert_allclose(kept, shown, atol=1e-3)


def test_found_points_go_to_slicer_a_file_a_scan(
    cohort: Cohort, points: list[NamedPoint], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "points.csv").write_text(as_csv(points))
    assert locate(cohort, "--points", str(tmp_path / "points.csv"), "--out", str(tmp_path / "found.zip")) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert list(rows[0])[:2] == ["point", "volume"]
    with zipfile.ZipFile(tmp_path / "found.zip") as archive:
        assert "P0.mrk.json" in archive.namelist()
        for name in archive.namelist():
            assert from_file(name, archive.read(name), cohort, name.split(".")[0])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--points", "points.fcsv"), "needs --volume"),
        (("--points", "missing.csv"), "cannot be read"),
        (("--points", "points.txt", "--volume", "P0"), "none of"),
        (("--points", "points.csv", "--mm", "1", "2", "3"), "not allowed with"),
        (("--volume", "P0"), "required"),
        (("--points", "points.csv", "--out", "found.xlsx"), ".csv or .zip"),
        (("--points", "points.csv", "--out", "no/where.csv"), "no/where.csv"),
    ],
)
def test_a_wrong_file_is_one_sentence(
    options: tuple[str, ...], said: str, cohort: Cohort, points: list[NamedPoint], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    for name in ("points.csv", "points.txt", "points.fcsv"):
        (tmp_path / name).write_text(as_csv(points))
    assert locate(cohort, *options) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1
    assert said in error[0]
