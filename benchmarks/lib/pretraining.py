"""What the rows of pretraining share: a training of a few patients, a turn of its epochs, and its compute limit."""

from collections.abc import Callable

import torch
from torch.optim import AdamW

from benchmarks.lib.race import Setting
from isimed.data.prepared.cache import prepare_cohort
from isimed.data.prepared.preprocess import Preparation, Prepared
from isimed.models.encoder import Encoder
from isimed.training.optimise.config import TrainConfig
from isimed.training.optimise.loop import Trainer, clip_gradient
from isimed.training.optimise.methods import Outputs


def make_trainer(setting: Setting, *, threads: int | None = None) -> Trainer:
    """A training of `isimed` with the defaults: 16 crops a volume, 8 volumes a step, 2 steps an epoch."""
    quick = {"crops_per_volume": 4, "volumes_per_step": 2} if setting.quick else {}
    config = TrainConfig(
        cohort=str(setting.cohort.root), epochs=10_000, device=setting.device, threads=threads, **quick
    )
    return Trainer(config, training_volumes(setting, 2 * config.volumes_per_step))


def training_volumes(setting: Setting, count: int) -> list[Prepared]:
    cohort = setting.cohort
    return prepare_cohort(cohort, Preparation.for_modality(cohort.modality), entries=cohort.volumes[:count])


def epoch_of(trainer: Trainer) -> Callable[[], float]:
    """A turn of ours: one epoch; it returns the number of crops."""
    config = trainer.config

    def turn() -> float:
        steps = sum(1 for _ in trainer.run_epoch())
        return steps * config.volumes_per_step * config.crops_per_volume

    return turn


def constant_steps(
    trainer: Trainer, steps: int, *, change: Callable[[Encoder], None] | None = None, fused: bool = False
) -> Callable[[], float]:
    """A turn of the limit: steps of a second network on one batch that is already there.

    Args:
        change: done to the network before.
        fused: one kernel for the optimiser.
    """
    config, method = trainer.config, trainer.method
    batch = trainer.batches.draw(0)
    encoder = Encoder(method.heads, mm_per_unit=config.mm_per_unit).train()
    if change:
        change(encoder)
    encoder.to(trainer.fabric.device)
    optimiser = AdamW(encoder.parameters(), lr=1e-4, weight_decay=config.weight_decay, fused=fused)

    def turn() -> float:
        for _ in range(steps):
            with trainer.fabric.autocast():  # bfloat16 on a GPU, as in the training
                found = encoder.outputs(batch.crops)
            outputs = Outputs([found], batch.centres_mm, batch.positions_mm, batch.groups)
            loss = method.loss(outputs, config)["loss"]
            loss.backward()
            clip_gradient(encoder, config.clip_norm)
            optimiser.step()
            optimiser.zero_grad()
            if not torch.isfinite(loss):
                raise FloatingPointError("the constant batch gave a loss that is not a number")
        return steps * batch.total

    return turn
