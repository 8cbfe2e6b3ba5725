"""The backbone as it computes fastest once it is trained; the same numbers to rounding."""

import copy
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from isimed.models.encoder import Encoder


def for_inference(encoder: Encoder) -> nn.Module:
    """A copy of the backbone with less to compute: what stands side by side and is linear is joined or swapped.

    Batch norms right after a convolution are folded into it; those before a ReLU and a 1×1×1 convolution become a
    bound (`Bounded`), and the rest goes into that convolution. The stem takes its maximum before its ReLU, axis by
    axis. With AVX-512 the copy is laid out channels-last, which was measured to be faster there (docs/benchmarks.md).
    All of it changes float32 results by rounding only, so a table does not depend on which way it was computed.

    Args:
        encoder: in eval mode; one in training mode is given back, since its norms depend on the batch.

    Returns:
        (N, 1, S, S, S) crops -> (N, 1024) embeddings.
    """
    if encoder.training or not isinstance(encoder, Encoder):
        return encoder
    backbone = copy.deepcopy(encoder.backbone)
    on_cpu = next(backbone.parameters()).device.type == "cpu"
    channels_last = on_cpu and "AVX512" in torch.backends.cpu.get_cpu_capability()
    for part in backbone.modules():
        if isinstance(part, nn.Sequential):
            _join_neighbours(part, axis_by_axis=on_cpu and not channels_last)
    for part in backbone.modules():
        if isinstance(part, nn.Sequential):
            _bound_before_convolutions(part)
    if channels_last:
        backbone.to(memory_format=torch.channels_last_3d)
    return backbone


class Bounded(nn.Module):
    """What is left of a batch norm ``s x + t`` and a ReLU when the convolution after them takes ``s`` and ``t``.

    ``relu(s x + t) = s max(x, -t/s) + t`` for ``s > 0``, and the same with ``min`` for ``s < 0``.

    Attributes:
        low: (1, C, 1, 1, 1), minus infinity where there is no bound.
        high: (1, C, 1, 1, 1), infinity where there is no bound.
    """

    low: Tensor
    high: Tensor

    def __init__(self, scale: Tensor, shift: Tensor) -> None:
        super().__init__()
        bound, endless = -shift / scale, torch.full_like(shift, torch.inf)
        self.register_buffer("low", torch.where(scale > 0, bound, -endless).view(1, -1, 1, 1, 1))
        self.register_buffer("high", torch.where(scale < 0, bound, endless).view(1, -1, 1, 1, 1))
        self.only_low = bool((scale > 0).all())

    def forward(self, values: Tensor) -> Tensor:
        if self.only_low:
            return torch.maximum(values, self.low)
        return torch.clamp(values, self.low, self.high)


class MaxPoolByAxis(nn.Module):
    """The largest of 3×3×3 at every second voxel, padded by one: one axis after the other is a third of the work.

    The same numbers as ``nn.MaxPool3d(3, 2, 1)``, which also looks for where they were.
    """

    def forward(self, values: Tensor) -> Tensor:
        for axis in (2, 3, 4):  # the last axis, whose neighbours a CPU cannot take in one step, when least is left
            before = (slice(None),) * axis
            even, odd = values[(*before, slice(0, None, 2))], values[(*before, slice(1, None, 2))]
            largest = even.clone()
            for ours, theirs in ((largest.narrow(axis, 0, odd.shape[axis]), odd), _after(axis, largest, odd)):
                torch.maximum(ours, theirs, out=ours)
            values = largest
        return values


def _after(axis: int, even: Tensor, odd: Tensor) -> tuple[Tensor, Tensor]:
    """Even voxels but the first one, and the odd ones right before them."""
    count = even.shape[axis] - 1
    return even.narrow(axis, 1, count), odd.narrow(axis, 0, count)


def _join_neighbours(part: nn.Sequential, *, axis_by_axis: bool) -> None:
    for (name, layer), (next_name, following) in pairwise(list(part.named_children())):
        if isinstance(layer, nn.Conv3d) and isinstance(following, nn.BatchNorm3d):
            setattr(part, name, fuse_conv_bn_eval(layer, following))
            setattr(part, next_name, nn.Identity())
        elif isinstance(layer, nn.ReLU) and isinstance(following, nn.MaxPool3d):
            setattr(part, name, MaxPoolByAxis() if axis_by_axis and _is_usual(following) else following)
            setattr(part, next_name, layer)


def _is_usual(pool: nn.MaxPool3d) -> bool:
    return (pool.kernel_size, pool.stride, pool.padding) == (3, 2, 1)


def _bound_before_convolutions(part: nn.Sequential) -> None:
    """Norm, ReLU, perhaps an average, 1×1×1 convolution: the norm becomes a bound, the convolution takes the rest."""
    layers = list(part.named_children())
    for number, (name, norm) in enumerate(layers[:-2]):
        relu_name, relu = layers[number + 1]
        if not (isinstance(norm, nn.BatchNorm3d) and isinstance(relu, nn.ReLU)):
            continue
        rest = [(key, layer) for key, layer in layers[number + 2 : number + 4] if not isinstance(layer, nn.AvgPool3d)]
        conv_name, convolution = rest[0] if rest else ("", None)  # an average of s y + t is s times that of y, plus t
        scale, shift = _scale_and_shift(norm)
        if not (isinstance(convolution, nn.Conv3d) and convolution.kernel_size == (1, 1, 1) and (scale != 0).all()):
            continue
        setattr(part, name, Bounded(scale, shift))
        setattr(part, relu_name, nn.Identity())
        setattr(part, conv_name, _taking(convolution, scale, shift))


def _scale_and_shift(norm: nn.BatchNorm3d) -> tuple[Tensor, Tensor]:
    assert norm.running_var is not None and norm.running_mean is not None  # noqa: PT018
    scale = norm.weight.detach() / torch.sqrt(norm.running_var + norm.eps)
    return scale, norm.bias.detach() - norm.running_mean * scale


def _taking(convolution: nn.Conv3d, scale: Tensor, shift: Tensor) -> nn.Conv3d:
    """The 1×1×1 convolution of ``scale x + shift`` as one of ``x``."""
    sizes = convolution.in_channels, convolution.out_channels
    joined = nn.utils.skip_init(nn.Conv3d, *sizes, 1, device=scale.device, dtype=scale.dtype)  # draws nothing
    weight = convolution.weight.detach()
    before = 0 if convolution.bias is None else convolution.bias.detach()
    with torch.no_grad():
        joined.weight.copy_(weight * scale.view(1, -1, 1, 1, 1))
        assert joined.bias is not None
        joined.bias.copy_(before + weight[..., 0, 0, 0] @ shift)
    return joined.eval()
