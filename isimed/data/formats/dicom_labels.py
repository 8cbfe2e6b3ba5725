"""Outlines in DICOM as label maps: segmentations (SEG) and structure sets of radiotherapy (RTSTRUCT)."""

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.uid import RTStructureSetStorage, SegmentationStorage

from isimed.core.errors import InputError
from isimed.data.formats.dicom_read import read_series
from isimed.data.formats.dicom_series import read_header, scan_folder
from isimed.data.formats.reading import Note, Raw, reason

KIND = "outlines"
TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])  # DICOM's axes are L P S
OFF_PLANE = 0.25  # slices that a contour may lie beside a slice's middle
EXTRA = "pip install 'isimed[dicom-seg]'"


def holds_outlines(path: Path) -> bool:
    """Whether a DICOM file is a segmentation or a structure set."""
    header = read_header(path, ["SOPClassUID"])
    return header is not None and str(header.get("SOPClassUID", "")) in (SegmentationStorage, RTStructureSetStorage)


def read_outlines(path: Path, channel: int | None = None, series: str | None = None) -> Raw:
    """A label map; a note names its labels: segment numbers, or a structure set's ROI numbers.

    A segmentation has a grid of its own. A structure set is laid on that of the series that it was drawn on, which has
    to lie in the same folder or the one above; a voxel is inside where its centre is.

    Raises:
        InputError: outlines overlap, the series is missing, or the file is damaged.
    """
    data = pydicom.dcmread(path)
    if str(data.SOPClassUID) == SegmentationStorage:
        return _read_segmentation(path, data)
    return _read_structures(path, data)


def _read_segmentation(path: Path, data: pydicom.Dataset) -> Raw:
    try:
        import highdicom
    except ImportError:
        raise InputError(f"{path} is a DICOM segmentation, which needs the package highdicom: {EXTRA}.") from None
    try:
        found = highdicom.seg.Segmentation.from_dataset(data, copy=False)
        volume = found.get_volume(combine_segments=True, allow_missing_positions=True)
    except (RuntimeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} makes no label map ({reason(error)}): export one segment a voxel.") from None
    names = {int(one.SegmentNumber): str(one.SegmentLabel) for one in data.SegmentSequence}
    return Raw(np.asarray(volume.array).astype(np.uint16), TO_RAS @ volume.affine, (_named(names),))


def _read_structures(path: Path, data: pydicom.Dataset) -> Raw:
    grid = read_series(_series_of(path, data))
    labels = np.zeros(grid.array.shape, np.uint16)
    to_voxel = np.linalg.inv(grid.affine) @ TO_RAS
    names = {int(one.ROINumber): str(one.get("ROIName", "")) for one in data.get("StructureSetROISequence", ())}
    overlap, drawn = 0, set()
    for contour in data.get("ROIContourSequence", ()):
        number = int(contour.ReferencedROINumber)
        inside = np.zeros(labels.shape, bool)
        for one in contour.get("ContourSequence", ()):
            if one.get("ContourGeometricType") == "CLOSED_PLANAR":
                _draw(inside, np.reshape(np.asarray(one.ContourData, float), (-1, 3)), to_voxel, path)
        if inside.any():
            overlap += int(np.count_nonzero(labels[inside]))
            labels[inside] = number
            drawn.add(number)
    if not drawn:
        raise InputError(f"{path} outlines no voxel of its series: check that they belong together.")
    notes = [_named({number: name for number, name in names.items() if number in drawn})]
    if overlap:
        notes.append(Note(f"{overlap} voxels lie in several structures: the one that stands later counts.", KIND))
    return Raw(labels, grid.affine, tuple(notes))


def _series_of(path: Path, data: pydicom.Dataset) -> Any:
    """The series that a structure set was drawn on."""
    try:
        frame = data.ReferencedFrameOfReferenceSequence[0]
        uid = str(frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence[0].SeriesInstanceUID)
    except (AttributeError, IndexError):
        raise InputError(f"{path} does not say which series it was drawn on: export it with its references.") from None
    above = path.absolute().parent.parent
    with_room = [] if above in (Path.home(), Path(above.anchor)) else [above]  # not a whole disk
    for folder in (path.parent, *with_room):
        for series in scan_folder(folder).series:
            if series.uid == uid:
                return series
    raise InputError(f"{path} was drawn on the series {uid}, which is not beside it: put the two into one folder.")


def _draw(inside: NDArray[np.bool_], points: NDArray, to_voxel: NDArray, path: Path) -> None:
    """Turn over what one contour encloses, so that a contour within another one is a hole."""
    voxels = points @ to_voxel[:3, :3].T + to_voxel[:3, 3]
    k = int(np.rint(voxels[:, 2].mean()))
    if np.abs(voxels[:, 2] - k).max() > OFF_PLANE:
        raise InputError(f"{path} has a contour that lies in no slice of its series: export it for this series.")
    if not 0 <= k < inside.shape[2]:
        return
    corners = voxels[:, :2]
    low = np.maximum(np.ceil(corners.min(axis=0)).astype(int), 0)
    high = np.minimum(np.floor(corners.max(axis=0)).astype(int) + 1, inside.shape[:2])
    if (low >= high).any():
        return
    i, j = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]), indexing="ij")
    enclosed = np.zeros(i.shape, bool)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):  # even-odd rule, edge by edge
        if y0 != y1:
            crosses = (y0 > j) != (y1 > j)
            enclosed ^= crosses & (i < (x1 - x0) * (j - y0) / (y1 - y0) + x0)
    inside[low[0] : high[0], low[1] : high[1], k] ^= enclosed


def _named(names: dict[int, str]) -> Note:
    said = [f"{number} {name}".strip() for number, name in sorted(names.items())]
    return Note(f"Labels: {', '.join(said)}.", KIND)
