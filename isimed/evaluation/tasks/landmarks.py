"""Task `landmarks`: an organ's centroid is clicked in one patient and looked for in another. Which, and how far off.

Its controls: the same place in the body box, and affine registration.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isimed.data.demo.warp import load_warps
from isimed.data.prepared.preprocess import Preparation, Prepared
from isimed.evaluation.context.context import Context
from isimed.evaluation.context.outcome import Outcome
from isimed.evaluation.sampling.organ_places import Places, organ_places
from isimed.evaluation.statistics.bootstrap import Figure, Statistic, bootstrap
from isimed.evaluation.statistics.scores import auc, patients_of_both
from isimed.evaluation.tasks.task import Group, Sample, Task
from isimed.evaluation.transfer.registration import affine_transform, carry
from isimed.evaluation.transfer.transfers import (
    NOTHING_SHARED,
    VOLUMES,
    Transfer,
    Transferred,
    box_map,
    choose_transfers,
    mapped,
    searched,
)
from isimed.models.checkpoint import Checkpoint

GRID_CROPS, GRID_STEP_MM = 700, 24.0  # 680 a volume were counted on 40 patients of headneck-ct
BY_ORGAN = {
    "median_mm": "landmarks_by_organ",
    "within_20mm": "landmarks_within_20mm_by_organ",
    "left_right_confusion": "left_right_by_organ",
}
TEMPLATE_POINTS = {  # MNI152 mm: places that a reader of brain scans can name
    "anterior commissure": (0.0, 2.0, -4.0),
    "posterior commissure": (0.0, -25.0, -2.0),
    "left putamen": (-26.0, 4.0, 2.0),
    "right putamen": (26.0, 4.0, 2.0),
    "left hippocampus": (-28.0, -20.0, -14.0),
    "right hippocampus": (28.0, -20.0, -14.0),
    "left frontal pole": (-24.0, 58.0, 6.0),
    "right frontal pole": (24.0, 58.0, 6.0),
    "left occipital pole": (-20.0, -94.0, 2.0),
    "right occipital pole": (20.0, -94.0, 2.0),
    "vertex": (0.0, -24.0, 66.0),
    "cerebellum": (0.0, -64.0, -34.0),
}


def landmarks(context: Context, checkpoint: Checkpoint) -> Outcome:
    def search(places: Sequence[Places], transfers: Sequence[Transfer]) -> Transferred:
        return searched(context, checkpoint, places, transfers)

    return _outcome(context, checkpoint.card.preparation, search)


def body_box(context: Context, preparation: Preparation, crop_size: int) -> Outcome:
    volumes = context.volumes(preparation)

    def put(places: Sequence[Places], transfers: Sequence[Transfer]) -> Transferred:
        maps = {(s, t): box_map(volumes[s], volumes[t]) for s, t in _pairs(transfers)}
        return mapped(volumes, maps, places, transfers)

    return _outcome(context, preparation, put)


def affine_registration(context: Context, preparation: Preparation, crop_size: int) -> Outcome:
    volumes = context.volumes(preparation)

    def register(places: Sequence[Places], transfers: Sequence[Transfer]) -> Transferred:
        pairs, maps = _pairs(transfers), {}
        for done, (source, target) in enumerate(pairs):
            maps[source, target] = partial(carry, affine_transform(volumes[source], volumes[target], seed=context.seed))
            context.advance((done + 1) / len(pairs))
        return mapped(volumes, maps, places, transfers)

    return _outcome(context, preparation, register)


def lacks_landmarks(context: Context) -> str:
    known = context.has("organs") or all(getattr(entry, "warp", None) for entry in context.entries)
    return "" if known and len(context.subjects) > 1 else "this cohort has no organ maps, so no landmarks."


def _outcome(
    context: Context,
    preparation: Preparation,
    transferred: Callable[[Sequence[Places], Sequence[Transfer]], Transferred],
) -> Outcome:
    """The figures of a way to transfer landmarks."""
    places, transfers, subjects = _transfers(context, preparation)
    if not transfers:
        return Outcome(details={"notes": [f"landmarks: {NOTHING_SHARED}"]})
    return _figures(context, transferred(places, transfers), places, transfers, subjects)


def _transfers(context: Context, preparation: Preparation) -> tuple[list[Places], list[Transfer], list[str]]:
    """Landmarks of every volume: organ centroids, or points of the template in virtual patients."""
    volumes, subjects = context.volumes(preparation), [entry.subject for entry in context.entries]
    if context.has("organs"):
        places = [organ_places(volume, context.cohort.organs) for volume in volumes]
    else:
        warps = load_warps(context.cohort.root, context.subjects)
        found = [warps[name].from_template(list(TEMPLATE_POINTS.values())) for name in subjects]
        inside = [_inside(volume, points) for volume, points in zip(volumes, found, strict=True)]
        places = [
            {name: point for name, point, seen in zip(TEMPLATE_POINTS, points, kept, strict=True) if seen}
            for points, kept in zip(found, inside, strict=True)
        ]
    return places, choose_transfers(places, subjects, seed=context.seed), subjects


def _inside(volume: Prepared, points_mm: NDArray) -> list[bool]:
    voxels = volume.to_voxel(points_mm)
    return [bool(((v >= 0) & (v < np.array(volume.image.shape))).all()) for v in voxels]


def _pairs(transfers: Sequence[Transfer]) -> list[tuple[int, int]]:
    return list(dict.fromkeys((t.source, t.target) for t in transfers))


def _figures(
    context: Context, found: Transferred, places: list[Places], transfers: list[Transfer], subjects: list[str]
) -> Outcome:
    outcome = landmark_outcome(found.refined, places, transfers, subjects, before_mm=found.before, seed=context.seed)
    if found.cut is not None:
        absent, beyond = found.cut.absent, found.cut.beyond_mm
        owner = np.array(subjects)[found.cut.target]
        told = bootstrap(
            owner,
            lambda rows: {"absent_auc": auc(absent[rows], beyond[rows])},
            seed=context.seed,
            rests_on=patients_of_both(absent, owner),
        )
        outcome.figures["landmarks"] |= told
    for case in outcome.details["worst"]["landmarks"]:
        case["volume"] = context.entries[case.pop("number")].id
    return outcome


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
        places: a volume's landmarks.
        subjects: a volume's patient.
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
    """The name of the same organ on the other side, or "" where it has none.

    >>> other_side("kidney_left"), other_side("Right-Thalamus"), other_side("liver")
    ('kidney_right', 'Left-Thalamus', '')
    """

    def turned(side: re.Match[str]) -> str:
        other = "right" if side[0].lower() == "left" else "left"
        return other.upper() if side[0].isupper() else other.capitalize() if side[0][0].isupper() else other

    other = re.sub("left|right", turned, name, flags=re.IGNORECASE)
    return other if other != name else ""


def _confused(found: NDArray, places: Places, name: str) -> float:
    """1 where the other side's landmark is nearer than the true one, NaN where there is no other side."""
    other = other_side(name)
    if other not in places:
        return float("nan")
    return float(np.linalg.norm(found - places[other]) < np.linalg.norm(found - places[name]))


