"""Processes: one or several, and what makes several act as one.

Losses see the global batch (`gather_rows`), batch norm uses its statistics (`GlobalBatchNorm`): N processes
give what one process gives on the same batch, to rounding.
"""

import atexit
from datetime import timedelta
from typing import Any

import lightning_fabric as lf
import torch
import torch.distributed as dist
from lightning_fabric.plugins.environments import LightningEnvironment
from lightning_fabric.strategies import DDPStrategy
from torch import Tensor, nn
from torch.nn import functional as F

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
    atexit.register(_leave_the_others)
    return fabric


def _leave_the_others() -> None:
    """End gloo's threads before Python ends: a process that ends beside them may abort, its work done."""
    if dist.is_initialized():
        dist.destroy_process_group()


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
        weight = self.weight if self.affine else values.new_ones(self.num_features)
        bias = self.bias if self.affine else torch.zeros_like(weight)
        normal, mean, variance, count = _GlobalNorm.apply(values, weight, bias, self.eps)
        self._remember(mean, variance * count / (count - 1))
        return normal

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of dimensions."""

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        """Running statistics as torch keeps them."""
        buffers, share = dict(self.named_buffers()), float(self.momentum or 0.1)
        buffers["running_mean"].lerp_(mean, share)
        buffers["running_var"].lerp_(variance, share)
        buffers["num_batches_tracked"].add_(1)


class _GlobalNorm(torch.autograd.Function):
    """Batch norm by the statistics of all processes, computed by torch's own kernels of each one's part.

    With ``n`` rows in all, ``y`` the gradient of what comes out and ``x`` the normal values, the gradient of what goes
    in is ``weight / deviation (y - sum(y) / n - x sum(x y) / n)``; the sums are over all processes, since each one's
    statistics reach the losses of all (Ioffe and Szegedy, arXiv 1502.03167).
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, ...]:
        axes = [axis for axis in range(values.ndim) if axis != 1]
        variance, mean = torch.var_mean(values, axes, correction=0)
        mine = torch.cat([values.new_full((1,), values.numel() / values.shape[1]), mean, variance])
        parts = [torch.empty_like(mine) for _ in range(world_size())]
        dist.all_gather(parts, mine)
        counts, means, variances = torch.stack(parts).split([1, len(mean), len(mean)], dim=1)
        count = counts.sum()
        mean = (counts * means).sum(0) / count
        variance = (counts * (variances + (means - mean).square())).sum(0) / count
        ctx.save_for_backward(values, weight, mean, variance, count)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, variance, count)
        return F.batch_norm(values, mean, variance, weight, bias, training=False, eps=eps), mean, variance, count

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        values, weight, mean, variance, count = ctx.saved_tensors
        fixed, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(  # as if mean and variance were given
            gradients[0].contiguous(), values, weight, mean, variance, None, None, False, ctx.eps, [True, True, True]
        )
        sums = torch.stack([of_weight, of_bias])
        dist.all_reduce(sums)
        shape = (1, -1) + (1,) * (values.ndim - 2)
        scale = (variance + ctx.eps).rsqrt()
        slope = -weight * scale.square() * sums[0] / count
        level = -weight * scale * sums[1] / count - slope * mean
        found = fixed.addcmul_(values, slope.view(shape)).add_(level.view(shape))
        return found, of_weight, of_bias, None


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
