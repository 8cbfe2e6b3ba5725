"""The backbone as it computes fastest once it is trained; the same numbers to rounding."""

import copy
from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from isimed.models.encoder import Encoder


def for_inference(encoder: Encoder) -> nn.Module:
    """A copy of the backbone whose batch norms are folded into the convolutions right before them.

    Half of the network's batch norms vanish. With AVX-512 the copy is laid out channels-last, which was measured to be
    faster there and slower without it (docs/benchmarks.md). Both change float32 results by rounding only, so a table
    does not depend on which way it was computed.

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
            for (name, layer), (next_name, norm) in pairwise(list(part.named_children())):
                if isinstance(layer, nn.Conv3d) and isinstance(norm, nn.BatchNorm3d):
                    setattr(part, name, fuse_conv_bn_eval(layer, norm))
                    setattr(part, next_name, nn.Identity())
    on_cpu = next(backbone.parameters()).device.type == "cpu"
    if on_cpu and "AVX512" in torch.backends.cpu.get_cpu_capability():
        backbone.to(memory_format=torch.channels_last_3d)
    return backbone
