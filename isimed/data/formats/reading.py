"""What every reader of voxels shares: the raw result, notes about it, limits, and the choice of a channel."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
from numpy.typing import NDArray

from isimed.core.errors import InputError

MAX_VOXELS = 2_000_000_000
MEMORY_SHARE = 0.9


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
    """The channel of a 4D file: the given one if it exists, else an InputError that says how to choose."""
    if channel is None:
        raise InputError(
            f"{path} has {len(shape)} dimensions ({by_times(shape)}): "
            f"choose one of its {shape[3]} channels with --channel."
        )
    if not 0 <= channel < shape[3]:
        raise InputError(f"{path} has {shape[3]} channels ({by_times(shape)}): --channel must be 0 to {shape[3] - 1}.")
    return channel
