"""Small files of every format for the tests, written with the usual libraries."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian, generate_uid

SHAPE = (20, 24, 16)


def blob(shape: tuple[int, int, int] = SHAPE, seed: int = 0) -> np.ndarray:
    """A CT-like ellipsoid of tissue in air, without symmetry; int16."""
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, size) for size in shape], indexing="ij"))
    inside = np.square(grid).sum(0) < 0.8
    texture = 40 + 100 * grid[0] - 60 * grid[1] * grid[2] + np.random.default_rng(seed).normal(0, 5, shape)
    return np.where(inside, texture, -1000).astype(np.int16)


def affine(
    spacing: tuple[float, float, float] = (2.0, 2.0, 3.0), origin: tuple[float, ...] = (-20, -30, 40)
) -> np.ndarray:
    matrix = np.diag([*spacing, 1.0])
    matrix[:3, 3] = origin
    return matrix


def write_nifti(path: Path, array: np.ndarray | None = None, matrix: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(blob() if array is None else array, affine() if matrix is None else matrix)
    image.header.set_xyzt_units("mm")
    image.to_filename(path)
    return path


def write_dicom(folder: Path, array: np.ndarray, **options) -> list[Path]:
    """A CT series; axes of ``array`` are (columns to the left, rows to the back, slices up) as DICOM likes them.

    Args:
        array: (columns, rows, slices) int16 HU.
        options: spacing, origin (L P S), places (positions of slices), tilt_mm (shift along y a slice), and any
            DICOM element by its keyword, or ``each`` = (index, dataset) -> None to change single slices.
    """
    spacing = options.pop("spacing", (2.0, 2.0, 3.0))
    origin = options.pop("origin", (-20.0, -30.0, 40.0))
    places = options.pop("places", None)
    tilt_mm = options.pop("tilt_mm", 0.0)
    each = options.pop("each", None)
    folder.mkdir(parents=True, exist_ok=True)
    common = {
        "PatientID": "P1", "Modality": "CT", "SeriesInstanceUID": generate_uid(), "StudyInstanceUID": generate_uid(),
        "SeriesDescription": "test", "SeriesNumber": 1, "StudyDate": "20200101",
    } | options  # fmt: skip
    files = []
    for k in range(array.shape[2]):
        data = _slice(common)
        z = k * spacing[2] if places is None else places[k]
        data.ImagePositionPatient = [origin[0], origin[1] + k * tilt_mm, origin[2] + z]
        data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        data.PixelSpacing = [spacing[1], spacing[0]]
        data.SliceThickness = spacing[2]
        data.InstanceNumber = array.shape[2] - k
        data.Rows, data.Columns = array.shape[1], array.shape[0]
        data.PixelData = (array[..., k].T + 1024).astype("<u2").tobytes()
        if each:
            each(k, data)
        path = folder / f"{(k * 7) % 101:03d}-{k}.dcm"  # names in no useful order
        data.save_as(path, enforce_file_format=True)
        files.append(path)
    return files


def write_enhanced(path: Path, array: np.ndarray, *, slopes: list[float] | None = None) -> Path:
    """An enhanced multi-frame CT with its frames stored in a shuffled order; spacing 2 × 2 × 3 mm."""
    count = array.shape[2]
    order = np.random.default_rng(0).permutation(count)
    data = _slice({"PatientID": "P1", "Modality": "CT", "SeriesInstanceUID": generate_uid(), "StudyInstanceUID": "1.2"})
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = EnhancedCTImageStorage
    del data.RescaleSlope, data.RescaleIntercept
    data.NumberOfFrames, data.Rows, data.Columns = count, array.shape[1], array.shape[0]
    shared, plane, measures = Dataset(), Dataset(), Dataset()
    plane.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    measures.PixelSpacing, measures.SliceThickness = [2, 2], 3
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = Sequence([plane]), Sequence([measures])
    data.SharedFunctionalGroupsSequence = Sequence([shared])
    groups, stored = [], []
    for k in order:
        slope = slopes[k] if slopes else 1.0
        group, place, scale = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = [-20.0, -30.0, 40.0 + 3.0 * k]
        scale.RescaleSlope, scale.RescaleIntercept, scale.RescaleType = slope, -1024, "HU"
        group.PlanePositionSequence, group.PixelValueTransformationSequence = Sequence([place]), Sequence([scale])
        groups.append(group)
        stored.append(np.rint((array[..., k].T + 1024) / slope))
    data.PerFrameFunctionalGroupsSequence = Sequence(groups)
    data.PixelData = np.stack(stored).astype("<u2").tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)
    return path


def _slice(elements: dict) -> pydicom.Dataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = Dataset()
    data.file_meta = meta
    data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation = 15, 0
    data.RescaleSlope, data.RescaleIntercept = 1, -1024
    for keyword, value in elements.items():
        setattr(data, keyword, value)
    return data
