"""Which reader a file has: formats are told apart here and nowhere else.

The libraries behind the readers are imported when the first file of their kind is met.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isimed.core.errors import InputError
from isimed.data.formats.itk_header import META_SUFFIXES, NRRD_SUFFIXES
from isimed.data.formats.nifti import NIFTI_SUFFIXES, nifti_header, read_nifti
from isimed.data.formats.reading import Raw, refuse_missing


class Format(NamedTuple):
    """How files of one format are read.

    Attributes:
        suffixes: in lower case; empty for DICOM, which is known by its content.
        read: (path, channel, series) -> voxels in the file's axes.
        shape: path -> (I, J, K) or (I, J, K, channels), from the header.
        affine: path -> (4, 4) voxel index -> scanner mm, from the header; None where no header says it for all slices.
        files: (path, series) -> every file that holds voxels or says where they lie.
    """

    suffixes: tuple[str, ...]
    read: Callable[[Path, int | None, str | None], Raw]
    shape: Callable[[Path], tuple[int, ...]]
    affine: Callable[[Path], NDArray[np.float64] | None]
    files: Callable[[Path, str | None], list[Path]]


def format_of(path: Path) -> Format:
    """The format of a file, or of a folder or zip of DICOM files.

    Raises:
        InputError: there is nothing that can be read, or it is no format of scans.
    """
    refuse_missing(path)
    name = path.name.lower()
    if path.is_dir() or name.endswith(".zip"):
        return DICOM
    if is_dicom(path):
        return OUTLINES if _holds_outlines(path) else DICOM
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty: copy or export it again.")
    for known in BY_SUFFIX:
        if name.endswith(known.suffixes):
            return known
    if _is_bare_dicom(path):
        return DICOM
    raise InputError(f"{path} is not a known format: give DICOM or one of {', '.join(VOLUME_SUFFIXES)}.")


def is_dicom(path: Path) -> bool:
    """Whether a file starts as DICOM files do."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _is_bare_dicom(path: Path) -> bool:
    from isimed.data.formats.dicom_series import read_header

    return read_header(path, ["Rows"]) is not None


def _holds_outlines(path: Path) -> bool:
    from isimed.data.formats.dicom_labels import holds_outlines

    return holds_outlines(path)


def _read_outlines(path: Path, channel: int | None, series: str | None) -> Raw:
    from isimed.data.formats.dicom_labels import read_outlines

    return read_outlines(path)


def _outlines_shape(path: Path) -> tuple[int, ...]:
    return _read_outlines(path, None, None).array.shape


def _read_itk(path: Path, channel: int | None, series: str | None) -> Raw:
    from isimed.data.formats.itk import read_itk

    return read_itk(path, channel)


def _itk_shape(path: Path) -> tuple[int, ...]:
    from isimed.data.formats.itk import itk_shape

    return itk_shape(path)


def _itk_affine(path: Path) -> NDArray[np.float64]:
    from isimed.data.formats.itk import header_affine

    return header_affine(path)


def _itk_files(path: Path, series: str | None) -> list[Path]:
    from isimed.data.formats.itk import itk_files

    return itk_files(path)


def _read_dicom(path: Path, channel: int | None, series: str | None) -> Raw:
    from isimed.data.formats.dicom_read import read_dicom

    return read_dicom(path, channel=channel, series=series)


def _dicom_shape(path: Path) -> tuple[int, ...]:
    from isimed.data.formats.dicom_read import read_dicom

    return read_dicom(path).array.shape


def _dicom_files(path: Path, series: str | None) -> list[Path]:
    from isimed.data.formats.dicom_read import dicom_files

    return dicom_files(path, series)


NIFTI = Format(
    NIFTI_SUFFIXES,
    lambda path, channel, series: read_nifti(path, channel),
    lambda path: nifti_header(path).shape,
    lambda path: nifti_header(path).affine,
    lambda path, series: [path],
)
ITK = Format((*NRRD_SUFFIXES, *META_SUFFIXES), _read_itk, _itk_shape, _itk_affine, _itk_files)
DICOM = Format((), _read_dicom, _dicom_shape, lambda path: None, _dicom_files)
OUTLINES = Format((), _read_outlines, _outlines_shape, lambda path: None, lambda path, series: [path])
BY_SUFFIX = (NIFTI, ITK)  # a new format is a row here
VOLUME_SUFFIXES = tuple(suffix for known in BY_SUFFIX for suffix in known.suffixes)
