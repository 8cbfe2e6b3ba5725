"""Where a code lies among the crops of a scan: a linear map code -> mm, fitted around the best matches."""

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 32
COMPONENTS = 6
RIDGE = 1e-2


def local_map(queries: NDArray, codes: NDArray, places: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(Q, 3) mm of each query among the crops of a volume, by a local linear fit code -> mm; (Q,) best distance."""
    count = min(NEIGHBOURS, len(codes))
    squared = np.maximum((queries**2).sum(1)[:, None] + (codes**2).sum(1) - 2 * queries @ codes.T, 0)
    best = np.argpartition(squared, count - 1, axis=1)[:, :count]
    away = np.sqrt(np.take_along_axis(squared, best, axis=1)).astype(np.float64)
    nearest = away.min(axis=1, keepdims=True)
    reach = np.maximum(np.median(away - nearest, axis=1, keepdims=True), 1e-6)
    weights = np.exp(-0.5 * np.square((away - nearest) / reach))
    weights /= weights.sum(axis=1, keepdims=True)
    near, where = codes[:, :COMPONENTS][best].astype(np.float64), places[best]
    middle, place = (weights[:, None] @ near)[:, 0], (weights[:, None] @ where)[:, 0]
    features = near - middle[:, None]
    weighted = np.swapaxes(features * weights[..., None], 1, 2)
    gram = weighted @ features
    ridge = (RIDGE * np.trace(gram, axis1=1, axis2=2) + 1e-9)[:, None, None] * np.eye(features.shape[2])
    slope = np.linalg.solve(gram + ridge, weighted @ (where - place[:, None]))
    step = ((queries[:, :COMPONENTS] - middle)[:, None] @ slope)[:, 0]
    return np.clip(place + step, where.min(axis=1), where.max(axis=1)), nearest[:, 0]
