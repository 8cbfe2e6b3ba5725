"""Task `anomaly`: find tumour crops with no tumour label in training."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from isimed.evaluation.bootstrap import bootstrap
from isimed.evaluation.outcome import Outcome
from isimed.evaluation.protocol import Protocol, folds
from isimed.evaluation.ridge import out_of_fold
from isimed.evaluation.scores import auc

NEIGHBOURS = 5


def anomaly_outcome(
    features: NDArray,
    position: NDArray,
    tumour: NDArray,
    subject: NDArray,
    groups: NDArray,
    protocol: Protocol,
    *,
    seed: int = 0,
) -> Outcome:
    """AUC of two scores for tumour crops against healthy crops at the same places.

    ``position_gap_auc``: mm between the position that a ridge regression predicts from the crop's appearance and
    the true one. ``healthy_distance_auc``: mean L2 distance to the 5 nearest healthy crops of other patients, on
    standardised features; it needs to know which reference crops are healthy, not what a tumour looks like.

    Args:
        features: (N, D). position: (N, 3) mm. tumour: (N,) bool.
        groups: (N,) what folds must not part.
    """
    tumour = np.asarray(tumour, dtype=bool)
    gap = np.linalg.norm(out_of_fold(features, position, groups, protocol, seed=seed) - position, axis=1)
    far = np.zeros(len(tumour))
    for train, test in folds(groups, protocol, seed=seed):
        healthy = features[train][~tumour[train]]
        mean, scale = healthy.mean(axis=0), np.maximum(healthy.std(axis=0), 1e-12)
        gaps = cdist((features[test] - mean) / scale, (healthy - mean) / scale)
        far[test] = np.sort(gaps, axis=1)[:, :NEIGHBOURS].mean(axis=1)

    def statistic(rows: NDArray) -> dict[str, float]:
        return {
            "position_gap_auc": auc(tumour[rows], gap[rows]),
            "healthy_distance_auc": auc(tumour[rows], far[rows]),
        }

    return Outcome({"anomaly": bootstrap(subject, statistic, seed=seed)})
