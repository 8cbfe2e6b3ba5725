"""Task `fields`: do landmarks land better once a smooth field is fitted between two scans, and what starts it best?

Places are points (`sampling/landmark_points`), where organs have such; centroids otherwise. The field is the search's
own (`explore/search/field`), started by what all codes of two scans agree on. Its controls start the same field without
any network: from an affine registration, and from the centres of mass, twice (the affine part of the first field starts
the second). A pair of scans takes seconds, so this is measured when it is asked for by name.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from isimed.data.prepared.preprocess import Preparation, Prepared
from isimed.evaluation.context.context import Context
from isimed.evaluation.context.outcome import Outcome
from isimed.evaluation.sampling.landmark_points import is_centroid, landmark_points
from isimed.evaluation.sampling.organ_places import Places
from isimed.evaluation.statistics.bootstrap import bootstrap, bootstrap_means
from isimed.evaluation.statistics.intervals import SHARE
from isimed.evaluation.tasks.segmentation import dice
from isimed.evaluation.tasks.task import Group, Task
from isimed.evaluation.transfer.registration import affine_transform, carry, start_transform
from isimed.evaluation.transfer.transfers import NOTHING_SHARED, Map, Transfer, choose_transfers
from isimed.explore.search.correspondence import correspondence, robust_affine
from isimed.explore.search.field import kept_field
from isimed.explore.tables.embed import embed_cohort
from isimed.explore.tables.store import Table
from isimed.models.checkpoint import Checkpoint

FAR_OFF_MM = 30
BODY_PLACES = 2000
BARS = ("start_median_mm", "median_mm", "mean_mm", "p90_mm")
Start = Callable[[int, int], Map]


def fields(context: Context, checkpoint: Checkpoint) -> Outcome:
    """The field that the codes start."""
    volumes = context.volumes(checkpoint.card.preparation)
    places, transfers = _asked(context, volumes)
    used = sorted({number for t in transfers for number in (t.source, t.target)})

    @cache
    def table() -> Table:
        return embed_cohort(context.cohort, checkpoint, entries=[context.entries[number] for number in used])

    def agreed(source: int, target: int) -> Map:
        return correspondence(table(), context.entries[source].id, context.entries[target].id).map

    return _outcome(context, volumes, places, transfers, agreed)


def affine_start(context: Context, preparation: Preparation, crop_size: int) -> Outcome:
    """The field that an affine registration starts."""
    volumes = context.volumes(preparation)
    places, transfers = _asked(context, volumes)

    def registered(source: int, target: int) -> Map:
        return partial(carry, affine_transform(volumes[source], volumes[target], seed=context.seed))

    return _outcome(context, volumes, places, transfers, registered)


def no_start(context: Context, preparation: Preparation, crop_size: int) -> Outcome:
    """The field that the centres of mass start, fitted again from its own affine part."""
    volumes = context.volumes(preparation)
    places, transfers = _asked(context, volumes)

    def twice(source: int, target: int) -> Map:
        return centres_twice(volumes[source], volumes[target], seed=context.seed)

    return _outcome(context, volumes, places, transfers, twice)


def centres_twice(source: Prepared, target: Prepared, *, seed: int = 0) -> Map:
    """The affine part of the field that the centres of mass start: what starts the second field."""
    first = kept_field(source, target, partial(carry, start_transform(source, target)))
    body = np.argwhere(source.body)
    drawn = source.to_mm(body[np.random.default_rng(seed).integers(len(body), size=BODY_PLACES)])
    matrix = robust_affine(drawn, first.map(drawn))
    return lambda points_mm: points_mm @ matrix[:3] + matrix[3]


def _asked(context: Context, volumes: Sequence[Prepared]) -> tuple[list[Places], list[Transfer]]:
    places = [landmark_points(volume, context.cohort.organs) for volume in volumes]
    subjects = [entry.subject for entry in context.entries]
    return places, choose_transfers(places, subjects, seed=context.seed)


def _outcome(
    context: Context, volumes: Sequence[Prepared], places: Sequence[Places], transfers: Sequence[Transfer], start: Start
) -> Outcome:
    """Errors of the start and of the field, and the overlap of organs carried by the field."""
    if not transfers:
        return Outcome(details={"notes": [f"fields: {NOTHING_SHARED}"]})
    pairs = list(dict.fromkeys((t.source, t.target) for t in transfers))
    before, after, overlaps = np.empty((len(transfers), 3)), np.empty((len(transfers), 3)), []
    for done, (source, target) in enumerate(pairs):
        begin = start(source, target)
        field = kept_field(volumes[source], volumes[target], begin)
        rows = [row for row, t in enumerate(transfers) if (t.source, t.target) == (source, target)]
        clicked = np.stack([places[source][transfers[row].name] for row in rows])
        before[rows], after[rows] = begin(clicked), field.map(clicked)
        overlaps.append(_overlap(volumes[source], volumes[target], field.map, context.cohort.organs))
        context.advance((done + 1) / len(pairs))
    true = np.stack([places[t.target][t.name] for t in transfers])
    misses = {"start": before - true, "field": after - true}
    off = {way: np.linalg.norm(miss, axis=1) for way, miss in misses.items()}
    owner = np.array([context.entries[t.target].subject for t in transfers])
    centroid = np.array([is_centroid(t.name, context.cohort.organs) for t in transfers])
    cord = np.array([t.name.startswith("cord, ") for t in transfers])
    groups = {"fields": ~cord, "fields_points": ~cord & ~centroid, "fields_centroids": centroid, "fields_cord": cord}
    figures = {}
    for name, rows in groups.items():
        if rows.any():
            some = partial(_figures, {way: away[rows] for way, away in off.items()})
            figures[name] = bootstrap(owner[rows], some, seed=context.seed)
    targets = [context.entries[target].subject for _, target in pairs]
    kept = [row for row, found in enumerate(overlaps) if np.isfinite(list(found.values())).any()]
    if kept:
        owners, shown = [targets[row] for row in kept], [overlaps[row] for row in kept]
        figures["fields_dice_by_organ"] = bootstrap_means(owners, shown, bounds=SHARE)
        mean = [{"dice": float(np.nanmean(list(found.values())))} for found in shown]
        figures["fields"] |= bootstrap_means(owners, mean, bounds=SHARE)
    details = {
        "pairs": len(pairs),
        "transfers": [
            {"source": context.entries[t.source].id, "target": context.entries[t.target].id, "name": t.name}
            | {f"{way}_miss_mm": miss[row].round(2).tolist() for way, miss in misses.items()}
            for row, t in enumerate(transfers)
        ],
    }
    return Outcome(figures, details)


def _figures(off: Mapping[str, NDArray], rows: NDArray) -> dict[str, float]:
    away = off["field"][rows]
    return {
        "median_mm": float(np.median(away)),
        "mean_mm": float(away.mean()),
        "p90_mm": float(np.quantile(away, 0.9)),
        "within_5mm": float((away <= 5).mean()),
        "within_10mm": float((away <= 10).mean()),
        "beyond_30mm": float((away > FAR_OFF_MM).mean()),
        "start_median_mm": float(np.median(off["start"][rows])),
        "start_beyond_30mm": float((off["start"][rows] > FAR_OFF_MM).mean()),
    }


def _overlap(source: Prepared, target: Prepared, carried: Map, names: Mapping[int, str]) -> dict[str, float]:
    """Dice of each organ, on the source's voxels: its own outline and the target's, carried; NaN where not in both."""
    here, label_of = np.asarray(source.labels["organs"]), np.asarray(target.labels["organs"])
    voxels = np.argwhere(source.body)
    there = np.rint(target.to_voxel(carried(source.to_mm(voxels)))).astype(int)
    inside = ((there >= 0) & (there < target.image.shape)).all(axis=1)
    label = np.zeros(len(voxels), dtype=here.dtype)
    label[inside] = label_of[tuple(there[inside].T)]
    own = here[tuple(voxels.T)]
    shared = {name: number for number, name in names.items() if (own == number).any() and (label_of == number).any()}
    return {
        name: dice(own == shared[name], label == shared[name]) if name in shared else np.nan for name in names.values()
    }


TASK = Task(
    "fields",
    "Do landmarks land better once a smooth field is fitted between two scans?",
    measure=fields,
    controls={"affine_registration": affine_start, "deformable_registration": no_start},
    needs="organs",
    on_request=True,
    version=3,
    groups={
        "fields": Group("Landmarks by a smooth field", unit="mm", bars=BARS),
        "fields_points": Group("Points only", unit="mm", bars=BARS, parent="fields"),
        "fields_centroids": Group(
            "Centroids of closed organs",
            unit="mm",
            bars=BARS,
            parent="fields",
        ),
        "fields_cord": Group(
            "Points of the spinal cord",
            unit="mm",
            bars=BARS,
            parent="fields",
        ),
        "fields_dice_by_organ": Group("Organs carried by the field, Dice", unit="Dice, 0 to 1", parent="fields"),
    },
    figures={
        "p90_mm": "90th percentile, mm",
        "beyond_30mm": "more than 30 mm off",
        "start_median_mm": "median of the start, mm",
        "start_beyond_30mm": "start more than 30 mm off",
        "dice": "Dice of organs carried",
    },
    headlines=(),
)
