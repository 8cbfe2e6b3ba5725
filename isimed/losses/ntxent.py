"""NT-Xent, SimCLR's loss: each view finds the other view of its crop among all views of the batch."""

import torch
from torch import Tensor
from torch.nn import functional as F


def ntxent_loss(first: Tensor, second: Tensor, *, temperature: float = 0.1) -> Tensor:
    """``mean_i -log( exp(s_(i,p(i)) / t) / sum_(k≠i) exp(s_ik / t) )`` over the 2N views.

    ``s`` is cosine similarity and ``p(i)`` the other view of crop i. Computed as the cross-entropy of logits,
    which stays finite where exponentials overflow (ISImed's temperature of 0.005 means exp(200)). Source: Chen
    et al., SimCLR, arXiv 2002.05709.

    Args:
        first: (N, D) of one view; in several processes, of the global batch.
        second: (N, D) of the other.
        temperature: of the softmax, above 0.

    Returns:
        A scalar, log(2N - 1) where nothing is told apart.

    Raises:
        ValueError: shapes differ.

    >>> views, nothing = torch.eye(4), torch.ones(4, 4)
    >>> round(float(ntxent_loss(views, views)), 4), round(float(ntxent_loss(nothing, nothing)), 4)  # log 7
    (0.0003, 1.9459)
    """
    if first.shape != second.shape or first.ndim != 2:
        raise ValueError(f"two (N, D) tensors are needed, got {tuple(first.shape)} and {tuple(second.shape)}")
    views = F.normalize(torch.cat([first, second]), dim=1)
    logits = views @ views.T / temperature
    itself = torch.eye(len(views), dtype=torch.bool, device=views.device)
    count = len(first)
    other = torch.arange(2 * count, device=views.device).roll(count)
    return F.cross_entropy(logits.masked_fill(itself, -torch.inf), other)
