"""Which patients are measured: none that a checkpoint was trained or selected on."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from isimed.data.cohort import Cohort
from isimed.errors import InputError
from isimed.models.checkpoint import Card


@dataclass(frozen=True)
class Chosen:
    """Attributes:
    used: patients to measure, in the cohort's order. left_out: patients that a checkpoint has seen.
    seen: patients that are measured although a checkpoint has seen them (asked for by name).
    """

    used: list[str]
    left_out: list[str]
    seen: list[str]


def choose_subjects(
    cohort: Cohort,
    cards: Sequence[Card],
    *,
    subjects: Sequence[str] | None = None,
    split: str | Path | None = None,
    limit: int | None = None,
    seed: int = 0,
) -> Chosen:
    """Leave out every patient that any checkpoint was trained or selected on.

    Args:
        cards: of the checkpoints; their patients count where the cohort's name or fingerprint is this one's.
        subjects: exactly these patients, also those that were seen (which the result then says).
        split: JSON file whose ``test`` lists patients.
        limit: at most so many, drawn with the seed.

    Raises:
        InputError: nobody remains, or a patient is not in the cohort.
    """
    seen = set().union(*(seen_by(card, cohort) for card in cards)) if cards else set()
    wanted = list(subjects) if subjects is not None else _test_patients(split) if split else cohort.subjects
    if unknown := sorted(set(wanted) - set(cohort.subjects)):
        if subjects is not None or len(unknown) == len(set(wanted)):
            raise InputError(f"{cohort.name} has no patient {unknown[0]}: see `python -m isimed check`.")
        wanted = [name for name in wanted if name not in set(unknown)]
    kept = set(wanted) if subjects is not None else set(wanted) - seen
    used = [name for name in cohort.subjects if name in kept]
    if not used:
        raise InputError(
            f"Every patient of {cohort.name} was used to train these checkpoints: evaluate on another cohort, "
            "or train with a split that leaves patients out."
        )
    if limit is not None and limit < len(used):
        if limit < 1:
            raise InputError(f"{limit} patients cannot be evaluated: give a limit of at least 2.")
        drawn = set(np.random.default_rng(seed).permutation(used)[:limit].tolist())
        used = [name for name in used if name in drawn]
    left_out = [name for name in cohort.subjects if name in seen and name not in kept]
    return Chosen(used, left_out, [name for name in used if name in seen])


def seen_by(card: Card, cohort: Cohort) -> set[str]:
    """Patients of this cohort that a checkpoint was trained or selected on."""
    same = card.cohort.get("name") == cohort.name or card.cohort.get("fingerprint") == cohort.fingerprint
    return {*card.cohort.get("train", ()), *card.cohort.get("validation", ())} if same else set()


def _test_patients(split: str | Path) -> list[str]:
    try:
        return list(json.loads(Path(split).read_bytes())["test"])
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{split} is not a split: give a JSON file that lists patients under `test`.") from None
