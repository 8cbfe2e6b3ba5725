"""Tumour crops and healthy crops at the same places: whether an embedding sees the tumour, not where it usually is."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from isimed.data.prepared.preprocess import Prepared
from isimed.evaluation.sampling.sample import NEAR_MM, distance_to_tumour

PAIRS_A_PATIENT = 12  # three for every eight crops of the other samples
BLOCKS = 10


def patient_blocks(subjects: Sequence[str], *, seed: int, blocks: int = BLOCKS) -> dict[str, int]:
    """Part patients into blocks of at least two; a pair never leaves its block, so a fold never parts a pair."""
    names = sorted(set(subjects))
    count = max(1, min(blocks, len(names) // 2))
    order = np.random.default_rng([seed, 77]).permutation(len(names))
    return {names[i]: rank % count for rank, i in enumerate(order)}


def matched_centres(
    volumes: Sequence[Prepared], subjects: Sequence[str], *, seed: int, pairs: int = PAIRS_A_PATIENT
) -> list[NDArray[np.int64]]:
    """Pairs of crops at the same position (mm from the centre of the body's box), one in tumour, one far from it.

    For each volume, positions are drawn from tumour voxels of *other* patients of its block. Where this volume
    has body but no tumour within 12 mm, both crops are taken: the other patient's as positive, this one's as
    negative. Positive and negative crops so have the same distribution of positions, to a voxel, inside
    every block: a score made of position alone has an AUC of 0.5.

    Returns:
        V arrays (n, 3) of voxels; volumes that find no partner get none, nor do those without a tumour map.
    """
    known = ["tumour" in volume.labels for volume in volumes]
    block = patient_blocks([name for name, is_known in zip(subjects, known, strict=True) if is_known], seed=seed)
    rng = np.random.default_rng([seed, 78])
    inside = [_tumour_voxels(volume) for volume in volumes]
    chosen: list[list[NDArray]] = [[] for _ in volumes]
    for target, volume in enumerate(volumes):
        if not known[target]:
            continue
        donors = [
            i
            for i, name in enumerate(subjects)
            if known[i] and name != subjects[target] and block[name] == block[subjects[target]] and len(inside[i])
        ]
        if not donors:
            continue
        source = rng.choice(donors, size=20 * pairs)
        voxels = np.array([inside[i][rng.integers(len(inside[i]))] for i in source])
        positions = np.array([volumes[i].position(volumes[i].to_mm(v)) for i, v in zip(source, voxels, strict=True)])
        here = np.rint(volume.to_voxel(positions + volume.box_centre_mm)).astype(np.int64)
        fits = np.asarray(((here >= 0) & (here < np.array(volume.body.shape))).all(axis=1))
        fits[fits] = volume.body[tuple(here[fits].T)]
        fits[fits] = distance_to_tumour(volume, here[fits]) > NEAR_MM
        for i in np.flatnonzero(fits)[:pairs]:
            chosen[target].append(here[i])
            chosen[source[i]].append(voxels[i])
    return [np.array(points, dtype=np.int64).reshape(-1, 3) for points in chosen]


def _tumour_voxels(volume: Prepared) -> NDArray[np.int64]:
    tumour = volume.labels.get("tumour")
    return np.empty((0, 3), np.int64) if tumour is None else np.argwhere(np.asarray(tumour) > 0)
