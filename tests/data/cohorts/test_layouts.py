"""Every public layout, built from real volumes (or small ones) and read back to the same cohort."""

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import LABELS, Cohort, register
from isimed.data.cohorts.importing import import_cohort, plan_import
from isimed.data.cohorts.layouts.claims import choice
from isimed.data.cohorts.layouts.labels import kind_of_labels
from isimed.data.formats.volume import read_volume
from tests.data.make import blob, write_dicom, write_nifti

Case = tuple[str, Path, Path]


@pytest.fixture(params=["small", "real"])
def cases(request: pytest.FixtureRequest, tmp_path: Path) -> list[Case]:
    """(name, image, tumour) of three patients: small ones, and those of headneck-ct."""
    if request.param == "real":
        source = request.getfixturevalue("shared") / "data/headneck-ct"
        return [
            (n, source / f"images/{n}.nii.gz", source / f"tumour/{n}.nii.gz") for n in ("HN-003", "HN-005", "HN-006")
        ]
    made = []
    for number, name in enumerate(("HN-003", "HN-005", "HN-006")):
        image = write_nifti(tmp_path / "made" / f"{name}.nii.gz", blob(seed=number))
        tumour = write_nifti(tmp_path / "made" / f"{name}-t.nii.gz", (blob() > 60).astype(np.uint8))
        made.append((name, image, tumour))
    return made


