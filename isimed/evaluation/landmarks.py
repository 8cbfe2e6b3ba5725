"""Task `landmarks`: take the code at an organ's centroid in one patient, find the place in another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.distance import cdist

from isimed.data.preprocess import Prepared
from isimed.evaluation.bench import Bench
from isimed.evaluation.bootstrap import Figure, Statistic, bootstrap
from isimed.evaluation.outcome import Outcome
from isimed.models.checkpoint import Checkpoint
from isimed.patches import crop_centre_mm, grid_centres, nearest_centres

TARGETS, SOURCES = 10, 3
STEPS_MM = (32.0, 16.0, 5.0)
BY_ORGAN = {
    "median_mm": "landmarks_by_organ",
    "within_20mm": "landmarks_within_20mm_by_organ",
    "left_right_confusion": "left_right_by_organ",
}
Places = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Transfer:
    """One landmark carried from a source volume to a target volume (numbers of volumes)."""

    source: int
    target: int
    name: str


def choose_transfers(
    places: Sequence[Places], subjects: Sequence[str], *, seed: int, targets: int = TARGETS, sources: int = SOURCES
) -> list[Transfer]:
    """Seeded targets, and for each some volumes of other patients; a transfer a landmark that both have."""
    rng = np.random.default_rng([seed, 99])
    order = [int(i) for i in rng.permutation(len(places)) if places[i]]
    found = []
    for target in order[:targets]:
        others = [i for i in order if subjects[i] != subjects[target]]
        for source in rng.permutation(others)[:sources]:
            shared = [name for name in places[target] if name in places[source]]
            found += [Transfer(int(source), target, name) for name in shared]
    return found


def organ_places(volume: Prepared, names: Mapping[int, str]) -> Places:
    """Organ -> centroid in scanner mm, for every organ of the volume."""
    organs = volume.labels.get("organs")
    if organs is None:
        return {}
    labels = [int(label) for label in np.unique(organs) if label]
    centres = ndimage.center_of_mass(np.ones(organs.shape, np.uint8), np.asarray(organs), labels)
    return {names.get(label, str(label)): volume.to_mm(np.array(c)) for label, c in zip(labels, centres, strict=True)}


def found_places(
    bench: Bench, checkpoint: Checkpoint, places: Sequence[Places], transfers: Sequence[Transfer]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where each landmark is found: by nearest code on a 16 mm grid, and after refining to 5 mm.

    The search is coarse to fine: a 32 mm grid over the whole body, then 16 mm and 5 mm around each query's best.

    Returns:
        Two (T, 3) arrays in scanner mm of the target.
    """
    size = checkpoint.card.crop_size
    volumes = bench.volumes(checkpoint.card.preparation)
    queries = _queries(bench, checkpoint, places, transfers)
    coarse, fine = np.zeros((len(transfers), 3)), np.zeros((len(transfers), 3))
    targets = list(dict.fromkeys(t.target for t in transfers))
    for done, target in enumerate(targets):
        rows = [i for i, t in enumerate(transfers) if t.target == target]
        volume = volumes[target]
        spacing = float(np.linalg.norm(volume.affine[:3, 0]))
        centres = grid_centres(volume, STEPS_MM[0])
        codes = bench.embed_volume(checkpoint, target, centres)[1]
        wanted = np.stack([queries[transfers[i].source, transfers[i].name] for i in rows])
        for step in STEPS_MM[1:]:
            best = centres[cdist(wanted, codes).argmin(axis=1)]
            more = _around(best, max(1, round(step / spacing)), volume.body)
            more = more[~(more[:, None] == centres[None]).all(axis=2).any(axis=1)]
            if len(more):
                centres = np.concatenate([centres, more])
                codes = np.concatenate([codes, bench.embed_volume(checkpoint, target, more)[1]])
            here = crop_centre_mm(volume, centres[cdist(wanted, codes).argmin(axis=1)], size)
            (coarse if step == STEPS_MM[1] else fine)[rows] = here
        bench.advance((done + 1) / len(targets))
    return coarse, fine


