"""Outlines in DICOM as label maps: segmentations (SEG) and structure sets of radiotherapy (RTSTRUCT)."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.uid import RTStructureSetStorage, SegmentationStorage

from isimed.core.errors import InputError
from isimed.data.formats.dicom_read import read_series
from isimed.data.formats.dicom_series import Series, read_header, scan_folder
from isimed.data.formats.overlaps import lay
from isimed.data.formats.reading import LPS_TO_RAS, Note, Raw, reason

KIND = "outlines"
OFF_PLANE = 0.25  # slices that a contour may lie beside a slice's middle
CLOSED = (
    "CLOSED_PLANAR",
    "CLOSEDPLANAR_XOR",
)  # what lies within another one is a hole in both; lines and points are none
EXTRA = "pip install 'isimed[dicom-seg]'"


@dataclass(frozen=True)
class Outlines:
    """What a file of outlines says of itself.

    Attributes:
        series: SeriesInstanceUIDs of the scans that it was drawn on.
        frames: FrameOfReferenceUIDs that its millimetres belong to.
        names: number of a structure -> its name.
        types: number -> what the structure is for (RTROIInterpretedType), where that is said.
    """

    series: frozenset[str]
    frames: frozenset[str]
    names: dict[int, str]
    types: dict[int, str]


def holds_outlines(path: Path) -> bool:
    """Whether a DICOM file is a segmentation or a structure set."""
    header = read_header(path, ["SOPClassUID"])
    return header is not None and str(header.get("SOPClassUID", "")) in (SegmentationStorage, RTStructureSetStorage)


def about_outlines(path: Path) -> Outlines:
    """What a SEG or RTSTRUCT was drawn on, and its structures; no outline is read.

    Raises:
        InputError: the file is damaged.
    """
    with _damage_in_words(path):
        return _about(_opened(path))


def read_outlines(path: Path) -> Raw:
    """A label map; a note names its labels: segment numbers, or a structure set's ROI numbers.

    A segmentation has a grid of its own. A structure set is laid on that of the series that it was drawn on, which has
    to lie in the same folder or the one above; a voxel is inside where its centre is. Where structures overlap, the
    smaller one keeps the voxels.

    Raises:
        InputError: the series is missing, or the file is damaged.
    """
    names = about_outlines(path).names
    first = int(0 in names)  # 0 is no label: such a file's numbers go up by one
    labels, affine, sizes, overlap = np.zeros(0, np.uint16), np.eye(4), dict[int, int](), 0
    for number, inside, grid in structures_of(path):
        if not sizes:
            kind = np.min_scalar_type(max(65535, max(names) + first))
            labels, affine = np.zeros(inside.shape, kind), grid
        overlap += lay(labels, sizes, number + first, inside)
    if not sizes:
        raise InputError(f"{path} outlines no voxel of its series: check that they belong together.")
    said = [f"{number + first} {name}".strip() for number, name in sorted(names.items()) if number + first in sizes]
    notes = [Note(f"Labels: {', '.join(said)}.", KIND)]
    if overlap:
        notes.append(Note(f"{overlap} voxels lie in several structures: the smallest of them counts.", KIND))
    return Raw(labels, affine, tuple(notes))


def structures_of(
    path: Path, *, series: Series | None = None, numbers: Collection[int] | None = None
) -> Iterator[tuple[int, NDArray[np.bool_], NDArray]]:
    """The structures that mark any voxel: number, which voxels (I, J, K), and the grid's affine to R A S+ mm.

    Args:
        path: a SEG or RTSTRUCT.
        series: the scan that a structure set is laid on; by default the one that it names, looked for beside it.
        numbers: of the structures that are wanted; all by default.

    Raises:
        InputError: the series is missing, or the file is damaged.
    """
    with _damage_in_words(path):
        data = _opened(path)
        wanted = [number for number in _about(data).names if numbers is None or number in numbers]
        if _is_segmentation(data):
            yield from _segments(path, data, wanted)
        else:
            yield from _contoured(path, data, series or _series_of(path, data), wanted)


def refuse_unreadable(path: Path) -> None:
    """Raise InputError where what it takes to read a file's outlines is not installed."""
    if _is_segmentation(_opened(path)):
        _highdicom(path)


