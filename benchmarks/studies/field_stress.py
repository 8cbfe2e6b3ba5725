"""Landmarks where registration has a hard time: cut fields of view, turned patients, a mass, another contrast.

python -m benchmarks.studies.field_stress PATH/TO/headneck-ct --checkpoint headneck-ct-dense --json stress.json

Held-out patients of a split in a ring: each scan is looked into from the next. The scan that is looked into is
changed before it is prepared (`CHANGES`); landmarks that it does not show any more are left out, and points and
centroids are taken from the outlines of the whole scan. Ways: what all codes agree on (`codes`), the smooth field that
they start, and the same field started by an affine registration and, twice, by the centres of mass, without a network.
95 % intervals over the patients who are looked into.
"""

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation
from tqdm import tqdm

from benchmarks.studies.part import add_patients, listed_patients
from isimed.data.cohorts.cohort import Cohort
from isimed.data.formats.volume import Volume
from isimed.data.prepared.preprocess import Prepared, prepare
from isimed.evaluation.sampling.landmark_points import landmark_points
from isimed.evaluation.sampling.organ_places import Places
from isimed.evaluation.statistics.bootstrap import bootstrap
from isimed.evaluation.tasks.fields import FAR_OFF_MM, centres_twice
from isimed.evaluation.transfer.registration import affine_transform, carry
from isimed.explore.search.correspondence import correspondence
from isimed.explore.search.field import Map, kept_field
from isimed.explore.tables.embed import checkpoint_for, embed_prepared
from isimed.explore.tables.joined import Joined
from isimed.models.checkpoint import Checkpoint

SOURCES = 1
MASS_RADIUS_MM = 25.0
Moved = tuple[Volume, Map]  # the changed scan, and where its places were before: (N, 3) mm -> (N, 3) mm


def cut(scan: Volume, keep: float, *, upper: bool) -> Moved:
    """A part of a scan, cut across the body."""
    middle = round(scan.shape[2] * (1 - keep if upper else keep))
    affine = scan.affine.copy()
    if upper:
        affine[:3, 3] = scan.to_mm([0, 0, middle])
    voxels = scan.voxels[..., middle:] if upper else scan.voxels[..., :middle]
    return Volume(voxels, affine, name=scan.name), lambda points: points


def turned(scan: Volume, degrees: float) -> Moved:
    """The patient leans over and looks aside: about the scan's middle, around an axis that is none of its own."""
    turn = Rotation.from_rotvec(np.radians(degrees) * np.array([1, 1, 1]) / np.sqrt(3)).as_matrix()
    middle = scan.to_mm((np.array(scan.shape) - 1) / 2)
    before = partial(_about, turn.T, middle)
    places = scan.to_mm(np.moveaxis(np.indices(scan.shape), 0, -1).reshape(-1, 3))
    voxels = ndimage.map_coordinates(
        scan.voxels.astype(np.float32), scan.to_voxel(before(places)).T, order=1, cval=float(scan.voxels.min())
    )
    return Volume(voxels.reshape(scan.shape), scan.affine, name=scan.name), before


def _about(turn: NDArray, middle: NDArray, points: NDArray) -> NDArray[np.float64]:
    return (points - middle) @ turn.T + middle


def with_mass(scan: Volume) -> Moved:
    """A ball of soft tissue beside the middle, in front: what stood there is gone, nothing is pushed aside."""
    size = np.linalg.norm(scan.affine[:3, :3], axis=0)
    centre = (np.array(scan.shape) - 1) * [0.6, 0.55, 0.5]
    away = np.sqrt(sum(((g - c) * s) ** 2 for g, c, s in zip(np.indices(scan.shape), centre, size, strict=True)))
    return Volume(
        np.where(away < MASS_RADIUS_MM, 50.0, scan.voxels), scan.affine, name=scan.name
    ), lambda points: points


def other_contrast(scan: Volume) -> Moved:
    """As a scanner of other tube voltage with contrast medium might show it: bone and bright tissue up by a half."""
    voxels = np.where(scan.voxels > 60, 60 + 1.5 * (scan.voxels - 60), scan.voxels)
    return Volume(voxels, scan.affine, name=scan.name), lambda points: points


