"""Processes: one or several, and what makes several act as one.

Losses see the global batch (`gather_rows`), batch norm uses its statistics (`GlobalBatchNorm`): N processes
give what one process gives on the same batch, to rounding.
"""

from datetime import timedelta
from typing import Any

import lightning_fabric as lf
import torch
import torch.distributed as dist
from lightning_fabric.plugins.environments import LightningEnvironment
from lightning_fabric.strategies import DDPStrategy
from torch import Tensor, nn

from isimed.core.sharding import launched
from isimed.models.device import choose_device, exact_float32
from isimed.training.optimise.config import TrainConfig

PATIENCE = timedelta(days=2)  # processes wait for the first one to prepare a cohort


def make_fabric(config: TrainConfig) -> lf.Fabric:
    """One process, or this process's part of what torchrun or srun started. bf16 on CUDA, fp32 elsewhere.

    fp32 on CPUs because the backward pass of DenseNet121 in bf16 was seen to give non-finite gradients there.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    device, _ = choose_device(config.device)
    exact_float32()  # for validation: the training itself is in bfloat16 there
    options: dict[str, Any] = {
        "accelerator": "gpu" if device == "cuda" else device,
        "precision": "bf16-mixed" if device == "cuda" else "32-true",
    }
    _, world, local = launched()
    if world == 1:
        return lf.Fabric(devices=1, plugins=LightningEnvironment(), **options)
    strategy = DDPStrategy(timeout=PATIENCE, broadcast_buffers=False)
    fabric = lf.Fabric(devices=local, num_nodes=world // local, strategy=strategy, **options)
    fabric.launch()
    return fabric


def world_size() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    return dist.get_rank() if world_size() > 1 else 0


def gather_rows(rows: Tensor) -> Tensor:
    """Rows of all processes, in the order of the processes, with a gradient.

    Every process then computes the same loss of the global batch. Its gradient reaches this process's rows
    only, times the number of processes: what averaging the gradients over processes takes away again.

    Args:
        rows: (n, ...), n may differ between processes.

    Returns:
        (N, ...), N the sum of the n.
    """
    return rows if world_size() == 1 else _GatherRows.apply(rows)


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        counts = [torch.zeros(1, dtype=torch.long, device=rows.device) for _ in range(world_size())]
        dist.all_gather(counts, torch.tensor([len(rows)], device=rows.device))
        sizes = [int(count) for count in counts]
        padded = rows.new_zeros((max(sizes), *rows.shape[1:]))
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(parts, padded)
        ctx.first, ctx.count = sum(sizes[: rank()]), len(rows)
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0][ctx.first : ctx.first + ctx.count] * world_size()


class GlobalBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch norm with the mean and variance of the global batch, on any device (torch's own needs a GPU).

    The variance is that of centred values: a mean of squares less a square of means would lose it in rounding where
    all rows are nearly the same, as pooled features of an untrained network are.
    """

    def forward(self, values: Tensor) -> Tensor:
        if not self.training:
            return super().forward(values)
        axes = [axis for axis in range(values.ndim) if axis != 1]
        shape = (1, -1) + (1,) * (values.ndim - 2)
        here = values.new_full((1,), values.numel() / values.shape[1])
        sums = _SumOverProcesses.apply(torch.cat([values.sum(axes), here]))
        count = sums[-1].detach()
        mean = sums[:-1] / count
        centred = values - mean.view(shape)
        variance = _SumOverProcesses.apply(centred.square().sum(axes)) / count
        self._remember(mean.detach(), (variance * count / (count - 1)).detach())
        normal = centred * (variance + self.eps).rsqrt().view(shape)
        return normal * self.weight.view(shape) + self.bias.view(shape) if self.affine else normal

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of dimensions."""

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        """Running statistics as torch keeps them."""
        buffers, share = dict(self.named_buffers()), float(self.momentum or 0.1)
        buffers["running_mean"].lerp_(mean, share)
        buffers["running_var"].lerp_(variance, share)
        buffers["num_batches_tracked"].add_(1)


class _SumOverProcesses(torch.autograd.Function):
    """All-reduce; its gradient is the sum of the processes' gradients, since each one's loss depends on the sum."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total


def share_batch_norm(module: nn.Module, device: torch.device) -> nn.Module:
    """Make every batch norm use the global batch; names of weights stay as they were. One process: unchanged."""
    if world_size() == 1:
        return module
    if device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(module)
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.modules.batchnorm._BatchNorm):
                shared = GlobalBatchNorm(child.num_features, child.eps, child.momentum, child.affine)
                shared.load_state_dict(child.state_dict())
                setattr(parent, name, shared)
    return module


def any_process(device: torch.device, *, answer: bool) -> bool:
    """True where any process says so, the same in all of them."""
    if world_size() == 1:
        return answer
    votes = torch.tensor([float(answer)], device=device)
    dist.all_reduce(votes)
    return bool(votes.item())