def _opened(path: Path) -> pydicom.Dataset:
    try:
        return pydicom.dcmread(path)
    except Exception as error:
        raise InputError(f"{path} is a damaged DICOM file ({reason(error)}): export it again.") from None


@contextmanager
def _damage_in_words(path: Path) -> Iterator[None]:
    """Turn what elements that are missing, or hold something else, raise into one sentence."""
    try:
        yield
    except InputError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is a damaged DICOM file ({reason(error)}): export it again.") from None


def _is_segmentation(data: pydicom.Dataset) -> bool:
    return str(data.get("SOPClassUID", "")) == SegmentationStorage


def _about(data: pydicom.Dataset) -> Outlines:
    if _is_segmentation(data):
        series = [one.get("SeriesInstanceUID") for one in data.get("ReferencedSeriesSequence", ())]
        names = {int(one.SegmentNumber): str(one.get("SegmentLabel", "")) for one in data.get("SegmentSequence", ())}
        return Outlines(_uids(series), _uids([data.get("FrameOfReferenceUID")]), names, {})
    frames = data.get("ReferencedFrameOfReferenceSequence", ())
    studies = [study for frame in frames for study in frame.get("RTReferencedStudySequence", ())]
    drawn = [one.get("SeriesInstanceUID") for study in studies for one in study.get("RTReferencedSeriesSequence", ())]
    rois = data.get("StructureSetROISequence", ())
    names = {int(one.ROINumber): str(one.get("ROIName", "") or "") for one in rois}
    own = [frame.get("FrameOfReferenceUID") for frame in frames]
    own += [one.get("ReferencedFrameOfReferenceUID") for one in rois] + [data.get("FrameOfReferenceUID")]
    said = data.get("RTROIObservationsSequence", ())
    types = {int(one.ReferencedROINumber): str(one.get("RTROIInterpretedType", "") or "") for one in said}
    return Outlines(_uids(drawn), _uids(own), names, types)


def _uids(values: Any) -> frozenset[str]:
    return frozenset(str(value) for value in values if value)


def _highdicom(path: Path) -> Any:
    try:
        import highdicom
    except ImportError:
        raise InputError(f"{path} is a DICOM segmentation, which needs the package highdicom: {EXTRA}.") from None
    return highdicom


def _segments(path: Path, data: pydicom.Dataset, wanted: list[int]) -> Iterator[tuple[int, NDArray, NDArray]]:
    highdicom = _highdicom(path)
    try:
        found = highdicom.seg.Segmentation.from_dataset(data, copy=False)
        for number in wanted:
            volume = found.get_volume(segment_numbers=[number], combine_segments=True, allow_missing_positions=True)
            inside = np.asarray(volume.array) > 0
            if inside.any():
                yield number, inside, LPS_TO_RAS @ volume.affine
    except (RuntimeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} makes no label map ({reason(error)}): export it on one regular grid.") from None


def _contoured(
    path: Path, data: pydicom.Dataset, series: Series, wanted: list[int]
) -> Iterator[tuple[int, NDArray, NDArray]]:
    grid = read_series(series)
    to_voxel = np.linalg.inv(grid.affine) @ LPS_TO_RAS
    for contour in data.get("ROIContourSequence", ()):
        number = int(contour.ReferencedROINumber)
        inside = np.zeros(grid.array.shape, bool)
        for one in contour.get("ContourSequence", ()) if number in wanted else ():
            if one.get("ContourGeometricType") in CLOSED:
                _draw(inside, np.reshape(np.asarray(one.ContourData, float), (-1, 3)), to_voxel, path)
        if inside.any():
            yield number, inside, grid.affine


def _series_of(path: Path, data: pydicom.Dataset) -> Series:
    """The series that a structure set was drawn on."""
    uids = _about(data).series
    if not uids:
        raise InputError(f"{path} does not say which series it was drawn on: export it with its references.")
    above = path.absolute().parent.parent
    with_room = [] if above in (Path.home(), Path(above.anchor)) else [above]  # not a whole disk
    for folder in (path.parent, *with_room):
        for series in scan_folder(folder).series:
            if series.uid in uids:
                return series
    missing = ", ".join(sorted(uids))
    raise InputError(f"{path} was drawn on the series {missing}, which is not beside it: put the two into one folder.")


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