CHANGES: dict[str, Callable[[Volume], Moved]] = {
    "unchanged": lambda scan: (scan, lambda points: points),
    "upper two thirds": partial(cut, keep=2 / 3, upper=True),
    "lower half": partial(cut, keep=1 / 2, upper=False),
    "turned by 15°": partial(turned, degrees=15),
    "turned by 30°": partial(turned, degrees=30),
    "mass of 5 cm": with_mass,
    "other contrast": other_contrast,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_patients(parser)
    parser.add_argument("--patients", type=int, default=6)
    parser.add_argument("--json", required=True)
    options = parser.parse_args()
    cohort = Cohort.load(options.cohort)
    checkpoint = checkpoint_for(options.checkpoint, cohort)
    entries = [entry for entry in cohort.subset(listed_patients(options)) if entry.organs][: options.patients]
    preparation = checkpoint.card.preparation
    wholes = [prepare(cohort.read(one), preparation, labels=cohort.read_labels(one)) for one in entries]
    places = [landmark_points(whole, cohort.organs) for whole in wholes]
    rows: list[dict[str, Any]] = []
    for change, target in tqdm([(change, target) for change in CHANGES for target in range(len(entries))]):
        scan, before = CHANGES[change](cohort.read(entries[target]))
        changed = prepare(scan, preparation)
        true = shown(places[target], before, changed)
        for source in [(target + 1 + step) % len(entries) for step in range(SOURCES)]:
            for way, off in misses(checkpoint, wholes[source], places[source], changed, true).items():
                rows += [{"change": change, "way": way, "target": entries[target].id, "mm": mm} for mm in off]
        Path(options.json).write_text(json.dumps(figures(rows), indent=1) + "\n", encoding="utf-8")


def shown(places: Places, before: Map, changed: Prepared) -> Places:
    """Where landmarks lie in a changed scan; what it does not show is left out."""
    matrix = np.linalg.lstsq(_ones(before(CORNERS)), CORNERS, rcond=None)[0]  # all changes are rigid
    found = {name: _ones(mm[None])[0] @ matrix for name, mm in places.items()}
    last = np.array(changed.image.shape) - 1
    return {name: mm for name, mm in found.items() if ((v := changed.to_voxel(mm)) >= 0).all() and (v <= last).all()}


CORNERS = 100.0 * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])


def _ones(points: NDArray) -> NDArray[np.float64]:
    return np.column_stack([points, np.ones(len(points))])


def misses(
    checkpoint: Checkpoint, source: Prepared, clicked: Places, target: Prepared, true: Places
) -> dict[str, list[float]]:
    """Way -> mm off, of each landmark that both scans show."""
    names = [name for name in clicked if name in true]
    if not names:
        return {}
    here, there = embed_prepared("source", source, checkpoint), embed_prepared("target", target, checkpoint)
    table = Joined(here, there)
    agreed = correspondence(table, *table.volumes).map
    registered = partial(carry, affine_transform(source, target))
    ways: dict[str, Map] = {
        "codes": agreed,
        "codes, field": kept_field(source, target, agreed).map,
        "affine, field": kept_field(source, target, registered).map,
        "centres of mass, field twice": kept_field(source, target, centres_twice(source, target)).map,
    }
    points, truth = (np.stack([where[name] for name in names]) for where in (clicked, true))
    return {way: np.linalg.norm(carried(points) - truth, axis=1).tolist() for way, carried in ways.items()}


def figures(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for change, way in dict.fromkeys((row["change"], row["way"]) for row in rows):
        some = [row for row in rows if (row["change"], row["way"]) == (change, way)]
        mm = np.array([row["mm"] for row in some])

        def statistic(chosen: NDArray[np.intp], mm: NDArray = mm) -> dict[str, float]:
            return {
                "median_mm": float(np.median(mm[chosen])), "p90_mm": float(np.quantile(mm[chosen], 0.9)),
                "beyond_30mm": float((mm[chosen] > FAR_OFF_MM).mean()),
            }  # fmt: skip

        by_patient = bootstrap([row["target"] for row in some], statistic)
        found.append(
            {"change": change, "way": way, "places": len(mm)} | {k: v.to_json() for k, v in by_patient.items()}
        )
    return found


if __name__ == "__main__":
    main()
