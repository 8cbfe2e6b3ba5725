"""Ridge regression whose penalty is chosen by cross-validation, all penalties from one decomposition."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isimed.evaluation.statistics.protocol import Protocol, choosing_folds, folds

PENALTIES = np.logspace(-2, 6, 17)


class Ridge:
    """Least squares with penalty ``alpha * |w|^2`` on standardised features, targets centred.

    Args:
        features: (N, D) training features.
        targets: (N, T).
    """

    def __init__(self, features: NDArray, targets: NDArray) -> None:
        x = np.asarray(features, dtype=np.float64)
        self._mean, scale = x.mean(axis=0), x.std(axis=0)
        self._scale = np.where(scale > 1e-12, scale, 1.0)
        self._target_mean = np.asarray(targets, dtype=np.float64).mean(axis=0)
        x, y = (x - self._mean) / self._scale, targets - self._target_mean
        if len(x) <= x.shape[1]:  # the smaller Gram matrix: many times faster than an SVD
            self._values, vectors = np.linalg.eigh(x @ x.T)
            self._basis, self._projected = x.T @ vectors, vectors.T @ y
        else:
            self._values, self._basis = np.linalg.eigh(x.T @ x)
            self._projected = self._basis.T @ (x.T @ y)

    def predict(self, features: NDArray, alpha: float) -> NDArray[np.float64]:
        """(M, D) -> (M, T)."""
        return self.predict_all(features, [alpha])[0]

    def predict_all(self, features: NDArray, alphas: Iterable[float]) -> list[NDArray[np.float64]]:
        """(M, D) -> (M, T) for every penalty."""
        rotated = ((np.asarray(features, dtype=np.float64) - self._mean) / self._scale) @ self._basis
        shrunk = [self._projected / (np.maximum(self._values, 0) + a)[:, None] for a in alphas]
        return [rotated @ weights + self._target_mean for weights in shrunk]


def choose_penalty(
    features: NDArray, targets: NDArray, groups: ArrayLike, train: NDArray, test: NDArray, protocol: Protocol
) -> float:
    """The penalty with the least squared error on the protocol's choosing folds."""
    errors = np.zeros(len(PENALTIES))
    for fit, check in choosing_folds(train, test, groups, protocol):
        ridge = Ridge(features[fit], targets[fit])
        errors += [np.square(p - targets[check]).sum() for p in ridge.predict_all(features[check], PENALTIES)]
    return float(PENALTIES[errors.argmin()])


def out_of_fold(
    features: NDArray, targets: NDArray, groups: ArrayLike, protocol: Protocol, *, seed: int = 0
) -> NDArray[np.float64]:
    """(N, T) predictions, each from patients (under `strict`) that it was not fitted on."""
    predicted = np.zeros(np.shape(targets), dtype=np.float64)
    for train, test in folds(groups, protocol, seed=seed):
        alpha = choose_penalty(features, targets, groups, train, test, protocol)
        predicted[test] = Ridge(features[train], targets[train]).predict(features[test], alpha)
    return predicted
