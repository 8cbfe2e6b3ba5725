"""Tasks `probe` and `organs`: what a linear map can read from a frozen embedding."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import PolynomialFeatures

from isimed.evaluation.context.outcome import Outcome
from isimed.evaluation.statistics.bootstrap import Figure, bootstrap
from isimed.evaluation.statistics.logistic import linear_probe, neighbour_probe
from isimed.evaluation.statistics.protocol import Protocol
from isimed.evaluation.statistics.scores import auc, binary_figures, class_figures
from isimed.evaluation.tasks.position import worst_rows

FEWEST = 10


def probe_figures(
    features: NDArray,
    labels: NDArray,
    subject: NDArray,
    protocol: Protocol,
    *,
    groups: NDArray | None = None,
    place: NDArray | None = None,
    near: NDArray | None = None,
    with_neighbours: bool = True,
    seed: int = 0,
) -> tuple[dict[str, Figure], NDArray[np.float64]]:
    """Does the crop contain tumour? AUC, average precision, sensitivity at 90 % specificity.

    Args:
        features: (N, D). labels: (N,) bool. subject: (N,) patient, for folds and intervals.
        groups: (N,) what folds must not part, if more than the patient (blocks of matched patients).
        place: (N, P) features of the crop's position; adds ``with_position_auc``, of both together.
        near: (N, F) what nearest neighbours are sought in, if not ``features``.

    Returns:
        Figures (means over folds), and (N,) how wrong each crop is: its score's distance from its class.
    """
    groups = subject if groups is None else groups
    labels = np.asarray(labels, dtype=bool)
    linear = linear_probe(features, labels, groups, protocol, seed=seed)
    found = bootstrap(
        subject, lambda rows: binary_figures(labels[rows], linear.scores[rows], linear.fold[rows]), seed=seed
    )
    if with_neighbours:
        voted = neighbour_probe(features if near is None else near, labels, groups, protocol, seed=seed)
        found["knn_auc"] = _auc_alone(labels, voted.scores, voted.fold, subject, seed=seed)
    if place is not None:
        both = linear_probe(np.hstack([features, place]), labels, groups, protocol, seed=seed)
        found["with_position_auc"] = _auc_alone(labels, both.scores, both.fold, subject, seed=seed)
    found["share_positive"] = Figure(float(labels.mean()), len(np.unique(subject)))
    spread = np.maximum(np.std(linear.scores), 1e-12)
    return found, np.where(labels, -1.0, 1.0) * (linear.scores - np.median(linear.scores)) / spread


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
    kept = np.array([label for label in np.unique(organ) if label and (organ == label).sum() >= FEWEST])
    rows = np.flatnonzero(np.isin(organ, kept))
    true = np.searchsorted(kept, organ[rows])
    if len(kept) < 2:
        return Outcome(details={"notes": ["organs: left out, fewer than two organs have enough crops."]})
    scores, predicted = _classes(features[rows], true, subject[rows], protocol, seed=seed)
    found = bootstrap(subject[rows], lambda some: class_figures(true[some], predicted[some], len(kept)), seed=seed)
    if place is not None:
        _, both = _classes(np.hstack([features, place])[rows], true, subject[rows], protocol, seed=seed)
        hits = bootstrap(subject[rows], lambda some: {"a": float((both[some] == true[some]).mean())}, seed=seed)
        found["with_position_accuracy"] = hits["a"]
    matrix = np.zeros((len(kept), len(kept)), int)
    np.add.at(matrix, (true, predicted), 1)
    labels = [names.get(int(label), str(label)) for label in kept]
    wrong = np.where(predicted != true, 1.0, 0.0) * (1 + np.ptp(np.atleast_2d(scores.T), axis=0))
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


def place_features(position: NDArray, relative: NDArray) -> NDArray[np.float64]:
    """(N, 83) cubic polynomials of position in mm and in the body's box: a linear probe on them bends around places."""
    six = np.hstack([position / 100.0, relative])
    if not len(six):
        return np.empty((0, 83))
    return PolynomialFeatures(3, include_bias=False).fit_transform(six)


def _auc_alone(labels: NDArray, scores: NDArray, fold: NDArray, subject: NDArray, *, seed: int) -> Figure:
    def statistic(rows: NDArray) -> dict[str, float]:
        here, value, part = fold[rows], scores[rows], labels[rows]
        found = [auc(part[here == f], value[here == f]) for f in np.unique(here)]
        return {"auc": float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")}

    return bootstrap(subject, statistic, seed=seed)["auc"]
