"""What every reader of voxels shares: the raw result, notes about it, limits, and the choice of a channel."""

import errno
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
from numpy.typing import NDArray

from isimed.core.errors import InputError

MAX_VOXELS = 2_000_000_000
MEMORY_SHARE = 0.9
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])  # and back: DICOM and ITK give mm L P S, all else here is R A S
NO_ORIENTATION = "The header gives no orientation: left and right are a guess (first axis to the left)."


class Note(str):
    """One sentence about how a file was read, and what kind of thing it reports (``kind``)."""

    kind: str

    def __new__(cls, text: str, kind: str = "reading") -> "Note":
        note = super().__new__(cls, text)
        note.kind = kind
        return note


class Raw(NamedTuple):
    """Voxels as the file has them, axes not yet turned.

    Attributes:
        array: (I, J, K) in the file's axes.
        affine: (4, 4) voxel index -> scanner mm (RAS+).
        notes: what a person should know about the reading.
    """

    array: NDArray
    affine: NDArray[np.float64]
    notes: tuple[Note, ...] = ()


def reason(error: BaseException) -> str:
    """The start of an exception's text, on one line, for the inside of a sentence."""
    return " ".join(str(error).split())[:160] or type(error).__name__


def by_times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def refuse_missing(path: Path) -> None:
    """Raise InputError unless there is something at a path that this user may read."""
    try:
        path.stat()
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: check the path.") from None
    except PermissionError:
        raise InputError(f"{path} cannot be read: ask for read permission.") from None
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) == errno.ELOOP:
            raise InputError(f"{path} is a symbolic link that leads back to itself: correct the link.") from None
        raise InputError(f"{str(path)[:200]!r} is not a usable path ({reason(error)}): check it.") from None
    if not (path.is_file() or path.is_dir()):
        raise InputError(f"{path} is neither a file nor a folder (a device or pipe): give a file.")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path} cannot be read: ask for read permission.")


def refuse_too_large(path: Path, shape: tuple[int, ...], itemsize: int) -> None:
    """Refuse what the header promises before any memory is taken for it.

    Raises:
        InputError: more than two billion voxels, or more bytes than this machine has.
    """
    voxels = 1
    for size in shape:
        voxels *= int(size)
    needed, total = voxels * itemsize, psutil.virtual_memory().total
    if voxels > MAX_VOXELS:
        raise InputError(
            f"{path} promises {by_times(shape)} voxels, more than any scan has: its header is wrong, export it again."
        )
    if needed > MEMORY_SHARE * total:
        raise InputError(
            f"{path} needs {needed / 1e9:.0f} GB of memory and this machine has {total / 1e9:.0f}: resample it first."
        )


def refuse_bad_spacing(path: Path, spacing_mm: NDArray) -> None:
    """Raise InputError unless all voxel sizes are finite and above zero."""
    spacing_mm = np.asarray(spacing_mm, dtype=np.float64)
    if not (np.isfinite(spacing_mm).all() and (spacing_mm > 0).all()):
        found = " × ".join(f"{value:g}" for value in spacing_mm)
        raise InputError(
            f"{path} says its voxels are {found} mm: correct the spacing in its header or export it again."
        )


def checked_channel(path: Path, shape: tuple[int, ...], channel: int | None) -> int:
    """The channel to read: the given one if it exists, 0 of a file that holds one volume.

    Raises:
        InputError: one has to be chosen, or there is no such channel.
    """
    if len(shape) == 3:
        if channel not in (None, 0):
            raise InputError(f"{path} holds one volume ({by_times(shape)}): leave out --channel {channel}.")
        return 0
    if channel is None:
        raise InputError(
            f"{path} has {len(shape)} dimensions ({by_times(shape)}): "
            f"choose one of its {shape[3]} channels with --channel."
        )
    if not 0 <= channel < shape[3]:
        raise InputError(f"{path} has {shape[3]} channels ({by_times(shape)}): --channel must be 0 to {shape[3] - 1}.")
    return channel


def in_mm(affine: NDArray, unit: str, factor: float, notes: list[Note]) -> NDArray:
    """Apply the header's unit of length where that gives voxels of a believable size; say so either way."""
    if factor == 1.0:
        return affine
    edges = np.linalg.norm(affine[:3, :3], axis=0) * factor
    if (edges < 0.01).any() or (edges > 100).any():
        notes.append(Note(f"The header gives lengths in {unit}, which cannot be: read as mm.", "spacing"))
        return affine
    notes.append(Note(f"The header gives lengths in {unit}: converted to mm.", "spacing"))
    return np.diag([factor] * 3 + [1.0]) @ affine
