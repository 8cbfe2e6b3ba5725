"""Outlines in a DICOM tree become organs and tumour of the scan that they were drawn on."""

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid

from isimed.data.cohorts.cohort import Cohort
from isimed.data.cohorts.importing import import_cohort, plan_import
from isimed.data.cohorts.layouts.outlines import kinds_of
from isimed.data.formats.dicom_labels import Outlines
from isimed.data.formats.volume import read_volume
from tests.data.formats.test_dicom_labels import RADIUS, SHAPE, segmentation, structure_set, wanted
from tests.data.make import blob, write_dicom

WORDS = {
    "PatientName": "A^B", "PatientBirthDate": "", "PatientSex": "", "AccessionNumber": "", "StudyID": "",
    "StudyTime": "000000",
}  # fmt: skip


def patient(root: Path, name: str, frame: str) -> list[Path]:
    """A CT series in a folder of its own, as archives lay them out."""
    return write_dicom(root / name / "ct", blob(SHAPE), PatientID=name, FrameOfReferenceUID=frame, **WORDS)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two patients whose structure sets number the same structures otherwise."""
    root = tmp_path / "tree"
    first, second = patient(root, "A", "1.2.3"), patient(root, "B", "1.2.4")
    (root / "A" / "deep" / "rt").mkdir(parents=True)
    structure_set(
        first, root / "A" / "deep" / "rt" / "rt.dcm", spheres={(1, "BODY"): 12, (2, "Heart"): RADIUS, (3, "GTV-1"): 5}
    )
    structure_set(second, root / "B" / "rt.dcm", spheres={(2, "GTV-1"): 5, (9, "Heart"): RADIUS, (4, "PTV"): 8})
    return root


@pytest.mark.parametrize("copy", [False, True])
def test_structures_have_one_number_in_all_patients_and_the_tumour_a_map_of_its_own(
    tree: Path, home: Path, copy: bool
) -> None:
    cohort = Cohort.load(import_cohort(tree, name="c", copy=copy))
    assert cohort.organs == {1: "Heart"}
    assert len(cohort.volumes) == 2
    for volume in cohort.volumes:
        scan, maps = cohort.read(volume), cohort.read_labels(volume)
        organs, tumour = maps["organs"], maps["tumour"]
        np.testing.assert_allclose(organs.affine, scan.affine)
        assert np.array_equal(organs.voxels == 1, wanted(scan))
        assert 0 < np.count_nonzero(tumour.voxels) < np.count_nonzero(organs.voxels)
        assert set(np.unique(tumour.voxels)) == {0, 1}


def test_the_plan_says_what_was_taken_and_what_was_not(tree: Path, home: Path) -> None:
    plan = plan_import(tree)
    said = {(item.role, item.patient): item.why for item in plan.items if item.role in ("organs", "tumour")}
    assert set(said) == {(role, name) for role in ("organs", "tumour") for name in "AB"}
    assert said["organs", "A"] == "Drawn on this series: Heart. Not taken: BODY."
    assert said["tumour", "B"] == "Drawn on this series: GTV-1. Not taken: PTV."


def test_a_segmentation_is_tied_by_its_millimetres_where_it_names_no_series(tmp_path: Path, home: Path) -> None:
    root = tmp_path / "tree"
    series = patient(root, "A", "1.2.3")
    patient(root, "B", "1.2.4")
    scan = read_volume(series[0].parent)
    whole, part = wanted(scan), wanted(scan)
    part[: part.shape[0] // 2] = False  # the two overlap
    file = segmentation(series, root / "seg.dcm", ["Liver", "Liver tumour"], [whole, part])
    data = pydicom.dcmread(file)
    del data.ReferencedSeriesSequence
    data.save_as(file)
    cohort = Cohort.load(import_cohort(root, name="c"))
    (volume,) = [one for one in cohort.volumes if one.organs]
    assert volume.subject == "A"
    for mask, kind in ((whole, "organs"), (part, "tumour")):
        found = cohort.read_labels(volume)[kind]
        back = np.rint(scan.to_voxel(found.to_mm(np.argwhere(found.voxels > 0)))).astype(int)
        marked = np.zeros(scan.shape, bool)
        marked[tuple(back.T)] = True
        assert np.array_equal(marked, mask)


def test_outlines_of_no_scan_here_or_of_several_are_left_out_with_the_reason(tree: Path, home: Path) -> None:
    shutil.rmtree(tree / "B" / "ct")
    lost = pydicom.dcmread(tree / "A" / "deep" / "rt" / "rt.dcm")
    for number, file in enumerate(sorted((tree / "A" / "ct").iterdir())):  # a second reconstruction in the same frame
        data = pydicom.dcmread(file)
        data.SeriesInstanceUID = "1.9.9"
        data.save_as(tree / "A" / f"again-{number}.dcm")
    del lost.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence
    lost.FrameOfReferenceUID = "1.2.3"
    lost.save_as(tree / "A" / "deep" / "rt" / "rt.dcm")
    plan = plan_import(tree)
    why = " ".join(item.why for item in plan.items if item.role == "label map, left out")
    assert "drawn on a series that is not here" in why
    assert "fits 2 series and names none" in why
    assert len({item.volume for item in plan.images}) == len(plan.images) == 2


def test_a_structure_off_its_slices_leaves_the_scan_and_says_why(tmp_path: Path, home: Path) -> None:
    series = patient(tmp_path / "tree", "A", "1.2.3")
    structure_set(series, tmp_path / "tree" / "A" / "rt.dcm", shift=1.5)
    manifest = import_cohort(tmp_path / "tree", name="c")
    cohort = Cohort.load(manifest)
    assert cohort.volumes[0].tumour is None
    assert "lies in no slice" in manifest.read_text(encoding="utf-8")


def test_a_structure_set_with_a_gap_is_left_out_and_the_scan_stays(tree: Path, home: Path) -> None:
    file = tree / "B" / "rt.dcm"
    data = pydicom.dcmread(file)
    del data.StructureSetROISequence[0].ROINumber
    data.save_as(file)
    plan = plan_import(tree)
    assert [plan.name_of(item.path) for item in plan.left_out] == ["B/rt.dcm"]
    assert "damaged" in plan.left_out[0].why
    assert len(plan.images) == 2


def test_margins_are_the_tumour_only_where_nothing_else_is() -> None:
    def kinds(*names: str, types: dict[int, str] | None = None) -> tuple[list[str], list[str]]:
        about = Outlines(frozenset(), frozenset([generate_uid()]), dict(enumerate(names)), types or {})
        found = kinds_of(about)
        return list(found["organs"].values()), list(found["tumour"].values())

    assert kinds("Lung_L", "CTV1", "GTVp") == (["Lung_L"], ["GTVp"])
    assert kinds("Lung_L", "CTV1") == (["Lung_L"], ["CTV1"])
    assert kinds("x", "Lung_R", types={0: "EXTERNAL"}) == (["Lung_R"], [])
    assert kinds("Primary", types={0: "GTV"}) == ([], ["Primary"])
    assert kinds("External", "Couch Surface", "Body Contour", "Bodenplatte") == (["Bodenplatte"], [])
