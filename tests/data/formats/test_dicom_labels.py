"""Outlines in DICOM land on the voxels that they were drawn on: segmentations and structure sets."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid

import isimed
from isimed.core.errors import InputError
from isimed.data.formats.dicom_labels import structures_of
from isimed.data.formats.volume import Volume, read_volume
from tests.data.make import blob, write_dicom

SHAPE = (20, 24, 9)
CENTRE_LPS, RADIUS = np.array([-1.0, -7.0, 52.0]), 9.3


@pytest.fixture
def series(tmp_path: Path) -> list[Path]:
    words = {"PatientName": "A^B", "PatientBirthDate": "", "PatientSex": "", "AccessionNumber": "", "StudyID": ""}
    when = {"StudyDate": "20200101", "StudyTime": "000000"}
    return write_dicom(tmp_path / "ct", blob(SHAPE), FrameOfReferenceUID="1.2.3", **words, **when)


def wanted(reference: Volume) -> np.ndarray:
    """Which voxels of the scan lie in the sphere."""
    indices = np.stack(np.meshgrid(*map(np.arange, reference.shape), indexing="ij"), axis=-1)
    return np.linalg.norm(reference.to_mm(indices) - CENTRE_LPS * [-1, -1, 1], axis=-1) < RADIUS


def structure_set(
    series: list[Path], file: Path, *, hole: float = 0.0, shift: float = 0.0, spheres: dict | None = None
) -> Path:
    """A sphere (and a hole in it) as contours of 200 points in each slice; or spheres, (number, name) -> radius."""
    first = pydicom.dcmread(series[0])
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = RTStructureSetStorage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid()
    data.Modality, data.PatientID = "RTSTRUCT", first.PatientID
    ours, study, frame = (Dataset() for _ in range(3))
    ours.SeriesInstanceUID = first.SeriesInstanceUID
    study.RTReferencedSeriesSequence = Sequence([ours])
    frame.RTReferencedStudySequence = Sequence([study])
    data.ReferencedFrameOfReferenceSequence = Sequence([frame])
    frame.FrameOfReferenceUID = first.get("FrameOfReferenceUID", "")
    angles = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    rois, contours = [], []
    for (number, name), sphere in (spheres or {(7, "Lesion"): RADIUS}).items():
        roi, contour, rings = Dataset(), Dataset(), []
        roi.ROINumber, roi.ROIName = number, name
        for path in series:
            z = float(pydicom.dcmread(path).ImagePositionPatient[2])
            for radius in filter(None, (sphere, hole)):
                across = radius**2 - (z - CENTRE_LPS[2]) ** 2
                if across > 0:
                    ring = Dataset()
                    ring.ContourGeometricType = "CLOSED_PLANAR"
                    circle = CENTRE_LPS[:2] + np.sqrt(across) * np.stack([np.cos(angles), np.sin(angles)], axis=1)
                    ring.ContourData = [f"{v:.4f}" for x, y in circle for v in (x, y, z + shift)]
                    rings.append(ring)
        contour.ReferencedROINumber, contour.ContourSequence = number, Sequence(rings)
        rois.append(roi)
        contours.append(contour)
    data.StructureSetROISequence, data.ROIContourSequence = Sequence(rois), Sequence(contours)
    data.save_as(file, enforce_file_format=True)
    return file


def test_a_structure_set_marks_the_voxels_whose_centres_it_encloses(series: list[Path], tmp_path: Path) -> None:
    scan = read_volume(series[0].parent)
    labels = read_volume(structure_set(series, tmp_path / "rt.dcm"))
    np.testing.assert_allclose(labels.affine, scan.affine)
    assert set(np.unique(labels.voxels)) == {0, 7}
    assert np.count_nonzero((labels.voxels == 7) != wanted(scan)) == 0
    assert any("7 Lesion" in note for note in labels.notes)


def test_contours_of_the_newer_kind_are_drawn_alike(series: list[Path], tmp_path: Path) -> None:
    file = structure_set(series, tmp_path / "ct" / "rt.dcm", hole=4.0)
    before = read_volume(file)
    data = pydicom.dcmread(file)
    for ring in data.ROIContourSequence[0].ContourSequence:
        ring.ContourGeometricType = "CLOSEDPLANAR_XOR"
    data.save_as(file)
    after = read_volume(file)
    assert np.count_nonzero(after.voxels)
    assert np.array_equal(after.voxels, before.voxels)


def test_a_contour_within_another_is_a_hole(series: list[Path], tmp_path: Path) -> None:
    whole = read_volume(structure_set(series, tmp_path / "a.dcm")).voxels > 0
    holed = read_volume(structure_set(series, tmp_path / "b.dcm", hole=4.1)).voxels > 0
    assert 0 < holed.sum() < whole.sum()
    assert not (holed & ~whole).any()


def test_the_smaller_of_two_structures_keeps_the_voxels_and_no_number_is_lost(
    series: list[Path], tmp_path: Path
) -> None:
    made = structure_set(series, tmp_path / "rt.dcm", spheres={(0, "Inner"): 5.0, (3, "Outer"): RADIUS})
    labels = read_volume(made)
    assert set(np.unique(labels.voxels)) == {0, 1, 4}  # 0 is no label: numbers go up by one, and the note says so
    assert any("1 Inner, 4 Outer" in note for note in labels.notes)
    assert any("lie in several structures" in note for note in labels.notes)
    assert np.array_equal(labels.voxels > 0, wanted(read_volume(series[0].parent)))


@pytest.mark.parametrize(
    ("sequence", "element"), [("StructureSetROISequence", "ROINumber"), ("ROIContourSequence", "ReferencedROINumber")]
)
def test_a_structure_without_its_number_is_one_sentence(
    series: list[Path], tmp_path: Path, sequence: str, element: str
) -> None:
    file = structure_set(series, tmp_path / "ct" / "rt.dcm")
    data = pydicom.dcmread(file)
    del data[sequence].value[0][element]
    data.save_as(file)
    with pytest.raises(InputError, match=rf"rt\.dcm is a damaged DICOM file .*{element}.*: export it again\."):
        list(structures_of(file))


def test_a_contour_of_half_a_point_is_one_sentence(series: list[Path], tmp_path: Path) -> None:
    file = structure_set(series, tmp_path / "ct" / "rt.dcm")
    data = pydicom.dcmread(file)
    ring = data.ROIContourSequence[0].ContourSequence[0]
    ring.ContourData = list(ring.ContourData)[:-1]
    data.save_as(file)
    with pytest.raises(InputError, match="is a damaged DICOM file"):
        list(structures_of(file))


def test_outlines_without_their_series_or_off_its_slices_are_one_sentence(series: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="lies in no slice"):
        read_volume(structure_set(series, tmp_path / "off.dcm", shift=1.5))
    (far := tmp_path / "far" / "away").mkdir(parents=True)
    with pytest.raises(InputError, match="not beside it"):
        read_volume(structure_set(series, far / "rt.dcm"))


def segmentation(series: list[Path], file: Path, names: list[str], masks: list[np.ndarray]) -> Path:
    """Masks (R A S+ voxels of the scan) as the segments of a SEG."""
    highdicom = pytest.importorskip("highdicom")
    from highdicom.sr.coding import CodedConcept

    slices = sorted((pydicom.dcmread(path) for path in series), key=lambda one: one.ImagePositionPatient[2])
    frames = np.stack([mask[::-1, ::-1].transpose(2, 1, 0) for mask in masks], axis=-1)  # frames, rows, columns: L P S
    code = CodedConcept("108369006", "SCT", "Neoplasm")
    manual = highdicom.seg.SegmentAlgorithmTypeValues.MANUAL
    made = highdicom.seg.Segmentation(
        source_images=slices, pixel_array=np.ascontiguousarray(frames), segmentation_type="BINARY",
        segment_descriptions=[
            highdicom.seg.SegmentDescription(number, name, code, code, manual) for number, name in enumerate(names, 1)
        ],
        series_instance_uid=generate_uid(), series_number=2, sop_instance_uid=generate_uid(), instance_number=1,
        manufacturer="m", manufacturer_model_name="m", software_versions="1", device_serial_number="1",
    )  # fmt: skip
    made.save_as(file)
    return file


def test_a_segmentation_marks_the_same_voxels_and_serves_as_tumour(series: list[Path], tmp_path: Path) -> None:
    scan = read_volume(series[0].parent)
    labels = read_volume(segmentation(series, tmp_path / "seg.dcm", ["Lesion"], [wanted(scan)]))
    indices = np.argwhere(labels.voxels > 0)
    back = np.rint(scan.to_voxel(labels.to_mm(indices))).astype(int)
    found = np.zeros(scan.shape, bool)
    found[tuple(back.T)] = True
    assert np.array_equal(found, wanted(scan))
    assert any("1 Lesion" in note for note in labels.notes)
    with pytest.warns(UserWarning, match="smaller than a crop"):
        table = isimed.embed(series[0].parent, checkpoint="untrained", step_mm=15, tumour=tmp_path / "seg.dcm")
    assert np.nanmax(table.tumour) > 0
