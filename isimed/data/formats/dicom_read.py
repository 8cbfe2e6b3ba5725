"""Reading one DICOM series: slices sorted along their normal, rescaled, placed where the headers say."""

import tempfile
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from isimed.core.errors import InputError
from isimed.data.formats.archive import unzip
from isimed.data.formats.dicom_geometry import Frame, Stack, frames_of, make_stack
from isimed.data.formats.dicom_series import FolderSeries, Series, number, read_header, scan_files, scan_folder, text
from isimed.data.formats.reading import Note, Raw, reason, refuse_too_large

PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
MAX_PACKED = 300


def read_dicom(path: Path, *, channel: int | None = None, series: str | None = None) -> Raw:
    """Read a series from one of its files, a folder or a zip.

    Args:
        channel: which volume, where the series holds several at the same place.
        series: SeriesInstanceUID, where there are several.

    Raises:
        InputError: no readable series, several and none chosen, or slices that make no volume.
    """
    if path.is_dir():
        return read_series(choose_series(path, scan_folder(path), series), channel)
    if path.name.lower().endswith(".zip"):
        with tempfile.TemporaryDirectory(prefix="isimed-") as folder:
            unzip(path, Path(folder))
            scan = scan_files(sorted(file for file in Path(folder).rglob("*") if file.is_file()))
            return read_series(choose_series(path, scan, series), channel)
    header = read_header(path, ["SeriesInstanceUID", "NumberOfFrames", "Rows"])
    if header is None or "Rows" not in header:
        raise InputError(f"{path} is DICOM without pixel data: give the files of an image series.")
    if header.get("NumberOfFrames"):
        return read_series(choose_series(path, scan_files([path]), None), channel)
    return read_series(choose_series(path, scan_folder(path.parent), text(header, "SeriesInstanceUID")), channel)


def dicom_files(path: Path, series: str | None = None) -> list[Path]:
    """Every file that `read_dicom` reads voxels from: the slices of the series, or the zip that holds them.

    Raises:
        InputError: see `read_dicom`.
    """
    if not path.is_dir():
        header = (
            None if path.name.lower().endswith(".zip") else read_header(path, ["SeriesInstanceUID", "NumberOfFrames"])
        )
        if header is None or header.get("NumberOfFrames"):
            return [path]
        path, series = path.parent, text(header, "SeriesInstanceUID")
    return [file for found in scan_folder(path).series if series in (None, found.uid) for file in found.files]


def choose_series(path: Path, scan: FolderSeries, uid: str | None) -> Series:
    """The wanted series of a scan, or its only one.

    Raises:
        InputError: none, several without a choice, or one that makes no volume.
    """
    found = [series for series in scan.series if uid in (None, series.uid)]
    if not found:
        if uid is not None:
            raise InputError(f"{path} holds no series {uid}: import it again.")
        why = scan.skipped[0][1] if scan.skipped else f"{path} holds no DICOM images: check the path."
        raise InputError(why)
    usable = [series for series in found if not series.problem]
    if not usable:
        raise InputError(found[0].problem)
    if len(usable) > 1:
        names = "; ".join(series.title for series in usable[:4])
        raise InputError(f"{path} holds {len(usable)} series ({names}): import it and choose one.")
    return usable[0]


def read_series(series: Series, channel: int | None = None) -> Raw:
    """Voxels (columns, rows, slices), affine and notes of one series.

    Raises:
        InputError: see `read_dicom`.
    """
    if series.problem:
        raise InputError(series.problem)
    frames = [frame for file in series.files for frame in frames_of(file)]
    stack, notes = make_stack(frames, where=series.where, channel=channel)
    shape = (stack.columns, stack.rows, len(stack.frames))
    refuse_too_large(series.folder, shape, 2)
    array = _read_voxels(stack, shape)
    if stack.targets is not None:
        array = _evenly(array, stack.positions, stack.targets)
    return Raw(array, stack.affine, notes + _intensity_note(array, series))


def why_not_one_volume(series: Series, channel: int | None = None) -> str:
    """Why the slices of a series make no single volume, one sentence, or empty; headers alone are read.

    Args:
        channel: which of several volumes is wanted.
    """
    try:
        frames = [frame for file in series.files for frame in frames_of(file)]
        make_stack(frames, where=series.where, channel=channel)
    except InputError as error:
        return str(error)
    return ""


def _read_voxels(stack: Stack, shape: tuple[int, int, int]) -> NDArray:
    """Start with int16 and widen only where a slice needs it: CT stays at two bytes a voxel."""
    array = np.empty(shape, dtype=np.int16, order="F")
    open_path, planes = None, np.empty(0)
    for k, frame in enumerate(stack.frames):
        if frame.path != open_path:
            planes, open_path = _decode(frame), frame.path
        if not 0 <= frame.index < len(planes):
            raise InputError(f"{frame.path} promises frame {frame.index + 1} and has {len(planes)}: export it again.")
        plane = planes[frame.index].T
        if plane.ndim != 2:
            raise InputError(f"{frame.path} holds RGB colours, not a scan's grey values: export the original series.")
        if plane.shape != shape[:2]:
            raise InputError(f"{frame.path} has slices of a different size from the others: export the series again.")
        array = _wide_enough(array, plane)
        array[..., k] = plane
    return array


