"""Latent distances equal to physical distances: the loss that gives ISImed its name."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

LOSS_UNIT_MM = 100.0
PENALTIES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l2": F.mse_loss,
    "huber": F.huber_loss,
    "smooth-l1": partial(F.smooth_l1_loss, beta=0.1),
}


def pairwise_distances(points: Tensor, pairs: tuple[Tensor, Tensor]) -> Tensor:
    """L2 distance of each pair of rows, with a gradient of zero (not NaN) where two rows are equal.

    Args:
        points: (N, D).
        pairs: two (P,) index tensors.

    Returns:
        (P,) distances in the unit of ``points``.

    >>> pairwise_distances(torch.tensor([[0.0, 0.0], [3.0, 4.0]]), (torch.tensor([0]), torch.tensor([1])))
    tensor([5.])
    """
    squared = (points[pairs[0]] - points[pairs[1]]).square().sum(dim=1)
    apart = squared > 0
    return torch.where(apart, torch.where(apart, squared, 1.0).sqrt(), 0.0)


def pairs_within(groups: Tensor) -> tuple[Tensor, Tensor]:
    """Index pairs i < j of rows that belong to the same group (volume).

    Args:
        groups: (N,) group of each row.

    Returns:
        Two (P,) index tensors.

    >>> pairs_within(torch.tensor([0, 1, 0]))
    (tensor([0]), tensor([2]))
    """
    same = (groups[:, None] == groups[None, :]).triu(diagonal=1)
    first, second = same.nonzero(as_tuple=True)
    return first, second


def pairs_across(groups: Tensor) -> tuple[Tensor, Tensor]:
    """All index pairs i < j, within a volume and between volumes: true mm only where volumes share a frame.

    Args:
        groups: (N,) group of each row; only their number counts.

    Returns:
        Two (N (N - 1) / 2,) index tensors.

    >>> pairs_across(torch.tensor([0, 1, 0]))
    (tensor([0, 0, 1]), tensor([1, 2, 2]))
    """
    first, second = torch.triu_indices(len(groups), len(groups), offset=1, device=groups.device)
    return first, second


def distance_loss(codes: Tensor, centres_mm: Tensor, pairs: tuple[Tensor, Tensor], *, penalty: str = "l2") -> Tensor:
    """Mean penalty of ``|code_i - code_j| - |centre_i - centre_j|`` over pairs.

    Source: Jabareen et al., ISImed, arXiv 2410.16947. Huber and smooth L1 are named there as open.

    Args:
        codes: (N, D) codes in mm.
        centres_mm: (N, 3) crop centres in scanner mm; pairs must share a frame.
        pairs: two (P,) index tensors.
        penalty: ``l2``, ``huber`` (linear beyond 100 mm) or ``smooth-l1`` (linear beyond 10 mm).

    Returns:
        A scalar near one at the start of a training; ``l2`` is in units of (100 mm)². 0 where there are no pairs.

    >>> centres_mm = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 250.0]])
    >>> codes = torch.tensor([[0.0], [50.0]])  # 200 mm too near
    >>> distance_loss(codes, centres_mm, pairs_within(torch.tensor([0, 0])))
    tensor(4.)
    """
    if not len(pairs[0]):  # as where a method of one's own chooses among them: their mean would be no number
        return 0.0 * codes.sum()
    latent = pairwise_distances(codes / LOSS_UNIT_MM, pairs)
    physical = pairwise_distances(centres_mm / LOSS_UNIT_MM, pairs)
    return PENALTIES[penalty](latent, physical)


def invariance_loss(first: Tensor, second: Tensor) -> Tensor:
    """``mean |a - b|²`` in (100 mm)²: codes of two views of a crop are one place.

    Source: the invariance term of APE, Anatomical Positional Embeddings, arXiv 2409.10291.

    Args:
        first: (N, D) codes in mm of one view.
        second: (N, D) of the other.

    >>> invariance_loss(torch.zeros(2, 3), torch.tensor([[100.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    tensor(0.5000)
    """
    return ((first - second) / LOSS_UNIT_MM).square().sum(dim=1).mean()


def regression_loss(codes: Tensor, positions_mm: Tensor, *, penalty: str = "l2") -> Tensor:
    """Mean penalty of ``code - position``, each axis on its own: the paper's direct regression of the coordinate.

    Args:
        codes: (N, 3) in mm.
        positions_mm: (N, 3) mm from the centre of the body's box.
        penalty: as in `distance_loss`.

    >>> regression_loss(torch.zeros(1, 3), torch.tensor([[0.0, 0.0, 300.0]]))
    tensor(3.)
    """
    return PENALTIES[penalty](codes / LOSS_UNIT_MM, positions_mm / LOSS_UNIT_MM)
