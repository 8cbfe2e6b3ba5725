"""Reading NRRD and MetaImage (.nrrd, .nhdr, .mha, .mhd) with SimpleITK, header first."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from isimed.core.errors import InputError
from isimed.data.formats.reading import Raw, by_times, checked_channel, reason, refuse_bad_spacing, refuse_too_large

DETACHED = {".mhd": ("elementdatafile", "="), ".nhdr": ("data file", ":")}
NO_DATA_FILE = ("local", "list", "skiplist")
MAGIC = {".nrrd": b"NRRD", ".nhdr": b"NRRD"}

sitk.ProcessObject.SetGlobalWarningDisplay(False)


def itk_shape(path: Path) -> tuple[int, ...]:
    """(I, J, K) or (I, J, K, channels) as the header says, checked; no voxel is read.

    Raises:
        InputError: not such a file, or one that promises what cannot be.
    """
    _refuse_foreign_data_file(path)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise InputError(f"{path} is damaged or not what its name says ({_cause(error)}): export it again.") from None
    kind = sitk.GetPixelIDValueAsString(reader.GetPixelID())
    if "complex" in kind:
        raise InputError(f"{path} holds complex numbers: convert it to one real number a voxel.")
    size, components = tuple(reader.GetSize()), reader.GetNumberOfComponents()
    if len(size) < 3 or len(size) > 4 or (len(size) == 4 and components > 1):
        raise InputError(f"{path} has shape {by_times(size)}: a volume needs three axes, with at most one of channels.")
    refuse_too_large(path, (*size, components), 4)
    refuse_bad_spacing(path, np.array(reader.GetSpacing()[:3]))
    if len(size) == 4:
        return size if size[3] > 1 else size[:3]
    return (*size, components) if components > 1 else size


def read_itk(path: Path, channel: int | None = None) -> Raw:
    """Read voxels and affine.

    Raises:
        InputError: the header or the voxels cannot be used.
    """
    shape = itk_shape(path)
    chosen = checked_channel(path, shape, channel) if len(shape) == 4 else 0
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise InputError(f"{path} is truncated or damaged ({_cause(error)}): copy or export it again.") from None
    if image.GetNumberOfComponentsPerPixel() > 1:
        image = sitk.VectorIndexSelectionCast(image, chosen)
    if image.GetDimension() == 4:
        image = image[..., chosen]
    return Raw(sitk.GetArrayFromImage(image).T, itk_affine(image))


def itk_affine(image: sitk.Image) -> NDArray[np.float64]:
    """The voxel -> scanner mm affine of a SimpleITK image; its L P S axes are turned to R A S."""
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def _refuse_foreign_data_file(path: Path) -> None:
    """A header may name the file of its voxels: it has to lie beside it, so that no header reads other files."""
    suffix = path.suffix.lower()
    with path.open("rb") as file:
        head = file.read(65536)
    if suffix in MAGIC and not head.startswith(MAGIC[suffix]):
        raise InputError(f"{path} is not an NRRD file, whatever its name says: check what it is, or export it again.")
    key, sign = DETACHED.get(suffix, ("", ""))
    for line in head.decode("utf-8", "replace").splitlines() if key else ():
        name, found, value = line.partition(sign)
        target = value.strip().split(" ")[0]
        if not found or name.strip().lower() != key or target.lower() in NO_DATA_FILE:
            continue
        value = value.strip()
        if Path(value).is_absolute() or ".." in Path(value).parts:
            raise InputError(f"{path} names voxels outside its folder ({value}): put both files into one folder.")
        if "%" not in value and not (path.parent / value).is_file():
            raise InputError(f"{path} needs {value} beside it, which is not there: copy both files.")


def _cause(error: RuntimeError) -> str:
    """The last line of an ITK error: the lines before it are places in ITK's source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return reason(RuntimeError(lines[-1].split(":", 1)[-1].strip())) if lines else "unreadable"
