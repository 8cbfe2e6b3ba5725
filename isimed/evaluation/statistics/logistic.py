"""Linear probes and nearest neighbours on frozen features, scored on patients they were not fitted on."""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from isimed.evaluation.statistics.protocol import Protocol, choosing_folds, folds
from isimed.evaluation.statistics.scores import auc, class_figures

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)
NEIGHBOURS = 20


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """What a classifier says of crops it was not fitted to.

    Attributes:
        scores: (N,) of the positive class, or (N, C) a class.
        fold: (N,) which fold's model gave it.
    """

    scores: NDArray[np.float64]
    fold: NDArray[np.intp]


def linear_probe(
    features: NDArray,
    labels: NDArray,
    groups: ArrayLike,
    protocol: Protocol,
    *,
    decides: bool = False,
    seed: int = 0,
) -> OutOfFold:
    """L2 logistic regression on standardised features; its strength is chosen on the protocol's folds.

    Args:
        features: (N, D).
        labels: (N,) bool, or 0 .. C - 1.
        groups: (N,) what must not be parted.
        decides: choose the strength by macro F1 of the classes, not by AUC; always so with three and more classes.
    """
    labels = np.asarray(labels).astype(int)
    count = int(labels.max()) + 1
    by_auc = count == 2 and not decides
    scores = np.zeros((len(labels), count))
    fold = np.zeros(len(labels), dtype=np.intp)
    for number, (train, test) in enumerate(folds(groups, protocol, labels=labels, seed=seed)):
        strength = STRENGTHS[_best(features, labels, groups, train, test, protocol, by_auc=by_auc)]
        scores[test] = _path(features[train], labels[train], features[test], count, (strength,))[0]
        fold[test] = number
    return OutOfFold(scores[:, 1] if count == 2 else scores, fold)


def neighbour_probe(
    features: NDArray, labels: NDArray, groups: ArrayLike, protocol: Protocol, *, k: int = NEIGHBOURS, seed: int = 0
) -> OutOfFold:
    """Share of positives among the k nearest training crops (L2), on the same folds as the linear probe."""
    labels = np.asarray(labels).astype(int)
    scores, fold = np.zeros(len(labels)), np.zeros(len(labels), dtype=np.intp)
    for number, (train, test) in enumerate(folds(groups, protocol, labels=labels, seed=seed)):
        gaps = cdist(features[test], features[train], "sqeuclidean")
        near = np.argpartition(gaps, min(k, len(train) - 1), axis=1)[:, :k]
        scores[test], fold[test] = labels[train][near].mean(axis=1), number
    return OutOfFold(scores, fold)


def _best(
    features: NDArray,
    labels: NDArray,
    groups: ArrayLike,
    train: NDArray,
    test: NDArray,
    protocol: Protocol,
    *,
    by_auc: bool,
) -> int:
    """Which strength has the best AUC or macro F1 on the choosing folds."""
    count = int(labels.max()) + 1
    total = np.zeros(len(STRENGTHS))
    for fit, check in choosing_folds(train, test, groups, protocol):
        if len(np.unique(labels[fit])) < 2 or len(np.unique(labels[check])) < 2:
            continue
        for i, found in enumerate(_path(features[fit], labels[fit], features[check], count, STRENGTHS)):
            if by_auc:
                total[i] += auc(labels[check], found[:, 1])
            else:
                total[i] += class_figures(labels[check], found.argmax(axis=1), count)["macro_f1"]
    return int(total.argmax())


def _path(
    train: NDArray, labels: NDArray, test: NDArray, count: int, strengths: tuple[float, ...]
) -> list[NDArray[np.float64]]:
    """(M, count) scores for each strength, weakest first, each fit starting from the one before."""
    mean, scale = train.mean(axis=0), train.std(axis=0)
    scale = np.where(scale > 1e-12, scale, 1.0)
    x, y = ((part - mean) / scale for part in (train, test))
    x, y = x.astype(np.float32), y.astype(np.float32)
    present = np.unique(labels)
    if len(present) < 2:
        return [np.zeros((len(y), count)) for _ in strengths]
    model = LogisticRegression(C=1.0, max_iter=100, tol=1e-3, warm_start=True)
    found = []
    with warnings.catch_warnings(), threadpool_limits(1):  # many small products: one thread is up to 9 times faster
        warnings.simplefilter("ignore", ConvergenceWarning)
        for strength in strengths:
            decision = np.asarray(model.set_params(C=strength).fit(x, labels).decision_function(y), dtype=np.float64)
            scores = np.full((len(y), count), -np.inf)
            scores[:, present] = decision if decision.ndim == 2 else np.stack([-decision, decision], axis=1)
            found.append(scores)
    return found
