"""Ridge regression whose penalty is chosen by cross-validation, all penalties from one decomposition."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isimed.evaluation.protocol import Protocol, choosing_folds, folds

PENALTIES = np.logspace(-2, 6, 17)


class Ridge:
    """Least squares with penalty ``alpha * |w|^2`` on standardised features, targets centred.

    Args:
        features: (N, D) training features. targets: (N, T).
    """

    def __init__(self, features: NDArray, targets: NDArray) -> None:
        x = np.asarray(features, dtype=np.float64)
        self._mean, scale = x.mean(axis=0), x.std(axis=0)
        self._scale = np.where(scale > 1e-12, scale, 1.0)
        self._target_mean = np.asarray(targets, dtype=np.float64).mean(axis=0)
        self._u, self._s, self._vt = np.linalg.svd((x - self._mean) / self._scale, full_matrices=False)
        self._projected = self._u.T @ (targets - self._target_mean)

    def predict(self, features: NDArray, alpha: float) -> NDArray[np.float64]:
        """(M, D) -> (M, T)."""
        rotated = ((np.asarray(features, dtype=np.float64) - self._mean) / self._scale) @ self._vt.T
        return (rotated * (self._s / (self._s**2 + alpha))) @ self._projected + self._target_mean


def choose_penalty(
    features: NDArray, targets: NDArray, groups: ArrayLike, train: NDArray, test: NDArray, protocol: Protocol
) -> float:
    """The penalty with the least squared error on the protocol's choosing folds."""
    errors = np.zeros(len(PENALTIES))
    for fit, check in choosing_folds(train, test, groups, protocol):
        ridge = Ridge(features[fit], targets[fit])
        errors += [np.square(ridge.predict(features[check], a) - targets[check]).sum() for a in PENALTIES]
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
