"""When a measured fact is a problem: rules for one volume, and for a volume among the others of its cohort."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from isimed.data.cohorts.cohort import Cohort
from isimed.data.cohorts.modality_of_voxels import CT_AIR_HU
from isimed.data.cohorts.suspicions import modalities, out_of_frame, suspicions
from isimed.data.quality.facts import Facts
from isimed.data.quality.orientation import likely_turned

Severity = Literal["error", "warning", "notice"]
Add = Callable[[Severity, str, str], None]  # called with severity, kind and sentence

SMALLEST_BODY_MM = 40
SMALLEST_VIEW_MM = 48  # half a crop of 32 voxels of 3 mm
LARGEST_BODY_MM = (800, 600, 2200)
SPACING_MM = (0.05, 15.0)
UNLIKE_COHORT = 1.67
FEWEST_TO_COMPARE = 5
CUT_FACE = 0.05
THIN_MM = 40
NOTE_SEVERITY: dict[str, Severity] = {
    "label elsewhere": "error",
    "label unreadable": "error",
    "missing slices": "error",
    "slices left out": "error",
    "uneven spacing": "warning",
    "slice positions": "warning",
    "gantry tilt": "warning",
    "orientation": "warning",
    "spacing": "warning",
    "intensity": "warning",
    "label mismatch": "warning",
    "label values": "warning",
    "body": "warning",
    "no background": "warning",
}


class Finding(BaseModel):
    """One thing to look at. ``volume`` is empty where it concerns the cohort."""

    severity: Severity
    kind: str
    volume: str
    message: str


def volume_findings(facts: Facts, cohort: Cohort) -> list[Finding]:
    """What is wrong with a volume on its own."""
    found: list[Finding] = []

    def add(severity: Severity, kind: str, message: str) -> None:
        found.append(Finding(severity=severity, kind=kind, volume=facts.id, message=message))

    if facts.error:
        add("error", "unreadable", facts.error)
        return found
    for kind, text in facts.notes:
        if kind != "not finite":
            add(NOTE_SEVERITY.get(kind, "notice"), kind, text)
    if facts.not_finite:
        add("warning", "NaN voxels", f"{facts.not_finite} voxels are NaN, infinite or over ±1e28: taken as background.")
    if facts.constant:
        add("error", "constant", f"Every voxel is {facts.intensity['min']:g}: this is no image, export it again.")
        return found
    _size_findings(facts, add)
    if facts.body_fraction == 0:
        size = min(facts.field_of_view_mm)
        why = "the field of view is too small" if size < SMALLEST_BODY_MM else f"check the modality, {cohort.modality}"
        add("error", "no body", f"The body was not found: {why}.")
    if cohort.modality.upper().startswith("CT") and facts.intensity["p1"] > -300:
        low, high = facts.intensity["min"], facts.intensity["max"]
        add("warning", "intensity", f"Values from {low:g} to {high:g} hold no air: they may not be Hounsfield units.")
    own = cohort.entry(facts.id).modality or cohort.modality
    if facts.intensity["min"] <= CT_AIR_HU and own != "unknown" and not own.upper().startswith("CT"):
        low = facts.intensity["min"]
        add("warning", "modality", f"Values from {low:g} are those of CT, and it is called {own}: correct `modality`.")
    _end_findings(facts, add)
    cut = [name for name in ("left", "right", "posterior", "anterior") if facts.body_on_face.get(name, 0) > CUT_FACE]
    if cut:
        add("notice", "cut by field of view", f"The body reaches the edge of the field of view: {', '.join(cut)}.")
    if facts.thin_mm >= THIN_MM:
        text = f"Thin parts reach {facts.thin_mm:.0f} mm beyond the rest of the body: a table, a head holder, cables?"
        add("notice", "more than the body", text)
    if facts.repeated_slices:
        add("warning", "missing slices", f"{facts.repeated_slices} slices repeat the one before: were slices lost?")
    _label_findings(facts, cohort, add)
    return found


def _end_findings(facts: Facts, add: Add) -> None:
    """A body that stops where slices hold nothing."""
    for end, name in ((0, "inferior"), (1, "superior")):
        if facts.abrupt_ends[end]:
            count, value = facts.empty_ends[end], facts.end_values[end]
            if value > facts.intensity["min"]:
                text = f"{count} slices at the {name} end hold only {value:g}: the transfer was cut, export it again."
                add("error", "truncated", text)
            else:
                add(
                    "notice",
                    "padded",
                    f"The body stops at {count} empty slices at the {name} end: cut or padded there.",
                )


def _size_findings(facts: Facts, add: Add) -> None:
    spacing = " × ".join(f"{value:.3g}" for value in facts.spacing_mm)
    view = " × ".join(f"{value:.0f}" for value in facts.field_of_view_mm)
    if min(facts.field_of_view_mm) < SMALLEST_VIEW_MM:
        add("warning", "small", f"A field of view of {view} mm is smaller than the crops of most checkpoints.")
    if min(facts.spacing_mm) < SPACING_MM[0] or max(facts.spacing_mm) > SPACING_MM[1]:
        add("warning", "spacing", f"Voxels of {spacing} mm are unusual: check the header's spacing.")
    body = " × ".join(f"{value:.0f}" for value in facts.body_mm)
    if any(size > most for size, most in zip(facts.body_mm, LARGEST_BODY_MM, strict=True)):
        add(
            "error",
            "wrong spacing",
            f"A body of {body} mm is too large for a person: the spacing ({spacing} mm) is wrong.",
        )
    elif 0 < max(facts.body_mm) < SMALLEST_BODY_MM:
        add(
            "error",
            "wrong spacing",
            f"A body of {body} mm is too small for a person: the spacing ({spacing} mm) is wrong.",
        )


def _label_findings(facts: Facts, cohort: Cohort, add: Add) -> None:
    for name, label in facts.labels.items():
        if not label.voxels:
            add("notice", "empty label", f"{name} labels nothing in this volume.")
            continue
        if label.inside_body < 0.5:
            add("warning", "label mismatch", f"Only {label.inside_body:.0%} of {name} lies on body: is it this scan's?")
        unknown = sorted(set(label.voxels) - set(cohort.organs)) if name == "organs" and cohort.organs else []
        if unknown:
            add("warning", "label mismatch", f"{name} holds values that the manifest does not name: {unknown[:8]}.")
    organs = facts.labels.get("organs")
    for left, right in _pairs(cohort.organs) if organs else ():
        places = organs.centroids_mm if organs else {}
        if left in places and right in places and places[right][0] < places[left][0]:
            names = f"{cohort.organs[right]} lies left of {cohort.organs[left]}"
            add("warning", "left and right", f"{names}: left and right may be swapped in the header.")
            break


def _pairs(organs: dict[int, str]) -> list[tuple[int, int]]:
    """(left, right) labels whose names differ in that word only."""
    by_name = {name.lower(): label for label, name in organs.items()}
    return [
        (by_name[other], label)
        for name, label in by_name.items()
        if "right" in name and (other := name.replace("right", "left")) in by_name
    ]


def cohort_findings(facts: Sequence[Facts], bodies: Sequence[NDArray | None], cohort: Cohort) -> list[Finding]:
    """What shows only beside the other volumes: repeats, odd sizes, turned axes, one patient under two names."""
    good = [one for one in facts if not one.error and not one.constant and one.body_fraction > 0]
    found = _repeats(facts) + _same_patient(cohort) + _mixed(cohort) + _frame(good, cohort)
    if len(good) >= FEWEST_TO_COMPARE:
        found += _odd_sizes(good)
        known = {one.id for one in good}
        shapes = {one.id: body for one, body in zip(facts, bodies, strict=True) if body is not None and one.id in known}
        for volume, how in likely_turned(shapes).items():
            found.append(Finding(severity="warning", kind="orientation", volume=volume, message=how))
    return found


def _repeats(facts: Sequence[Facts]) -> list[Finding]:
    same = defaultdict(list)
    for one in facts:
        if one.digest and not one.constant:
            same[one.digest].append(one)
    found = []
    for group in same.values():
        for other in group[1:]:
            first = group[0]
            apart = first.subject != other.subject
            text = f"Holds the same voxels as {first.id}" + (
                f", under another patient's name ({first.subject}): one has to go, or a split would leak."
                if apart
                else "."
            )
            severity: Severity = "error" if apart else "warning"
            found.append(Finding(severity=severity, kind="duplicate", volume=other.id, message=text))
    return found


def _same_patient(cohort: Cohort) -> list[Finding]:
    """Names that may be one patient's; who holds the same voxels under two names is said by `_repeats`."""
    return [
        Finding(
            severity="warning",
            kind="patient names",
            volume=one.volume,
            message=f"{' and '.join(one.subjects)} {one.why}: if they are one patient, give them one `subject`.",
        )
        for one in suspicions(cohort)
    ]


