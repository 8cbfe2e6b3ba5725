"""Task `organs`: can a linear map tell which organ is at the crop's centre?"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from isimed.data.prepared.preprocess import Preparation
from isimed.evaluation.context.context import Context
from isimed.evaluation.context.outcome import Outcome
from isimed.evaluation.sampling.places import place_features
from isimed.evaluation.statistics.bootstrap import bootstrap
from isimed.evaluation.statistics.logistic import linear_probe
from isimed.evaluation.statistics.protocol import Protocol
from isimed.evaluation.statistics.scores import class_figures
from isimed.evaluation.tasks.task import ORGAN, Group, Task
from isimed.evaluation.tasks.worst import add_places, worst_rows
from isimed.models.checkpoint import Checkpoint

FEWEST = 10


def organs(context: Context, checkpoint: Checkpoint) -> Outcome:
    card, crops = checkpoint.card, context.crops_for("organ", checkpoint)
    place = place_features(crops.position, crops.relative)
    return _organ_probe(context, card.preparation, card.crop_size, context.features(checkpoint, "organ")[0], place)


def organs_from_position(context: Context, preparation: Preparation, crop_size: int) -> Outcome:
    crops = context.crops("organ", preparation, crop_size)
    return _organ_probe(context, preparation, crop_size, place_features(crops.position, crops.relative))


def organs_from_histogram(context: Context, preparation: Preparation, crop_size: int) -> Outcome:
    return _organ_probe(context, preparation, crop_size, context.histograms("organ", preparation, crop_size))


def _organ_probe(
    context: Context, preparation: Preparation, crop_size: int, features: NDArray, place: NDArray | None = None
) -> Outcome:
    crops, names = context.crops("organ", preparation, crop_size), context.cohort.organs
    outcome = organ_outcome(
        features, crops.organ, crops.subject, context.protocol, names, place=place, seed=context.seed
    )
    add_places(
        outcome.details.get("worst", {}).get("organs", ()),
        [e.id for e in context.entries],
        crops.volume,
        crops.centre_mm,
    )
    return outcome


def organ_outcome(
    features: NDArray,
    organ: NDArray,
    subject: NDArray,
    protocol: Protocol,
    names: Mapping[int, str],
    *,
    place: NDArray | None = None,
    seed: int = 0,
) -> Outcome:
    """Which organ is at the crop's centre? Accuracy and macro F1 of a multi-class linear probe, means over crops.

    Args:
        organ: (N,) labels; labels with fewer than 10 crops are left out.
        place: (N, P) features of the crop's position; adds ``with_position_accuracy``, of both together.
    """
    kept = np.array([label for label in np.unique(organ) if label > 0 and (organ == label).sum() >= FEWEST])
    rows = np.flatnonzero(np.isin(organ, kept))
    true = np.searchsorted(kept, organ[rows])
    if len(kept) < 2:
        return Outcome(details={"notes": ["organs: left out, fewer than two organs have enough crops."]})
    if len(np.unique(subject[rows])) < 2:
        return Outcome(details={"notes": ["organs: left out, one patient alone has organs with enough crops."]})
    scores, predicted = _classes(features[rows], true, subject[rows], protocol, seed=seed)
    found = bootstrap(subject[rows], lambda some: class_figures(true[some], predicted[some], len(kept)), seed=seed)
    if place is not None:
        _, both = _classes(np.hstack([features, place])[rows], true, subject[rows], protocol, seed=seed)
        hits = bootstrap(subject[rows], lambda some: {"a": float((both[some] == true[some]).mean())}, seed=seed)
        found["with_position_accuracy"] = hits["a"]
    matrix = np.zeros((len(kept), len(kept)), int)
    np.add.at(matrix, (true, predicted), 1)
    labels = [names.get(int(label), str(label)) for label in kept]
    told = np.atleast_2d(np.where(np.isfinite(scores), scores, np.nan).T)  # no score: no other patient has the organ
    wrong = np.where(predicted != true, 1 + np.nanmax(told, axis=0) - np.nanmin(told, axis=0), 0.0)
    worst = [case for case in worst_rows(wrong, subject[rows], extra={}) if case["score"] > 0]
    for case in worst:
        case["unit"] = f"{labels[true[case['row']]]}, taken for {labels[predicted[case['row']]]}"
        case["row"] = int(rows[case["row"]])
    return Outcome(
        {"organs": found}, {"confusion": {"labels": labels, "counts": matrix.tolist()}, "worst": {"organs": worst}}
    )


def _classes(
    features: NDArray, true: NDArray, subject: NDArray, protocol: Protocol, *, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Out-of-fold scores, and the class that has the greatest."""
    scores = linear_probe(features, true, subject, protocol, decides=True, seed=seed).scores
    return scores, (scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)


TASK = Task(
    "organs",
    "Can a linear map tell which organ is at the crop's centre?",
    measure=organs,
    samples=(ORGAN,),
    controls={"position_only": organs_from_position, "intensity_histogram": organs_from_histogram},
    needs="organs",
    patients=2,
    version=4,
    groups={"organs": Group("Organ at the crop's centre")},
    figures={
        "accuracy": "accuracy",
        "macro_f1": "macro F1",
        "with_position_accuracy": "accuracy, embedding + position",
    },
    headlines=(("organs", "accuracy"),),
)