def _grid(context: Context, step_mm: float) -> int:
    return round(GRID_CROPS * (GRID_STEP_MM / step_mm) ** 3 * min(VOLUMES, len(context.entries)))


TASK = Task(
    "landmarks",
    "Does the code at an organ's centre find that organ in another patient?",
    measure=landmarks,
    samples=(Sample("landmarks", _grid),),
    controls={"body_box": body_box, "affine_registration": affine_registration},
    lacks=lacks_landmarks,
    needs="organs",
    version=6,
    groups={
        "landmarks": Group(
            "Landmark transfer", unit="mm", bars=("coarse_median_mm", "agreed_median_mm", "median_mm", "mean_mm")
        ),
        "landmarks_by_organ": Group("Landmark transfer by organ, median mm", unit="mm"),
        "landmarks_within_20mm_by_organ": Group("Landmarks within 20 mm, by organ", parent="landmarks_by_organ"),
        "left_right_by_organ": Group("Left taken for right, by organ", parent="landmarks_by_organ"),
    },
    figures={
        "median_mm": "median, mm",
        "mean_mm": "mean, mm",
        "coarse_median_mm": "median of the nearest crop, or of a control's map, mm",
        "agreed_median_mm": "median of what all codes agree on, mm",
        "within_5mm": "within 5 mm",
        "within_10mm": "within 10 mm",
        "within_20mm": "within 20 mm",
        "left_right_confusion": "left-right confusion",
        "absent_auc": "AUC of landmarks that half a scan does not show",
    },
    headlines=(("landmarks", "median_mm"),),
)
