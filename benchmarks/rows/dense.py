"""A similarity map of one volume at about 4 mm against embedding a crop at every one of its places.

Ours reads, prepares and embeds the scan on the table's grid and interpolates codes. The other is timed on some of the
places and scaled up to all of them: one volume at 4 mm is tens of thousands of crops. Agreement: both maps there.
"""

import time

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

import isimed
from benchmarks.lib.embedding import volume_of
from benchmarks.lib.race import Measured, Ratio, Setting
from isimed.data.formats.volume import Volume
from isimed.data.prepared.crops import nearest_centres
from isimed.data.prepared.preprocess import Prepared
from isimed.explore.search.similarity import similarity_map
from isimed.explore.tables.embed import BATCH, checkpoint_for, embed_crops
from isimed.models.checkpoint import Checkpoint

TITLE = "Dense similarity map at 4 mm"
AGAINST = "a crop embedded at every place of the map"


def measure(setting: Setting) -> Measured:
    cohort, checkpoint = setting.cohort, checkpoint_for(setting.checkpoint, setting.cohort)
    entry, target = cohort.volumes[0], volume_of(setting, checkpoint)
    scan = cohort.read(entry)
    query = embed_crops(checkpoint, target, np.array([target.image.shape]) // 2)[1][0]
    rng = np.random.default_rng(0)
    ours, other, dense, true = [], [], np.empty(0), np.empty(0)
    for _ in range(1 if setting.quick else 3):
        start = time.perf_counter()
        table = isimed.embed(cohort.path(entry.image), checkpoint=checkpoint)
        found = similarity_map(table, query, table.volumes[0], target, scan)
        ours.append(time.perf_counter() - start)
        places = rng.choice(np.flatnonzero(np.isfinite(found)), BATCH if setting.quick else 6 * BATCH, replace=False)
        start = time.perf_counter()
        distances = _crop_by_crop(checkpoint, target, _places_mm(found.shape, places, scan), query)
        other.append((time.perf_counter() - start) * np.isfinite(found).sum() / len(places))
        dense, true = np.append(dense, found.ravel()[places]), np.append(true, distances)
    facts = {
        "Pearson of both maps": round(float(np.corrcoef(dense, true)[0, 1]), 4),
        "Spearman of both maps": round(float(spearmanr(dense, true).statistic), 4),
        "median difference": round(float(np.median(np.abs(dense - true))), 2),
        "median of the map": round(float(np.median(true)), 1),
        "unit": "mm" if checkpoint.card.in_mm else "latent",
        "checkpoint": checkpoint.name,
        "places of the map": int(np.isfinite(found).sum()),
        "crops of the grid": len(table),
    }
    speeds = [[1 / seconds for seconds in way] for way in (ours, other)]
    return Measured([Ratio("maps a second", *speeds, "maps/s", target=5.0)], facts)


def _places_mm(shape: tuple[int, ...], places: NDArray, scan: Volume) -> NDArray:
    """(N, 3) scanner mm of flat indices into the map, which covers the scan's field of view."""
    index = np.stack(np.unravel_index(places, shape), axis=1)
    return scan.to_mm((index + 0.5) * (np.array(scan.shape) / np.array(shape)) - 0.5)


def _crop_by_crop(checkpoint: Checkpoint, target: Prepared, points_mm: NDArray, query: NDArray) -> NDArray:
    """(N,) latent distance from a code to the crops around points."""
    centres = nearest_centres(target, points_mm, checkpoint.card.crop_size)
    return np.linalg.norm(embed_crops(checkpoint, target, centres)[1] - query, axis=1)
