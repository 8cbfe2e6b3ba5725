"""Which patients are measured: none that a checkpoint was trained or selected on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np

from isimed.core.errors import InputError
from isimed.core.text import first_names
from isimed.data.cohorts.cohort import Cohort
from isimed.data.cohorts.splits import read_parts
from isimed.data.prepared.source import digests_of
from isimed.evaluation.results.result import Patients
from isimed.models.card import Card, trained_on


@dataclass(frozen=True)
class Chosen:
    """Which patients are measured, and what checkpoints know of them.

    Attributes:
        used: patients to measure, in the cohort's order.
        left_out: patients that a checkpoint has seen.
        seen: patients that are measured although a checkpoint was trained on them (asked for by name).
        chosen_on: patients that are measured although a training chose its best epoch on them (asked for by name or
            part); no weight was fitted to them.
        namesakes: patients with the ids of others, of a cohort of another name, on whom a checkpoint was trained or
            selected; they may be the same people.
        elsewhere: the names of these cohorts.
        absent: patients that the split names and the cohort does not have.
    """

    used: list[str]
    left_out: list[str]
    seen: list[str]
    chosen_on: list[str]
    namesakes: list[str]
    elsewhere: list[str]
    absent: list[str] = field(default_factory=list)

    def stored(self) -> Patients:
        """As a result holds them."""
        return Patients(
            used=self.used,
            left_out=self.left_out,
            seen=self.seen,
            chosen_on=self.chosen_on,
            namesakes=self.namesakes,
        )

    @property
    def notes(self) -> list[str]:
        """What a reader must know about these patients."""
        found = []
        if self.absent:
            found.append(
                f"{len(self.absent)} patients of the split are not in this cohort ({first_names(self.absent)})."
            )
        if self.seen:
            found.append(f"{len(self.seen)} measured patients were seen in training: these figures are too good.")
        if self.chosen_on:
            found.append(
                f"{len(self.chosen_on)} of the {len(self.used)} measured patients were the training's validation: "
                "no weight was fitted to them, but the best epoch was chosen on them."
            )
        if self.namesakes:
            found.append(
                f"{len(self.namesakes)} measured patients have the ids of patients of {' and '.join(self.elsewhere)} "
                "on whom a checkpoint was trained or selected: if they are the same people, these figures are too good."
            )
        return found


def choose_subjects(
    cohort: Cohort,
    cards: Sequence[Card],
    *,
    subjects: Sequence[str] | None = None,
    split: str | Path | None = None,
    parts: Sequence[str] = ("test",),
    limit: int | None = None,
    seed: int = 0,
) -> Chosen:
    """Leave out every patient that any checkpoint was trained or selected on.

    Args:
        cards: of the checkpoints; their patients count where the cohort's name or fingerprint is this one's.
        subjects: exactly these patients, also those that were seen (which the result then says).
        split: JSON file that lists patients by part.
        parts: of the split. Asking for ``validation`` keeps patients on whom a training chose its best epoch
            (which the result then says); patients that a network was fitted to are left out all the same.
        limit: at most so many, drawn with the seed.

    Raises:
        InputError: nobody remains, or a patient is not in the cohort.
    """
    fitted, selected = (_patients(cards, cohort, part) for part in ("train", "validation"))
    wanted, absent = _wanted(cohort, subjects, split, parts)
    if subjects is None:
        wanted -= fitted if split and "validation" in parts else fitted | selected
    used = [name for name in cohort.subjects if name in wanted]
    if not used:
        raise InputError(
            f"Every patient of {cohort.name} was used to train these checkpoints: evaluate on another cohort, "
            "or train with a split that leaves patients out."
        )
    used = _drawn(used, limit, seed)
    alike = _alike(cards, cohort, used)
    return Chosen(
        used,
        left_out=[name for name in cohort.subjects if name in fitted | selected and name not in wanted],
        seen=[name for name in used if name in fitted],
        chosen_on=[name for name in used if name in selected - fitted],
        namesakes=[name for name in used if name in set().union(*alike.values())],
        elsewhere=list(alike),
        absent=absent,
    )


def _wanted(
    cohort: Cohort, subjects: Sequence[str] | None, split: str | Path | None, parts: Sequence[str]
) -> tuple[set[str], list[str]]:
    """The patients that were asked for, whether a network knows them or not, and those whom the cohort lacks."""
    if subjects is not None and split is not None:
        raise InputError("Patients come from a list or from a split: give one of the two.")
    asked = set(
        subjects if subjects is not None else chain(*read_parts(split, parts).values()) if split else cohort.subjects
    )
    if not asked:
        where = f"{split} names nobody under {' and '.join(parts)}" if split else "No patient is named"
        raise InputError(f"{where}: give at least one patient to measure.")
    known = asked & set(cohort.subjects)
    if asked - known and (subjects is not None or not known):
        raise InputError(f"{cohort.name} has no patient {min(asked - known)}: see `python -m isimed check`.")
    return known, sorted(asked - known)


def _drawn(names: list[str], limit: int | None, seed: int) -> list[str]:
    """At most ``limit`` of them, in their order."""
    if limit is None or limit >= len(names):
        return names
    if limit < 1:
        raise InputError(f"{limit} patients cannot be evaluated: give a limit of at least 2.")
    drawn = set(np.random.default_rng(seed).permutation(names)[:limit].tolist())
    return [name for name in names if name in drawn]


def _alike(cards: Sequence[Card], cohort: Cohort, used: Sequence[str]) -> dict[str, set[str]]:
    """Cohort of another name -> measured patients who have the id of one of its training patients."""
    found: dict[str, set[str]] = {}
    for other in [card.cohort for card in cards if not (_is(card, cohort) or card.cohort.get("synthetic"))]:
        if shared := {*other.get("train", ()), *other.get("validation", ())} & set(used):
            found.setdefault(str(other.get("name", "another cohort")), set()).update(shared)
    return found


def _is(card: Card, cohort: Cohort) -> bool:
    return card.cohort.get("name") == cohort.name or card.cohort.get("fingerprint") == cohort.fingerprint


def _patients(cards: Sequence[Card], cohort: Cohort, part: str) -> set[str]:
    """Patients of this cohort on whom a checkpoint was trained (``train``) or selected (``validation``).

    By name where a card names patients of this cohort, and by voxels whatever cohort and patients are called.
    """
    named = {name for card in cards if _is(card, cohort) for name in card.cohort.get(part, ())}
    if not any("voxels" in card.cohort for card in cards):
        return named
    digests = digests_of(cohort, cohort.volumes)
    seen = {digest for card in cards for digest in trained_on(card, digests.values(), parts=[part])}
    return named | {entry.subject for entry in cohort.volumes if digests[entry.id] in seen}
