"""Task `landmarks` and its controls: the same place in the body box, and affine registration."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from isimed.data.demo.warp import load_warps
from isimed.data.prepared.preprocess import Preparation, Prepared
from isimed.evaluation.context.context import Bench
from isimed.evaluation.context.outcome import Outcome
from isimed.evaluation.sampling.organ_places import Places, organ_places
from isimed.evaluation.tasks.landmarks import Transfer, choose_transfers, landmark_outcome
from isimed.evaluation.tasks.registration import affine_transform, carry
from isimed.evaluation.tasks.transfer import Found, box_map, mapped, searched
from isimed.models.checkpoint import Checkpoint

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


def landmarks(bench: Bench, checkpoint: Checkpoint) -> Outcome:
    places, transfers, subjects = _transfers(bench, checkpoint.card.preparation)
    return _figures(bench, searched(bench, checkpoint, places, transfers), places, transfers, subjects)


def body_box(bench: Bench, preparation: Preparation, crop_size: int) -> Outcome:
    places, transfers, subjects = _transfers(bench, preparation)
    volumes = bench.volumes(preparation)
    maps = {(s, t): box_map(volumes[s], volumes[t]) for s, t in _pairs(transfers)}
    return _figures(bench, mapped(volumes, maps, places, transfers), places, transfers, subjects)


def affine_registration(bench: Bench, preparation: Preparation, crop_size: int) -> Outcome:
    places, transfers, subjects = _transfers(bench, preparation)
    volumes, pairs, maps = bench.volumes(preparation), _pairs(transfers), {}
    for done, (source, target) in enumerate(pairs):
        maps[source, target] = partial(carry, affine_transform(volumes[source], volumes[target], seed=bench.seed))
        bench.advance((done + 1) / len(pairs))
    return _figures(bench, mapped(volumes, maps, places, transfers), places, transfers, subjects)


def lacks_landmarks(bench: Bench) -> str:
    known = bench.has_organs or all(getattr(entry, "warp", None) for entry in bench.entries)
    return "" if known and len(bench.subjects) > 1 else "this cohort has no organ maps, so no landmarks."


def _transfers(bench: Bench, preparation: Preparation) -> tuple[list[Places], list[Transfer], list[str]]:
    """Landmarks of every volume: organ centroids, or points of the template in virtual patients."""
    volumes, subjects = bench.volumes(preparation), [entry.subject for entry in bench.entries]
    if bench.has_organs:
        places = [organ_places(volume, bench.cohort.organs) for volume in volumes]
    else:
        warps = load_warps(bench.cohort.root, bench.subjects)
        found = [warps[name].from_template(list(TEMPLATE_POINTS.values())) for name in subjects]
        inside = [_inside(volume, points) for volume, points in zip(volumes, found, strict=True)]
        places = [
            {name: point for name, point, seen in zip(TEMPLATE_POINTS, points, kept, strict=True) if seen}
            for points, kept in zip(found, inside, strict=True)
        ]
    return places, choose_transfers(places, subjects, seed=bench.seed), subjects


def _inside(volume: Prepared, points_mm: NDArray) -> list[bool]:
    voxels = volume.to_voxel(points_mm)
    return [bool(((v >= 0) & (v < np.array(volume.image.shape))).all()) for v in voxels]


def _pairs(transfers: list[Transfer]) -> list[tuple[int, int]]:
    return list(dict.fromkeys((t.source, t.target) for t in transfers))


def _figures(
    bench: Bench, found: Found, places: list[Places], transfers: list[Transfer], subjects: list[str]
) -> Outcome:
    outcome = landmark_outcome(found.refined, places, transfers, subjects, before_mm=found.before, seed=bench.seed)
    for case in outcome.details["worst"]["landmarks"]:
        case["volume"] = bench.entries[case.pop("number")].id
    return outcome
