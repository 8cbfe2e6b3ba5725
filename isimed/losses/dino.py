"""DINO: the student's view of a crop predicts what the teacher makes of another view."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

STUDENT_TEMPERATURE, TEACHER_TEMPERATURE, CENTRE_MOMENTUM = 0.1, 0.04, 0.9


def dino_loss(
    student: Sequence[Tensor],
    teacher: Sequence[Tensor],
    centre: Tensor,
    *,
    student_temperature: float = STUDENT_TEMPERATURE,
    teacher_temperature: float = TEACHER_TEMPERATURE,
) -> Tensor:
    """Mean over pairs (teacher view t, student view s ≠ t) of ``-Σ_k P_t(k) log P_s(k)``.

    ``P_t = softmax((teacher_t - centre) / 0.04)``, ``P_s = softmax(student_s / 0.1)``; no gradient reaches the
    teacher. Source: Caron et al., DINO, arXiv 2104.14294.

    Args:
        student: (N, K) logits of each view, the teacher's views first and in the same order.
        teacher: (N, K) logits of the full-size views.
        centre: (K,) running mean of the teacher's logits.
        student_temperature: of the student's softmax, above 0.
        teacher_temperature: of the teacher's, lower: it is the surer of the two.

    Returns:
        A scalar, log K where the student knows nothing.

    Raises:
        ValueError: there is no pair of different views.

    >>> nothing = torch.zeros(1, 8)
    >>> round(float(dino_loss([nothing, nothing], [nothing], torch.zeros(8))), 4)  # log 8
    2.0794
    """
    if not teacher or len(student) < 2:
        raise ValueError(
            f"two views of the student and one of the teacher are needed, got {len(student)}, {len(teacher)}"
        )
    targets = [F.softmax((logits.detach() - centre) / teacher_temperature, dim=1) for logits in teacher]
    guesses = [F.log_softmax(logits / student_temperature, dim=1) for logits in student]
    pairs = [
        -(target * guess).sum(dim=1).mean()
        for t, target in enumerate(targets)
        for s, guess in enumerate(guesses)
        if s != t
    ]
    return torch.stack(pairs).mean()


@torch.no_grad()
def next_centre(centre: Tensor, teacher: Sequence[Tensor], *, momentum: float = CENTRE_MOMENTUM) -> Tensor:
    """``momentum · centre + (1 - momentum) · mean of the teacher's logits``; without it all outputs become one.

    Args:
        centre: (K,) running mean so far.
        teacher: (N, K) logits of each full-size view.
        momentum: how much of the mean is kept, 0 to 1.

    Returns:
        (K,) new running mean.

    >>> next_centre(torch.zeros(2), [torch.tensor([[10.0, 20.0]])])
    tensor([1., 2.])
    """
    return momentum * centre + (1 - momentum) * torch.cat(list(teacher)).mean(dim=0)
