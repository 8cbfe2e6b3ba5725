"""The backbone as it computes fastest once it is trained; the same numbers to rounding."""

import copy
from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from isimed.models.encoder import Encoder


def for_inference(encoder: Encoder) -> nn.Module:
    """A copy of the backbone with less to compute: what stands side by side and is linear is joined or swapped.

    Batch norms are folded into the convolutions right before them (half of all norms vanish), and transitions average
    before their 1×1×1 convolution, on an eighth of the voxels. With AVX-512 the copy is laid out channels-last, which
    was measured to be faster there (docs/benchmarks.md). All of it changes float32 results by rounding only, so
    a table does not depend on which way it was computed.

    Args:
        encoder: in eval mode; one in training mode is given back, since its norms depend on the batch.

    Returns:
        (N, 1, S, S, S) crops -> (N, 1024) embeddings.
    """
    if encoder.training or not isinstance(encoder, Encoder):
        return encoder
    backbone = copy.deepcopy(encoder.backbone)
    for part in backbone.modules():
        if isinstance(part, nn.Sequential):
            for (name, layer), (next_name, following) in pairwise(list(part.named_children())):
                if isinstance(layer, nn.Conv3d) and isinstance(following, nn.BatchNorm3d):
                    setattr(part, name, fuse_conv_bn_eval(layer, following))
                    setattr(part, next_name, nn.Identity())
                elif isinstance(layer, nn.Conv3d) and isinstance(following, nn.AvgPool3d):
                    setattr(part, name, following)
                    setattr(part, next_name, layer)
    on_cpu = next(backbone.parameters()).device.type == "cpu"
    if on_cpu and "AVX512" in torch.backends.cpu.get_cpu_capability():
        backbone.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    return backbone
