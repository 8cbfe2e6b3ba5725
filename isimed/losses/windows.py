"""The distance loss of dense networks: places of two windows onto one patient, all pairs across the two."""

import torch
from torch import Tensor
from torch.nn import functional as F

UNIT_MM = 20.0
LINEAR_MM = 20.0  # beyond this an error counts linearly: places that cannot be known are many in cut windows
NEAR_MM = 60.0
LEAST_MM = 1.0  # below it distances have no gradient, which would be infinite at 0


def across_windows_loss(
    first: Tensor, second: Tensor, places_mm: Tensor, shown: tuple[Tensor, Tensor], *, near: float = 0.5
) -> Tensor:
    """Mean of ``smooth_l1(|code_i - code_j| - |place_i - place_j|)`` over pairs of a place in each of two windows.

    Of each patient, never between patients. A share of the weight lies on near pairs, ``1 / (1 + (d / 60 mm)²)``:
    far ones are many, and told by less.

    Args:
        first, second: (B, P, D) codes in mm of P places of B patients, as each window shows them.
        places_mm: (B, P, 3) where these places are.
        shown: (B, P) for each window, 1 where it shows the place, else 0; other codes count nothing.
        near: the share.

    Returns:
        A scalar in units of 20 mm.

    >>> places_mm = torch.tensor([[[0.0, 0.0, 0.0], [0.0, 0.0, 100.0]]])
    >>> codes, shown = 2 * places_mm, torch.ones(1, 2)  # twice as far apart as they should be
    >>> float(across_windows_loss(codes, codes, places_mm, (shown, shown), near=0.0))
    2.25
    """
    both = shown[0][:, :, None] * shown[1][:, None]
    true = distances(places_mm, places_mm)
    middle = first.detach().mean((0, 1), keepdim=True)  # small numbers lose less in the difference of squares
    misses = _penalty(distances(first - middle, second - middle) - true)
    close = both / (1 + (true / NEAR_MM).square())
    return (1 - near) * _mean(misses, both) + near * _mean(misses, close)


def same_place_loss(first: Tensor, second: Tensor, shown: tuple[Tensor, Tensor]) -> Tensor:
    """Mean of ``smooth_l1(|a - b|)`` of the codes that two windows give one place, in units of 20 mm.

    The arguments are those of `across_windows_loss`.
    """
    apart = (first - second).square().sum(-1).clamp(min=0.01).sqrt()
    return _mean(_penalty(apart), shown[0] * shown[1])


def distances(a: Tensor, b: Tensor) -> Tensor:
    """(B, N, D), (B, M, D) -> (B, N, M) L2 distances, at least 1 mm; without a gradient there."""
    squared = a.square().sum(-1)[:, :, None] + b.square().sum(-1)[:, None] - 2 * a @ b.transpose(1, 2)
    return squared.clamp(min=LEAST_MM**2).sqrt()


def _penalty(error_mm: Tensor) -> Tensor:
    return F.smooth_l1_loss(error_mm, torch.zeros_like(error_mm), beta=LINEAR_MM, reduction="none") / UNIT_MM


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    return (values * weights).sum() / weights.sum().clamp(min=1e-3)
