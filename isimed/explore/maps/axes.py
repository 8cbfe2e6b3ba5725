"""How a latent space follows the body's axes: correlations, best linear predictors, angles between axes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isimed.explore.tables.components import leading_directions

FOLDS = 5
RIDGE = 1e-6
CHUNK = 100_000


def axis_correlation(components: ArrayLike, position: ArrayLike) -> NDArray[np.float64]:
    """Pearson r of components with the three positions.

    Args:
        components: (N, C).
        position: (N, 3) mm: sagittal, coronal, axial.

    Returns:
        (C, 3); 0 where a column is constant.
    """
    c = np.asarray(components, dtype=np.float64)
    p = np.asarray(position, dtype=np.float64)
    c, p = c - c.mean(axis=0), p - p.mean(axis=0)
    norms = np.linalg.norm(c, axis=0)[:, None] * np.linalg.norm(p, axis=0)
    return np.divide(c.T @ p, norms, out=np.zeros((c.shape[1], p.shape[1])), where=norms > 0)


def body_correlation(position: ArrayLike) -> NDArray[np.float64]:
    """What ``axis_correlation`` would be in a latent space that is the body itself: PCs of the true positions.

    Positions are correlated over the crops of a body and may spread alike along two axes, so even these PCs are turned
    against the axes. A yardstick rather than a limit: a space that stretches one axis can come closer.

    Args:
        position: (N, 3) mm.

    Returns:
        (3, 3), PCs in rows, each pointing along the axis that it follows most.
    """
    true = np.asarray(position, dtype=np.float64)
    centred = true - true.mean(axis=0)
    _, directions = leading_directions(centred.T @ centred, centred.shape[1])
    r = axis_correlation(centred @ directions.T, centred)
    return r * axis_signs(r)[:, None]


def axis_signs(r: ArrayLike) -> NDArray[np.int64]:
    """(C,) 1 or -1: times it, each component correlates positively with the axis it follows most.

    Args:
        r: (C, 3) correlations.
    """
    array = np.asarray(r)
    strongest = np.take_along_axis(array, np.abs(array).argmax(axis=1)[:, None], axis=1)[:, 0]
    return np.where(strongest < 0, -1, 1)


def match_axes(r: ArrayLike) -> NDArray[np.int64]:
    """Which component follows each axis, each used once, so that the sum of |r| is largest.

    Args:
        r: (C, 3) correlations, C >= 3.

    Returns:
        (3,) component of the sagittal, coronal and axial axis.
    """
    from scipy.optimize import linear_sum_assignment  # the viewer, which needs none, would wait for it

    components, axes = linear_sum_assignment(np.abs(np.asarray(r)), maximize=True)
    return components[np.argsort(axes)].astype(np.int64)


@dataclass(frozen=True, eq=False)
class TurnedAxes:
    """The best linear predictors of position from principal components.

    ``position = components @ weights + intercept`` (ridge regression; the ridge is 1e-6 of the mean variance, so
    least squares in all but degenerate cases).

    Attributes:
        weights: (K, 3), intercept: (3,), in mm.
        r2: (3,) cross-validated by patient, ``1 - residual / total`` sum of squares; NaN with fewer than 2 patients.
        angles: (3,) degrees between the latent axes sagittal-coronal, sagittal-axial, coronal-axial. A latent axis
            is the direction in which the components move, on average, when a crop moves along one body axis and
            stays put on the other two: the regression of components on position. 90 is independent.
        scale: (3,) how far the components move for 1 mm; 1 where latent distances are true mm.
    """

    weights: NDArray[np.float64]
    intercept: NDArray[np.float64]
    r2: NDArray[np.float64]
    angles: NDArray[np.float64]
    scale: NDArray[np.float64]

    def apply(self, components: ArrayLike) -> NDArray[np.float32]:
        """(N, K) components -> (N, 3) predicted position in mm."""
        return (np.asarray(components) @ self.weights + self.intercept).astype(np.float32)


def fit_axes(components: NDArray, position: NDArray, subject: NDArray) -> tuple[TurnedAxes, NDArray[np.float32]]:
    """Fit the predictors, and predict every crop from the other patients only.

    Args:
        components: (N, K) principal components.
        position: (N, 3) mm.
        subject: (N,) patient of every crop; patients are split into at most 5 folds, never parted.

    Returns:
        The predictors fitted on all rows, and (N, 3) held-out predictions (NaN with fewer than 2 patients).
    """
    _, group = np.unique(subject, return_inverse=True)
    folds = min(FOLDS, int(group.max()) + 1)
    fold = group % folds
    grams = [_gram(components, position, np.flatnonzero(fold == number)) for number in range(folds)]
    total = np.sum(grams, axis=0)
    k = components.shape[1]
    weights, intercept = _solve(total, k)
    held_out = np.full((len(components), 3), np.nan, dtype=np.float32)
    if folds > 1:
        for number in range(folds):
            rows = fold == number
            w, b = _solve(total - grams[number], k)
            held_out[rows] = np.asarray(components[rows], dtype=np.float64) @ w + b
    residual = np.square(np.asarray(position, dtype=np.float64) - held_out).sum(axis=0)
    spread = np.square(position - np.mean(position, axis=0, dtype=np.float64)).sum(axis=0)
    r2 = np.where(spread > 0, 1 - residual / np.maximum(spread, 1e-12), np.nan)
    angles, scale = _latent_axes(total, k)
    return TurnedAxes(weights, intercept, r2, angles, scale), held_out


def _gram(components: NDArray, position: NDArray, rows: NDArray) -> NDArray[np.float64]:
    """Sums of products of [components, position, 1], all a linear fit needs: folds are then subtractions."""
    size = components.shape[1] + 4
    gram = np.zeros((size, size))
    for start in range(0, len(rows), CHUNK):
        part = rows[start : start + CHUNK]
        joined = np.concatenate([components[part], position[part], np.ones((len(part), 1))], axis=1, dtype=np.float64)
        gram += joined.T @ joined
    return gram


def _centred(gram: NDArray) -> tuple[NDArray, NDArray]:
    count = max(gram[-1, -1], 1)
    mean = gram[-1, :-1] / count
    return gram[:-1, :-1] / count - np.outer(mean, mean), mean


def _solve(gram: NDArray, k: int) -> tuple[NDArray, NDArray]:
    covariance, mean = _centred(gram)
    ridge = RIDGE * max(np.trace(covariance[:k, :k]) / k, 1e-12)
    weights = np.linalg.solve(covariance[:k, :k] + ridge * np.eye(k), covariance[:k, k:])
    return weights, mean[k:] - mean[:k] @ weights


def _latent_axes(gram: NDArray, k: int) -> tuple[NDArray, NDArray]:
    covariance, _ = _centred(gram)
    along = covariance[k:, k:] + 1e-9 * np.eye(3)
    directions = np.linalg.solve(along, covariance[k:, :k])  # (3, K): latent movement for 1 mm along each axis
    scale = np.linalg.norm(directions, axis=1)
    unit = directions / np.maximum(scale, 1e-12)[:, None]
    cosines = np.clip([unit[0] @ unit[1], unit[0] @ unit[2], unit[1] @ unit[2]], -1, 1)
    return np.degrees(np.arccos(cosines)), scale
