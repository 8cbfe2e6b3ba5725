"""The training loop, to be read from top to bottom.

Every random draw of step ``k`` comes from a generator seeded with (seed, k): a resumed run draws what the
unbroken one would have drawn, and no random state has to be stored.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import lightning_fabric as lf
import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import AdamW

from isimed.data.preprocess import Prepared
from isimed.errors import InputError
from isimed.models.encoder import Encoder
from isimed.patches import crop_centre_mm, cut_crops, random_centres
from isimed.training.config import TrainConfig
from isimed.training.methods import METHODS, Batch

WARM_UP = 0.25
VALIDATION_CROPS = 32


@dataclass(frozen=True)
class Step:
    """What one step reports."""

    number: int
    epoch: int
    terms: dict[str, float]
    learning_rate: float
    crops_per_second: float


class Trainer:
    """Encoder, optimiser and the step they have reached.

    Args:
        config: the training's options.
        volumes: prepared training volumes.
    """

    def __init__(self, config: TrainConfig, volumes: Sequence[Prepared]) -> None:
        self.config, self.volumes = config, volumes
        self.method = METHODS[config.method]
        self.fabric = _fabric(config)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            encoder = Encoder(self.method.heads, mm_per_unit=config.mm_per_unit)
        self.encoder = encoder
        optimiser = AdamW(encoder.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
        self.module, self.optimiser = self.fabric.setup(encoder, optimiser)
        self.module.mark_forward_method("code")
        self.step = 0

    @property
    def steps_per_epoch(self) -> int:
        return max(1, round(len(self.volumes) / self.config.volumes_per_step))

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
        for batch_volumes in self._epoch_volumes(epoch)[self.step % self.steps_per_epoch :]:
            started = time.perf_counter()
            rate = learning_rate(self.config, self.step, self.steps_per_epoch)
            for group in self.optimiser.param_groups:
                group["lr"] = rate
            batch = draw_batch(self.volumes, batch_volumes, self.config, self.step, views=self.method.views)
            batch = Batch(**self.fabric.to_device(vars(batch)))
            terms = self.method.loss(self.module, batch, self.config)
            self._check(terms["loss"], "loss")
            self.fabric.backward(terms["loss"])
            self._check(clip_gradient(self.module, self.config.clip_norm), "gradient")
            self.optimiser.step()
            self.optimiser.zero_grad()
            self.step += 1
            seconds = time.perf_counter() - started
            values = {name: float(term.detach()) for name, term in terms.items()}
            yield Step(self.step, epoch, values, rate, len(batch.groups) / seconds)

    def _epoch_volumes(self, epoch: int) -> list[np.ndarray]:
        order = np.random.default_rng((self.config.seed, 0, epoch)).permutation(len(self.volumes))
        return np.array_split(order, self.steps_per_epoch)

    def _check(self, value: Tensor, what: str) -> None:
        if not torch.isfinite(value):
            raise InputError(
                f"The {what} of {self.config.method} is not a number at step {self.step + 1}: "
                "lower --learning-rate; the last checkpoint is kept."
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
    return low + (high - low) * (1 - np.cos(np.pi * share)) / 2


def draw_batch(
    volumes: Sequence[Prepared], chosen: np.ndarray, config: TrainConfig, step: int, *, views: int = 1
) -> Batch:
    """Cut the crops of a step: ``crops_per_volume`` random ones from each chosen volume."""
    rng = np.random.default_rng((config.seed, 1, step))
    crops, centres_mm = [], []
    for index in chosen:
        centres = random_centres(volumes[index], config.crops_per_volume, rng)
        crops.append(torch.from_numpy(cut_crops(volumes[index], centres, config.crop_size)))
        centres_mm.append(torch.from_numpy(crop_centre_mm(volumes[index], centres, config.crop_size)))
    clean = torch.cat(crops)
    noise = torch.Generator().manual_seed(int(rng.integers(2**62)))
    noisy = tuple(clean + config.noise * torch.randn(clean.shape, generator=noise) for _ in range(views))
    groups = torch.arange(len(chosen)).repeat_interleave(config.crops_per_volume)
    return Batch(views=noisy, centres_mm=torch.cat(centres_mm).float(), groups=groups)


@torch.inference_mode()
def validation_codes(encoder: Encoder, volumes: Sequence[Prepared], config: TrainConfig) -> list[tuple[Tensor, Tensor]]:
    """Codes and centres of the same crops of held-out volumes at every call.

    Returns:
        One (codes (N, D), centres_mm (N, 3)) pair a volume, on the CPU.
    """
    encoder.eval()
    device = next(encoder.parameters()).device
    found = []
    for index, volume in enumerate(volumes):
        centres = random_centres(volume, VALIDATION_CROPS, np.random.default_rng((config.seed, 2, index)))
        crops = torch.from_numpy(cut_crops(volume, centres, config.crop_size)).to(device)
        codes = encoder.code(encoder(crops)).float().cpu()
        found.append((codes, torch.from_numpy(crop_centre_mm(volume, centres, config.crop_size)).float()))
    return found


def clip_gradient(module: nn.Module, largest: float) -> Tensor:
    """Scale the gradient down to a norm, and return the norm it had."""
    return nn.utils.clip_grad_norm_(module.parameters(), largest)


def _fabric(config: TrainConfig) -> lf.Fabric:
    if config.threads:
        torch.set_num_threads(config.threads)
    wanted = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    device = next(name for name, there in wanted.items() if there) if config.device == "auto" else config.device
    if not wanted[device]:
        raise InputError(f"This machine has no {device} device: choose --device auto or cpu.")
    precision = "bf16-mixed" if device == "cuda" else "32-true"  # bf16 backward is not finite on some CPUs
    return lf.Fabric(accelerator="gpu" if device == "cuda" else device, devices=1, precision=precision)
