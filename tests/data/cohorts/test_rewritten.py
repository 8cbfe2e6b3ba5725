"""A file that was corrected in its middle is another one, though its size, its head and its tail are the same."""

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from isimed.data.cohorts.cohort import Cohort
from isimed.data.cohorts.editing import bring_back, rename, set_aside
from isimed.data.cohorts.importing import import_cohort
from isimed.data.quality.report import check_cohort

SHAPE = (64, 64, 64)  # 256 kB a map: more than the head and the tail that are read


@pytest.fixture
def outlined(tmp_path: Path) -> Path:
    """One patient, whose organs lie in a file that is not compressed."""
    folder = tmp_path / "in"
    folder.mkdir()
    nib.Nifti1Image(np.random.default_rng(0).normal(100, 5, SHAPE).astype(np.float32), np.eye(4)).to_filename(
        folder / "a.nii.gz"
    )
    correct(folder / "organs.nii", 1)
    (folder / "dataset.json").write_text(
        '{"name": "c", "modality": "MRI", "volumes": [{"subject": "A", "image": "a.nii.gz", "organs": "organs.nii"}]}'
    )
    return folder


def correct(file: Path, label: int) -> None:
    """Outline a box of a label in the middle; as a person does, some time after it was done before."""
    voxels = np.zeros(SHAPE, np.uint8)
    voxels[30:34, 30:34, 30:34] = label
    before = file.stat().st_mtime_ns if file.exists() else 0
    nib.Nifti1Image(voxels, np.eye(4)).to_filename(file)
    if before:
        os.utime(file, ns=(before + 10**9, before + 10**9))


def fingerprint(folder: Path) -> str:
    return Cohort.load(folder).fingerprint


def test_every_correction_is_another_fingerprint(outlined: Path) -> None:
    seen = [fingerprint(outlined)]
    assert fingerprint(outlined) == seen[0]
    for label in (2, 3):
        correct(outlined / "organs.nii", label)
        seen.append(fingerprint(outlined))
        assert fingerprint(outlined) == seen[-1]
    assert len(set(seen)) == 3


def test_it_is_the_same_on_another_machine_and_where_nothing_can_be_noted(
    outlined: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fingerprint(outlined)
    (tmp_path / "file").write_text("")
    for home in (tmp_path / "other", tmp_path / "file" / "no"):
        monkeypatch.setenv("ISIMED_HOME", str(home))
        os.utime(outlined / "organs.nii")
        assert fingerprint(outlined) == first


def test_what_ends_with_a_checksum_may_be_touched(outlined: Path, home: Path) -> None:
    first = fingerprint(outlined)
    os.utime(outlined / "a.nii.gz", ns=(1, 1))
    assert fingerprint(outlined) == first
    (kept,) = (home / "seen").iterdir()
    kept.write_text("{")
    assert fingerprint(outlined) == first
    assert "organs.nii" in kept.read_text()
    assert "a.nii.gz" not in kept.read_text()


def test_a_correction_stays_one_under_another_name_and_when_brought_back(outlined: Path) -> None:
    import_cohort(outlined, name="kept", copy=True)
    before = Cohort.load("kept")
    first = before.fingerprint
    correct(before.path(before.volumes[0].organs or ""), 2)
    second = Cohort.load("kept").fingerprint
    assert second != first
    rename("kept", "other")
    assert Cohort.load("other").fingerprint == second
    bring_back(set_aside("other"))
    assert Cohort.load("other").fingerprint == second


def test_the_report_is_of_the_corrected_map(outlined: Path) -> None:
    assert list(check_cohort(Cohort.load(outlined)).volumes[0].labels["organs"].voxels) == [1]
    correct(outlined / "organs.nii", 7)
    assert list(check_cohort(Cohort.load(outlined)).volumes[0].labels["organs"].voxels) == [7]
