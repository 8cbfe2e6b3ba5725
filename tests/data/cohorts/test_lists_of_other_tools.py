"""A ``dataset.json`` as MONAI writes it, and one of a tool that has nothing to do with scans."""

import json
from pathlib import Path

import numpy as np
import pytest

from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort
from isimed.data.cohorts.importing import import_cohort, plan_import
from isimed.data.cohorts.plan import METADATA
from tests.data.make import blob, write_nifti

MASK = (blob() > 60).astype(np.uint8)


def given(root: Path, listed: object, *, pet: bool = False) -> Path:
    for number in range(2):
        write_nifti(root / f"im/c{number}.nii.gz", blob(seed=number))
        if pet:
            write_nifti(root / f"im/c{number}_pet.nii.gz", blob(seed=number + 5))
        else:
            write_nifti(root / f"lb/c{number}.nii.gz", MASK)
    (root / "dataset.json").write_text(json.dumps(listed))
    return root


def case(number: int, **more: object) -> dict[str, object]:
    return {"image": f"im/c{number}.nii.gz", "label": f"lb/c{number}.nii.gz", "fold": number} | more


@pytest.mark.parametrize(
    "listed",
    [
        {"training": [case(0), case(1)]},
        [case(0), case(1)],
        {"training": [case(0, image=["im/c0.nii.gz"]), case(1, image=["./im/c1.nii.gz"])], "validation": []},
    ],
)
def test_lists_of_images_and_labels_are_taken_as_listed(tmp_path: Path, listed: object) -> None:
    cohort = Cohort.load(import_cohort(given(tmp_path, listed), name="c"))
    assert sorted(cohort.subjects) == ["c0", "c1"]
    assert all(entry.organs and "lb" in entry.organs for entry in cohort.volumes)


def test_one_of_several_images_of_a_case_is_taken_and_labels_may_be_missing(tmp_path: Path) -> None:
    several = [{"image": [f"im/c{n}.nii.gz", f"im/c{n}_pet.nii.gz"]} for n in range(2)]
    root = given(tmp_path, {"modality": {"0": "CT", "1": "PET"}, "training": several}, pet=True)
    assert sorted(item.path.name for item in plan_import(root).images) == ["c0.nii.gz", "c1.nii.gz"]
    plan = plan_import(root, channel="PET")
    assert sorted(item.path.name for item in plan.images) == ["c0_pet.nii.gz", "c1_pet.nii.gz"]
    assert {item.modality for item in plan.images} == {"PET"}


@pytest.mark.parametrize("listed", [{"training": 20, "labels": []}, [1, 2], {"training": [{"text": "hi"}]}, {"a": 1}])
def test_a_file_of_that_name_by_another_tool_is_no_error_and_is_said(tmp_path: Path, listed: object) -> None:
    plan = plan_import(given(tmp_path, listed))
    assert len(plan.images) >= 2
    assert next(item for item in plan.items if item.path.name == "dataset.json").role == METADATA
    assert any("another tool's" in notice for notice in plan.notices) == (listed != {"a": 1})


def test_a_list_that_leads_out_of_its_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="inside its folder"):
        plan_import(given(tmp_path, [case(0, image=["im/c0.nii.gz", "../secret.nii.gz"])]))
