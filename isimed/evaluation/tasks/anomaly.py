"""Task `anomaly`: find tumour crops with no tumour label in training."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from isimed.data.prepared.preprocess import Preparation
from isimed.evaluation.context.context import Context
from isimed.evaluation.context.outcome import Outcome
from isimed.evaluation.statistics.bootstrap import Figure, bootstrap
from isimed.evaluation.statistics.protocol import Protocol, folds
from isimed.evaluation.statistics.ridge import out_of_fold
from isimed.evaluation.statistics.scores import auc, patients_of_both
from isimed.evaluation.tasks.task import MATCHED, TUMOUR, Group, Task
from isimed.evaluation.tasks.tumour_samples import SAMPLED, blocks_of, too_few, tumour_samples
from isimed.models.checkpoint import Checkpoint

NEIGHBOURS = 5


def anomaly(context: Context, checkpoint: Checkpoint) -> Outcome:
    card, features = checkpoint.card, [context.features(checkpoint, name)[0] for name in SAMPLED]
    places = [crops.position for crops in tumour_samples(context, card.preparation, card.crop_size)]
    return _anomalies(context, card.preparation, card.crop_size, features, places=places)


def anomaly_from_position(context: Context, preparation: Preparation, crop_size: int) -> Outcome:
    """Gap to the mean place, and distance to the nearest places of healthy crops: no image at all."""
    features = [crops.position for crops in tumour_samples(context, preparation, crop_size)]
    blind = [np.zeros((len(x), 1)) for x in features]
    return _anomalies(context, preparation, crop_size, features, appearances=blind)


def anomaly_from_histogram(context: Context, preparation: Preparation, crop_size: int) -> Outcome:
    features = [context.histograms(name, preparation, crop_size) for name in SAMPLED]
    return _anomalies(context, preparation, crop_size, features)


def _anomalies(
    context: Context,
    preparation: Preparation,
    crop_size: int,
    features: list[NDArray],
    *,
    appearances: list[NDArray] | None = None,
    places: list[NDArray] | None = None,
) -> Outcome:
    """The paper's crops with their label, and crops matched by place."""
    crops, pairs = tumour_samples(context, preparation, crop_size)
    outcome = Outcome(details={"notes": []})
    cases = (
        ("anomaly", crops, crops.has_tumour, crops.subject),
        ("anomaly_matched", pairs, pairs.near_tumour, blocks_of(context, pairs)),
    )
    for i, (name, sample, labels, groups) in enumerate(cases):
        if why := too_few(name, labels, groups):
            outcome.details["notes"].append(why)
            continue
        outcome.figures[name] = anomaly_figures(
            features[i],
            sample.position,
            labels,
            sample.subject,
            groups,
            context.protocol,
            appearance=appearances[i] if appearances else None,
            place=places[i] if places else None,
            seed=context.seed,
        )
    return outcome


def anomaly_figures(
    features: NDArray,
    position: NDArray,
    tumour: NDArray,
    subject: NDArray,
    groups: NDArray,
    protocol: Protocol,
    *,
    appearance: NDArray | None = None,
    place: NDArray | None = None,
    seed: int = 0,
) -> dict[str, Figure]:
    """AUC of two scores for tumour crops against healthy crops; no score has seen a tumour's label in training.

    ``position_gap_auc``: mm between the position that a ridge regression predicts from the crop's appearance and
    the true one. ``healthy_distance_auc``: mean L2 distance to the 5 nearest healthy crops of other patients, on
    standardised features; it needs to know which reference crops are healthy, not what a tumour looks like.

    Args:
        features: (N, D).
        position: (N, 3) mm.
        tumour: (N,) bool.
        groups: (N,) what folds must not part.
        appearance: (N, E) what position is predicted from, if not ``features``. A control that has no image gives
            a constant: the prediction is the mean place, the gap how far from it a crop lies.
        place: (N, P) features of the position; adds ``with_position_auc``, healthy distance in both together.
    """
    tumour = np.asarray(tumour, dtype=bool)
    seen = features if appearance is None else appearance
    predicted = out_of_fold(seen, position, groups, protocol, seed=seed)
    scores = {
        "position_gap_auc": np.linalg.norm(predicted - position, axis=1),
        "healthy_distance_auc": _healthy_distance([features], tumour, groups, protocol, seed=seed),
    }
    if place is not None:
        scores["with_position_auc"] = _healthy_distance([features, place], tumour, groups, protocol, seed=seed)
    return bootstrap(
        subject,
        lambda rows: {k: auc(tumour[rows], v[rows]) for k, v in scores.items()},
        seed=seed,
        rests_on=patients_of_both(tumour, subject),
    )


def _healthy_distance(
    parts: Sequence[NDArray], tumour: NDArray, groups: NDArray, protocol: Protocol, *, seed: int
) -> NDArray[np.float64]:
    """(N,) mean distance to the nearest healthy training crops; each part (N, D) has the same weight."""
    far = np.zeros(len(tumour))
    for train, test in folds(groups, protocol, seed=seed):
        healthy = train[~tumour[train]]
        if not len(healthy):
            continue
        gaps = np.zeros((len(test), len(healthy)))
        for x in parts:
            mean, scale = x[healthy].mean(axis=0), x[healthy].std(axis=0)
            scale = np.where(scale > 1e-12, scale, 1.0) * np.sqrt(x.shape[1])
            gaps += cdist((x[test] - mean) / scale, (x[healthy] - mean) / scale, "sqeuclidean")
        far[test] = np.sort(np.sqrt(gaps), axis=1)[:, :NEIGHBOURS].mean(axis=1)
    return far


TASK = Task(
    "anomaly",
    "Do tumour crops stand out without any tumour label?",
    measure=anomaly,
    samples=(TUMOUR, MATCHED),
    controls={"position_only": anomaly_from_position, "intensity_histogram": anomaly_from_histogram},
    needs="tumour",
    version=3,
    groups={
        "anomaly": Group("Tumour crops found without tumour labels, any voxel"),
        "anomaly_matched": Group("The same, healthy crops at the same places"),
    },
    figures={
        "position_gap_auc": "AUC of the position gap",
        "healthy_distance_auc": "AUC of the distance to healthy crops",
    },
)
