"""A name does not beat the voxels in silence: CT that is called MRI, MRI that is called CT, CT with 1024 added."""

from pathlib import Path

import numpy as np
import pytest

from isimed.data.cohorts.cohort import Cohort
from isimed.data.cohorts.corrections import Corrections
from isimed.data.cohorts.importing import import_cohort, plan_import
from isimed.data.formats.volume import read_volume
from isimed.data.quality.report import check_cohort
from isimed.explore.one_scan.look import is_ct
from tests.data.make import blob, write_nifti

CT = blob()
MRI = np.where(CT > -900, CT + 400, 0).astype(np.int16)


@pytest.mark.parametrize(
    ("name", "voxels", "said"),
    [
        ("p_t1", CT, "p_t1.nii.gz is taken as MRI by its name, and its values, from -1000, are those of CT"),
        ("p_SUV", CT, "p_SUV.nii.gz is taken as PET by its name, and its values, from -1000, are those of CT"),
        ("p_ct", MRI, "p_ct.nii.gz is taken as CT by its name, and its values, from 0, hold no air"),
        ("p", (CT + 1024).astype(np.uint16), "p.nii.gz looks like CT with 1024 added"),
        ("p", np.where(blob(seed=1) > 120, 1000, MRI).astype(np.int16), ""),
        ("p_t1", MRI, ""),
        ("p_ct", CT, ""),
        ("p", MRI, ""),
    ],
)
def test_the_plan_says_where_name_and_values_disagree(tmp_path: Path, name: str, voxels, said: str) -> None:
    write_nifti(tmp_path / f"{name}.nii.gz", voxels)
    notices = [notice for notice in plan_import(tmp_path).notices if "Taken as" not in notice]
    assert any(notice.startswith(said) for notice in notices) if said else not notices


def test_what_was_given_by_hand_is_not_doubted_and_check_still_warns(tmp_path: Path) -> None:
    write_nifti(tmp_path / "p_t1.nii.gz", CT)
    assert not plan_import(tmp_path, corrections=Corrections(modality="MRI")).notices
    found = check_cohort(Cohort.load(import_cohort(tmp_path, name="c"))).findings
    assert "Values from -1000 are those of CT" in next(one.message for one in found if one.kind == "modality")


def test_ct_with_nothing_measured_around_it_is_still_ct(tmp_path: Path) -> None:
    voxels = CT.astype(np.float32)
    voxels[:3], voxels[-3:] = np.nan, -3.4e38
    write_nifti(tmp_path / "p.nii.gz", voxels)
    plan = plan_import(tmp_path)
    assert plan.modality == "CT", plan.notices
    assert "lowest value -1000" in plan.notices[0]
    assert is_ct(read_volume(tmp_path / "p.nii.gz"))