def landmark_outcome(
    found_mm: NDArray,
    places: Sequence[Places],
    transfers: Sequence[Transfer],
    subjects: Sequence[str],
    *,
    coarse_mm: NDArray | None = None,
    seed: int = 0,
) -> Outcome:
    """Errors in mm, success within 5, 10 and 20 mm, left taken for right; intervals over target patients.

    Args:
        found_mm: (T, 3) where each transfer ended, scanner mm of its target. coarse_mm: the same on the grid.
        places: a volume's landmarks. subjects: a volume's patient.
    """
    true = np.stack([places[t.target][t.name] for t in transfers])
    error = np.linalg.norm(found_mm - true, axis=1)
    coarse = np.linalg.norm(coarse_mm - true, axis=1) if coarse_mm is not None else None
    confused = np.array([_confused(f, places[t.target], t.name) for f, t in zip(found_mm, transfers, strict=True)])
    owner = np.array([subjects[t.target] for t in transfers])

    def statistic(rows: NDArray) -> dict[str, float]:
        here, sided = error[rows], confused[rows]
        sided = sided[np.isfinite(sided)]
        found = {"median_mm": float(np.median(here)), "mean_mm": float(here.mean())}
        found |= {f"within_{limit}mm": float((here <= limit).mean()) for limit in (5, 10, 20)}
        if coarse is not None:
            found["coarse_median_mm"] = float(np.median(coarse[rows]))
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
    return Outcome(figures, {"error_mm": np.round(np.sort(error), 2).tolist(), "worst": worst, "pairs": len(transfers)})


def body_box_places(
    volumes: Sequence[Prepared], places: Sequence[Places], transfers: Sequence[Transfer]
) -> NDArray[np.float64]:
    """(T, 3) the same relative place in the target's body box: no network, no image."""
    found = []
    for t in transfers:
        source, target = volumes[t.source], volumes[t.target]
        share = source.to_voxel(places[t.source][t.name]) / np.maximum(np.array(source.image.shape) - 1, 1)
        found.append(target.to_mm(share * (np.array(target.image.shape) - 1)))
    return np.array(found)


def _within(statistic: Statistic, rows: NDArray) -> Statistic:
    """A statistic of some rows only."""
    return lambda some: statistic(rows[some])


def _queries(
    bench: Bench, checkpoint: Checkpoint, places: Sequence[Places], transfers: Sequence[Transfer]
) -> dict[tuple[int, str], NDArray]:
    volumes, found = bench.volumes(checkpoint.card.preparation), {}
    for source in dict.fromkeys(t.source for t in transfers):
        names = list(places[source])
        points = np.stack([places[source][name] for name in names])
        centres = nearest_centres(volumes[source], points, checkpoint.card.crop_size)
        codes = bench.embed_volume(checkpoint, source, centres)[1]
        found.update({(source, name): code for name, code in zip(names, codes, strict=True)})
    return found


def _around(centres: NDArray, step: int, body: NDArray) -> NDArray[np.int64]:
    """(M, 3) the distinct 26 neighbours at a step of some voxels, those inside the volume."""
    offsets = np.array([o for o in np.ndindex(3, 3, 3) if o != (1, 1, 1)]) - 1
    around = np.unique((centres[:, None] + step * offsets).reshape(-1, 3), axis=0)
    return around[((around >= 0) & (around < np.array(body.shape))).all(axis=1)]


def _confused(found: NDArray, places: Places, name: str) -> float:
    """1 where the other side's landmark is nearer than the true one, NaN where there is no other side."""
    other = name.replace("left", "\0").replace("right", "left").replace("\0", "right")
    if other == name or other not in places:
        return float("nan")
    return float(np.linalg.norm(found - places[other]) < np.linalg.norm(found - places[name]))