def put(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def same(manifest: Path, cases: list[Case], subjects: list[str], *, kind: str = "tumour") -> Cohort:
    """The cohort has the same voxels, labels and places as the cases, under the expected patients."""
    cohort = Cohort.load(manifest)
    assert [entry.subject for entry in cohort.volumes] == subjects
    for entry, (_, image, tumour) in zip(cohort.volumes, cases, strict=True):
        found, expected = cohort.read(entry), read_volume(image)
        np.testing.assert_array_equal(found.voxels, expected.voxels)
        np.testing.assert_array_equal(found.affine, expected.affine)
        np.testing.assert_array_equal(cohort.read_labels(entry)[kind].voxels, read_volume(tumour).voxels)
    return cohort


def test_autopet_tcia(tmp_path: Path, cases: list[Case]) -> None:
    """The first two studies are of one patient."""
    root = tmp_path / "FDG-PET-CT-Lesions"
    for (_, image, tumour), place in zip(cases, ("PETCT_a/2001-1", "PETCT_a/2002-2", "PETCT_b/2001-1"), strict=True):
        put(image, root / place / "CTres.nii.gz")
        put(tumour, root / place / "SUV.nii.gz")
        put(tumour, root / place / "SEG.nii.gz")
    cohort = same(import_cohort(root), cases, ["PETCT_a", "PETCT_a", "PETCT_b"])
    assert "autoPET, TCIA" in cohort.description
    assert cohort.modality == "CT"
    assert Cohort.load(import_cohort(root, name="pet", channel="SUV")).modality == "PET"


def test_autopet_3(tmp_path: Path, cases: list[Case]) -> None:
    root = tmp_path / "autoPET"
    names = ("fdg_aa11_2001-03-04", "fdg_aa11_2005-01-02", "psma_bb22_2001-03-04")
    for (_, image, tumour), name in zip(cases, names, strict=True):
        put(image, root / f"imagesTr/{name}_0000.nii.gz")
        put(tumour, root / f"imagesTr/{name}_0001.nii.gz")
        put(tumour, root / f"labelsTr/{name}.nii.gz")
    (root / "splits_final.json").write_text("[]")
    cohort = same(import_cohort(root), cases, ["aa11", "aa11", "bb22"])
    assert "autoPET III" in cohort.description
    assert Cohort.load(import_cohort(root, name="pet", channel=1)).modality == "PET"


def test_brats_2021(tmp_path: Path, cases: list[Case]) -> None:
    root = tmp_path / "BraTS"
    for (_, image, tumour), number in zip(cases, range(3), strict=True):
        case = f"BraTS2021_{number:05d}"
        for kind in ("t1", "t1ce", "t2", "flair"):
            put(image if kind == "flair" else tumour, root / case / f"{case}_{kind}.nii.gz")
        put(tumour, root / case / f"{case}_seg.nii.gz")
    subjects = [f"BraTS2021_{number:05d}" for number in range(3)]
    cohort = same(import_cohort(root, channel="flair"), cases, subjects)
    assert (cohort.modality, "BraTS 2021" in cohort.description) == ("MRI FLAIR", True)
    assert Cohort.load(import_cohort(root, name="t1")).modality == "MRI T1"
    with pytest.raises(InputError, match="choose one of t1, t1ce, t2, flair"):
        import_cohort(root, name="other", channel="pet")


def test_brats_2023_time_points(tmp_path: Path, cases: list[Case]) -> None:
    root = tmp_path / "BraTS"
    names = ("BraTS-GLI-00000-000", "BraTS-GLI-00000-001", "BraTS-GLI-00002-000")
    for (_, image, tumour), case in zip(cases, names, strict=True):
        for kind in ("t1n", "t1c", "t2w", "t2f"):
            put(image, root / case / f"{case}-{kind}.nii.gz")
        put(tumour, root / case / f"{case}-seg.nii.gz")
    cohort = same(import_cohort(root), cases, ["BraTS-GLI-00000", "BraTS-GLI-00000", "BraTS-GLI-00002"])
    assert "BraTS 2023" in cohort.description


def test_what_python_calls_a_digit_is_not_always_a_number(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--channel ² is not here"):
        choice("²", ["CT", "PET", "SUV"], "CT")
    (tmp_path / "dataset.json").write_text('{"labels": {"²": "liver"}}')
    with pytest.raises(InputError, match="no whole number"):
        kind_of_labels(tmp_path / "dataset.json", {"²": "liver"})


@pytest.mark.parametrize("channels", [1, 2])
def test_decathlon(tmp_path: Path, cases: list[Case], channels: int) -> None:
    root = tmp_path / "Task01"
    listed = []
    for name, image, tumour in cases:
        if channels == 1:
            put(image, root / f"imagesTr/{name}.nii.gz")
        else:
            loaded = nib.load(image)
            voxels = np.asarray(loaded.dataobj)
            write_nifti(root / f"imagesTr/{name}.nii.gz", np.stack([voxels * 0, voxels], axis=-1), loaded.affine)
        put(tumour, root / f"labelsTr/{name}.nii.gz")
        listed.append({"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"})
    modality = {"0": "CT"} if channels == 1 else {"1": "CT", "0": "T1w"}  # in any order
    about = {"name": "Test", "modality": modality, "labels": {"0": "background", "1": "tumour"}, "training": listed}
    (root / "dataset.json").write_text(json.dumps(about))
    cohort = same(import_cohort(root, channel="CT"), cases, [name for name, _, _ in cases])
    assert "Decathlon" in cohort.description
    if channels == 2:
        assert Cohort.load(import_cohort(root, name="first")).read(cohort.volumes[0]) is not None
        assert Cohort.load(import_cohort(root, name="first")).modality == "MRI T1w"


def test_nnunet_with_organs(tmp_path: Path, cases: list[Case]) -> None:
    root = tmp_path / "Dataset001"
    for name, image, tumour in cases:
        put(image, root / f"imagesTr/{name}_0000.nii.gz")
        put(tumour, root / f"labelsTr/{name}.nii.gz")
    about = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "liver": 1}, "file_ending": ".nii.gz"}
    (root / "dataset.json").write_text(json.dumps(about))
    cohort = same(import_cohort(root), cases, [name for name, _, _ in cases], kind="organs")
    assert cohort.organs == {1: "liver"}
    assert "nnU-Net raw" in cohort.description


@pytest.mark.parametrize("form", ["folders", "endings", "patients"])
def test_plain(tmp_path: Path, cases: list[Case], form: str) -> None:
    root = tmp_path / "scans"
    for name, image, tumour in cases:
        where = {
            "folders": (f"images/{name}.nii.gz", f"tumour/{name}.nii.gz"),
            "endings": (f"{name}.nii.gz", f"{name}_tumour.nii.gz"),
            "patients": (f"{name}/ct.nii.gz", f"{name}/ct-lesion.nii.gz"),
        }[form]
        put(image, root / where[0])
        put(tumour, root / where[1])
    cohort = same(import_cohort(root), cases, [name for name, _, _ in cases])
    assert cohort.modality == "CT"
    assert "plain folder" in cohort.description


