"""Prepared volumes kept on disk and memory-mapped: made once, opened at once, safe to delete.

One folder a volume under ``ISIMED_HOME/prepared``, named by a hash of the files (path, size, time) and the
preparation: a file that changes gets a new folder. It is written under a temporary name and renamed, so a killed
process leaves nothing half made; where the file's time differs from the one noted, its checksum is compared.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.core.files import DiskFullError, remove_unfinished
from isimed.core.progress import Progress
from isimed.data.cohorts.cohort import LABELS, Cohort, Entry
from isimed.data.prepared.array_store import open_arrays, write_arrays
from isimed.data.prepared.memory import MemoryBudget, default_workers, working_bytes
from isimed.data.prepared.preprocess import Preparation, Prepared, prepare
from isimed.data.prepared.source import remember_digest, source_stamp

VERSION = 3


def prepared(cohort: Cohort, entry: Entry, preparation: Preparation) -> Prepared:
    """Open a prepared volume, preparing it first if need be.

    Raises:
        InputError: the scan cannot be read or prepared, or the disk is full.
    """
    return _prepared(cohort, entry, preparation, MemoryBudget())


def prepare_cohort(
    cohort: Cohort,
    preparation: Preparation,
    *,
    entries: Sequence[Entry] | None = None,
    progress: Progress | None = None,
    workers: int | None = None,
    failed: dict[str, str] | None = None,
) -> list[Prepared]:
    """Prepare volumes in parallel within a memory budget; what is already there is only opened.

    A volume that cannot be used does not stop the others: they are prepared first.

    Args:
        entries: which volumes; all of the cohort by default.
        progress: called with (done, total).
        workers: threads; by default as many as there are cores, at most 8.
        failed: receives volume id -> reason; those volumes are left out of the result.

    Returns:
        One Prepared an entry, memory-mapped, in the given order.

    Raises:
        InputError: some volumes cannot be used and ``failed`` was not given, or none can be, or the disk is full.
    """
    entries = list(cohort.volumes if entries is None else entries)
    remove_unfinished(paths.prepared_dir())
    budget, reasons = MemoryBudget(), {} if failed is None else failed

    def attempt(entry: Entry) -> Prepared | None:
        try:
            return _prepared(cohort, entry, preparation, budget)
        except DiskFullError:
            raise
        except InputError as error:
            reasons[entry.id] = str(error)
            return None

    done: list[Prepared | None] = []
    with ThreadPoolExecutor(workers or default_workers()) as pool:
        try:
            for volume in pool.map(attempt, entries):
                done.append(volume)
                if progress:
                    progress(len(done), len(entries))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    usable = [volume for volume in done if volume is not None]
    if len(usable) < len(entries) and (failed is None or not usable):
        first = next(reasons[entry.id] for entry in entries if entry.id in reasons)
        count = len(entries) - len(usable)
        raise InputError(
            first if count == 1 else f"{count} of {len(entries)} volumes cannot be used; the first: {first}"
        )
    return usable


def is_prepared(cohort: Cohort, entry: Entry, preparation: Preparation) -> bool:
    """Whether a volume lies on disk already."""
    return (paths.prepared_dir() / cache_key(cohort, entry, preparation) / "meta.json").is_file()


def cache_size(cohort: Cohort) -> tuple[int, int]:
    """How many prepared volumes of a cohort lie on disk, under any preparation, and their bytes together."""
    folders = list(_folders_of(cohort))
    return len(folders), sum(file.stat().st_size for folder in folders for file in folder.iterdir())


def delete_cache(cohort: Cohort) -> int:
    """Delete all prepared volumes of a cohort; returns how many. They are made again when needed."""
    folders = list(_folders_of(cohort))
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    return len(folders)


def cache_key(cohort: Cohort, entry: Entry, preparation: Preparation) -> str:
    """The name of a volume's folder: readable start, then 16 digits of everything that its voxels depend on."""
    digest = hashlib.sha256(f"{VERSION}\0{preparation.model_dump_json()}\0".encode())
    digest.update(source_stamp(cohort, entry).encode())
    return f"{re.sub(r'[^A-Za-z0-9._-]', '_', entry.id)[:80]}-{digest.hexdigest()[:16]}"


def _prepared(cohort: Cohort, entry: Entry, preparation: Preparation, budget: MemoryBudget) -> Prepared:
    folder = paths.prepared_dir() / cache_key(cohort, entry, preparation)
    found = _open(folder, preparation)
    if found is None:
        with budget.room_for(working_bytes(cohort.files(entry))):
            scan = cohort.read(entry)
            remember_digest(source_stamp(cohort, entry), scan)
            volume = prepare(scan, preparation, labels=cohort.read_labels(entry))
        _write(folder, volume, source=_source(cohort, entry))
        found = _open(folder, preparation)
        if found is None:
            raise InputError(f"{folder} cannot be read back: check the disk of ISIMED_HOME.")
    return found


def _source(cohort: Cohort, entry: Entry) -> str:
    return f"{cohort.path(entry.image).absolute()}\0{entry.series or ''}"


def _folders_of(cohort: Cohort) -> list[Path]:
    sources = {_source(cohort, entry) for entry in cohort.volumes}
    found = []
    for meta in paths.prepared_dir().glob("*/meta.json"):
        try:
            if json.loads(meta.read_bytes()).get("source") in sources:
                found.append(meta.parent)
        except (OSError, ValueError, AttributeError):
            continue
    return found


def _write(folder: Path, volume: Prepared, *, source: str) -> None:
    meta = {
        "affine": volume.affine.tolist(),
        "box_centre_mm": volume.box_centre_mm.tolist(),
        "background": volume.background,
        "notes": list(volume.notes),
        "source": source,
    }
    write_arrays(folder, {"image": volume.image, "body": volume.body, **volume.labels}, meta)


def _open(folder: Path, preparation: Preparation) -> Prepared | None:
    """The prepared volume in a folder, or None where it is missing or damaged."""
    found = open_arrays(folder)
    if found is None:
        return None
    arrays, meta = found
    try:
        return Prepared(
            image=arrays["image"],
            body=arrays["body"],
            labels={name: arrays[name] for name in LABELS if name in arrays},
            affine=np.array(meta["affine"], dtype=np.float64).reshape(4, 4),
            box_centre_mm=np.array(meta["box_centre_mm"], dtype=np.float64).reshape(3),
            background=float(meta["background"]),
            notes=tuple(meta["notes"]),
            calibrated=preparation.intensity == "window",
        )
    except (KeyError, TypeError, ValueError):
        return None
