"""Which patients train, choose and test: by patient, so that nobody crosses, and never between names that are alike."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.core.files import write_json
from isimed.data.cohorts.cohort import Cohort
from isimed.data.cohorts.json_files import read_json, read_object
from isimed.data.cohorts.suspicions import together

PARTS = ("train", "validation", "test")


def split_path(cohort: Cohort) -> Path:
    """The file, in the form that ``train --split`` takes."""
    return paths.home() / "splits" / f"{cohort.name}.json"


def read_parts(path: str | Path, parts: Sequence[str]) -> dict[str, list[str]]:
    """Part -> its patients, from a JSON file that lists patients by part.

    Raises:
        InputError: there is no such file, it lacks a part, or has a patient in two of them.
    """
    path, named = Path(path), " and ".join(f"`{part}`" for part in parts)
    refused = InputError(f"{path} is not a split: give a JSON file that lists patients under {named}.")
    if not path.is_file():
        raise refused
    stored = read_json(path)
    found: dict[str, list[str]] = {}
    for part in parts:
        listed = stored.get(part) if isinstance(stored, dict) else None
        if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
            raise refused
        for other, names in found.items():
            if both := set(names) & set(listed):
                raise InputError(f"{path} has {min(both)} in {other} and {part}: a patient belongs to one.")
        found[part] = listed
    return found


def read_split(cohort: Cohort, file: str | Path | None = None) -> dict[str, str]:
    """Patient -> part; patients that no split names yet train.

    Args:
        cohort: whose patients.
        file: by default `split_path`.

    Raises:
        InputError: there is a file of a split, and it cannot be read as one.
    """
    path = Path(file or split_path(cohort))
    found = read_parts(path, [part for part in PARTS if part in read_object(path)] or PARTS) if path.exists() else {}
    known = {subject: part for part, subjects in found.items() for subject in subjects}
    return {subject: known.get(subject, "train") for subject in cohort.subjects}


def draw_split(cohort: Cohort, *, validation: float, test: float, seed: int = 0) -> dict[str, str]:
    """Patients drawn at random; the same seed gives the same split.

    Args:
        cohort: whose patients are drawn.
        validation: share that a training chooses its best epoch on, 0 to below 1.
        test: share that nothing sees before it is measured.
        seed: of the draw.

    Returns:
        Patient -> ``train``, ``validation`` or ``test``.

    Raises:
        InputError: a share is none, or nobody would be left to train on.
    """
    subjects = cohort.subjects
    if not (0 <= validation < 1 and 0 <= test < 1):
        raise InputError(f"Shares are from 0 to below 1, got {validation:g} for validation and {test:g} for test.")
    held = {"validation": round(len(subjects) * validation), "test": round(len(subjects) * test)}
    if sum(held.values()) >= len(subjects):
        raise InputError(
            f"{len(subjects)} patients are too few to hold out {sum(held.values())}: choose smaller shares."
        )
    return _drawn(subjects, held, seed)


def split_subjects(subjects: list[str], *, validation: float, seed: int = 0) -> tuple[list[str], list[str]]:
    """Part patients into training and validation; the same seed gives the same split.

    Args:
        subjects: patients.
        validation: share held out, 0 to below 1; at least one patient where it is above 0.

    Returns:
        Training and validation subjects, both in the given order.

    Raises:
        InputError: nobody would be left to train on.
    """
    held_out = int(np.ceil(len(subjects) * validation)) if validation > 0 else 0
    parts = _drawn(subjects, {"validation": held_out}, seed)
    if "train" not in parts.values():
        raise InputError(
            f"{len(subjects)} patient{'s are' if len(subjects) != 1 else ' is'} too few to hold out {held_out}: "
            "add scans, or lower the validation share."
        )
    return tuple([name for name in subjects if parts[name] == part] for part in ("train", "validation"))  # type: ignore[return-value]


def write_split(cohort: Cohort, parts: Mapping[str, str], file: str | Path | None = None) -> Path:
    """Store a split of all patients.

    Args:
        cohort: whose patients they are.
        parts: patient -> part; patients that it does not name train.
        file: where; by default `split_path`, which the app reads.

    Returns:
        The file.

    Raises:
        InputError: a part has an unknown name, nobody trains, or the file cannot be written.
    """
    if wrong := set(parts.values()) - set(PARTS):
        raise InputError(f"{sorted(wrong)[0]!r} is no part of a split: use {', '.join(PARTS)}.")
    split = {part: [subject for subject in cohort.subjects if parts.get(subject, "train") == part] for part in PARTS}
    if not split["train"]:
        raise InputError("Nobody is left to train on: give at least one patient to train.")
    return write_json(Path(file or split_path(cohort)), {"cohort": cohort.name, **split}, indent=1)


def _drawn(subjects: Sequence[str], held: Mapping[str, int], seed: int) -> dict[str, str]:
    """Patient -> part, at random; names that may be one patient's go the same way, which may hold out a few more."""
    order = np.random.default_rng(seed).permutation(len(subjects))
    wanted = iter([part for part, count in held.items() for _ in range(count)])
    first = together(subjects)
    parts: dict[str, str] = {}
    for name in (subjects[place] for place in order):
        if first[name] not in parts:
            parts[first[name]] = next(wanted, "train")
    return {name: parts[first[name]] for name in subjects}
