"""Which patients train, choose and test: kept beside the manifest, by patient, so that nobody crosses."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.core.files import write_json
from isimed.data.cohorts.cohort import Cohort

PARTS = ("train", "validation", "test")


def split_path(cohort: Cohort) -> Path:
    """The file, in the form that ``train --split`` takes."""
    return paths.home() / "splits" / f"{cohort.name}.json"


def read_split(cohort: Cohort) -> dict[str, str]:
    """Patient -> part; patients that no split names yet train."""
    try:
        stored = json.loads(split_path(cohort).read_bytes())
        known = {subject: part for part in PARTS for subject in stored.get(part, [])}
    except (OSError, ValueError, AttributeError):
        known = {}
    return {subject: known.get(subject, "train") for subject in cohort.subjects}


def draw_split(cohort: Cohort, *, validation: float, test: float, seed: int = 0) -> dict[str, str]:
    """Patients drawn at random; the same seed gives the same split."""
    subjects = cohort.subjects
    held = [round(len(subjects) * share) for share in (validation, test)]
    if sum(held) >= len(subjects):
        raise InputError(f"{len(subjects)} patients are too few to hold out {sum(held)}: choose smaller shares.")
    order = np.random.default_rng(seed).permutation(len(subjects))
    parts = ["validation"] * held[0] + ["test"] * held[1]
    drawn = {subjects[i]: part for i, part in zip(order, parts, strict=False)}
    return {subject: drawn.get(subject, "train") for subject in subjects}


def write_split(cohort: Cohort, parts: Mapping[str, str]) -> Path:
    """Store a split of all patients.

    Raises:
        InputError: a part has an unknown name, nobody trains, or the file cannot be written.
    """
    if wrong := set(parts.values()) - set(PARTS):
        raise InputError(f"{sorted(wrong)[0]!r} is no part of a split: use {', '.join(PARTS)}.")
    split = {part: [subject for subject in cohort.subjects if parts.get(subject, "train") == part] for part in PARTS}
    if not split["train"]:
        raise InputError("Nobody is left to train on: give at least one patient to train.")
    return write_json(split_path(cohort), {"cohort": cohort.name, **split}, indent=1)
