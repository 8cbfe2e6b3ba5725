"""Places that patients share: in a frame that the cohort declares, in a template, or by their landmarks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from isimed.data.demo.warp import load_warps
from isimed.data.prepared.preprocess import Preparation
from isimed.evaluation.context.context import Context
from isimed.evaluation.sampling.organ_places import Places, organ_places
from isimed.evaluation.sampling.sample import Crops

FEWEST = 4  # landmarks that a rigid map is fitted to
NEAR_MM = 60.0  # further from every landmark a rigid map says little: bodies bend
LEAST_MISS_MM = 2.0


@dataclass(frozen=True, eq=False)
class Rigid:
    """``(x - centre) turned + shift``: scanner mm of one patient -> the common frame."""

    turn: Rotation
    centre: NDArray[np.float64]
    shift: NDArray[np.float64]

    def map(self, points_mm: NDArray) -> NDArray[np.float64]:
        """(N, 3) -> (N, 3)."""
        return np.asarray(self.turn.apply(np.asarray(points_mm) - self.centre) + self.shift)


def common_places(context: Context, preparation: Preparation, crops: Crops) -> tuple[NDArray[np.float64] | None, str]:
    """(N, 3) mm of crops in a frame that patients share, NaN where a crop has no place in it; and how it was found.

    None where nothing tells: no frame is declared, patients are not virtual, and there are no organs.
    """
    if context.cohort.frame:
        return crops.centre_mm, ""
    if all(getattr(entry, "warp", None) for entry in context.entries):
        places = np.empty_like(crops.centre_mm)
        for name, warp in load_warps(context.cohort.root, context.subjects).items():
            places[crops.subject == name] = warp.to_template(crops.centre_mm[crops.subject == name])
        return places, ""
    landmarks = [organ_places(volume, context.cohort.organs) for volume in context.volumes(preparation)]
    maps, miss = align(landmarks)
    if len(maps) < 2:
        return None, ""
    places = np.full_like(crops.centre_mm, np.nan)
    for number, rigid in maps.items():
        here = np.flatnonzero(crops.volume == number)
        away = cKDTree(np.array(list(landmarks[number].values()))).query(crops.centre_mm[here])[0]
        near = here[away <= NEAR_MM]
        places[near] = rigid.map(crops.centre_mm[near])
    return places, (
        f"Between patients: {len(maps)} volumes were laid on each other rigidly by their organ centroids, which then "
        f"miss each other by {miss:.0f} mm (root mean square): distances are known no better. "
        f"Crops within {NEAR_MM:.0f} mm of a centroid."
    )


def align(landmarks: Sequence[Places], *, rounds: int = 10) -> tuple[dict[int, Rigid], float]:
    """Generalised Procrustes alignment without scale, each landmark weighted by how well it fits.

    Volumes are turned onto the mean shape, which is then the mean of the turned volumes, and so on (Gower,
    Psychometrika 1975). The weight of a landmark is the inverse of its mean squared miss: a centroid that moves with
    the field of view counts little.

    Args:
        landmarks: a volume's places by name, scanner mm.

    Returns:
        Number of the volume -> its map, for those with four landmarks or more; and the root mean square miss in mm.
    """
    able = [i for i, places in enumerate(landmarks) if len(places) >= FEWEST]
    if not able:
        return {}, float("nan")
    first = max(able, key=lambda i: len(landmarks[i]))
    shape, weight = dict(landmarks[first]), dict.fromkeys(landmarks[first], 1.0)
    maps: dict[int, Rigid] = {}
    miss = float("nan")
    for _ in range(rounds):
        maps = {i: fit for i in able if (fit := _onto(landmarks[i], shape, weight)) is not None}
        moved = [{name: rigid.map(point[None])[0] for name, point in landmarks[i].items()} for i, rigid in maps.items()]
        together = {name: np.array([m[name] for m in moved if name in m]) for name in {n for m in moved for n in m}}
        shape = {name: points.mean(axis=0) for name, points in together.items()}
        squared = {name: np.square(points - shape[name]).sum(axis=1) for name, points in together.items()}
        weight = {name: 1 / max(float(x.mean()), LEAST_MISS_MM**2) for name, x in squared.items()}
        miss = float(np.sqrt(np.concatenate(list(squared.values())).mean()))
    return maps, miss


def _onto(places: Places, shape: Mapping[str, NDArray], weight: Mapping[str, float]) -> Rigid | None:
    """The rigid map of least weighted squares (Kabsch) of shared landmarks; None where they are too few."""
    names = [name for name in places if name in shape]
    if len(names) < FEWEST:
        return None
    w = np.array([weight[name] for name in names])
    x, y = np.array([places[name] for name in names]), np.array([shape[name] for name in names])
    centre, shift = np.average(x, axis=0, weights=w), np.average(y, axis=0, weights=w)
    return Rigid(Rotation.align_vectors(y - shift, x - centre, weights=w)[0], centre, shift)
