"""Who is trained on and who is held out."""

from collections.abc import Sequence

import numpy as np

from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort, Entry
from isimed.data.cohorts.splits import read_parts, split_subjects
from isimed.data.cohorts.suspicions import out_of_frame, refuse_unfit
from isimed.data.prepared.preprocess import Prepared
from isimed.training.optimise.config import TrainConfig


def choose_patients(cohort: Cohort, config: TrainConfig) -> tuple[list[str], list[str]]:
    """Patients to train on and to hold out: from the split file, or drawn with the seed.

    Raises:
        InputError: the split file is missing, not a split, parts names that may be one patient's, or does not fit the
            cohort; or the cohort mixes modalities.
    """
    subjects = cohort.subjects[: config.limit]
    if not config.split:
        refuse_unfit(cohort, {})
        return split_subjects(subjects, validation=config.validation, seed=config.seed)
    wanted = read_parts(config.split, ("train", "validation"))
    chosen = tuple([s for s in subjects if s in wanted[part]] for part in ("train", "validation"))
    if not chosen[0]:
        raise InputError(f"{config.split} names no training patient of {cohort.name}: check that they match.")
    refuse_unfit(cohort, {"training": chosen[0], "validation": chosen[1]})
    return chosen[0], chosen[1]


def check_frame(cohort: Cohort, config: TrainConfig, entries: Sequence[Entry], volumes: Sequence[Prepared]) -> None:
    """Distances between patients are millimetres only where the volumes do lie in the frame that is declared.

    Raises:
        InputError: pairs across patients, one of whose volumes lies elsewhere than the others.
    """
    if config.pairs != "across":
        return
    pairs = list(zip(entries, volumes, strict=True))
    centres = {entry.id: volume.box_centre_mm for entry, volume in pairs}
    sizes = {entry.id: volume.spacing * np.array(volume.image.shape) for entry, volume in pairs}
    for name, away in out_of_frame(centres, sizes).items():
        raise InputError(
            f"{name} of {cohort.name} lies {away:.0f} mm from where the others lie, though dataset.json declares the "
            f'common frame "{cohort.frame}": register it, or use --pairs within.'
        )


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
