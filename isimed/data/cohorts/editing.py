"""Changes to a registered cohort: its name, what is said of it, its patients, and taking it away so that it can return.

Only the manifest is changed; a person's scans are never touched where they lie outside ISIMED_HOME.
"""

import time
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.core.files import refusals_in_words
from isimed.data.cohorts.cohort import Cohort, checked_name, cohort_names, find_manifest, write_manifest
from isimed.data.cohorts.json_files import read_object

PARTS = (("annotations", ""), ("splits", ".json"), ("cohorts", ""))
"""What moves with a cohort, which itself comes last: killed before, it can be told to move again.

Where it is deleted it goes first: killed after, what it left behind is there when it is brought back."""


def describe(
    name: str,
    *,
    modality: str | None = None,
    sequence: str | None = None,
    frame: str | None = None,
    description: str | None = None,
) -> Path:
    """Change what a cohort's manifest says of all its volumes; None leaves a thing as it is.

    Args:
        sequence: of every volume; "" says that it is not known.
        frame: the common frame of all scans; "" where they share none.

    Raises:
        InputError: there is no such cohort, or the modality is empty.
    """
    manifest = _manifest(name)
    if modality is not None:
        if not modality.strip():
            raise InputError(f"{name} needs a modality: say CT, MRI or unknown.")
        manifest["modality"] = modality.strip()
        for volume in manifest["volumes"]:
            volume.pop("modality", None)  # one said of a single scan would contradict it
    if sequence is not None:
        for volume in manifest["volumes"]:
            volume["sequence"] = sequence.strip() or None
    if frame is not None:
        manifest["frame"] = frame.strip() or None
    if description is not None:
        manifest["description"] = description.strip()
    return write_manifest(manifest, folder=find_manifest(name).parent)


def leave_out(name: str, subjects: Collection[str]) -> Path:
    """Take patients out of a cohort's list; their files stay.

    Raises:
        InputError: a patient is not in it, or nobody would be left.
    """
    manifest, cohort = _manifest(name), Cohort.load(find_manifest(name))
    unknown = sorted(set(subjects) - set(cohort.subjects))
    if unknown:
        raise InputError(f"{name} has no patient {unknown[0]}: choose among its own.")
    kept = [volume for volume in manifest["volumes"] if volume["subject"] not in subjects]
    if not kept:
        raise InputError(f"{name} would have no patient left: delete the cohort instead.")
    return write_manifest(manifest | {"volumes": kept}, folder=find_manifest(name).parent)


def rename(name: str, new: str) -> Path:
    """Give a cohort another name; its points and its split go with it.

    Killed in between it has the old name or the new one, and doing it again ends it: the folder's name counts.

    Returns:
        The manifest under the new name.

    Raises:
        InputError: there is no such cohort in ISIMED_HOME, the new name is taken or cannot be a folder's.
    """
    _registered(name)
    if (paths.cohorts_dir() / checked_name(new)).exists():
        raise InputError(f"There is a cohort {new} already: choose another name.")
    manifest = _manifest(name)
    _move(paths.home(), paths.home(), name, new)
    return write_manifest(manifest | {"name": new})


def set_aside(name: str) -> Path:
    """Delete a cohort, with its points and split, so that it can be brought back: all of it moves to ``deleted``.

    Returns:
        The folder below ISIMED_HOME that holds it now.

    Raises:
        InputError: there is no such cohort in ISIMED_HOME, or it cannot be moved.
    """
    _registered(name)
    folder = paths.home() / "deleted" / f"{time.strftime('%Y%m%d-%H%M%S')}-{time.time_ns() % 1_000_000:06d}"
    _move(paths.home(), folder, name, parts=reversed(PARTS))
    return folder


def bring_back(folder: Path) -> str:
    """Undo `set_aside`.

    Returns:
        The cohort's name.

    Raises:
        InputError: there is nothing to bring back, or a new cohort has its name.
    """
    names = [path.parent.name for path in folder.glob("cohorts/*/dataset.json")]
    if not names:
        raise InputError(f"{folder} holds no deleted cohort: import the scans again.")
    name = names[0]
    if (paths.cohorts_dir() / name).exists():
        raise InputError(f"There is a new cohort {name}: delete it first, then bring the old one back.")
    _move(folder, paths.home(), name)
    return name


def _registered(name: str) -> None:
    if name not in cohort_names():  # never a path
        raise InputError(f"There is no cohort {name} in {paths.cohorts_dir()}: choose one of the list.")


def _move(
    source: Path, target: Path, name: str, new: str | None = None, *, parts: Iterable[tuple[str, str]] = PARTS
) -> None:
    for folder, ending in parts:
        here, there = source / folder / f"{name}{ending}", target / folder / f"{new or name}{ending}"
        if here.exists():
            with refusals_in_words(there):
                there.parent.mkdir(parents=True, exist_ok=True)
                here.rename(there)


def _manifest(name: str) -> dict[str, Any]:
    path = find_manifest(name)
    Cohort.load(path)  # a broken one is named, not made worse
    return read_object(path)
