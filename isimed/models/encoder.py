"""The network: a backbone, for crops a 3D DenseNet121, and linear heads."""

from collections.abc import Mapping
from typing import Any

import torch
from monai.networks.nets import DenseNet121
from monai.networks.nets.densenet import _Transition
from torch import Tensor, nn
from torch.nn import functional as F

from isimed.models.card import DEFAULT_MM_PER_UNIT
from isimed.models.dense import DenseBackbone, read_field
from isimed.models.heads import CODE_SIZE, DISTANCE_HEAD, PROTOTYPES_HEAD
from isimed.models.random_weights import DRAWING, seeded

EMBEDDING_SIZE = 1024
EMBEDDING = "embedding"


class Prototypes(nn.Linear):
    """Cosines between an embedding and each prototype: DINO's last layer (arXiv 2104.14294), bounded by 1.

    Plain linear logits grew without bound within a dozen steps, and DINO's loss with them. The batch norm before them
    (the paper's option for convolutional networks) takes out what all crops share: pooled features of an untrained
    DenseNet point nearly the same way.
    """

    def __init__(self, size_in: int, size_out: int) -> None:
        super().__init__(size_in, size_out, bias=False)
        self.norm = nn.BatchNorm1d(size_in, affine=False)

    def forward(self, embeddings: Tensor) -> Tensor:
        """(N, 1024) embeddings -> (N, K) cosines."""
        return F.linear(F.normalize(self.norm(embeddings), dim=1), F.normalize(self.weight, dim=1))


class Encoder(nn.Module):
    """Crops in, embeddings and codes out.

    The paper's backbone is MONAI's DenseNet121 (3D, one channel); its pooled 1024 features are the embedding. The
    dense one (`isimed.models.dense`) gives a crop's middle 48, and those of all places of a volume in one pass. The
    distance head is linear, times ``mm_per_unit``: a fixed scale that lets the weights stay near one while the
    code's L2 distances are millimetres.

    Args:
        heads: name -> size of each linear head; ``prototypes`` gives cosines; ``distance`` makes the code (of 512,
            of 16 where the network is dense, or of 3 where it is trained to be the position itself).
        mm_per_unit: mm that one unit of the distance head's output stands for.
        backbone: by default the paper's.
    """

    def __init__(
        self,
        heads: Mapping[str, int] | None = None,
        *,
        mm_per_unit: float = DEFAULT_MM_PER_UNIT,
        backbone: DenseBackbone | None = None,
    ) -> None:
        super().__init__()
        with DRAWING:
            self.backbone: Any = _crop_backbone() if backbone is None else backbone
            width = EMBEDDING_SIZE if backbone is None else backbone.width
            sizes = {DISTANCE_HEAD: CODE_SIZE} if heads is None else heads
            self.heads = nn.ModuleDict({name: _head(name)(width, size) for name, size in sizes.items()})
        self.mm_per_unit = mm_per_unit

    @property
    def is_dense(self) -> bool:
        return isinstance(self.backbone, DenseBackbone)

    def forward(self, crops: Tensor) -> Tensor:
        """(N, 1, S, S, S) crops -> (N, E) embeddings; E is 1024, or 48 of a dense network."""
        found: Tensor = self.backbone(crops)
        return found

    def code(self, embeddings: Tensor) -> Tensor:
        """(..., E) embeddings -> (..., D) codes whose L2 distances are mm; D is the distance head's size.

        A network that was trained without a distance head has no millimetres: its embedding is its code.
        """
        if DISTANCE_HEAD not in self.heads:
            return embeddings
        return self.heads[DISTANCE_HEAD](embeddings) * self.mm_per_unit

    def outputs(self, images: Tensor, voxels: Tensor | None = None) -> dict[str, Tensor]:
        """What the network says of crops, or of places in windows; ``distance`` is the code, in mm.

        Heads compute in float32 under autocast too: bfloat16 keeps three digits, which is no millimetre.

        Args:
            images: (N, 1, S, S, S) crops, or (N, 1, X, Y, Z) windows for a dense network.
            voxels: (N, P, 3) places in each window; for a dense network only.

        Returns:
            Name -> (N, D), or (N, P, D) with places, for ``embedding`` and every head.
        """
        embeddings = self(images) if voxels is None else read_field(self.backbone.field(images).float(), voxels)
        with torch.autocast(embeddings.device.type, enabled=False):
            embeddings = embeddings.float()
            found = {name: head(embeddings) for name, head in self.heads.items() if name != DISTANCE_HEAD}
            if self.has_distance_head:
                found[DISTANCE_HEAD] = self.code(embeddings)
        return {EMBEDDING: embeddings, **found}

    @property
    def has_distance_head(self) -> bool:
        return DISTANCE_HEAD in self.heads


def _crop_backbone() -> nn.Module:
    backbone = DenseNet121(spatial_dims=3, in_channels=1, out_channels=1)
    backbone.class_layers.out = nn.Identity()
    end_transitions_with(backbone, "conv")  # the average first: the same numbers to rounding, from an eighth
    return backbone


def end_transitions_with(backbone: nn.Module, name: str) -> None:
    """Move one layer of each transition behind the others: its 1×1×1 convolution "conv", or its average "pool"."""
    for part in backbone.modules():
        if isinstance(part, _Transition):
            part.add_module(name, part._modules.pop(name))


def _head(name: str) -> type[nn.Linear]:
    return Prototypes if name == PROTOTYPES_HEAD else nn.Linear


def untrained_encoder(seed: int = 0) -> Encoder:
    """The baseline of every figure: the same network with seeded random weights."""
    with seeded(seed):
        return Encoder().eval()
