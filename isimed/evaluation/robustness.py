"""Task `robustness`: does a crop still say where it is when the image changes?"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from isimed.evaluation.bootstrap import bootstrap
from isimed.evaluation.outcome import Outcome
from isimed.evaluation.protocol import Protocol, folds
from isimed.evaluation.ridge import Ridge, choose_penalty


def robustness_outcome(
    features: NDArray,
    position: NDArray,
    subject: NDArray,
    changed: Mapping[str, NDArray],
    rows: NDArray,
    protocol: Protocol,
    *,
    seed: int = 0,
) -> Outcome:
    """Position regression fitted on unchanged crops, applied to changed crops of patients it was not fitted on.

    Args:
        features: (N, D) of unchanged crops. position: (N, 3) mm. subject: (N,).
        changed: name -> (M, D) features of the changed crops. rows: (M,) which of the N they are.

    Returns:
        Group ``robustness``: median error in mm a change; details hold R^2 too.
    """
    predicted = {name: np.full((len(rows), 3), np.nan) for name in changed}
    for train, test in folds(subject, protocol, seed=seed):
        here = np.isin(rows, test)
        if not here.any():
            continue
        alpha = choose_penalty(features, position, subject, train, test, protocol)
        ridge = Ridge(features[train], position[train])
        for name, values in changed.items():
            predicted[name][here] = ridge.predict(values[here], alpha)
    true = position[rows]
    error = {name: np.linalg.norm(found - true, axis=1) for name, found in predicted.items()}

    def statistic(some: NDArray) -> dict[str, float]:
        return {name: float(np.median(values[some])) for name, values in error.items()}

    total = np.square(true - true.mean(axis=0)).sum()
    r2 = {name: round(1 - float(np.square(found - true).sum() / total), 4) for name, found in predicted.items()}
    return Outcome({"robustness": bootstrap(subject[rows], statistic, seed=seed)}, {"r2": r2, "crops": len(rows)})
