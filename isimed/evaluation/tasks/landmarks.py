"""Task `landmarks`: an organ's centroid is clicked in one patient and looked for in another. Which, and how far off."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isimed.evaluation.context.outcome import Outcome
from isimed.evaluation.sampling.organ_places import Places
from isimed.evaluation.statistics.bootstrap import Figure, Statistic, bootstrap

VOLUMES, SOURCES = 16, 4
BY_ORGAN = {
    "median_mm": "landmarks_by_organ",
    "within_20mm": "landmarks_within_20mm_by_organ",
    "left_right_confusion": "left_right_by_organ",
}


@dataclass(frozen=True)
class Transfer:
    """One landmark carried from a source volume to a target volume (numbers of volumes)."""

    source: int
    target: int
    name: str


def choose_transfers(
    places: Sequence[Places], subjects: Sequence[str], *, seed: int, volumes: int = VOLUMES, sources: int = SOURCES
) -> list[Transfer]:
    """A transfer a landmark that two volumes share. Seeded volumes stand in a ring, each is looked into from the next
    few of other patients: each is source and target about equally often, and few volumes need a grid of crops."""
    rng = np.random.default_rng([seed, 99])
    ring = [int(i) for i in rng.permutation(len(places)) if places[i]][:volumes]
    found = []
    for rank, target in enumerate(ring):
        others = [i for i in ring[rank + 1 :] + ring[:rank] if subjects[i] != subjects[target]]
        for source in others[:sources]:
            found += [Transfer(source, target, name) for name in places[target] if name in places[source]]
    return found


def landmark_outcome(
    found_mm: NDArray,
    places: Sequence[Places],
    transfers: Sequence[Transfer],
    subjects: Sequence[str],
    *,
    before_mm: Mapping[str, NDArray] | None = None,
    seed: int = 0,
) -> Outcome:
    """Errors in mm, success within 5, 10 and 20 mm, left taken for right; intervals over target patients.

    Args:
        found_mm: (T, 3) where each transfer ended, scanner mm of its target.
        places: a volume's landmarks. subjects: a volume's patient.
        before_mm: earlier steps of the search by name, (T, 3) each; adds ``<name>_median_mm``.
    """
    true = np.stack([places[t.target][t.name] for t in transfers])
    error = np.linalg.norm(found_mm - true, axis=1)
    earlier = {name: np.linalg.norm(mm - true, axis=1) for name, mm in (before_mm or {}).items()}
    confused = np.array([_confused(f, places[t.target], t.name) for f, t in zip(found_mm, transfers, strict=True)])
    owner = np.array([subjects[t.target] for t in transfers])

    def statistic(rows: NDArray) -> dict[str, float]:
        here, sided = error[rows], confused[rows]
        sided = sided[np.isfinite(sided)]
        found = {"median_mm": float(np.median(here)), "mean_mm": float(here.mean())}
        found |= {f"within_{limit}mm": float((here <= limit).mean()) for limit in (5, 10, 20)}
        found |= {f"{name}_median_mm": float(np.median(missed[rows])) for name, missed in earlier.items()}
        return {**found, "left_right_confusion": float(sided.mean()) if len(sided) else float("nan")}

    by_organ: dict[str, dict[str, Figure]] = {group: {} for group in BY_ORGAN.values()}
    for name in dict.fromkeys(t.name for t in transfers):
        rows = np.flatnonzero([t.name == name for t in transfers])
        own = bootstrap(owner[rows], _within(statistic, rows), seed=seed)
        for figure, group in BY_ORGAN.items():
            if np.isfinite(own[figure].value):
                by_organ[group][name] = own[figure]
    worst: list[dict[str, Any]] = [
        {
            "row": int(i),
            "subject": str(owner[i]),
            "score": round(float(error[i]), 1),
            "unit": f"mm from the {transfers[i].name}",
            "number": transfers[i].target,
            "centre_mm": np.round(found_mm[i], 1).tolist(),
        }
        for i in np.argsort(-error)[:12]
    ]
    figures = {"landmarks": bootstrap(owner, statistic, seed=seed), **{k: v for k, v in by_organ.items() if v}}
    return Outcome(
        figures,
        {"error_mm": np.round(np.sort(error), 2).tolist(), "worst": {"landmarks": worst}, "pairs": len(transfers)},
    )


def _within(statistic: Statistic, rows: NDArray) -> Statistic:
    """A statistic of some rows only."""
    return lambda some: statistic(rows[some])


def other_side(name: str) -> str:
    """The name of the same organ on the other side, or "" where it has none."""
    other = name.replace("left", "\0").replace("right", "left").replace("\0", "right")
    return other if other != name else ""


def _confused(found: NDArray, places: Places, name: str) -> float:
    """1 where the other side's landmark is nearer than the true one, NaN where there is no other side."""
    other = other_side(name)
    if other not in places:
        return float("nan")
    return float(np.linalg.norm(found - places[other]) < np.linalg.norm(found - places[name]))
