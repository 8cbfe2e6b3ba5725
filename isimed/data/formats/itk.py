"""Reading NRRD and MetaImage (.nrrd, .nhdr, .mha, .mhd) with SimpleITK, header first."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from isimed.core.errors import InputError
from isimed.data.formats.itk_header import NRRD_SUFFIXES, TextHeader, read_text_header
from isimed.data.formats.reading import (
    LPS_TO_RAS,
    NO_ORIENTATION,
    Note,
    Raw,
    by_times,
    checked_channel,
    in_mm,
    reason,
    refuse_bad_spacing,
    refuse_too_large,
)

MOST_PACKED = 1100  # deflate makes nothing smaller than a thousandth

sitk.ProcessObject.SetGlobalWarningDisplay(False)


def itk_shape(path: Path) -> tuple[int, ...]:
    """(I, J, K) or (I, J, K, channels) as the header says, checked; no voxel is read.

    Raises:
        InputError: not such a file, or one that promises what cannot be.
    """
    return _shape(path, read_text_header(path))


def header_affine(path: Path) -> NDArray[np.float64]:
    """(4, 4) voxel index -> scanner mm as the header says; no voxel is read.

    Raises:
        InputError: see `itk_shape`.
    """
    header = read_text_header(path)
    return in_mm(itk_affine(_information(path)), *header.unit, [])


def itk_files(path: Path) -> list[Path]:
    """The file itself, and the others that hold its voxels.

    Raises:
        InputError: see `read_text_header`.
    """
    return [path, *read_text_header(path).files]


def read_itk(path: Path, channel: int | None = None) -> Raw:
    """Read voxels and affine.

    Raises:
        InputError: the header or the voxels cannot be used.
    """
    header = read_text_header(path)
    shape = _shape(path, header)
    chosen = checked_channel(path, shape, channel)
    try:
        image = sitk.ReadImage(str(path), imageIO=_library_reader(path))
    except RuntimeError as error:
        raise InputError(f"{path} is truncated or damaged ({_cause(error)}): copy or export it again.") from None
    if image.GetNumberOfComponentsPerPixel() > 1:
        image = sitk.VectorIndexSelectionCast(image, chosen)
    if image.GetDimension() == 4:
        image = image[..., chosen]
    notes: list[Note] = []
    if header.orientation_is_a_guess:
        notes.append(Note(NO_ORIENTATION, "orientation"))
    if not header.has_spacing:
        notes.append(Note("The header gives no size of a voxel: read as 1 mm.", "spacing"))
    if header.doubtful_unit:
        notes.append(Note(f"The header gives lengths in {header.doubtful_unit}: read as mm.", "spacing"))
    affine = in_mm(itk_affine(image), *header.unit, notes)
    return Raw(sitk.GetArrayFromImage(image).T, affine, tuple(notes))


def itk_affine(image: sitk.Image | sitk.ImageFileReader) -> NDArray[np.float64]:
    """The voxel -> scanner mm affine of a SimpleITK image of 3 or 4 axes; its L P S axes are turned to R A S."""
    axes = len(image.GetSpacing())
    affine = np.eye(4)
    turned = np.array(image.GetDirection()).reshape(axes, axes)[:3, :3]
    affine[:3, :3] = turned * np.array(image.GetSpacing())[:3]
    affine[:3, 3] = image.GetOrigin()[:3]
    return LPS_TO_RAS @ affine


def _information(path: Path) -> sitk.ImageFileReader:
    """What the library reads of a header, without voxels."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO(_library_reader(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise InputError(f"{path} is damaged or not what its name says ({_cause(error)}): export it again.") from None
    return reader


def _shape(path: Path, header: TextHeader) -> tuple[int, ...]:
    reader = _information(path)
    kind = sitk.GetPixelIDValueAsString(reader.GetPixelID())
    if "complex" in kind:
        raise InputError(f"{path} holds complex numbers: convert it to one real number a voxel.")
    size, components = tuple(reader.GetSize()), reader.GetNumberOfComponents()
    if len(size) < 3 or len(size) > 4 or (len(size) == 4 and components > 1):
        raise InputError(f"{path} has shape {by_times(size)}: a volume needs three axes, with at most one of channels.")
    refuse_too_large(path, (*size, components), 4)
    refuse_bad_spacing(path, np.array(reader.GetSpacing()[:3]))
    _refuse_short(path, header, int(np.prod((*size, components), dtype=np.float64)))
    if len(size) == 4:
        return size if size[3] > 1 else size[:3]
    return (*size, components) if components > 1 else size


def _refuse_short(path: Path, header: TextHeader, voxels: int) -> None:
    """Is there enough for the voxels that the header promises? Asked before memory is taken."""
    held = sum(file.stat().st_size for file in header.files) if header.files else path.stat().st_size
    if held * (MOST_PACKED if header.packed else 1) < voxels:
        raise InputError(f"{path} is truncated ({held} bytes for {voxels} voxels): copy or export it again.")


def _library_reader(path: Path) -> str:
    """Named, so that no other of ITK's readers takes the file for one of its own."""
    return "NrrdImageIO" if path.suffix.lower() in NRRD_SUFFIXES else "MetaImageIO"


def _cause(error: RuntimeError) -> str:
    """The last line of an ITK error: the lines before it are places in ITK's source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return reason(RuntimeError(lines[-1].split(":", 1)[-1].strip())) if lines else "unreadable"
