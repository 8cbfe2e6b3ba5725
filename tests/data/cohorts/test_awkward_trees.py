"""What people really have on their disks: every file in a role, or listed with the reason why it is left out."""

import os
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.data.cohorts import importing
from isimed.data.cohorts.cohort import Cohort
from isimed.data.cohorts.importing import forget_plan, import_cohort, plan_import
from isimed.data.cohorts.plan import Plan
from tests.data.make import blob, write_dicom, write_nifti


def reasons(plan: Plan) -> dict[str, str]:
    return {plan.name_of(item.path): item.why for item in plan.left_out}


def zipped(target: Path, files: dict[str, Path]) -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        for name, file in files.items():
            archive.write(file, name)
    return target


def test_what_is_never_a_scan_is_listed_as_left_out(tmp_path: Path) -> None:
    given = tmp_path / "stick"
    write_dicom(given / "A0001", blob())
    for name in ("DICOMDIR", "._IM1", ".DS_Store", "__MACOSX/._x.nii.gz", ".git/config"):
        (given / name).parent.mkdir(parents=True, exist_ok=True)
        (given / name).write_bytes(b"x")
    (given / "gone.nii.gz").symlink_to(tmp_path / "nowhere.nii.gz")
    (given / "round").symlink_to(given)
    os.mkfifo(given / "pipe")
    plan = plan_import(given)
    said = reasons(plan)
    for name in ("DICOMDIR", "._IM1", ".DS_Store", "__MACOSX", ".git"):
        assert "Hidden" in said[name]
    assert said["gone.nii.gz"] == said["pipe"] == "A link that leads nowhere, a device or a pipe."
    assert "listed already" in said["round"]
    assert len(plan.images) == 1
    assert sum("Hidden" in line for line in plan.lines()) == 1


def test_a_zip_in_a_zip_is_unpacked_and_a_broken_one_in_it_is_left_out(tmp_path: Path) -> None:
    scans = {name: write_nifti(tmp_path / f"{name}.nii.gz", blob(seed=n)) for n, name in enumerate("ab")}
    inner = zipped(tmp_path / "inner.zip", {f"{name}/ct.nii.gz": file for name, file in scans.items()})
    (tmp_path / "bad.zip").write_bytes(b"PK no zip")
    files = {"out/PATIENTS.ZIP": inner, "out/bad.zip": tmp_path / "bad.zip"}
    plan = plan_import(zipped(tmp_path / "outer.zip", files))
    assert {item.patient for item in plan.images} == {"a", "b"}
    assert "archive" in reasons(plan)["out/bad.zip"]
    forget_plan(plan)
    assert not list((paths.home() / "unpacked").iterdir())


def test_what_plans_unpacked_and_nobody_confirmed_goes_after_two_days(tmp_path: Path) -> None:
    given = zipped(tmp_path / "z.zip", {"ct.nii.gz": write_nifti(tmp_path / "ct.nii.gz")})
    first = plan_import(given)
    second = plan_import(given)
    assert first.root.is_dir()
    long_ago = first.root.stat().st_mtime - importing.FORGOTTEN_S - 60
    os.utime(first.root, (long_ago, long_ago))
    (first.root.parent / "going").symlink_to(tmp_path / "gone")  # as one that another session deletes meanwhile
    plan_import(given)
    assert not first.root.exists()
    assert second.root.is_dir()


def test_a_scout_is_no_volume_whatever_its_number_of_slices(tmp_path: Path) -> None:
    write_dicom(tmp_path / "scout", blob()[..., :5], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    write_dicom(tmp_path / "thin", blob()[..., :3], ImageType=["ORIGINAL", "PRIMARY", "AXIAL"])
    plan = plan_import(tmp_path)
    assert [item.path.name for item in plan.images] == ["thin"]
    assert "localizer" in reasons(plan)["scout"]


def test_echoes_of_a_series_are_chosen_at_import_and_a_series_beside_them_has_no_channel(tmp_path: Path) -> None:
    twice = np.repeat(blob(), 2, axis=2)

    def echo(k: int, data) -> None:
        data.EchoTime = (10, 20)[k % 2]

    places = [3.0 * (k // 2) for k in range(twice.shape[2])]
    write_dicom(tmp_path / "echoes", twice, places=places, each=echo, Modality="MR", PatientID="E")
    with pytest.raises(InputError, match=r"same place \(EchoTime 10.0, 20.0\): choose one with --channel"):
        plan_import(tmp_path)
    write_dicom(tmp_path / "one", blob(), Modality="MR", PatientID="O")
    assert "EchoTime" in reasons(plan_import(tmp_path))["echoes"]
    chosen = {item.patient: item.channel for item in plan_import(tmp_path, channel=1).images}
    assert chosen == {"E": 1, "O": None}


MASK = (blob() > 60).astype(np.uint8)


def test_masks_in_a_folder_named_after_the_scan_are_its_structures(tmp_path: Path) -> None:
    for number, patient in enumerate(("P7", "P8")):
        write_nifti(tmp_path / f"{patient}.nii.gz", blob(seed=number))
        for organ in ("liver", "spleen"):
            write_nifti(tmp_path / f"{patient}_segmentations/{organ}.nii.gz", MASK)
    cohort = Cohort.load(import_cohort(tmp_path, name="c"))
    assert cohort.subjects == ["P7", "P8"]
    assert set(cohort.organs.values()) == {"liver", "spleen"}
    assert all(entry.organs for entry in cohort.volumes)


def test_a_scan_in_a_folder_that_speaks_of_segmentation_stays_a_scan(tmp_path: Path) -> None:
    write_nifti(tmp_path / "Liver_Segmentation_2024/anna.nii.gz")
    write_nifti(tmp_path / "Liver_Segmentation_2024/bert.nii.gz", blob(seed=1))
    assert {item.patient for item in plan_import(tmp_path).images} == {"anna", "bert"}


@pytest.mark.parametrize(
    ("mask", "name", "why"),
    [
        (np.stack([MASK, 1 - MASK], -1), "mask", "label map of 2 channels"),
        (MASK[::2, ::2, ::2], "mask", r"has 10×12×8 voxels and scan.nii.gz beside it 20×24×16"),
        (MASK * np.float32(0.7), "tumour_probability", "Probabilities, no label map"),
        (MASK * np.float32(0.7), "liver_softmax", "Probabilities, no label map"),
    ],
)
def test_what_cannot_be_a_scans_label_map_is_left_out_with_the_cause(tmp_path: Path, mask, name: str, why: str) -> None:
    for patient in "ab":
        write_nifti(tmp_path / patient / "scan.nii.gz", blob(seed=ord(patient)))
    write_nifti(tmp_path / "b" / f"{name}.nii.gz", mask)
    plan = plan_import(tmp_path)
    assert len(plan.images) == 2
    assert re.search(why, reasons(plan)[f"b/{name}.nii.gz"])


def test_a_mask_that_may_be_of_two_scans_says_so(tmp_path: Path) -> None:
    for one, other in (("pre", "post"), ("baseline", "followup1"), ("left", "right")):
        for number, name in enumerate((f"P1/{one}", f"P1/{other}", f"P2/{one}")):
            write_nifti(tmp_path / one / f"{name}.nii.gz", blob(seed=number))
        write_nifti(tmp_path / one / "P1/lesion.nii.gz", MASK)
        both = ", ".join(sorted(f"{name}.nii.gz" for name in (one, other)))
        assert f"may belong to several images ({both})" in reasons(plan_import(tmp_path / one))["P1/lesion.nii.gz"]
