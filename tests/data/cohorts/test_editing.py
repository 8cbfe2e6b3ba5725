"""A cohort is changed in its manifest alone, and what is deleted can be brought back as it was."""

import json
from pathlib import Path

import pytest

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort, cohort_names, find_manifest, register
from isimed.data.cohorts.editing import bring_back, describe, leave_out, rename, set_aside
from isimed.data.cohorts.splits import draw_split, read_split, write_split
from tests.small import write_cohort


@pytest.fixture
def source(tmp_path: Path) -> Path:
    manifest = write_cohort(tmp_path / "source", patients=3, size=8)
    content = json.loads(manifest.read_text()) | {"licence": "CC BY"}
    content["volumes"][1] |= {"modality": "PET", "sequence": "T1"}
    manifest.write_text(json.dumps(content))
    register(manifest)
    return manifest.parent


def test_what_is_said_of_a_cohort_is_changed_and_all_else_stays(source: Path) -> None:
    before = json.loads(find_manifest("small").read_text())
    describe("small", modality="CT", frame="atlas", description="mine")
    cohort = Cohort.load("small")
    assert (cohort.modality, cohort.frame, cohort.description) == ("CT", "atlas", "mine")
    assert [(entry.modality, entry.sequence) for entry in cohort.volumes] == [(None, None), (None, "T1"), (None, None)]
    after = json.loads(find_manifest("small").read_text())
    assert after["licence"] == "CC BY"
    assert [volume["image"] for volume in after["volumes"]] == [volume["image"] for volume in before["volumes"]]
    describe("small", sequence="FLAIR", frame="")
    assert {entry.sequence for entry in Cohort.load("small").volumes} == {"FLAIR"}
    assert Cohort.load("small").frame is None
    with pytest.raises(InputError, match="needs a modality"):
        describe("small", modality=" ")


def test_patients_are_left_out_and_their_files_stay(source: Path) -> None:
    leave_out("small", ["S1"])
    assert Cohort.load("small").subjects == ["S0", "S2"]
    assert (source / "P1.nii.gz").is_file()
    with pytest.raises(InputError, match="no patient S1"):
        leave_out("small", ["S1"])
    with pytest.raises(InputError, match="no patient left"):
        leave_out("small", ["S0", "S2"])
    assert Cohort.load("small").subjects == ["S0", "S2"]


def test_a_deleted_cohort_comes_back_with_its_points_and_its_split(source: Path) -> None:
    cohort = Cohort.load("small")
    write_split(cohort, draw_split(cohort, validation=0.3, test=0.3, seed=1))
    parts, manifest = read_split(cohort), find_manifest("small").read_bytes()
    point = paths.home() / "annotations" / "small" / "1.json"
    point.parent.mkdir(parents=True)
    point.write_text("{}")
    folder = set_aside("small")
    assert cohort_names() == []
    assert not point.exists()
    assert (source / "P0.nii.gz").is_file()
    assert bring_back(folder) == "small"
    assert find_manifest("small").read_bytes() == manifest
    assert read_split(Cohort.load("small")) == parts
    assert point.read_text() == "{}"
    with pytest.raises(InputError, match="no deleted cohort"):
        bring_back(folder)


def test_a_renamed_cohort_keeps_its_scans_its_points_and_its_split(source: Path) -> None:
    cohort = Cohort.load("small")
    write_split(cohort, draw_split(cohort, validation=0.3, test=0.3, seed=1))
    parts = read_split(cohort)
    point = paths.home() / "annotations" / "small" / "1.json"
    point.parent.mkdir(parents=True)
    point.write_text("{}")
    rename("small", "Lungs 2026")
    renamed = Cohort.load("Lungs 2026")
    assert cohort_names() == ["Lungs 2026"]
    assert (renamed.name, renamed.fingerprint, renamed.volumes) == ("Lungs 2026", cohort.fingerprint, cohort.volumes)
    assert read_split(renamed) == parts
    assert (paths.home() / "annotations" / "Lungs 2026" / "1.json").read_text() == "{}"


@pytest.mark.parametrize("taken", ["small", "other", "../away", ""])
def test_a_cohort_takes_no_name_that_is_taken_or_no_folders(source: Path, tmp_path: Path, taken: str) -> None:
    register(write_cohort(tmp_path / "other", patients=3, size=8, name="other"))
    with pytest.raises(InputError, match=r"already|cannot be a cohort's name"):
        rename("small", taken)
    assert cohort_names() == ["other", "small"]


def test_a_new_cohort_of_the_same_name_is_not_overwritten(source: Path) -> None:
    folder = set_aside("small")
    register(source)
    with pytest.raises(InputError, match="There is a new cohort small"):
        bring_back(folder)
    assert cohort_names() == ["small"]
    set_aside("small")
    assert bring_back(folder) == "small"


def test_only_cohorts_of_the_home_are_deleted(source: Path) -> None:
    for name in ("other", str(source), "..", "../../source"):
        with pytest.raises(InputError, match="no cohort"):
            set_aside(name)
    assert (source / "dataset.json").is_file()
