"""Reading NIfTI-1 and -2 (.nii, .nii.gz): the header is checked before memory is taken, voxels come slab by slab."""

import gzip
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from isimed.core.errors import InputError
from isimed.data.formats.reading import (
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

NIFTI_SUFFIXES = (".nii", ".nii.gz")
SLAB_BYTES = 16 * 2**20
MAX_OFFSET = 64 * 2**20
MAX_TAIL = 512 * 2**20
AGREE_MM = 0.5
TO_MM = {1: ("metres", 1000.0), 3: ("micrometres", 0.001)}  # xyzt_units


@dataclass(frozen=True, eq=False)
class NiftiHeader:
    """What a NIfTI header promises, checked.

    Attributes:
        shape: (I, J, K) or (I, J, K, channels).
        dtype: of the voxels in the file, with its byte order.
        offset: where the voxels start, in bytes.
        slope, intercept: stored value -> real value.
        affine: (4, 4) voxel -> scanner mm, from the sform, else the qform.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    offset: int
    slope: float
    intercept: float
    affine: NDArray[np.float64]
    notes: tuple[Note, ...]


def read_nifti(path: Path, channel: int | None = None) -> Raw:
    """Read voxels and affine; integers stay integers, everything else (and what is scaled) is float32.

    Raises:
        InputError: the header or the voxels cannot be used.
    """
    with _open(path) as file:
        header = _parse(file, path)
        spatial, skip = header.shape[:3], checked_channel(path, header.shape, channel)
        _refuse_short_file(path, header)
        size = int(np.prod(spatial, dtype=np.int64)) * header.dtype.itemsize
        _skip(file, header.offset - file.tell() + skip * size, path)
        array = _read_voxels(file, header, spatial, path)
        _check_tail(file, path)
    return Raw(array, header.affine, header.notes)


def nifti_header(path: Path) -> NiftiHeader:
    """The checked header alone: quick, whatever the size of the file."""
    with _open(path) as file:
        return _parse(file, path)


@contextmanager
def _open(path: Path) -> Iterator[BinaryIO]:
    with path.open("rb") as plain:
        magic = plain.read(2)
        plain.seek(0)
        file = cast(BinaryIO, gzip.GzipFile(fileobj=plain)) if magic == b"\x1f\x8b" else plain
        try:
            yield file
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InputError(f"{path} is truncated or damaged ({reason(error)}): copy or export it again.") from error


def _parse(file: BinaryIO, path: Path) -> NiftiHeader:
    block = file.read(540)
    if len(block) < 348:
        raise InputError(f"{path} is not a NIfTI file (only {len(block)} bytes of header): export it again.")
    sizes = {struct.unpack(order + "i", block[:4])[0]: order for order in "<>"}
    version = next((size for size in (348, 540) if size in sizes), None)
    if version is None or (version == 540 and len(block) < 540):
        raise InputError(f"{path} is not a NIfTI file, whatever its name says: check what it is, or export it again.")
    magic = block[344:348] if version == 348 else block[4:8]
    if magic[:3] not in (b"n+1", b"n+2"):
        raise InputError(f"{path} is not a single-file NIfTI (magic {magic!r}): save it as .nii.gz.")
    order = sizes[version]
    kind = nib.Nifti1Header if version == 348 else nib.Nifti2Header
    header = kind(block[:version], endianness=order, check=False)
    file.seek(version)
    shape = _shape(header, path)
    dtype = _dtype(header, path)
    refuse_too_large(path, shape[:3], dtype.itemsize)
    affine, notes = _affine(header, shape, path)
    offset = float(header["vox_offset"])
    if not np.isfinite(offset) or not 0 <= offset <= MAX_OFFSET:
        raise InputError(f"{path} says its voxels start at byte {offset:g}: its header is damaged, export it again.")
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if not np.isfinite(slope) or slope == 0:
        slope, intercept = 1.0, 0.0
    elif not np.isfinite(intercept):
        raise InputError(
            f"{path} scales its voxels by {slope:g} and {intercept:g}: its header is damaged, export it again."
        )
    return NiftiHeader(shape, dtype, max(int(offset), version + 4), slope, intercept, affine, notes)


def _shape(header: nib.Nifti1Header, path: Path) -> tuple[int, ...]:
    dim = [int(value) for value in header["dim"]]
    if not 1 <= dim[0] <= 7 or any(size < 1 for size in dim[1 : dim[0] + 1]):
        raise InputError(f"{path} has impossible dimensions in its header ({dim}): export it again.")
    sizes = dim[1 : dim[0] + 1]
    spatial, extra = sizes[:3], [size for size in sizes[3:] if size > 1]
    if len(sizes) < 3 or len(extra) > 1:
        raise InputError(
            f"{path} has shape {by_times(tuple(sizes))}: a volume needs three axes, with at most one of channels."
        )
    return (*spatial, *extra)


def _dtype(header: nib.Nifti1Header, path: Path) -> np.dtype:
    try:
        dtype = header.get_data_dtype()
    except (HeaderDataError, KeyError) as error:
        raise InputError(f"{path} holds voxels of an unknown type ({reason(error)}): export it again.") from None
    if dtype.kind not in "iuf":
        name = "RGB colours" if dtype.fields else "complex numbers" if dtype.kind == "c" else str(dtype)
        raise InputError(f"{path} holds {name}: convert it to one real number a voxel.")
    return dtype


def _affine(header: nib.Nifti1Header, shape: tuple[int, ...], path: Path) -> tuple[NDArray, tuple[Note, ...]]:
    spacing = np.array(header["pixdim"][1:4], dtype=np.float64)
    refuse_bad_spacing(path, spacing)
    notes = []
    sform = header.get_sform() if header["sform_code"] > 0 else None
    qform = _qform(header) if header["qform_code"] > 0 else None
    if sform is not None and not _usable(sform):
        if qform is None or not _usable(qform):
            raise InputError(f"{path} has an sform that maps voxels to no place: repair its header (qform or sform).")
        notes.append(Note("The sform is not usable: the qform was used.", "orientation"))
        sform = None
    if sform is not None and qform is not None:
        apart = _apart_mm(sform, qform, shape[:3]) if _usable(qform) else np.inf
        if apart > AGREE_MM:
            far = f"by up to {apart:.3g} mm" if np.isfinite(apart) else "(the qform is not usable)"
            notes.append(Note(f"sform and qform disagree {far}: the sform was used.", "orientation"))
    affine = sform if sform is not None else qform
    if affine is None:
        affine = header.get_base_affine()
        notes.append(Note(NO_ORIENTATION, "orientation"))
    elif not _usable(affine):
        raise InputError(f"{path} has a qform that maps voxels to no place: repair its header (qform or sform).")
    columns = np.linalg.norm(affine[:3, :3], axis=0)
    if (np.abs(columns - spacing) > 0.02 * spacing).any():
        said = " × ".join(f"{value:.4g}" for value in spacing)
        used = " × ".join(f"{value:.4g}" for value in columns)
        notes.append(Note(f"pixdim says {said} mm, the sform {used} mm: the sform was used.", "spacing"))
    return in_mm(
        np.array(affine, dtype=np.float64), *TO_MM.get(int(header["xyzt_units"]) & 7, ("mm", 1.0)), notes
    ), tuple(notes)


def _qform(header: nib.Nifti1Header) -> NDArray:
    quaternion = np.array([header[f"quatern_{axis}"] for axis in "bcd"], dtype=np.float64)
    if not np.isfinite(quaternion).all() or np.sum(quaternion**2) > 1 + 1e-3:
        return np.full((4, 4), np.nan)
    header = header.copy()
    if header["pixdim"][0] not in (-1, 1):  # the standard: anything else means 1
        header["pixdim"][0] = 1
    try:
        return header.get_qform()
    except (HeaderDataError, ValueError):
        return np.full((4, 4), np.nan)


def _usable(affine: NDArray) -> bool:
    return bool(np.isfinite(affine).all() and abs(np.linalg.det(affine[:3, :3])) > 1e-9)


def _apart_mm(first: NDArray, second: NDArray, shape: tuple[int, ...]) -> float:
    """How far two affines put the corners of a volume apart, at most."""
    corners = np.array(np.meshgrid(*[(0, size - 1) for size in shape], indexing="ij")).reshape(3, -1)
    difference = (first - second)[:3]
    return float(np.linalg.norm(difference[:, :3] @ corners + difference[:, 3:], axis=0).max())


def _refuse_short_file(path: Path, header: NiftiHeader) -> None:
    """For files that are not compressed: is everything there? Asked before memory is taken."""
    with path.open("rb") as file:
        if file.read(2) == b"\x1f\x8b":
            return
    needed = header.offset + int(np.prod(header.shape, dtype=np.float64)) * header.dtype.itemsize
    size = path.stat().st_size
    if size < needed:
        raise InputError(f"{path} is truncated ({size} of {needed} bytes): copy or export it again.")


def _skip(file: BinaryIO, count: int, path: Path) -> None:
    while count > 0:
        read = len(file.read(min(count, SLAB_BYTES)))
        if read == 0:
            raise InputError(f"{path} is truncated: copy or export it again.")
        count -= read


def _read_voxels(file: BinaryIO, header: NiftiHeader, shape: tuple[int, ...], path: Path) -> NDArray:
    scaled = (header.slope, header.intercept) != (1.0, 0.0)
    keep = header.dtype.kind in "iu" and not scaled
    result = np.empty(shape, dtype=header.dtype.newbyteorder("=") if keep else np.float32, order="F")
    if keep and header.dtype.isnative:  # straight to where they stay: a second copy of 2 GB takes seconds
        _read_into(result.T.data.cast("B"), file, path)
        return result
    plane = shape[0] * shape[1] * header.dtype.itemsize
    step = max(1, SLAB_BYTES // plane)
    for start in range(0, shape[2], step):
        count = min(step, shape[2] - start)
        block = _read_exactly(file, count * plane, path)
        stored = np.frombuffer(block, header.dtype).reshape((shape[0], shape[1], count), order="F")
        if scaled:
            with np.errstate(over="ignore", invalid="ignore"):
                stored = stored * header.slope + header.intercept
        with np.errstate(over="ignore", invalid="ignore"):
            result[..., start : start + count] = stored
    return result


def _read_into(place: memoryview, file: BinaryIO, path: Path) -> None:
    while len(place):
        count = file.readinto(place[:SLAB_BYTES])  # type: ignore[attr-defined]
        if not count:
            raise InputError(f"{path} is truncated (its voxels end early): copy or export it again.")
        place = place[count:]


def _read_exactly(file: BinaryIO, count: int, path: Path) -> bytes:
    parts, missing = [], count
    while missing:
        part = file.read(min(missing, SLAB_BYTES))
        if not part:
            raise InputError(f"{path} is truncated (its voxels end early): copy or export it again.")
        parts.append(part)
        missing -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _check_tail(file: BinaryIO, path: Path) -> None:
    """Read a gzip stream to its end, where its checksum stands; what follows the voxels is not looked at."""
    read = 0
    while read < MAX_TAIL and isinstance(file, gzip.GzipFile) and (block := file.read(SLAB_BYTES)):
        read += len(block)
