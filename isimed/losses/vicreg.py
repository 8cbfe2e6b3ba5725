"""VICReg: views agree, every feature keeps its spread, no two features say the same."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

EPSILON = 1e-4
WEIGHTS = {"invariance": 25.0, "variance": 25.0, "covariance": 1.0}


def vicreg_terms(first: Tensor, second: Tensor) -> dict[str, Tensor]:
    """The three terms of VICReg, not yet weighted.

    ``invariance = mean (a - b)²``;
    ``variance = ½ Σ_views mean_j max(0, 1 - sqrt(Var(z_j) + 1e-4))``;
    ``covariance = Σ_views 1/D Σ_(i≠j) Cov(z)_ij²`` with the N - 1 covariance.
    Source: Bardes et al., VICReg, arXiv 2105.04906; the ½ is in their code.

    Args:
        first: (N, D) of one view, N >= 2; in several processes, of the global batch.
        second: (N, D) of the other.

    Returns:
        ``invariance``, ``variance`` and ``covariance``, scalars.

    Raises:
        ValueError: shapes differ, or fewer than two rows.

    >>> view = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    >>> {name: round(float(term), 3) for name, term in vicreg_terms(view, view).items()}
    {'invariance': 0.0, 'variance': 0.495, 'covariance': 0.0}
    """
    if first.shape != second.shape or first.ndim != 2 or len(first) < 2:
        raise ValueError(f"two (N, D) tensors with N >= 2 are needed, got {tuple(first.shape)}, {tuple(second.shape)}")
    views = (first, second)
    return {
        "invariance": F.mse_loss(first, second),
        "variance": torch.stack([_missing_spread(view) for view in views]).mean(),
        "covariance": torch.stack([_shared(view) for view in views]).sum(),
    }


def vicreg_loss(terms: Mapping[str, Tensor]) -> Tensor:
    """Sum of `vicreg_terms` with the paper's weights 25, 25, 1.

    Args:
        terms: ``invariance``, ``variance`` and ``covariance``.

    Returns:
        A scalar.

    >>> vicreg_loss({name: torch.tensor(1.0) for name in WEIGHTS})
    tensor(51.)
    """
    return torch.stack([weight * terms[name] for name, weight in WEIGHTS.items()]).sum()


def _missing_spread(features: Tensor) -> Tensor:
    return F.relu(1 - (features.var(dim=0) + EPSILON).sqrt()).mean()


def _shared(features: Tensor) -> Tensor:
    centred = features - features.mean(dim=0)
    squared = (centred.T @ centred / (len(features) - 1)).square()
    return (squared.sum() - squared.diagonal().sum()) / features.shape[1]
