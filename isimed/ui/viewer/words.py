"""What a person reads about a match and about the clicked place: one line each, without a tooltip."""

import math
from collections.abc import Mapping

from isimed.data.cohorts.cohort import Cohort, Entry
from isimed.explore.search.locate import Location
from isimed.ui.slice_viewer.options import NEAR_MIDLINE_MM

SURE_MM = 10.0  # up to here a place is called sure
SIDES = ("left", "right")


def match_line(location: Location, error_mm: float | None = None) -> str:
    """How well a place was found: "fits well, ±3 mm", "unsure, ±17 mm" or "not in this scan".

    Args:
        error_mm: distance to the true place, where that is known.
    """
    if location.note:
        return f"not in this scan: {location.note.replace('this scan', 'it')}"
    spread = location.uncertainty_mm
    words = f"{'fits well' if spread <= SURE_MM else 'unsure'}, ±{max(spread, 1):.0f} mm"
    return words if error_mm is None else f"{words} · error {error_mm:.1f} mm"


def match_details(location: Location, *, in_mm: bool, error_mm: float | None = None) -> str:
    """The figures behind `match_line`, each with its unit."""
    parts = [f"latent distance {location.distance:.1f}{' mm' if in_mm else ''}"]
    parts.append(f"uncertainty ±{location.uncertainty_mm:.1f} mm")
    if location.round_trip_mm is not None:
        parts.append(f"way back misses by {location.round_trip_mm:.1f} mm")
    if error_mm is not None:
        parts.append(f"error {error_mm:.1f} mm")
    return " · ".join(parts)


def organ_line(votes: Mapping[int, int], names: Mapping[int, str]) -> str:
    """What the labelled patients say of a place: "left putamen (7 of 7 labelled patients)"; "" where none voted.

    Args:
        votes: label -> patients, 0 for no organ near.
        names: label -> name.
    """
    if not votes:
        return ""
    label = max(votes, key=lambda one: (votes[one], one != 0))
    total = sum(votes.values())
    patients = f"{votes[label]} of {total} labelled patient{'s' if total > 1 else ''}"
    name = names.get(label, "").replace("_", " ")
    return f"{name} ({patients})" if name else f"no organ near ({patients})"


def midline_line(right_mm: float, organ: str = "") -> str:
    """On which side of the body's middle a place lies, and how far; near it the side is said to be uncertain.

    Args:
        right_mm: from the middle of the body's box, to the right.
        organ: the name said beside it.
    """
    away = abs(right_mm) + 1e-6
    if away >= NEAR_MIDLINE_MM:  # as the read-out beside the planes says it; half a millimetre goes up
        return f"{math.floor(away + 0.5)} mm {SIDES[right_mm > 0]} of the midline"
    sided = any(side in organ.lower().replace("_", " ").split() for side in SIDES)
    return "near the midline" + (": the side is uncertain" if sided else "")


def corner(cohort: Cohort, entry: Entry) -> tuple[str, ...]:
    """Whose scan it is: the volume, the patient where that is another word, and what is known of the series."""
    patient = f"{entry.id} · patient {entry.subject}" if entry.subject != entry.id else entry.id
    modality = entry.modality or (cohort.modality if cohort.modality != "unknown" else "")
    series = " · ".join(filter(None, [modality, entry.sequence, entry.session, entry.study]))
    return tuple(filter(None, [patient, series]))
