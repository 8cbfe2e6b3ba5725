"""What the rows of embedding share: a prepared volume, a grid of crops in its body, and our way to embed them."""

from collections.abc import Callable

import numpy as np

from benchmarks.lib.race import Setting
from isimed.data.prepared.cache import prepare_cohort
from isimed.data.prepared.crops import grid_centres
from isimed.data.prepared.preprocess import Prepared
from isimed.explore.tables.embed import embed_crops
from isimed.models.checkpoint import Checkpoint


def volume_of(setting: Setting, checkpoint: Checkpoint) -> Prepared:
    cohort = setting.cohort
    return prepare_cohort(cohort, checkpoint.card.preparation, entries=cohort.volumes[:1])[0]


def grid_of(volume: Prepared, checkpoint: Checkpoint, *, count: int) -> np.ndarray:
    """``count`` points of a regular grid in the body."""
    points = grid_centres(volume, checkpoint.card.crop_mm / 4)
    return points[np.linspace(0, len(points) - 1, count).astype(int)]


def our_way(checkpoint: Checkpoint, volume: Prepared, centres: np.ndarray) -> Callable[[], float]:
    return lambda: len(embed_crops(checkpoint, volume, centres)[0])