def test_bids_patients_keep_their_sessions(tmp_path: Path) -> None:
    for session in ("ses-1", "ses-2"):
        write_nifti(tmp_path / f"in/sub-01/{session}/anat/sub-01_{session}_T1w.nii.gz")
    cohort = Cohort.load(import_cohort(tmp_path / "in"))
    assert [entry.subject for entry in cohort.volumes] == ["sub-01", "sub-01"]
    assert len({entry.id for entry in cohort.volumes}) == 2


def test_single_file_and_copy(tmp_path: Path, home: Path) -> None:
    path = write_nifti(tmp_path / "scan.nii.gz")
    manifest = import_cohort(path, copy=True)
    assert manifest == home / "cohorts/scan/dataset.json"
    path.unlink()
    cohort = Cohort.load("scan")
    np.testing.assert_array_equal(cohort.read(cohort.volumes[0]).voxels, blob())
    assert not Path(cohort.volumes[0].image).is_absolute()


def test_nothing_is_copied_unless_asked(tmp_path: Path, home: Path) -> None:
    write_nifti(tmp_path / "in/scan.nii.gz")
    import_cohort(tmp_path / "in")
    assert [path.name for path in (home / "cohorts/in").iterdir()] == ["dataset.json"]


def test_failed_import_leaves_nothing(tmp_path: Path, home: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/notes.txt").write_text("no scan")
    with pytest.raises(InputError, match="holds no scan among its 1 files"):
        import_cohort(tmp_path / "in")
    assert not (home / "cohorts/in").exists()


def test_name_of_another_source_is_not_taken(tmp_path: Path) -> None:
    for place in ("a", "b"):
        write_nifti(tmp_path / place / "in/scan.nii.gz")
    import_cohort(tmp_path / "a/in")
    import_cohort(tmp_path / "a/in")  # again is fine
    with pytest.raises(InputError, match="choose another --name"):
        import_cohort(tmp_path / "b/in")


@pytest.mark.parametrize(
    ("channel", "modality"),
    [("CT", "CT"), ("PT", "PET"), ("SUV", "PET"), ("PET", "PET"), ("zscore", "CT"), ("noNorm", "CT"), ("T2", "MRI T2")],
)
def test_what_a_channel_is_called_is_its_modality_or_says_none(tmp_path: Path, channel: str, modality: str) -> None:
    write_nifti(tmp_path / "imagesTr/case_0000.nii.gz")  # voxels of a CT: what is guessed where no name says it
    write_nifti(tmp_path / "labelsTr/case.nii.gz", np.ones((20, 24, 16), np.uint8))
    about = {"channel_names": {"0": channel}, "labels": {"background": 0, "organ": 1}}
    (tmp_path / "dataset.json").write_text(json.dumps(about))
    plan = plan_import(tmp_path)
    assert plan.layouts == ["nnunet"]
    assert plan.modality == modality


def test_pet_is_called_alike_in_dicom_and_elsewhere(tmp_path: Path) -> None:
    write_dicom(tmp_path, np.abs(blob()), Modality="PT")
    assert plan_import(tmp_path).modality == "PET"


def test_unknown_and_wrong_layout(tmp_path: Path) -> None:
    write_nifti(tmp_path / "in/scan.nii.gz")
    with pytest.raises(InputError, match="is not known"):
        import_cohort(tmp_path / "in", layout="bids2")
    with pytest.raises(InputError, match="not laid out as brats"):
        import_cohort(tmp_path / "in", layout="brats")


def test_register_keeps_ids_and_other_keys(tmp_path: Path) -> None:
    write_nifti(tmp_path / "in/images/a.nii.gz")
    volume = {"subject": "A", "image": "images/a.nii.gz", "licence": "CC BY", "warp": "w.npz"}
    (tmp_path / "in/dataset.json").write_text(json.dumps({"name": "mine", "extra": 1, "volumes": [volume]}))
    before, after = Cohort.load(tmp_path / "in"), Cohort.load(register(tmp_path / "in"))
    assert after.volumes[0].id == before.volumes[0].id == "a"
    assert after.fingerprint == before.fingerprint
    assert after.volumes[0].model_extra == {"licence": "CC BY", "warp": str(tmp_path / "in/w.npz")}
    assert import_cohort(tmp_path / "in", name="again").parent.name == "again"
    assert set(LABELS) == {"organs", "tumour"}