def _decode(frame: Frame) -> NDArray:
    """(frames, rows, columns) of a file in real values: pydicom where it is not compressed, else GDCM.

    GDCM believes every length and size that a damaged header gives, whatever memory that takes. So it only gets
    files whose elements pydicom could read to the end and whose size is believable.
    """
    path = frame.path
    try:
        data = pydicom.dcmread(path, force=True)
        if not any(tag in data for tag in PIXELS):
            raise InputError(f"{path} is DICOM without pixel data: export the series again with its images.")
        syntax = _syntax(data)
        if not syntax.is_compressed:
            return _rescaled(data, data.pixel_array)
        size = number(data, "Rows", 0) * number(data, "Columns", 0) * number(data, "NumberOfFrames", 1) * 2
        if size > MAX_PACKED * path.stat().st_size:
            raise InputError(f"{path} promises far more pixels than it can hold: export it again.")
        if frame.scales_differ:
            raise InputError(f"{path} is compressed and scales each frame differently: export it without compression.")
        return _decompressed(data, path, syntax)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # pydicom raises many types on damaged files
        raise InputError(f"{path} is a damaged DICOM file ({reason(error)}): export it again.") from None


def _decompressed(data: Dataset, path: Path, syntax: UID) -> NDArray:
    """Real values by GDCM. It turns MONOCHROME1 over, as a screen has to, but values mean the same either way."""
    with tempfile.TemporaryDirectory(prefix="isimed-") as folder:
        plain = path
        if data.get("PhotometricInterpretation") == "MONOCHROME1":
            data.PhotometricInterpretation = "MONOCHROME2"
            plain = Path(folder) / "slice.dcm"
            data.save_as(plain)
        reader = sitk.ImageFileReader()
        reader.SetImageIO("GDCMImageIO")
        reader.SetFileName(str(plain))
        try:
            planes = sitk.GetArrayFromImage(reader.Execute())
        except RuntimeError:
            raise InputError(f"{path} cannot be decompressed ({syntax.name}): export it without compression.") from None
    return planes[None] if planes.ndim == 2 else planes


def _syntax(data: Dataset) -> UID:
    """The transfer syntax; files without a header of their own are written in one of the plain ones."""
    named = getattr(data, "file_meta", Dataset()).get("TransferSyntaxUID")
    if named is None:
        implicit, _ = data.original_encoding
        named = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
        data.ensure_file_meta()
        data.file_meta.TransferSyntaxUID = named
    return UID(named)


def _rescaled(data: Dataset, stored: NDArray) -> NDArray:
    """Stored values to real ones, with each frame's own slope and intercept; whole numbers stay whole."""
    planes = stored[None] if stored.ndim == 2 else stored
    if planes.ndim != 3:
        return planes
    shared = (data.get("SharedFunctionalGroupsSequence") or [{}])[0]
    groups = data.get("PerFrameFunctionalGroupsSequence") or [{}] * len(planes)
    scales = []
    for group in groups:
        macro = (
            group.get("PixelValueTransformationSequence") or shared.get("PixelValueTransformationSequence") or [data]
        )
        slope, intercept = (macro[0].get(tag) for tag in ("RescaleSlope", "RescaleIntercept"))
        scales.append((1.0 if slope is None else float(slope), 0.0 if intercept is None else float(intercept)))
    if not np.isfinite(scales).all() or len(scales) != len(planes):
        raise ValueError("its rescale values are not complete")
    whole = all(slope == 1 and intercept == int(intercept) and abs(intercept) < 2**30 for slope, intercept in scales)
    if whole and planes.dtype.kind in "iu" and planes.dtype.itemsize <= 2:
        return planes.astype(np.int32) + np.array([int(intercept) for _, intercept in scales], np.int32)[:, None, None]
    slopes, intercepts = (np.array(values)[:, None, None] for values in zip(*scales, strict=True))
    return (planes * slopes + intercepts).astype(np.float32)


def _wide_enough(array: NDArray, plane: NDArray) -> NDArray:
    if plane.dtype.kind == "f":
        whole = np.isfinite(plane).all() and np.array_equal(plane, np.rint(plane))
    else:
        whole = True
    if array.dtype.kind == "f":
        return array
    low, high = (float(plane.min()), float(plane.max())) if whole else (0.0, 0.0)
    if not whole or low < -(2**31) or high >= 2**31:
        return array.astype(np.float32)
    if array.dtype == np.int16 and (low < -(2**15) or high >= 2**15):
        return array.astype(np.int32)
    return array


def _evenly(array: NDArray, positions: NDArray, targets: NDArray) -> NDArray:
    """Linear interpolation of slices at other places along the normal."""
    after = np.clip(np.searchsorted(positions, targets), 1, len(positions) - 1)
    share = (targets - positions[after - 1]) / (positions[after] - positions[after - 1])
    result = np.empty((*array.shape[:2], len(targets)), dtype=array.dtype, order="F")
    for k, (above, weight) in enumerate(zip(after, np.clip(share, 0, 1), strict=True)):
        mixed = array[..., above - 1] * np.float32(1 - weight) + array[..., above] * np.float32(weight)
        result[..., k] = np.rint(mixed) if array.dtype.kind in "iu" else mixed
    return result


def _intensity_note(array: NDArray, series: Series) -> tuple[Note, ...]:
    if series.modality == "CT" and array.size and array.min() >= 0:
        return (
            Note("No value is below 0: these may not be Hounsfield units (rescale intercept missing?).", "intensity"),
        )
    return ()
