"""Constructed crops whose figures are known."""

import numpy as np
from numpy.typing import NDArray


def crops(patients: int = 10, each: int = 20, *, seed: int = 0) -> tuple[NDArray, NDArray]:
    """(N, 3) positions in mm and (N,) patients."""
    rng = np.random.default_rng(seed)
    position = rng.uniform(-100, 100, (patients * each, 3)) * [1.0, 0.7, 0.5]
    return position, np.repeat([f"S{i:02d}" for i in range(patients)], each)


def lifted(position: NDArray, size: int = 64, *, seed: int = 0) -> NDArray[np.float64]:
    """The same distances in ``size`` dimensions: positions turned by an orthogonal matrix."""
    basis, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))
    return position @ basis[:3]
