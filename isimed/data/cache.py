"""Prepared volumes kept on disk and memory-mapped: made once, opened at once, safe to delete.

One folder a volume under ``ISIMED_HOME/prepared``, named by a hash of the files (path, size, time) and the
preparation. It is written under a temporary name and renamed, so a killed process leaves nothing half made.
"""

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from isimed import settings
from isimed.data.cohort import LABELS, Cohort, Entry
from isimed.data.preprocess import Preparation, Prepared, prepare
from isimed.errors import InputError

VERSION = 1
Progress = Callable[[int, int], None]


def prepared(cohort: Cohort, entry: Entry, preparation: Preparation) -> Prepared:
    """Open a prepared volume, preparing it first if need be.

    Raises:
        InputError: the scan cannot be read or prepared, or the disk is full.
    """
    folder = settings.prepared_dir() / _key(cohort, entry, preparation)
    found = _open(folder)
    if found is None:
        volume = prepare(cohort.read(entry), preparation, labels=cohort.read_labels(entry))
        _write(folder, volume)
        found = _open(folder)
        if found is None:
            raise InputError(f"{folder} cannot be read back: check the disk of ISIMED_HOME.")
    return found


def prepare_cohort(
    cohort: Cohort,
    preparation: Preparation,
    *,
    entries: Sequence[Entry] | None = None,
    progress: Progress | None = None,
    workers: int | None = None,
) -> list[Prepared]:
    """Prepare volumes in parallel; what is already there is only opened.

    Args:
        entries: which volumes; all of the cohort by default.
        progress: called with (done, total).

    Returns:
        One Prepared an entry, memory-mapped, in the given order.
    """
    entries = cohort.volumes if entries is None else entries
    done = []
    with ThreadPoolExecutor(workers or min(4, os.cpu_count() or 1)) as pool:
        for volume in pool.map(lambda entry: prepared(cohort, entry, preparation), entries):
            done.append(volume)
            if progress:
                progress(len(done), len(entries))
    return done


def is_prepared(cohort: Cohort, entry: Entry, preparation: Preparation) -> bool:
    return (settings.prepared_dir() / _key(cohort, entry, preparation) / "meta.json").is_file()


def _key(cohort: Cohort, entry: Entry, preparation: Preparation) -> str:
    digest = hashlib.sha256(f"{VERSION}\0{preparation.model_dump_json()}\0{entry.channel}".encode())
    for file in (entry.image, entry.organs, entry.tumour):
        if file:
            path = cohort.path(file).resolve()
            try:
                status = path.stat()
            except OSError as error:
                raise InputError(f"{path} cannot be read ({error.strerror}): check the cohort's paths.") from None
            digest.update(f"\0{path}\0{status.st_size}\0{status.st_mtime_ns}".encode())
    return f"{entry.id[:80]}-{digest.hexdigest()[:16]}"


def _write(folder: Path, volume: Prepared) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder.parent))
    try:
        arrays = {"image": volume.image, "body": volume.body, **volume.labels}
        for name, array in arrays.items():
            np.save(temporary / f"{name}.npy", array, allow_pickle=False)
        meta = {
            "affine": volume.affine.tolist(),
            "box_centre_mm": volume.box_centre_mm.tolist(),
            "background": volume.background,
            "bytes": {name: (temporary / f"{name}.npy").stat().st_size for name in arrays},
        }
        (temporary / "meta.json").write_text(json.dumps(meta))
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(f"The disk of {folder.parent} is full: free space or move ISIMED_HOME.") from error
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # another process was faster: its copy serves
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _open(folder: Path) -> Prepared | None:
    """The prepared volume in a folder, or None where it is missing or damaged."""
    try:
        meta = json.loads((folder / "meta.json").read_bytes())
        for name, size in meta["bytes"].items():
            if (folder / f"{name}.npy").stat().st_size != size:
                return None
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in meta["bytes"]}
        return Prepared(
            image=arrays["image"],
            body=arrays["body"],
            labels={name: arrays[name] for name in LABELS if name in arrays},
            affine=np.array(meta["affine"]),
            box_centre_mm=np.array(meta["box_centre_mm"]),
            background=float(meta["background"]),
        )
    except (OSError, ValueError, KeyError):
        return None
