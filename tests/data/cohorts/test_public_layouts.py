"""Public data sets and the exports of usual tools, rebuilt small from their documentation."""

import json
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort
from isimed.data.cohorts.importing import import_cohort, plan_import
from isimed.data.cohorts.plan import Plan
from tests.data.make import SHAPE, affine, blob, write_nifti

MASK = (blob() > 60).astype(np.uint8)


def scans(root: Path, *names: str) -> None:
    for number, name in enumerate(names):
        write_nifti(root / name, blob(seed=number))


def masks(root: Path, *names: str) -> None:
    for name in names:
        write_nifti(root / name, MASK)


def text(path: Path, content: str = "x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def imported(root: Path, **options) -> tuple[Cohort, Plan]:
    return Cohort.load(import_cohort(root, **options)), plan_import(
        root, **{k: v for k, v in options.items() if k != "name"}
    )


def why(plan: Plan, name: str) -> str:
    return next(item.why for item in plan.items if item.path.name == name)


def pairs(cohort: Cohort, kind: str) -> dict[str, str]:
    """The image's path -> its label map's path, below the data set."""

    def short(file: str | None) -> str:
        return "/".join(Path(file).parts[-2:]) if file else ""

    return {short(entry.image): short(getattr(entry, kind)) for entry in cohort.volumes}


def test_kits(tmp_path: Path) -> None:
    """kits-challenge.org, repository neheller/kits23: dataset/case_00000/{imaging,segmentation}.nii.gz, instances/."""
    for number in (0, 1, 12):
        case = f"dataset/case_{number:05d}"
        scans(tmp_path, f"{case}/imaging.nii.gz")
        masks(tmp_path, f"{case}/segmentation.nii.gz", f"{case}/instances/kidney_instance-1_annotation-1.nii.gz")
    text(tmp_path / "dataset/kits23.json", "[]")
    cohort, plan = imported(tmp_path)
    assert cohort.subjects == ["case_00000", "case_00001", "case_00012"]
    assert pairs(cohort, "organs")["case_00012/imaging.nii.gz"] == "case_00012/segmentation.nii.gz"
    assert cohort.organs == {1: "kidney", 2: "tumour", 3: "cyst"}
    assert (cohort.modality, cohort.volumes[0].region) == ("CT", "abdomen")
    assert "has a map of organs already" in why(plan, "kidney_instance-1_annotation-1.nii.gz")


def test_lits(tmp_path: Path) -> None:
    """Codalab competition 17094: Training Batch 1/{volume,segmentation}-0.nii, numbers go on in Training Batch 2."""
    for batch, numbers in ((1, (0, 1)), (2, (28, 29))):
        for number in numbers:
            scans(tmp_path, f"Training Batch {batch}/volume-{number}.nii")
            masks(tmp_path, f"Training Batch {batch}/segmentation-{number}.nii")
    cohort, _ = imported(tmp_path)
    assert len(cohort.subjects) == 4
    assert pairs(cohort, "organs")["Training Batch 2/volume-28.nii"] == "Training Batch 2/segmentation-28.nii"
    assert cohort.organs == {1: "liver", 2: "tumour"}


@pytest.mark.parametrize("with_json", [True, False])
def test_amos_takes_its_cts(tmp_path: Path, with_json: bool) -> None:
    """amos22.grand-challenge.org: imagesTr/amos_0001.nii.gz; numbers above 500 are MRI."""
    for number in (1, 4, 507):
        scans(tmp_path, f"amos22/imagesTr/amos_{number:04d}.nii.gz")
        masks(tmp_path, f"amos22/labelsTr/amos_{number:04d}.nii.gz")
    listed = [
        {"image": f"./imagesTr/amos_{n:04d}.nii.gz", "label": f"./labelsTr/amos_{n:04d}.nii.gz"} for n in (1, 4, 507)
    ]
    about = {"name": "AMOS", "modality": {"0": "CT"}, "labels": {"0": "background", "1": "spleen"}, "training": listed}
    if with_json:
        text(tmp_path / "amos22/dataset.json", json.dumps(about))
    cohort, plan = imported(tmp_path)
    assert cohort.subjects == ["amos_0001", "amos_0004"]
    assert pairs(cohort, "organs") == {
        f"imagesTr/amos_{n}.nii.gz": f"labelsTr/amos_{n}.nii.gz" for n in ("0001", "0004")
    }
    assert "CT was taken" in why(plan, "amos_0507.nii.gz")


def test_flare(tmp_path: Path) -> None:
    """flare22.grand-challenge.org: imagesTr/FLARE22_Tr_0001_0000.nii.gz; FLARE21 has TrainingImg and TrainingMask."""
    for number in (1, 2):
        scans(tmp_path / "22", f"imagesTr/FLARE22_Tr_{number:04d}_0000.nii.gz")
        masks(tmp_path / "22", f"labelsTr/FLARE22_Tr_{number:04d}.nii.gz")
        scans(tmp_path / "21", f"TrainingImg/train_{number:03d}_0000.nii.gz")
        masks(tmp_path / "21", f"TrainingMask/train_{number:03d}.nii.gz")
    newer, _ = imported(tmp_path / "22")
    assert newer.subjects == ["FLARE22_Tr_0001", "FLARE22_Tr_0002"]
    assert all(entry.organs for entry in newer.volumes)
    older, _ = imported(tmp_path / "21")
    assert pairs(older, "organs") == {
        f"TrainingImg/train_{n:03d}_0000.nii.gz": f"TrainingMask/train_{n:03d}.nii.gz" for n in (1, 2)
    }
    assert len(older.subjects) == 2


@pytest.mark.parametrize("year", [2022, 2026])
def test_hecktor(tmp_path: Path, year: int) -> None:
    """hecktor.grand-challenge.org/Data (2022), hecktor26.grand-challenge.org/dataset: <centre>-<id>__CT.nii.gz."""
    for case in ("CHUM-001", "MDA-101"):
        image, label = ("imagesTr", f"labelsTr/{case}") if year == 2022 else (case, f"{case}/{case}")
        scans(tmp_path, f"h/{image}/{case}__CT.nii.gz", f"h/{image}/{case}__PT.nii.gz")
        masks(tmp_path, f"h/{label}.nii.gz")
    text(tmp_path / "h/hecktor_clinical_info.csv")
    cohort, plan = imported(tmp_path)
    assert cohort.subjects == ["CHUM-001", "MDA-101"]
    assert [Path(entry.image).name for entry in cohort.volumes] == ["CHUM-001__CT.nii.gz", "MDA-101__CT.nii.gz"]
    assert [Path(entry.tumour or "").name for entry in cohort.volumes] == ["CHUM-001.nii.gz", "MDA-101.nii.gz"]
    assert (cohort.modality, cohort.tumour) == ("CT", "1 = GTVp, 2 = GTVn")
    assert "choose with --channel" in why(plan, "CHUM-001__PT.nii.gz")
    pet, _ = imported(tmp_path, name="pet", channel="PET")
    assert pet.modality == "PET"


def test_acdc_frames_are_of_one_patient(tmp_path: Path) -> None:
    """creatis.insa-lyon.fr/Challenge/acdc: training/patient001/patient001_frame01{,_gt}.nii.gz, _4d, Info.cfg."""
    for patient in ("training/patient001", "testing/patient101"):
        name = Path(patient).name
        scans(tmp_path, *(f"database/{patient}/{name}_frame{n}.nii.gz" for n in ("01", "12")))
        masks(tmp_path, *(f"database/{patient}/{name}_frame{n}_gt.nii.gz" for n in ("01", "12")))
        write_nifti(tmp_path / f"database/{patient}/{name}_4d.nii.gz", np.stack([blob(), blob(seed=1)], -1))
        text(tmp_path / f"database/{patient}/Info.cfg")
    cohort, plan = imported(tmp_path)
    assert sorted(cohort.subjects) == ["patient001", "patient101"]
    assert pairs(cohort, "organs") == {
        f"{p}/{p}_frame{n}.nii.gz": f"{p}/{p}_frame{n}_gt.nii.gz"
        for p in ("patient001", "patient101")
        for n in ("01", "12")
    }
    assert (cohort.modality, cohort.organs[3]) == ("MRI", "left ventricle")
    assert "2 channels" in why(plan, "patient001_4d.nii.gz")


def test_ixi_sequences_are_of_one_patient(tmp_path: Path) -> None:
    """brain-development.org/ixi-dataset: IXI-T1.tar holds IXI002-Guys-0828-T1.nii.gz, one folder a sequence."""
    for case in ("IXI002-Guys-0828", "IXI012-HH-1211"):
        scans(tmp_path, f"IXI-T1/{case}-T1.nii.gz", f"IXI-T2/{case}-T2.nii.gz")
    text(tmp_path / "IXI.xls")
    cohort, _ = imported(tmp_path)
    assert cohort.subjects == ["IXI002", "IXI012"]
    assert {entry.sequence for entry in cohort.volumes} == {"T1", "T2"}
    assert {(entry.modality, entry.region) for entry in cohort.volumes} == {("MRI", "head")}
    only, _ = imported(tmp_path, name="t2", channel="T2")
    assert [entry.sequence for entry in only.volumes] == ["T2", "T2"]


def test_adni(tmp_path: Path) -> None:
    """adni.loni.usc.edu, NIfTI download: ADNI/<subject>/<description>/<date>/<image>/ADNI_<subject>_..._<image>.nii."""
    for subject, date in (
        ("002_S_0295", "2006-04-18_08_20_30.0"),
        ("002_S_0295", "2007-11-02_08_00_00.0"),
        ("011_S_0021", "2005-09-01_10_00_00.0"),
    ):
        folder = f"ADNI/{subject}/MPR__GradWarp__B1_Correction/{date}/I{len(date)}{date[3]}"
        scans(tmp_path, f"{folder}/ADNI_{subject}_MR_MPR__GradWarp__B1_Correction_Br_{date[:4]}_S1_I1.nii")
    cohort, _ = imported(tmp_path)
    assert cohort.subjects == ["002_S_0295", "011_S_0021"]
    assert len(cohort.volumes) == 3
    assert cohort.volumes[0].session
    assert cohort.modality == "MRI"


def test_oasis(tmp_path: Path) -> None:
    """sites.wustl.edu/oasisbrains: OAS1_0001_MR1 and _MR2 are visits; OASIS-3 in BIDS has sub-OAS30001_ses-d0129."""
    scans(
        tmp_path / "1",
        "disc1/OAS1_0001_MR1/OAS1_0001_MR1_mpr-1_anon.nii.gz",
        "disc1/OAS1_0001_MR2/OAS1_0001_MR2_mpr-1_anon.nii.gz",
        "disc2/OAS1_0042_MR1/OAS1_0042_MR1_mpr-1_anon.nii.gz",
    )
    masks(tmp_path / "1", "disc2/OAS1_0042_MR1/OAS1_0042_MR1_mpr-1_anon_seg.nii.gz")
    scans(tmp_path / "3", *(f"OAS30001_MR_{day}/anat1/sub-OAS30001_ses-{day}_T1w.nii.gz" for day in ("d0129", "d0757")))
    first, _ = imported(tmp_path / "1")
    assert first.subjects == ["OAS1_0001", "OAS1_0042"]
    assert [bool(entry.organs) for entry in first.volumes] == [False, False, True]
    third, _ = imported(tmp_path / "3")
    assert third.subjects == ["sub-OAS30001"]
    assert [entry.session for entry in third.volumes] == ["d0129", "d0757"]


def test_bids_with_sessions_and_derivatives(tmp_path: Path) -> None:
    """bids-specification.readthedocs.io: sub-*/ses-*/anat/*_T1w.nii.gz, derivatives/<pipeline>/... with dseg."""
    for subject in ("01", "02"):
        for session in ("a", "b"):
            name = f"sub-{subject}_ses-{session}"
            folder = f"sub-{subject}/ses-{session}"
            scans(tmp_path, f"{folder}/anat/{name}_T1w.nii.gz", f"{folder}/func/{name}_task-rest_bold.nii.gz")
            scans(tmp_path, f"derivatives/prep/{folder}/anat/{name}_desc-preproc_T1w.nii.gz")
            masks(
                tmp_path,
                f"derivatives/prep/{folder}/anat/{name}_dseg.nii.gz",
                f"derivatives/prep/{folder}/anat/{name}_desc-brain_mask.nii.gz",
            )
    text(tmp_path / "dataset_description.json", "{}")
    text(tmp_path / "participants.tsv")
    cohort, plan = imported(tmp_path)
    assert cohort.subjects == ["sub-01", "sub-02"]
    assert [Path(entry.image).name for entry in cohort.volumes] == [
        f"sub-{s}_ses-{t}_T1w.nii.gz" for s in ("01", "02") for t in ("a", "b")
    ]
    assert [Path(entry.organs or "").name for entry in cohort.volumes] == [
        f"sub-{s}_ses-{t}_dseg.nii.gz" for s in ("01", "02") for t in ("a", "b")
    ]
    assert "no anatomical scan" in why(plan, "sub-01_ses-a_task-rest_bold.nii.gz")
    assert "processed copy" in why(plan, "sub-01_ses-a_desc-preproc_T1w.nii.gz")
    assert "whole brain" in why(plan, "sub-01_ses-a_desc-brain_mask.nii.gz")


@pytest.mark.parametrize("packing", ["raw", "several", "zip", "tests"])
def test_nnunet_in_every_packing(tmp_path: Path, packing: str) -> None:
    """MIC-DKFZ/nnUNet, documentation/dataset_format.md: nnUNet_raw/Dataset001_X/{imagesTr,labelsTr,dataset.json}."""
    for number in (1, 2) if packing == "several" else (1,):
        folder = tmp_path / f"in/nnUNet_raw/Dataset{number:03d}_Liver"
        part = "Ts" if packing == "tests" else "Tr"
        scans(folder, *(f"images{part}/d{number}_{case}_0000.nii.gz" for case in ("001", "002")))
        if part == "Tr":
            masks(folder, *(f"labelsTr/d{number}_{case}.nii.gz" for case in ("001", "002")))
        text(
            folder / "dataset.json", json.dumps({"channel_names": {"0": "CT"}, "labels": {"background": 0, "liver": 1}})
        )
    given = tmp_path / "in"
    if packing == "zip":
        given = tmp_path / "whole.zip"
        with zipfile.ZipFile(given, "w") as archive:
            for file in sorted((tmp_path / "in").rglob("*.*")):
                if file.is_file():
                    archive.write(file, file.relative_to(tmp_path / "in"))
    cohort, _ = imported(given)
    numbers = (1, 2) if packing == "several" else (1,)
    assert cohort.subjects == [f"d{number}_{case}" for number in numbers for case in ("001", "002")]
    assert all(bool(entry.organs) == (packing != "tests") for entry in cohort.volumes)
    assert (cohort.modality, cohort.organs) == ("CT", {1: "liver"})
    assert cohort.read(cohort.volumes[0]).shape == SHAPE


def test_nnunet_regions_of_other_organs(tmp_path: Path) -> None:
    """documentation/region_based_training.md: a label's value may be a list; the smallest region names a number."""
    scans(tmp_path, "imagesTr/a_0000.nii.gz")
    masks(tmp_path, "labelsTr/a.nii.gz")
    labels = {"background": 0, "whole kidney": [1, 2], "cortex": [2], "ignore": 3}
    text(tmp_path / "dataset.json", json.dumps({"channel_names": {"0": "CT"}, "labels": labels}))
    cohort, _ = imported(tmp_path)
    assert cohort.organs == {1: "whole kidney", 2: "cortex"}
    labels = {"background": 0, "whole lesion": [1, 2], "lesion core": [2]}
    text(tmp_path / "dataset.json", json.dumps({"channel_names": {"0": "FLAIR"}, "labels": labels}))
    cohort, _ = imported(tmp_path)
    assert (cohort.tumour, cohort.organs) == ("1, 2 = whole lesion, 2 = lesion core", {})
    assert cohort.volumes[0].tumour


def test_totalsegmentator_becomes_one_map(tmp_path: Path) -> None:
    """zenodo.org/records/10047292: s0001/ct.nii.gz and s0001/segmentations/<structure>.nii.gz, one mask each."""
    heart, lobe = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    heart[8:12, 8:12, 8:12], lobe[2:10, 2:10, 2:10] = 1, 1
    for case in ("s0001", "s0002"):
        scans(tmp_path, f"Totalsegmentator_dataset_v201/{case}/ct.nii.gz")
        write_nifti(tmp_path / f"Totalsegmentator_dataset_v201/{case}/segmentations/heart.nii.gz", heart)
        write_nifti(tmp_path / f"Totalsegmentator_dataset_v201/{case}/segmentations/lung_upper_lobe_left.nii.gz", lobe)
    text(tmp_path / "Totalsegmentator_dataset_v201/meta.csv")
    cohort, plan = imported(tmp_path)
    assert cohort.subjects == ["s0001", "s0002"]
    assert cohort.organs == {1: "heart", 2: "lung_upper_lobe_left"}
    organs = cohort.read_labels(cohort.volumes[1])["organs"].voxels
    assert (organs[9, 9, 9], organs[3, 3, 3], organs[15, 15, 15]) == (1, 2, 0)
    assert any("made into one map" in item.why for item in plan.items)


def test_slicer_scene_folder(tmp_path: Path) -> None:
    """slicer.readthedocs.io, Segmentations: .seg.nrrd with SegmentN_Name and SegmentN_LabelValue; scene.mrml."""
    folder = tmp_path / "2024-05-01-Scene"
    folder.mkdir()
    sitk.WriteImage(sitk.GetImageFromArray(blob().T), str(folder / "4 CT Thorax.nrrd"))
    mask = sitk.GetImageFromArray(MASK.T)
    for key, value in {"Segment0_Name": "GTV node", "Segment0_LabelValue": "1", "Segment0_ID": "Segment_1"}.items():
        mask.SetMetaData(key, value)
    sitk.WriteImage(mask, str(folder / "Segmentation.seg.nrrd"), True)
    text(folder / "2024-05-01-Scene.mrml")
    cohort, plan = imported(tmp_path)
    assert len(cohort.volumes) == 1
    assert Path(cohort.volumes[0].tumour or "").name == "Segmentation.seg.nrrd"
    assert cohort.tumour == "1 = GTV node"
    assert (cohort.volumes[0].modality, cohort.volumes[0].region) == ("CT", "chest")
    assert {item.role for item in plan.items if item.path.suffix == ".mrml"} == {"metadata"}


def test_itksnap_workspace(tmp_path: Path) -> None:
    """itksnap.org: main image, segmentation image, label descriptions as text, workspace .itksnap."""
    for case in ("anna", "bert"):
        scans(tmp_path, f"{case}/MRIcrop-orig.nii.gz")
        masks(tmp_path, f"{case}/MRIcrop-seg.nii.gz")
        text(tmp_path / case / "MRIcrop-seg.label")
        text(tmp_path / case / "work.itksnap")
    cohort, _ = imported(tmp_path)
    assert cohort.subjects == ["anna", "bert"]
    assert all(entry.organs and entry.organs.endswith("MRIcrop-seg.nii.gz") for entry in cohort.volumes)
    assert "taken as organs: no name says what they label" in cohort.description


def test_monai_label_datastore(tmp_path: Path) -> None:
    """MONAI Label, local datastore: images at the top, labels/final and labels/original, datastore_v2.json."""
    scans(tmp_path, "spleen_10.nii.gz", "spleen_12.nii.gz")
    masks(
        tmp_path,
        "labels/final/spleen_10.nii.gz",
        "labels/original/spleen_10.nii.gz",
        "labels/original/spleen_12.nii.gz",
    )
    text(tmp_path / "datastore_v2.json", "{}")
    cohort, plan = imported(tmp_path)
    assert cohort.subjects == ["spleen_10", "spleen_12"]
    assert pairs(cohort, "organs") == {
        "final": "",
    } or [Path(e.organs or "").parent.name for e in cohort.volumes] == ["final", "original"]
    assert sum(item.role == "label map, left out" for item in plan.items) == 1


def test_a_label_map_is_known_by_its_voxels(tmp_path: Path) -> None:
    """A map of a few whole numbers that lies beside a scan, under a name that says nothing."""
    scans(tmp_path, "anna/series5.nii.gz", "bert/series5.nii.gz")
    masks(tmp_path, "anna/out.nii.gz", "bert/out.nii.gz")
    masks(tmp_path, "carl/out.nii.gz")
    cohort, plan = imported(tmp_path)
    assert cohort.subjects == ["anna", "bert"]
    assert all(entry.organs for entry in cohort.volumes)
    assert {item.role for item in plan.items if "carl" in str(item.path)} == {"label map, left out"}
    assert "few whole numbers" in next(item.why for item in plan.items if item.role == "organs")


def test_a_constant_or_noisy_scan_of_bytes_is_no_label_map(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    write_nifti(tmp_path / "a.nii.gz", rng.integers(0, 120, SHAPE).astype(np.uint8))
    write_nifti(tmp_path / "b.nii.gz", np.full(SHAPE, 3, np.uint8))
    assert Cohort.load(import_cohort(tmp_path)).subjects == ["a", "b"]


@pytest.mark.parametrize(
    ("tree", "patients"),
    [
        (["hospital/p1.nii.gz", "hospital/p2.nii.gz"], ["p1", "p2"]),
        (["hospital/p1/ct.nii.gz", "hospital/p2/ct.nii.gz"], ["p1", "p2"]),
        (["train/p1.nii.gz", "test/p2.nii.gz", "val/p3.nii.gz"], ["p2", "p1", "p3"]),
        (["train/images/p1.nii.gz", "validation/images/p2.nii.gz"], ["p1", "p2"]),
        (["p1/2001-02-03/ct.nii.gz", "p1/2004-05-06/ct.nii.gz"], ["p1"]),
        (["x/p1_T1.nii.gz", "x/p1_FLAIR.nii.gz", "x/p2_T1.nii.gz"], ["p1", "p2"]),
        (["p1_baseline.nii.gz", "p1_followup.nii.gz"], ["p1"]),
        (["case10_1_CT.nii.gz", "case11_1_CT.nii.gz"], ["case10_1", "case11_1"]),
        (["001_T1.nii.gz", "001_T2.nii.gz", "2_FLAIR.nii.gz"], ["001", "2"]),
        (["img1_T1.nii.gz", "img1_T2.nii.gz", "img2_T1.nii.gz"], ["img1", "img2"]),
        (["T1_7.nii.gz", "FLAIR_7.nii.gz", "T1_8.nii.gz", "FLAIR_8.nii.gz"], ["7", "8"]),
        (["T1_7.nii.gz", "T1_8.nii.gz"], ["T1_7", "T1_8"]),
        (["T1.nii.gz", "T2.nii.gz", "FLAIR.nii.gz"], ["given"]),
        (["images/T1.nii.gz", "images/T2.nii.gz"], ["given"]),
        (["ses-1/T1.nii.gz", "ses-1/T2.nii.gz", "ses-2/T1.nii.gz"], ["given"]),
        (["ses-1/T1_7.nii.gz", "ses-2/T2_7.nii.gz", "ses-2/T1_8.nii.gz"], ["7", "T1_8"]),
        (["site12_3_12_T1.nii.gz", "site12_3_12_T2.nii.gz", "site12_7_12_T1.nii.gz"], ["site12_3_12", "site12_7_12"]),
        (["wrapper/p1/ct.nii.gz"], ["p1"]),
        (["scan1.nii.gz", "scan2.nii.gz"], ["scan1", "scan2"]),
        (["images/Doe, Jane.nii.gz", 'images/a "quoted" one.nii.gz'], ["Doe, Jane", 'a "quoted" one']),
    ],
)
def test_who_is_a_patient(tmp_path: Path, tree: list[str], patients: list[str]) -> None:
    scans(tmp_path / "given", *tree)
    assert Cohort.load(import_cohort(tmp_path / "given")).subjects == patients


def test_a_zip_with_a_wrapper_and_many_zips(tmp_path: Path) -> None:
    for patient in ("p1", "p2"):
        scans(tmp_path / "made", f"hospital/{patient}.nii.gz")
        (tmp_path / "many").mkdir(exist_ok=True)
        with zipfile.ZipFile(tmp_path / f"many/{patient}.zip", "w") as archive:
            archive.write(tmp_path / f"made/hospital/{patient}.nii.gz", f"{patient}/ct.nii.gz")
    with zipfile.ZipFile(tmp_path / "one.zip", "w") as archive:
        for file in (tmp_path / "made").rglob("*.nii.gz"):
            archive.write(file, file.relative_to(tmp_path / "made"))
    assert sorted(Cohort.load(import_cohort(tmp_path / "one.zip")).subjects) == ["p1", "p2"]
    scans(tmp_path / "made", "T1.nii.gz", "T2.nii.gz")
    with zipfile.ZipFile(tmp_path / "flat.zip", "w") as archive:
        for name in ("T1.nii.gz", "T2.nii.gz"):
            archive.write(tmp_path / "made" / name, name)
    assert Cohort.load(import_cohort(tmp_path / "flat.zip")).subjects == ["patient"]
    assert Cohort.load(import_cohort(tmp_path / "many")).subjects == ["p1", "p2"]


@pytest.mark.parametrize("damage", ["bom", "utf-16", "utf-16-le", "comma", "backslash"])
def test_a_dataset_json_of_windows_is_read(tmp_path: Path, damage: str) -> None:
    scans(tmp_path, "images/p0.nii.gz", "images/p1.nii.gz")
    manifest = json.dumps(
        {
            "name": "m",
            "modality": "CT",
            "volumes": [{"subject": f"p{i}", "image": f"images/p{i}.nii.gz"} for i in (0, 1)],
        },
        indent=1,
    )
    written = {
        "bom": manifest.encode("utf-8-sig"),
        "utf-16": manifest.encode("utf-16"),
        "utf-16-le": manifest.encode("utf-16-le"),
        "comma": manifest.replace("\n}", ",\n}").encode(),
        "backslash": manifest.replace("images/", "images\\\\").encode(),
    }[damage]
    (tmp_path / "dataset.json").write_bytes(written)
    cohort = Cohort.load(import_cohort(tmp_path, name="again"))
    assert [entry.id for entry in cohort.volumes] == ["p0", "p1"]
    assert cohort.read(cohort.volumes[1]).shape == SHAPE
    assert Cohort.load(tmp_path).fingerprint == cohort.fingerprint


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{\n "name": "m",\n "volumes": [\n  {"subject": "a" "image": "b"}\n ]\n}', "line 4"),
        ('{\n "name": "m",\n "volumes": [{"image": "a.nii.gz"}]\n}', "line 3, volumes.0.subject"),
        ('{\n "name": "m",\n "volumes": "all"\n}', "line 3"),
        ('{\n "name": "m",\n "training": [{"image": 3}]\n}', "line 3"),
        ("[\n]", "not an object"),
        (b'{\n "name": "\xff"}', "line 2"),
    ],
)
def test_a_damaged_dataset_json_is_named_with_its_line(tmp_path: Path, content: str | bytes, said: str) -> None:
    scans(tmp_path, "deep/a.nii.gz")
    (tmp_path / "deep/dataset.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    for given in (tmp_path, tmp_path / "deep"):
        with pytest.raises(InputError, match=r"dataset\.json") as caught:
            import_cohort(given)
        assert said in str(caught.value)


def test_several_manifests_below_one_folder(tmp_path: Path) -> None:
    for name in ("a", "b"):
        scans(tmp_path, f"{name}/images/p.nii.gz")
        text(
            tmp_path / name / "dataset.json",
            json.dumps(
                {"name": name, "modality": "CT", "volumes": [{"subject": f"{name}1", "image": "images/p.nii.gz"}]}
            ),
        )
    cohort, _ = imported(tmp_path)
    assert cohort.subjects == ["a1", "b1"]
    assert "2 data sets" in cohort.description


def test_label_maps_never_share_an_image_in_silence(tmp_path: Path) -> None:
    scans(tmp_path, "p1.nii.gz", "p2.nii.gz")
    masks(tmp_path, "p1_tumor.nii.gz", "p2_seg.nii.gz", "p9_mask.nii.gz")
    assert nib.load(tmp_path / "p1.nii.gz").affine.tolist() == affine().tolist()
    cohort, plan = imported(tmp_path)
    assert [(bool(entry.organs), bool(entry.tumour)) for entry in cohort.volumes] == [(False, True), (True, False)]
    assert "has no image" in why(plan, "p9_mask.nii.gz")


def test_voxels_beside_a_header_belong_to_it(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(blob().T), str(tmp_path / "p1.mhd"))
    sitk.WriteImage(sitk.GetImageFromArray(MASK.T), str(tmp_path / "p1_seg.mhd"))
    text(tmp_path / "other.raw")
    cohort, plan = imported(tmp_path)
    assert [item.parts for item in plan.items if item.role == "image"] == [(tmp_path / "p1.mhd", tmp_path / "p1.raw")]
    assert {item.path.name for item in plan.left_out} == {"other.raw"}
    assert cohort.volumes[0].organs
    copied = Cohort.load(import_cohort(tmp_path, name="copied", copy=True))
    assert copied.read(copied.volumes[0]).shape == SHAPE


def test_a_patient_under_two_names_is_hinted_at(tmp_path: Path) -> None:
    scans(tmp_path, "PAT01/ct.nii.gz", "pat01/ct.nii.gz", "b/ct.nii.gz")
    _, plan = imported(tmp_path)
    assert "PAT01 and pat01 may be one patient: if so, give them one name." in plan.notices
