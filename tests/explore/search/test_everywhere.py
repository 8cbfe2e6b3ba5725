"""From files on disk to places: in the cohort itself, in a reference, from Python and the command line."""

import json
from pathlib import Path

import numpy as np
import pytest

import isimed
from isimed.__main__ import main
from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort, register
from isimed.data.prepared.preprocess import Preparation
from isimed.models.checkpoint import untrained
from tests.small import write_cohort

STEP = 60.0


def test_a_place_is_looked_for_in_a_reference_where_one_is_given(cohort: Cohort, tmp_path: Path) -> None:
    """The patients are alike and moved by a known shift: even an untrained network's voxels agree."""
    atlas = Cohort.load(write_cohort(tmp_path / "atlas", patients=2, name="atlas"))
    network = untrained(Preparation(spacing_mm=4.0), modality="MRI")
    own = isimed.locate(cohort, network, "P0", (0.0, 5.0, -3.0), step_mm=STEP)
    assert {place.volume for place in own} == {"P1", "P2"}
    found = isimed.locate(cohort, network, "P0", (0.0, 5.0, -3.0), step_mm=STEP, reference=atlas, round_trip=True)
    assert {place.volume for place in found} == {"atlas/P1"}  # its P0 is this scan: nobody finds himself
    moved = next(place for place in found if place.volume == "atlas/P1")
    assert np.linalg.norm(np.array(moved.mm) - (10, 0, 0)) < 8
    assert moved.round_trip_mm is not None


@pytest.mark.parametrize(
    ("volume", "mm", "said"),
    [
        ("P9", (0, 0, 0), "no volume P9"),
        ("P0", (0, 0), "three finite numbers"),
        ("P0", (0, 0, 900), "outside the scan"),
    ],
)
def test_a_wrong_place_is_refused_before_anything_is_embedded(
    cohort: Cohort, volume: str, mm: tuple, said: str, home: Path
) -> None:
    with pytest.raises(InputError, match=said):
        isimed.locate(cohort, "untrained", volume, mm)
    assert not list(home.glob("tables/**/*.parquet"))


def test_a_reference_of_another_modality_is_refused(cohort: Cohort) -> None:
    network = untrained(Preparation(spacing_mm=4.0), modality="MRI")
    with pytest.raises(InputError, match="was trained on MRI, ct is CT"):
        isimed.locate(
            cohort, network, "P0", (0, 0, 0), reference=cohort.model_copy(update={"modality": "CT", "name": "ct"})
        )


def test_the_command_line_prints_the_same_as_json(cohort: Cohort, capsys: pytest.CaptureFixture[str]) -> None:
    register(cohort.root, name="mine")
    asked = ["locate", "mine", "--checkpoint", "untrained", "--volume", "P0", "--mm", "0", "5", "-3", "--step-mm", "80"]
    assert main([*asked, "--reference", str(cohort.root), "--json", "--coarse"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["volume"] for row in rows} == {"small/P1", "small/P2"}  # P0 is the clicked scan, whatever the cohort
    assert all(row["note"] or isinstance(row["z_mm"], float) for row in rows)
