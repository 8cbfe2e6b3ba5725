"""What to doubt in a cohort before training: one patient under two names, mixed modalities, a frame that is none."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort

OFF_FRAME = 1 / 3
NAMES_ALIKE = "have the same name but for case, separators or a letter at the end"


@dataclass(frozen=True)
class Suspicion:
    """Several names that may be one patient's.

    Attributes:
        subjects: the names.
        why: what suggests it, for the middle of a sentence.
        certain: whether it is more than a likeness of names: the same voxels.
        volume: one of theirs, to show.
    """

    subjects: tuple[str, ...]
    why: str
    certain: bool
    volume: str


def suspicions(cohort: Cohort, digests: Mapping[str, str] | None = None) -> list[Suspicion]:
    """Which patients of a cohort may be one.

    Args:
        digests: volume -> digest of its voxels; without them, names alone are compared.
    """
    volume_of = {entry.subject: entry.id for entry in reversed(cohort.volumes)}
    found = [Suspicion(names, NAMES_ALIKE, False, volume_of[names[-1]]) for names in alike(cohort.subjects)]
    owners: dict[str, dict[str, str]] = defaultdict(dict)
    for entry in cohort.volumes:
        if digest := (digests or {}).get(entry.id):
            owners[digest].setdefault(entry.subject, entry.id)
    for owner in owners.values():
        if len(owner) > 1:
            found.append(Suspicion(tuple(owner), "hold a scan with the same voxels", True, list(owner.values())[-1]))
    return found


def alike(subjects: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups of names that differ in case, separators or one letter at the end only.

    >>> alike(["PAT01", "pat_01", "P7", "p7-b", "P8"])
    [('P7', 'p7-b')]
    >>> alike(["PAT_01", "pat-01"])
    [('PAT_01', 'pat-01')]
    """
    groups: dict[str, list[str]] = defaultdict(list)
    plain = {subject: re.sub(r"[\W_]+", "-", subject.casefold()).strip("-") or subject for subject in subjects}
    known = set(plain.values())
    for subject, name in plain.items():
        while (match := re.fullmatch(r"(.+)-[a-z]", name)) and match[1] in known:
            name = match[1]  # of P7-b-c the patient is P7
        groups[name].append(subject)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def together(subjects: Sequence[str]) -> dict[str, str]:
    """Patient -> the first of those whose names are `alike`; itself where there is none."""
    first = {subject: group[0] for group in alike(subjects) for subject in group}
    return {subject: first.get(subject, subject) for subject in subjects}


def modalities(cohort: Cohort) -> dict[str, int]:
    """Modality -> volumes, where the manifest says one for each.

    ``MRI T1`` and ``MRI FLAIR`` are both MRI, and ``PT`` is what DICOM calls PET.
    """
    stated = [entry.modality or cohort.modality for entry in cohort.volumes]
    said = [name.upper().split()[0] for name in stated if name.strip() not in ("", "unknown")]
    return dict(Counter("PET" if name == "PT" else name for name in said))


def out_of_frame(centres_mm: Mapping[str, ArrayLike], sizes_mm: Mapping[str, ArrayLike]) -> dict[str, float]:
    """Volumes whose body lies elsewhere in the scanner than the others', as registered scans do not.

    Args:
        centres_mm: volume -> (3,) centre of its body's box in scanner mm.
        sizes_mm: volume -> (3,) edges of that box in mm.

    Returns:
        Volume -> how far its centre is from the median one, mm, where that is over a third of the longest edge.
    """
    if len(centres_mm) < 2:
        return {}
    middle = np.median([np.asarray(centre) for centre in centres_mm.values()], axis=0)
    most = OFF_FRAME * float(np.max(np.median([np.asarray(size) for size in sizes_mm.values()], axis=0)))
    away = {name: float(np.linalg.norm(np.asarray(centre) - middle)) for name, centre in centres_mm.items()}
    return {name: distance for name, distance in away.items() if distance > most}


def refuse_unfit(cohort: Cohort, parts: Mapping[str, Sequence[str]], digests: Mapping[str, str] | None = None) -> None:
    """Refuse to train where a split would leak or the volumes are not comparable.

    Args:
        parts: name of a part of the split -> its patients.
        digests: volume -> digest of its voxels; without them, names alone are compared.

    Raises:
        InputError: names that may be one patient's stand on two sides, or the cohort mixes modalities.
    """
    if len(found := modalities(cohort)) > 1:
        counts = ", ".join(f"{count} {name}" for name, count in found.items())
        raise InputError(f"{cohort.name} mixes modalities ({counts}): make a cohort of each.")
    part_of = {subject: part for part, subjects in parts.items() for subject in subjects}
    for one in suspicions(cohort, digests):
        sides = {part_of[subject]: subject for subject in one.subjects if subject in part_of}
        if len(sides) > 1:
            names = " and ".join(f"{subject} ({part})" for part, subject in sides.items())
            raise InputError(
                f"{names} of {cohort.name} {one.why}: give them one `subject` in dataset.json, or one part of the "
                "split."
            )
