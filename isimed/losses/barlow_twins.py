"""Barlow Twins: the same feature agrees between two views, different features do not repeat each other."""

from torch import Tensor

EPSILON = 1e-6
OFF_DIAGONAL = 0.0051


def barlow_twins_loss(first: Tensor, second: Tensor, *, off_diagonal: float = OFF_DIAGONAL) -> Tensor:
    """``sum_i (1 - C_ii)² + off_diagonal · sum_(i≠j) C_ij²``.

    ``C = A'B / N`` is the cross-correlation of the two views' features, each centred and divided by its
    standard deviation (plus 1e-6) over the batch. Source: Zbontar et al., Barlow Twins, arXiv 2103.03230; the
    weight 0.0051 is theirs and ISImed's (arXiv 2410.16947).

    Args:
        first: (N, D) of one view, N >= 2; in several processes, of the global batch.
        second: (N, D) of the other.
        off_diagonal: weight of the second term.

    Returns:
        A scalar, at most about D + off_diagonal · D².

    Raises:
        ValueError: shapes differ, or fewer than two rows.

    >>> import torch
    >>> view = torch.tensor([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
    >>> round(float(barlow_twins_loss(view, view)), 3), round(float(barlow_twins_loss(view, -view)), 3)
    (0.125, 6.125)
    """
    if first.shape != second.shape or first.ndim != 2 or len(first) < 2:
        raise ValueError(f"two (N, D) tensors with N >= 2 are needed, got {tuple(first.shape)}, {tuple(second.shape)}")
    a = (first - first.mean(0)) / (first.std(0) + EPSILON)
    b = (second - second.mean(0)) / (second.std(0) + EPSILON)
    squared = (a.T @ b / len(a)).square()
    diagonal = (a * b).mean(0)
    return (1 - diagonal).square().sum() + off_diagonal * (squared.sum() - squared.diagonal().sum())
