"""What a person knows better than the names of files: patient, modality, body region and role, by rule."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import LABELS
from isimed.data.cohorts.layouts.names import REGIONS
from isimed.data.cohorts.plan import BY_HAND, IMAGE, LEFT_LABELS, METADATA, SKIPPED, Plan, Planned

GIVEN = {IMAGE: IMAGE, **{kind: kind for kind in LABELS}, "skip": SKIPPED}
MODALITIES = ("CT", "MRI", "PET")


@dataclass(frozen=True)
class Corrections:
    """Rules that change a plan before anything is written.

    Attributes:
        patient_from: ``folder:N``, the N-th folder below the one that was given (from 1; -1 is the one that the file
            lies in), or a regular expression that is searched in the path below it: its first group, or all of it.
        modality, region: of every image.
        roles: ``PATTERN=ROLE``; the pattern (``*``, ``?``) is of the path or the name, the role one of ``image``,
            ``organs``, ``tumour``, ``skip``. The last that fits counts.
    """

    patient_from: str | None = None
    modality: str | None = None
    region: str | None = None
    roles: Sequence[str] = ()

    def applied(self, plan: Plan) -> Plan:
        """The plan, corrected.

        Raises:
            InputError: a rule that is none, fits no file, or gives a label map no image.
        """
        if self.modality and not {*MODALITIES}.intersection(self.modality.upper().split()[:1]):
            raise InputError(f"--modality {self.modality} is not known: give one of {', '.join(MODALITIES)}.")
        if self.region and self.region not in REGIONS:
            raise InputError(f"--region {self.region} is not known: give one of {', '.join(REGIONS)}.")
        for rule in self.roles:
            plan.items = _with_role(plan, rule)
        for place, item in enumerate(plan.items):
            if item.role == IMAGE:
                known: dict[str, Any] = {
                    "modality": self.modality or item.modality,
                    "region": self.region or item.region,
                }
                patient = _patient(plan, item, self.patient_from) if self.patient_from else item.patient
                plan.items[place] = replace(item, patient=patient, **known)
        return plan


def _patient(plan: Plan, item: Planned, rule: str) -> str:
    path = PurePosixPath(_relative(plan, item))
    if rule.startswith("folder:"):
        folders = path.parts if item.path.is_dir() else path.parts[:-1]
        try:
            number = int(rule.removeprefix("folder:"))
            return folders[number - 1 if number > 0 else number if number else len(folders)]
        except ValueError:
            raise InputError(f"--patient-from {rule} names no folder: give folder:1, folder:2 or folder:-1.") from None
        except IndexError:
            raise InputError(f"--patient-from {rule}: {path} lies in {len(folders)} folders: give another.") from None
    try:
        found = re.search(rule, str(path))
    except re.error as error:
        raise InputError(f"--patient-from {rule} is no regular expression ({error}): correct it.") from None
    name = (found[1] if found.re.groups else found[0]) if found else ""
    if not name:
        raise InputError(f"--patient-from {rule} finds no patient in {path}: correct it, or leave that file out.")
    return name


def _with_role(plan: Plan, rule: str) -> list[Planned]:
    pattern, _, given = rule.rpartition("=")
    if not pattern or given not in GIVEN:
        raise InputError(f"--role {rule} is no rule: give PATTERN=ROLE, the role one of {', '.join(GIVEN)}.")
    role, items = GIVEN[given], list(plan.items)
    fitting = [place for place, item in enumerate(items) if item.role != METADATA and _fits(plan, item, pattern)]
    if not fitting:
        raise InputError(f"--role {rule} fits no file of {plan.source}: correct the pattern.")
    for place in fitting:
        item = items[place]
        known: dict[str, Any] = {"role": role, "why": "" if role == item.role else BY_HAND}
        if role == IMAGE and item.role != IMAGE:
            name = _relative(plan, item).partition(".")[0].replace("/", "_")
            known |= {"volume": name, "patient": item.patient or name}
        items[place] = replace(item, **known)
    for place in fitting:
        if role in LABELS:
            items = _one_map(plan, items, place)
    return items


def _one_map(plan: Plan, items: list[Planned], place: int) -> list[Planned]:
    """The items with a label map at its image, whose former map of that kind is left out."""
    item = items[place]
    images = [one for one in items if one.role == IMAGE]
    own = next((one for one in images if one.volume == item.volume), None)
    near = [one for one in images if one.path.parent == item.path.parent]
    if own is None and len(near) != 1:
        name = _relative(plan, item)
        raise InputError(f"{name} is of no image that can be told: give it its image's name, or the role skip.")
    volume = (own or near[0]).volume
    items[place] = replace(item, volume=volume)
    return [
        replace(one, role=LEFT_LABELS, why=f"{item.path.name} was chosen by hand.")
        if number != place and (one.role, one.volume) == (item.role, volume)
        else one
        for number, one in enumerate(items)
    ]


def _fits(plan: Plan, item: Planned, pattern: str) -> bool:
    return fnmatchcase(_relative(plan, item), pattern) or fnmatchcase(item.path.name, pattern)


def _relative(plan: Plan, item: Planned) -> str:
    return plan.name_of(item.path).replace("\\", "/")
