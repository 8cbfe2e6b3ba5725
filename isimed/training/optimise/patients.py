"""Who is trained on and who is held out."""

import json
from pathlib import Path

from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort, split_subjects
from isimed.training.optimise.config import TrainConfig


def choose_patients(cohort: Cohort, config: TrainConfig) -> tuple[list[str], list[str]]:
    """Patients to train on and to hold out: from the split file, or drawn with the seed.

    Raises:
        InputError: the split file is missing, not a split, or does not fit the cohort.
    """
    subjects = cohort.subjects[: config.limit]
    if not config.split:
        return split_subjects(subjects, validation=config.validation, seed=config.seed)
    try:
        split = json.loads(Path(config.split).read_bytes())
        wanted = {part: set(split[part]) for part in ("train", "validation")}
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{config.split} is not a split: give a JSON file with `train` and `validation`.") from None
    if both := wanted["train"] & wanted["validation"]:
        raise InputError(f"{config.split} has {sorted(both)[0]} in training and validation: a patient belongs to one.")
    chosen = tuple([s for s in subjects if s in wanted[part]] for part in ("train", "validation"))
    if not chosen[0]:
        raise InputError(f"{config.split} names no training patient of {cohort.name}: check that they match.")
    return chosen[0], chosen[1]


def check_pairs(cohort: Cohort, config: TrainConfig) -> None:
    """Distances between patients are millimetres only in a common frame.

    Raises:
        InputError: pairs across patients of a cohort without one.
    """
    if config.pairs == "across" and cohort.frame is None:
        raise InputError(
            f"{cohort.name} declares no common frame, so distances between patients mean nothing: use --pairs within, "
            'or register the scans and set "frame" in dataset.json.'
        )
