"""DINO's teacher: a slow average of the student, and the running mean of what it says."""

import copy
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from isimed.losses.dino import next_centre
from isimed.models.encoder import Encoder


class Teacher:
    """A copy of the student that follows it with momentum.

    Args:
        student: what to copy.
        head: the head that answers.
    """

    def __init__(self, student: Encoder, head: str) -> None:
        self.encoder = copy.deepcopy(student).requires_grad_(False)
        self.head = head
        weight = self.encoder.get_parameter(f"heads.{head}.weight")
        self.centre = weight.new_zeros(len(weight))

    @torch.no_grad()
    def logits(self, crops: Tensor) -> Tensor:
        """(N, 1, S, S, S) -> (N, K), with batch statistics as the student has."""
        return self.encoder.train().outputs(crops)[self.head]

    @torch.no_grad()
    def follow(self, student: Encoder, said: Sequence[Tensor], momentum: float) -> None:
        """After a step: ``teacher = m · teacher + (1 - m) · student``, and the centre likewise."""
        self.centre = next_centre(self.centre, said)
        for mine, its in zip(self.encoder.parameters(), student.parameters(), strict=True):
            mine.lerp_(its.detach(), 1 - momentum)

    def state(self) -> dict[str, Tensor]:
        return {**self.encoder.state_dict(), "centre": self.centre}

    def load(self, state: dict[str, Tensor]) -> None:
        state = dict(state)
        self.centre = state.pop("centre").to(self.centre.device)
        self.encoder.load_state_dict(state)


def momentum_at(base: float, step: int, total: int) -> float:
    """From ``base`` to 1 along a cosine over the training (arXiv 2104.14294)."""
    return 1 - (1 - base) * (math.cos(math.pi * step / max(1, total)) + 1) / 2
