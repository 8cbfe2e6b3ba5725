"""The table of methods: how many views of a crop, which heads, which loss."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from isimed.losses.distance import distance_loss, pairs_within
from isimed.models.encoder import CODE_SIZE, DISTANCE_HEAD, Encoder
from isimed.training.config import TrainConfig


@dataclass(frozen=True)
class Batch:
    """Crops of one step.

    Attributes:
        views: each (N, 1, S, S, S); the views of a row share its centre.
        centres_mm: (N, 3) scanner mm.
        groups: (N,) which volume each row comes from.
    """

    views: tuple[Tensor, ...]
    centres_mm: Tensor
    groups: Tensor


Terms = dict[str, Tensor]


@dataclass(frozen=True)
class Method:
    """One row of the table. ``loss`` gives named terms; ``loss`` among them is what is minimised."""

    views: int
    heads: Mapping[str, int]
    loss: Callable[[Encoder, Batch, TrainConfig], Terms]
    description: str


def _isimed(encoder: Encoder, batch: Batch, config: TrainConfig) -> Terms:
    codes = encoder.code(encoder(batch.views[0]))
    pairs = pairs_within(batch.groups)
    loss = distance_loss(codes, batch.centres_mm, pairs, penalty=config.penalty)
    return {"loss": loss}


METHODS: dict[str, Method] = {
    "isimed": Method(
        views=1,
        heads={DISTANCE_HEAD: CODE_SIZE},
        loss=_isimed,
        description="Latent distance equals distance in mm, over pairs within a volume.",
    )
}
