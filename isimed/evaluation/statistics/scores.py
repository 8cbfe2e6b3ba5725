"""Figures of a binary score and of predicted classes: scikit-learn's, fast enough to resample."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata


def auc(labels: NDArray, scores: NDArray) -> float:
    """Area under the ROC curve (Mann-Whitney, ties count half); NaN where a class is missing."""
    positive = np.asarray(labels, dtype=bool)
    n, m = int(positive.sum()), int((~positive).sum())
    if n == 0 or m == 0:
        return float("nan")
    return float((rankdata(scores)[positive].sum() - n * (n + 1) / 2) / (n * m))


def patients_of_both(labels: NDArray, subject: NDArray) -> int:
    """How many patients have crops of the rarer class: an AUC is no better known than that class.

    >>> patients_of_both(np.array([True, False, False, False]), np.array(["a", "a", "b", "c"]))
    1
    """
    positive = np.asarray(labels, dtype=bool)
    return min(len(np.unique(subject[positive])), len(np.unique(subject[~positive])))


def average_precision(labels: NDArray, scores: NDArray) -> float:
    """``sum (R_k - R_(k-1)) P_k`` over distinct thresholds; NaN without positives."""
    positive = np.asarray(labels, dtype=bool)
    if not positive.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    ends = np.r_[np.flatnonzero(np.diff(scores[order])), len(order) - 1]
    hits = np.cumsum(positive[order])[ends]
    precision, recall = hits / (ends + 1), hits / hits[-1]
    return float((np.diff(np.r_[0.0, recall]) * precision).sum())


def sensitivity_at(labels: NDArray, scores: NDArray, *, specificity: float = 0.9) -> float:
    """Greatest share of positives found by a threshold that keeps at least this share of negatives out."""
    positive = np.asarray(labels, dtype=bool)
    if not positive.any() or positive.all():
        return float("nan")
    negatives = np.sort(scores[~positive])
    threshold = negatives[int(np.ceil(specificity * len(negatives) - 1e-9)) - 1]
    return float((scores[positive] > threshold).mean())


def binary_figures(labels: NDArray, scores: NDArray, fold: NDArray) -> dict[str, float]:
    """The three of them, computed in each fold and averaged: scores of two folds need not be comparable."""
    rows = [
        (
            auc(labels[here], scores[here]),
            average_precision(labels[here], scores[here]),
            sensitivity_at(labels[here], scores[here]),
        )
        for f in np.unique(fold)
        if labels[here := fold == f].any() and not labels[here].all()
    ]
    values = np.mean(rows, axis=0) if rows else np.full(3, np.nan)
    return dict(zip(("auc", "average_precision", "sensitivity_at_90"), map(float, values), strict=True))


def class_figures(true: NDArray, predicted: NDArray, classes: int) -> dict[str, float]:
    """Accuracy and macro F1 over the classes (0 .. classes - 1) that occur."""
    matrix = np.bincount(true * classes + predicted, minlength=classes**2).reshape(classes, classes)
    hit, size = np.diag(matrix), matrix.sum(axis=0) + matrix.sum(axis=1)
    present = size > 0
    return {
        "accuracy": float(hit.sum() / max(matrix.sum(), 1)),
        "macro_f1": float((2 * hit[present] / size[present]).mean()) if present.any() else float("nan"),
    }