def _mixed(cohort: Cohort) -> list[Finding]:
    """One network, and one way to prepare, suit one modality."""
    found = modalities(cohort)
    if len(found) < 2:
        return []
    counts = ", ".join(f"{count} {name}" for name, count in found.items())
    text = f"The cohort mixes modalities ({counts}): make a cohort of each, training refuses them together."
    return [Finding(severity="error", kind="mixed modalities", volume="", message=text)]


def _frame(facts: Sequence[Facts], cohort: Cohort) -> list[Finding]:
    """Volumes that cannot lie in the common frame which the manifest declares."""
    if cohort.frame is None:
        return []
    away = out_of_frame({one.id: one.body_centre_mm for one in facts}, {one.id: one.body_mm for one in facts})
    return [
        Finding(
            severity="error",
            kind="frame",
            volume=volume,
            message=f"Its body lies {distance:.0f} mm from where the others' lie, so it is not in the frame "
            f"{cohort.frame}: register it, or take `frame` out of the manifest.",
        )
        for volume, distance in away.items()
    ]


def _odd_sizes(facts: Sequence[Facts]) -> list[Finding]:
    sizes = np.array([one.body_mm for one in facts])
    usual = np.median(sizes, axis=0)
    found = []
    for one, ratio in zip(facts, sizes / usual, strict=True):
        body, typical = (" × ".join(f"{value:.0f}" for value in size) for size in (one.body_mm, usual))
        if (ratio[:2] > UNLIKE_COHORT).all() or (ratio[:2] < 1 / UNLIKE_COHORT).all():
            text = f"The body measures {body} mm, in this cohort usually {typical}: the spacing may be wrong."
            found.append(Finding(severity="warning", kind="wrong spacing", volume=one.id, message=text))
        elif ratio[2] < 0.4:
            text = f"Covers {one.body_mm[2]:.0f} mm of the body, in this cohort usually {usual[2]:.0f}: truncated?"
            found.append(Finding(severity="warning", kind="truncated", volume=one.id, message=text))
        elif ratio[2] > 2.5:
            text = f"Covers {one.body_mm[2]:.0f} mm of the body, in this cohort usually {usual[2]:.0f}: wrong spacing?"
            found.append(Finding(severity="warning", kind="wrong spacing", volume=one.id, message=text))
    return found
