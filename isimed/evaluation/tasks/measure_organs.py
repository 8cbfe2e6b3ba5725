"""Tasks `organs` and `segmentation`, and the controls of the first."""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from isimed.data.prepared.preprocess import Preparation, Prepared
from isimed.evaluation.context.context import Bench
from isimed.evaluation.context.outcome import Outcome
from isimed.evaluation.tasks.position import add_places
from isimed.evaluation.tasks.probe import organ_outcome, place_features
from isimed.evaluation.tasks.segmentation import (
    at_half_resolution,
    dense_features,
    few_shot_dice,
    place_of_voxels,
)
from isimed.models.checkpoint import Checkpoint

SEGMENTED_VOLUMES = 15


def organs(bench: Bench, checkpoint: Checkpoint) -> Outcome:
    card, crops = checkpoint.card, bench.crops_for("organ", checkpoint)
    place = place_features(crops.position, crops.relative)
    return _organ_probe(bench, card.preparation, card.crop_size, bench.features(checkpoint, "organ")[0], place)


def organs_from_position(bench: Bench, preparation: Preparation, crop_size: int) -> Outcome:
    crops = bench.crops("organ", preparation, crop_size)
    return _organ_probe(bench, preparation, crop_size, place_features(crops.position, crops.relative))


def organs_from_histogram(bench: Bench, preparation: Preparation, crop_size: int) -> Outcome:
    return _organ_probe(bench, preparation, crop_size, bench.histograms("organ", preparation, crop_size))


def segmentation(bench: Bench, checkpoint: Checkpoint) -> Outcome:
    return _segmentation(bench, checkpoint.card.preparation, partial(dense_features, checkpoint.encoder))


def segmentation_from_position(bench: Bench, preparation: Preparation, crop_size: int) -> Outcome:
    """An atlas without any image: a voxel's mm from the centre of the body's box instead of features."""
    return _segmentation(bench, preparation, place_of_voxels)


def _segmentation(bench: Bench, preparation: Preparation, look: Callable[[Prepared], NDArray]) -> Outcome:
    """Few-shot Dice on features (F, X', Y', Z') that ``look`` gives of a volume, at half its resolution."""
    volumes = bench.volumes(preparation)
    drawn = np.random.default_rng([bench.seed, 31]).permutation(len(volumes))
    order = [int(i) for i in drawn if bench.entries[i].organs][:SEGMENTED_VOLUMES]
    features, labels, bodies = [], [], []
    for done, i in enumerate(order):
        dense = look(volumes[i])
        features.append(dense)
        labels.append(at_half_resolution(volumes[i].labels["organs"], dense.shape[1:]))
        bodies.append(at_half_resolution(volumes[i].body, dense.shape[1:]) > 0)
        bench.advance(0.5 * (done + 1) / len(order))
    subjects = [bench.entries[i].subject for i in order]
    names = bench.cohort.organs or {int(n): str(n) for n in np.unique(np.concatenate([x.ravel() for x in labels])) if n}
    mean, by_organ = few_shot_dice(features, labels, bodies, subjects, names, seed=bench.seed)
    return Outcome({"segmentation": mean, "segmentation_by_organ": by_organ}, {"volumes": len(order)})


def lacks_organs(bench: Bench) -> str:
    return "" if bench.has_organs else "this cohort has no organ maps."


def _organ_probe(
    bench: Bench, preparation: Preparation, crop_size: int, features: NDArray, place: NDArray | None = None
) -> Outcome:
    crops, names = bench.crops("organ", preparation, crop_size), bench.cohort.organs
    outcome = organ_outcome(features, crops.organ, crops.subject, bench.protocol, names, place=place, seed=bench.seed)
    add_places(
        outcome.details.get("worst", {}).get("organs", ()), [e.id for e in bench.entries], crops.volume, crops.centre_mm
    )
    return outcome
