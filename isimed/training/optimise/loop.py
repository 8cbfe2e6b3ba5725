"""The training loop, to be read from top to bottom.

Every random draw of step ``k`` comes from a generator seeded with (seed, k): a resumed run draws what the
unbroken one would have drawn, and no random state has to be stored.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import lightning_fabric as lf
import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import AdamW

from isimed.core.errors import InputError
from isimed.data.prepared.preprocess import Prepared
from isimed.models.encoder import Encoder
from isimed.models.random_weights import seeded
from isimed.training.optimise import engine
from isimed.training.optimise.config import TrainConfig
from isimed.training.optimise.methods import Method, Outputs, find_method
from isimed.training.optimise.teacher import Teacher, momentum_at

WARM_UP = 0.25


@dataclass(frozen=True)
class Step:
    """What one step reports."""

    number: int
    epoch: int
    terms: dict[str, float]
    learning_rate: float
    crops_per_second: float
    gradient_norm: float


class Trainer:
    """Encoder, optimiser and the step they have reached.

    Args:
        config: the training's options.
        volumes: prepared training volumes.
        fabric: device and processes; by default what the config asks for.
        method: by default what the config names.
    """

    def __init__(
        self,
        config: TrainConfig,
        volumes: Sequence[Prepared],
        *,
        fabric: lf.Fabric | None = None,
        method: Method | None = None,
    ) -> None:
        self.config, self.volumes = config, volumes
        self.method = method or find_method(config.method)
        self.fabric = fabric or engine.make_fabric(config)
        device, world = self.fabric.device, engine.world_size()
        self.batches = self.method.batches(self.method, config, volumes, device, rank=engine.rank(), world=world)
        self._check_batch(world)
        with seeded(config.seed):
            encoder = self.method.network(self.method, config, volumes)
        engine.share_batch_norm(encoder, device)
        self.encoder = encoder
        optimiser = AdamW(
            encoder.parameters(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=device.type == "cuda",
        )
        self.module, self.optimiser = self.fabric.setup(encoder, optimiser)
        self.module.mark_forward_method("outputs")
        self.teacher = Teacher(encoder, self.method.teacher) if self.method.teacher else None
        self.step = 0
        self.between_steps = threading.Lock()  # held while weights change; what is saved under it is whole
        self.statistics_before = _statistics(encoder)

    @property
    def steps_per_epoch(self) -> int:
        return self.batches.steps_per_epoch

    @property
    def total_steps(self) -> int:
        return self.steps_per_epoch * self.config.epochs

    def run_epoch(self) -> Iterator[Step]:
        """Train to the end of the epoch that the trainer stands in, a report a step.

        Raises:
            InputError: the loss or the gradient is not finite.
        """
        self.module.train()
        epoch = self.step // self.steps_per_epoch
        started = time.perf_counter()
        for batch in self.batches.upcoming(self.step, (epoch + 1) * self.steps_per_epoch):
            rate = learning_rate(self.config, self.step, self.steps_per_epoch)
            for group in self.optimiser.param_groups:
                group["lr"] = rate
            outputs = self._forward(batch)
            terms = self.method.terms(outputs, self.config)
            self.fabric.backward(terms["loss"])
            norm = clip_gradient(self.module, self.config.clip_norm)
            *values, gradient_norm = torch.stack([*terms.values(), norm]).detach().tolist()  # one wait for the GPU
            named = dict(zip(terms, values, strict=True))
            self._check(named["loss"], "loss")
            self._check(gradient_norm, "gradient")
            with self.between_steps:
                self.optimiser.step()
                self.optimiser.zero_grad()
                if self.teacher:
                    momentum = momentum_at(self.config.teacher_momentum, self.step, self.total_steps)
                    self.teacher.follow(self.encoder, outputs.teacher, momentum)
                self.statistics_before = _statistics(self.encoder)
                self.step += 1
            seconds = time.perf_counter() - started
            yield Step(self.step, epoch, named, rate, batch.total / seconds, gradient_norm)
            started = time.perf_counter()

    def _forward(self, batch: Any) -> Outputs:
        """What the network says of each view, the rows of all processes together."""
        views = self.batches.views(batch, self.step)
        with self.fabric.autocast():  # which Fabric itself enters around a marked method only under DDP
            found = self.batches.ask(self.module, views)
        gathered = [
            {name: engine.gather_rows(rows) for name, rows in said.items() if name in self.method.heads}
            for said in found
        ]
        taught: tuple[Tensor, ...] = ()
        if self.teacher:
            full = views[: self.method.full_views(self.config)]
            with self.fabric.autocast():
                taught = self.teacher.logits(torch.cat(full)).chunk(len(full))
        return Outputs(
            views=gathered,
            centres_mm=engine.gather_rows(batch.centres_mm),
            positions_mm=engine.gather_rows(batch.positions_mm),
            groups=engine.gather_rows(batch.groups),
            shown=None if batch.shown is None else engine.gather_rows(batch.shown),
            teacher=[engine.gather_rows(part) for part in taught],
            centre=self.teacher.centre if self.teacher else None,
        )

    def _check(self, value: float, what: str) -> None:
        if not np.isfinite(value):
            raise InputError(
                f"The {what} of {self.config.method} is not a number at step {self.step + 1}: lower --learning-rate."
            )

    def _check_batch(self, world: int) -> None:
        fewest = len(self.volumes) // self.steps_per_epoch
        if fewest < world:
            raise InputError(
                f"A step of {fewest} volumes cannot be dealt out to {world} processes: raise --volumes-per-step."
            )


def learning_rate(config: TrainConfig, step: int, steps_per_epoch: int) -> float:
    """The rate of a step: one cycle (up for a quarter, cosine down), or the paper's × 0.9 each epoch."""
    if config.schedule == "exponential":
        return config.learning_rate * 0.9 ** (step // steps_per_epoch)
    total = max(1, config.epochs * steps_per_epoch)
    up = max(1.0, WARM_UP * total)
    if step < up:
        low, high, share = config.learning_rate / 25, config.learning_rate, step / up
    else:
        low, high, share = config.learning_rate / 1e4, config.learning_rate, 1 - (step - up) / max(1.0, total - up)
    return float(low + (high - low) * (1 - np.cos(np.pi * share)) / 2)


def clip_gradient(module: nn.Module, largest: float) -> Tensor:
    """Scale the gradient down to a norm, and return the norm it had."""
    return nn.utils.clip_grad_norm_(module.parameters(), largest)


def _statistics(encoder: Encoder) -> dict[str, Tensor]:
    """Copies of the running statistics, which a forward pass changes before the step is done."""
    return {name: buffer.detach().clone() for name, buffer in encoder.named_buffers()}
