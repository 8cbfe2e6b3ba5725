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


def structure_set(series: list[Path], file: Path, *, hole: float = 0.0, shift: float = 0.0) -> Path:
    """A sphere (and a hole in it) as contours of 200 points in each slice."""
    first = pydicom.dcmread(series[0])
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = RTStructureSetStorage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid()
    data.Modality, data.PatientID = "RTSTRUCT", first.PatientID
    ours, study, frame, roi, contour = (Dataset() for _ in range(5))
    ours.SeriesInstanceUID = first.SeriesInstanceUID
    study.RTReferencedSeriesSequence = Sequence([ours])
    frame.RTReferencedStudySequence = Sequence([study])
    data.ReferencedFrameOfReferenceSequence = Sequence([frame])
    roi.ROINumber, roi.ROIName = 7, "Lesion"
    data.StructureSetROISequence = Sequence([roi])
    contour.ReferencedROINumber, rings = 7, []
    angles = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    for path in series:
        z = float(pydicom.dcmread(path).ImagePositionPatient[2])
        for radius in filter(None, (RADIUS, hole)):
            across = radius**2 - (z - CENTRE_LPS[2]) ** 2
            if across > 0:
                ring = Dataset()
                ring.ContourGeometricType = "CLOSED_PLANAR"
                circle = CENTRE_LPS[:2] + np.sqrt(across) * np.stack([np.cos(angles), np.sin(angles)], axis=1)
                ring.ContourData = [f"{v:.4f}" for x, y in circle for v in (x, y, z + shift)]
                rings.append(ring)
    contour.ContourSequence = Sequence(rings)
    data.ROIContourSequence = Sequence([contour])
    data.save_as(file, enforce_file_format=True)
    return file


def test_a_structure_set_marks_the_voxels_whose_centres_it_encloses(series: list[Path], tmp_path: Path) -> None:
    scan = read_volume(series[0].parent)
    labels = read_volume(structure_set(series, tmp_path / "rt.dcm"))
    np.testing.assert_allclose(labels.affine, scan.affine)
    assert set(np.unique(labels.voxels)) == {0, 7}
    assert np.count_nonzero((labels.voxels == 7) != wanted(scan)) == 0
    assert any("7 Lesion" in note for note in labels.notes)


def test_a_contour_within_another_is_a_hole(series: list[Path], tmp_path: Path) -> None:
    whole = read_volume(structure_set(series, tmp_path / "a.dcm")).voxels > 0
    holed = read_volume(structure_set(series, tmp_path / "b.dcm", hole=4.1)).voxels > 0
    assert 0 < holed.sum() < whole.sum()
    assert not (holed & ~whole).any()


def test_outlines_without_their_series_or_off_its_slices_are_one_sentence(series: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="lies in no slice"):
        read_volume(structure_set(series, tmp_path / "off.dcm", shift=1.5))
    (far := tmp_path / "far" / "away").mkdir(parents=True)
    with pytest.raises(InputError, match="not beside it"):
        read_volume(structure_set(series, far / "rt.dcm"))


def test_a_segmentation_marks_the_same_voxels_and_serves_as_tumour(series: list[Path], tmp_path: Path) -> None:
    highdicom = pytest.importorskip("highdicom")
    from highdicom.sr.coding import CodedConcept

    scan, slices = read_volume(series[0].parent), [pydicom.dcmread(path) for path in series]
    slices.sort(key=lambda one: one.ImagePositionPatient[2])
    mask = np.ascontiguousarray(wanted(scan)[::-1, ::-1].transpose(2, 1, 0))  # frames, rows, columns: L P S
    code = CodedConcept("108369006", "SCT", "Neoplasm")
    about = highdicom.seg.SegmentDescription(1, "Lesion", code, code, highdicom.seg.SegmentAlgorithmTypeValues.MANUAL)
    made = highdicom.seg.Segmentation(
        source_images=slices, pixel_array=mask, segmentation_type="BINARY", segment_descriptions=[about],
        series_instance_uid=generate_uid(), series_number=2, sop_instance_uid=generate_uid(), instance_number=1,
        manufacturer="m", manufacturer_model_name="m", software_versions="1", device_serial_number="1",
    )  # fmt: skip
    made.save_as(tmp_path / "seg.dcm")
    labels = read_volume(tmp_path / "seg.dcm")
    indices = np.argwhere(labels.voxels > 0)
    back = np.rint(scan.to_voxel(labels.to_mm(indices))).astype(int)
    found = np.zeros(scan.shape, bool)
    found[tuple(back.T)] = True
    assert np.array_equal(found, wanted(scan))
    assert any("1 Lesion" in note for note in labels.notes)
    with pytest.warns(UserWarning, match="smaller than a crop"):
        table = isimed.embed(series[0].parent, checkpoint="untrained", step_mm=15, tumour=tmp_path / "seg.dcm")
    assert np.nanmax(table.tumour) > 0
