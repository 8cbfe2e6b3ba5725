"""What a volume comes from: the stamp of its files on this machine, and the digest of its voxels anywhere.

Whatever its patient, file or cohort is called, the same scan has the same digest.
"""

import hashlib
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.core.files import write_file
from isimed.data.cohorts.cohort import Cohort, Entry
from isimed.data.formats.reading import reason
from isimed.data.formats.volume import Volume
from isimed.data.prepared.memory import MemoryBudget, default_workers, working_bytes

SLAB = 16


def source_stamp(cohort: Cohort, entry: Entry) -> str:
    """Paths, sizes and times of a volume's files: changes when one of them does.

    Raises:
        InputError: a file is not there.
    """
    parts = [str(entry.channel), str(entry.series)]
    for path in cohort.files(entry):
        try:
            status = path.stat()
        except (OSError, ValueError) as error:
            raise InputError(f"{path} cannot be read ({reason(error)}): check the cohort's paths.") from None
        parts.append(f"{path.absolute()}\0{status.st_size}\0{status.st_mtime_ns}")
    return "\0".join(parts)


def voxel_digest(volume: Volume) -> str:
    """32 hex digits of a volume's shape and values along R A S; where it lies and what it is called do not count.

    Values count as float32, so that the same scan as int16 DICOM and as float32 NIfTI has one digest.

    >>> values = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    >>> one, other = (Volume(array, np.eye(4), name="x") for array in (values, values.astype(np.float64)))
    >>> voxel_digest(one) == voxel_digest(other)
    True
    """
    digest = hashlib.blake2b(repr(volume.shape).encode(), digest_size=16)
    for start in range(0, volume.shape[2], SLAB):
        slab = np.moveaxis(volume.voxels[..., start : start + SLAB], 2, 0)
        digest.update(np.ascontiguousarray(slab, dtype=np.float32).data)
    return digest.hexdigest()


def remember_digest(stamp: str, volume: Volume) -> str:
    """The digest of a volume that is being read anyway: computed once, then kept for whoever asks.

    Args:
        stamp: `source_stamp` of the volume's files.
        volume: the scan as it was read.
    """
    if kept := _kept(stamp):
        return kept
    found = voxel_digest(volume)
    with suppress(InputError):  # a full disk: it is computed again
        write_file(_file(stamp), found)
    return found


def digests_of(cohort: Cohort, entries: Iterable[Entry]) -> dict[str, str]:
    """Volume id -> digest. Volumes that were checked or prepared have theirs kept; others are read once.

    Raises:
        InputError: a volume cannot be read.
    """
    budget = MemoryBudget()

    def one(entry: Entry) -> tuple[str, str]:
        stamp = source_stamp(cohort, entry)
        if kept := _kept(stamp):
            return entry.id, kept
        with budget.room_for(working_bytes(cohort.files(entry))):
            return entry.id, remember_digest(stamp, cohort.read(entry))

    with ThreadPoolExecutor(default_workers()) as pool:
        return dict(pool.map(one, entries))


def all_but(digest: str, cohort: Cohort, entries: Iterable[Entry]) -> list[Entry]:
    """The volumes that are not a given scan, whatever it is called: nobody is to find himself in others.

    Args:
        digest: the scan's, as `voxel_digest` gives it.

    Raises:
        InputError: a volume cannot be read.
    """
    entries = list(entries)
    digests = digests_of(cohort, entries)
    return [entry for entry in entries if digests[entry.id] != digest]


def _kept(stamp: str) -> str:
    with suppress(OSError, UnicodeDecodeError):
        kept = _file(stamp).read_text(encoding="ascii")
        if re.fullmatch("[0-9a-f]{32}", kept):
            return kept
    return ""


def _file(stamp: str) -> Path:
    return paths.home() / "digests" / hashlib.sha256(stamp.encode()).hexdigest()[:32]
